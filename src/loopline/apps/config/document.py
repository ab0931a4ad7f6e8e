"""``loop.toml`` as Settings: the whole grammar on one page, every problem found in one reading."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from loopline.apps import strategies
from loopline.apps.config import coherence, values
from loopline.apps.config.problems import InvalidSettings, Problem, unknown
from loopline.errors import InvalidRecord, NotFound, Unavailable
from loopline.evaluate.metrics import METRICS
from loopline.records.ids import LoopName
from loopline.records.settings import (
    AnnotateSettings,
    CadenceSettings,
    CaptureSettings,
    GateSettings,
    MonitorSettings,
    PeopleSettings,
    RolloutSettings,
    SelectSettings,
    ServeSettings,
    Settings,
    StorageSettings,
    TrainSettings,
)
from loopline.records.signature import Signature
from loopline.select.strategies import BUILT_IN

OUTPUTS = ("probabilities", "label", "margin", "entropy", "members", "embedding")
GRAMMAR: dict[str, dict[str, values.Key]] = {
    "loop": {
        "name": values.text("name", "letters, digits, - and _, at most 64", pattern=r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"),
        "labels": values.labels("labels"),
        "input": values.choice("input", "text", "tabular", "image"),
        "width": values.whole("width", 1, high=100_000),
        "preprocessing": values.text("preprocessing", "how images become numbers, such as rgb-32x32-chw-unit.v1"),
    },
    "serve": {
        "model": values.text(
            "model", "a .onnx or .skops file, module:factory, http://host/v2/models/name, or elsewhere"
        ),
        "checks": values.text("checks", "a .jsonl or .csv file of labelled rows"),
        "convert": values.choice("convert", "auto", "never"),
        "outputs": values.names("outputs", *OUTPUTS),
        "body_mb": values.whole("body_mb", 1, high=1_024),
        "batch_rows": values.whole("batch_rows", 1, high=1_000_000),
        "timeout": values.duration("timeout_seconds"),
    },
    "capture": {
        "sample": values.number("sample", 0, 1, above=True),
        "group_by": values.text("group_by", "the name of a request parameter"),
        "segment_by": values.text("segment_by", "the name of a request parameter"),
        "reserve": values.number("reserve", 0, 0.5),
        "keep": values.names("keep", "embedding", "members", least=0),
        "redact": values.redactions("redact"),
        "payload_bytes": values.whole("payload_bytes", 1),
        "buffer_mb": values.whole("buffer_mb", 1, high=4_000),
        "hot": values.duration("hot_seconds"),
        "retain": values.age("retain_seconds"),
    },
    "select": {
        "when": values.when("every_seconds", "volume"),
        "strategy": values.strategy("strategy", sorted(BUILT_IN), installed=strategies.known),
        "budget": values.whole("budget", 1, high=1_000_000),
        "explore": values.number("explore", 0, 1),
        "quota": values.table(
            by=values.names("quota_by", "segment", "predicted", "day", "hour", least=0),
            share=values.number("quota_share", 0, 1, above=True),
        ),
        "weekly": values.whole("weekly", 0),
        "throughput": values.flag("throughput"),
        "compare": values.flag("compare"),
        "fallback": values.flag("fallback"),
        "launcher": values.text(
            "launcher",
            '"threads", "daft", "ray" or "ray://HOST:PORT"',
            pattern=r"threads|daft|ray(://[^\s/]+:[0-9]{1,5})?",
        ),
    },
    "annotate": {
        "question": values.text("question", "single, binary, multiple, rating, or an installed kind"),
        "view": values.text("view", "auto, text, image, table, json, or an installed view"),
        "overlap": values.table(
            min=values.whole("overlap_min", 1, high=99),
            max=values.whole("overlap_max", 1, high=99),
            stop_at=values.number("stop_at", 0.5, 1),
        ),
        "overlap_reserve": values.table(
            min=values.whole("reserve_min", 1, high=99), max=values.whole("reserve_max", 1, high=99)
        ),
        "overlap_audit": values.table(
            min=values.whole("audit_min", 1, high=99), max=values.whole("audit_max", 1, high=99)
        ),
        "prior": values.choice("prior", "model", "none"),
        "gold": values.number("gold", 0.02, 0.5),
        "gold_file": values.text("gold_file", "a .jsonl or .csv file of rows with known labels"),
        "wrong": values.number("wrong", 0, 1),
        "norm": values.number("norm", 0, 1),
        "blind": values.number("blind", 0, 1),
        "lease": values.duration("lease_seconds"),
        "deadline": values.duration("deadline_seconds"),
        "adjudicate": values.flag("adjudicate"),
        "ambiguous": values.choice("ambiguous", "soft", "exclude"),
        "skills": values.words("skills", "a skill"),
        "languages": values.words("languages", "a language"),
        "quota": values.whole("quota", 1),
        "guideline": values.text("guideline"),
    },
    "train": {
        "run": values.text("run", '"file.py:function" or "package.module:function"', pattern=r"[^:\s]+:[A-Za-z_]\w*"),
        "base": values.text("base", "a .jsonl or .csv file of labelled rows"),
        "memory_mb": values.whole("memory_mb", 0),
        "timeout": values.duration("seconds", as_whole=True),
        "launcher": values.absent("training anywhere but in a subprocess", accepted="subprocess"),
        "command": values.absent("training by a command"),
    },
    "gate": {
        "metric": values.choice("metric", *sorted(METRICS)),
        "margin": values.number("margin", 0, 0.5),
        "alpha": values.number("alpha", 0, 0.5, above=True),
        "anchor": values.text("anchor_file", "a .jsonl or .csv file of labelled rows that are never trained on"),
        "slices": values.absent("judging by slice"),
    },
    "rollout": {
        "shadow": values.predictions("shadow"),
        "canary": values.percents("canary"),
        "step_predictions": values.whole("step_predictions", 1),
        "horizon": values.duration("horizon_seconds"),
        "alpha": values.number("alpha", 0, 0.5, above=True),
        "approve": values.absent("asking a person before a step", accepted="auto"),
    },
    "monitor": {
        "false_alarms_per_year": values.number("false_alarms_per_year", 0, float("inf"), above=True),
        "tick": values.whole("tick", 10),
        "reference": values.whole("reference", 10),
    },
    "cadence": {
        "min": values.duration("min_seconds"),
        "max": values.duration("max_seconds"),
        "budget_max": values.whole("budget_max", 1),
        "explore_max": values.number("explore_max", 0, 1),
    },
    "storage": {
        "state": values.text("state", "sqlite:///FILE or postgresql://USER@HOST/NAME"),
        "objects": values.text("objects", "file:///FOLDER or s3://BUCKET/PREFIX"),
    },
    "people": {
        "header": values.text("header", "the name of a request header", pattern=r"[A-Za-z0-9-]+"),
        "proxies": values.addresses("proxies"),
        "role": values.choice("role", "annotator", "viewer", "none"),
    },
}
"""Section -> key -> what it may hold."""


class Reading(NamedTuple):
    """What one pass over the file found: fields by section, the keys that were written, and the problems."""

    fields: dict[str, dict[str, Any]]
    problems: list[Problem]


def load_settings(path: Path) -> Settings:
    """The settings in a ``loop.toml``, every default filled in.

    Raises:
        NotFound: there is no such file.
        InvalidSettings: with every problem at once: wrong keys and values, keys that clash, files that are missing.
    """
    document = parse(path)
    reading = read_sections(document)
    folder = path.resolve().parent
    problems = reading.problems + coherence.problems(reading.fields, folder=folder, bad=_keys(reading.problems))
    if problems:
        raise InvalidSettings(path.name, sorted(problems, key=_place))
    return build(reading.fields, folder=folder)


def parse(path: Path) -> Mapping[str, Any]:
    """The TOML document as nested dicts; InvalidRecord names line and column when it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise NotFound("file", str(path)) from error
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise Unavailable(str(path), reason=reason, remedy="name a file that can be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidRecord(path.name, found=str(error), expected="a TOML file in UTF-8") from error


def read_sections(document: Mapping[str, Any]) -> Reading:
    """Every section and key, each by its own rule; what is wrong is noted and reading goes on."""
    fields: dict[str, dict[str, Any]] = {section: {} for section in GRAMMAR}
    problems: list[Problem] = []
    for section, written in document.items():
        if section not in GRAMMAR:
            problems.append(unknown("", section, known=GRAMMAR))
        elif not isinstance(written, dict):
            problems.append(Problem(section, found=show(written), allowed=f"a section [{section}]"))
        else:
            for key, found in written.items():
                try:
                    fields[section] |= GRAMMAR[section][key].read(found)
                except KeyError:
                    problems.append(unknown(section, key, known=GRAMMAR[section]))
                except ValueError as error:
                    problems.append(_refused(f"{section}.{key}", GRAMMAR[section][key], found, error))
    return Reading(fields, problems)


def build(fields: Mapping[str, dict[str, Any]], *, folder: Path) -> Settings:
    """The record behind fields that hold no problem."""
    loop = fields["loop"]
    return Settings(
        name=LoopName(loop["name"]),
        signature=Signature(
            input=loop["input"],
            width=loop.get("width", 0),
            labels=loop["labels"],
            preprocessing=loop.get("preprocessing", ""),
        ),
        folder=str(folder),
        serve=ServeSettings(**fields["serve"]),
        capture=CaptureSettings(**fields["capture"]),
        select=SelectSettings(**fields["select"]),
        annotate=AnnotateSettings(**fields["annotate"]),
        train=TrainSettings(**fields["train"]),
        gate=GateSettings(**fields["gate"]),
        rollout=RolloutSettings(**fields["rollout"]),
        monitor=MonitorSettings(**fields["monitor"]),
        cadence=CadenceSettings(**fields["cadence"]),
        storage=StorageSettings(**fields["storage"]),
        people=PeopleSettings(**fields["people"]),
    )


def show(found: object) -> str:
    """What stands in the file, as TOML writes it, cut to a readable length.

    >>> show("6 hours"), show(True), show([1, 2])
    ('"6 hours"', 'true', '[1, 2]')
    """
    match found:
        case bool():
            shown = str(found).lower()
        case str():
            shown = f'"{found}"'
        case list():
            shown = "[" + ", ".join(map(show, found)) + "]"
        case dict():
            shown = "{ " + ", ".join(f"{key} = {show(value)}" for key, value in found.items()) + " }"
        case _:
            shown = str(found)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _refused(name: str, key: values.Key, found: object, error: ValueError) -> Problem:
    remedy = f"{key.missing} is not available in this release" if key.missing else ""
    if isinstance(error, values.Unknown) and error.near:
        remedy = f"did you mean {error.near[0]}?"
    return Problem(name, found=show(found), allowed=key.allowed, remedy=remedy)


def _keys(problems: list[Problem]) -> frozenset[str]:
    return frozenset(problem.key for problem in problems)


def _place(problem: Problem) -> tuple[int, int, str]:
    """Order of the grammar: sections, then keys, unknown ones last."""
    section, _, key = problem.key.partition(".")
    sections = list(GRAMMAR)
    keys = list(GRAMMAR.get(section, ()))
    return (
        sections.index(section) if section in GRAMMAR else len(sections),
        keys.index(key) if key in keys else len(keys),
        key,
    )
