"""What single keys cannot tell: keys that are required, keys that must fit each other, files that must exist."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loopline.adapters.pillow.preprocessing import parsed
from loopline.apps.config.doors import doors
from loopline.apps.config.labelling import asking
from loopline.apps.config.problems import Problem
from loopline.capture.redaction import Redactor
from loopline.errors import InvalidRecord
from loopline.records.settings import ELSEWHERE, CadenceSettings, CaptureSettings, SelectSettings

Fields = Mapping[str, Mapping[str, Any]]
"""Section -> field -> value, as far as it was read."""


def problems(fields: Fields, *, folder: Path, bad: frozenset[str]) -> list[Problem]:
    """Every clash between the sections; keys in ``bad`` already have a line of their own and are left alone."""
    found = [*required(fields), *shape(fields), *source(fields), *rules(fields), *quotas(fields), *bounds(fields)]
    found += [*asking(fields), *doors(fields), *files(fields, folder=folder)]
    return [problem for problem in found if problem.key not in bad]


def required(fields: Fields) -> Iterator[Problem]:
    """The keys that no default can replace."""
    allowed = {
        "name": 'a name such as "sentiment"',
        "labels": 'a list of two or more distinct names, such as ["no", "yes"]',
        "input": '"text", "tabular" or "image"',
    }
    for key, what in allowed.items():
        if key not in fields["loop"]:
            yield Problem(f"loop.{key}", found="nothing", allowed=what)


def shape(fields: Fields) -> Iterator[Problem]:
    """Tables need a width, texts have none."""
    loop = fields["loop"]
    if loop.get("input") == "tabular" and "width" not in loop:
        yield Problem("loop.width", found="nothing", allowed='the number of features, since input = "tabular"')
    for kind in ("text", "image"):
        if loop.get("input") == kind and "width" in loop:
            yield Problem("loop.width", found=str(loop["width"]), allowed=f'no width, since input = "{kind}"')
    if loop.get("input") == "image" and "preprocessing" not in loop:
        yield Problem("loop.preprocessing", found="nothing", allowed='a name such as "rgb-32x32-chw-unit.v1"')
    if loop.get("input") == "image" and "preprocessing" in loop:
        try:
            parsed(loop["preprocessing"])
        except InvalidRecord as error:
            yield Problem("loop.preprocessing", found=error.found, allowed=error.expected)
    if loop.get("input") != "image" and "preprocessing" in loop:
        yield Problem("loop.preprocessing", found="a name", allowed='nothing, unless input = "image"')


def source(fields: Fields) -> Iterator[Problem]:
    """A trainer has rows to begin with, and the rows a trainer; a model that is served as it is needs neither."""
    train, serve = fields["train"], fields["serve"]
    is_plain = "model" in serve and not {"base", "run"} & train.keys()
    if "base" not in train and not is_plain:
        remedy = (
            "version 1 is trained from it"
            if "model" not in serve
            else "challengers are trained on it and what is labelled"
        )
        yield Problem("train.base", found="nothing", allowed="a .jsonl or .csv file of labelled rows", remedy=remedy)
    if "run" not in train and not is_plain:
        yield Problem("train.run", found="nothing", allowed='a trainer such as "train.py:train"')
    if is_plain and "checks" not in serve and serve["model"] != ELSEWHERE:
        remedy = "the model is verified on them before it serves"
        yield Problem("serve.checks", found="nothing", allowed="a .jsonl or .csv file of labelled rows", remedy=remedy)
    if "gold" in fields["annotate"] and "gold_file" not in fields["annotate"]:
        share = f"gold = {fields['annotate']['gold']:g} without a gold_file"
        yield Problem("annotate.gold", found=share, allowed="both, or neither")


def rules(fields: Fields) -> Iterator[Problem]:
    """What is not to be stored can be told."""
    loop, redact = fields["loop"], fields["capture"].get("redact", ())
    try:
        Redactor(redact, secret=b"")
    except InvalidRecord as error:
        yield Problem("capture.redact", found=f"{error.thing}: {error.found}", allowed=error.expected)
    for rule in redact:
        if rule.field.isdigit() and int(rule.field) >= loop.get("width", 0):
            allowed = f"text, group, segment, trace, or a feature's number below {loop.get('width', 0)}"
            yield Problem("capture.redact", found=f"field {rule.field}", allowed=allowed)


def quotas(fields: Fields) -> Iterator[Problem]:
    """A share is of strata, and strata by segment need segments."""
    select = fields["select"]
    by, share = select.get("quota_by", ()), select.get("quota_share")
    if bool(by) != (share is not None) and share != 1:
        found = f"share = {share:g} without by" if not by else "by without share"
        yield Problem("select.quota", found=found, allowed="both, or neither")
    is_named = "segment_by" in fields["capture"] or fields["serve"].get("model") == ELSEWHERE
    if "segment" in by and not is_named:
        yield Problem("select.quota", found="by segment without capture.segment_by", allowed="both, or neither")


def bounds(fields: Fields) -> Iterator[Problem]:
    """Lower bounds lie below upper bounds."""
    capture = CaptureSettings(**fields["capture"])
    if 0 < capture.retain_seconds < capture.hot_seconds:
        found = f"{capture.retain_seconds:g} s below the {capture.hot_seconds:g} s of capture.hot"
        yield Problem("capture.retain", found=found, allowed="at least as long as hot")
    cadence = CadenceSettings(**fields["cadence"])
    if cadence.min_seconds > cadence.max_seconds:
        found = f"min of {cadence.min_seconds:g} s above max of {cadence.max_seconds:g} s"
        yield Problem("cadence.min", found=found, allowed="min at most max")
    select = SelectSettings(**fields["select"])
    if 0 < select.every_seconds < cadence.min_seconds:
        found = f"{cadence.min_seconds:g} s above the {select.every_seconds:g} s of select.when"
        yield Problem("cadence.min", found=found, allowed=f"{select.every_seconds:g} s or less")
    if 0 < cadence.budget_max < select.budget:
        found = f"{cadence.budget_max} below select.budget of {select.budget}"
        yield Problem("cadence.budget_max", found=found, allowed=f"{select.budget} or more")
    if cadence.explore_max < select.explore:
        found = f"{cadence.explore_max:g} below select.explore of {select.explore:g}"
        yield Problem("cadence.explore_max", found=found, allowed=f"{select.explore:g} to 1")


def files(fields: Fields, *, folder: Path) -> Iterator[Problem]:
    """Files that are named exist, and are of a kind that can be read."""
    tables = {"train.base": "base", "gate.anchor": "anchor_file", "annotate.gold_file": "gold_file"}
    tables["serve.checks"] = "checks"
    for key, field in tables.items():
        name = fields[key.partition(".")[0]].get(field)
        if name is None:
            continue
        if not name.endswith((".jsonl", ".csv")):
            yield Problem(key, found=f'"{name}"', allowed="a .jsonl or .csv file")
        elif not (folder / name).is_file():
            yield Problem(key, found=f'"{name}", which is no file', allowed=f"a file in {folder}")
    script = fields["train"].get("run", "").rpartition(":")[0]
    if script.endswith(".py") and not (folder / script).is_file():
        yield Problem("train.run", found=f'"{script}", which is no file', allowed=f"a file in {folder}")
