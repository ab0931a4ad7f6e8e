"""``docs/reference.md`` tells every key of ``loop.toml`` as the code reads it.

After a change on purpose: ``LOOPLINE_GOLDEN=1 pytest tests/golden`` writes the page anew; read the difference.
"""

import ast
import inspect
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from loopline.apps.config.document import GRAMMAR, show
from loopline.apps.config.values import UNITS, Key
from loopline.records import settings as records
from loopline.records.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"
HEAD = """\
# Every key of loop.toml

Written from the code by `tests/golden/test_reference.py`, which fails when this page is stale. Relative paths start at
the folder of `loop.toml`. A key that is not here is refused, with the nearest known one.
"""
SPELLED: dict[str, tuple[str, ...]] = {
    "serve.timeout": ("timeout_seconds",),
    "capture.hot": ("hot_seconds",),
    "capture.retain": ("retain_seconds",),
    "select.when": ("every_seconds", "volume"),
    "select.quota": ("quota_by", "quota_share"),
    "annotate.overlap": ("overlap_min", "overlap_max", "stop_at"),
    "annotate.overlap_reserve": ("reserve_min", "reserve_max"),
    "annotate.overlap_audit": ("audit_min", "audit_max"),
    "annotate.lease": ("lease_seconds",),
    "annotate.deadline": ("deadline_seconds",),
    "train.timeout": ("seconds",),
    "gate.anchor": ("anchor_file",),
    "rollout.horizon": ("horizon_seconds",),
    "cadence.min": ("min_seconds",),
    "cadence.max": ("max_seconds",),
}
"""Keys that are spelled otherwise than the fields they fill."""
MEANINGS = {
    "loop.name": "The loop's name; the endpoint is `/v2/models/NAME/infer`.",
    "loop.labels": "Class names, in the order of the probabilities.",
    "loop.input": "What a row is: one text, `width` numbers, or one image file.",
    "loop.width": "Features in a row, where `input` is `tabular`.",
    "loop.preprocessing": "How the bytes of an image become numbers, where `input` is `image`.",
    "capture.redact": "Rules, in order, about what must not be stored: `field` (text, group, segment, trace or a "
    "feature's number), `regex` (what is replaced; without it, the whole field), `replace` (by what), `hash` (by a "
    "keyed hash).",
    "select.when": "When a cycle opens: by the number of new log rows (shadow answers included), or by the clock once "
    "10 x `budget` of them are new; whichever comes first. What a written list leaves out is off.",
    "select.strategy": "How samples are chosen.",
    "select.quota": "Of the chosen, at most this share from one stratum; a stratum is one combination of what `by` "
    "names: the request's segment, the predicted label, the UTC day or hour of the prediction.",
    "select.budget": "Samples that a cycle chooses. Reserve and gold tasks come on top of it.",
    "annotate.overlap": "How many people are asked about a sample, at least and at most; no further one is asked once "
    "the posterior of the leading label reaches `stop_at`.",
    "annotate.overlap_reserve": "As `overlap`, of samples that judge models; what is not written is as there.",
    "annotate.overlap_audit": "As `overlap`, of samples of the audit stream; what is not written is as there.",
    "annotate.lease": "How long a claimed task is kept for its annotator.",
    "train.memory_mb": "Address space granted to a training run; 0: no limit.",
    "train.timeout": "Wall time granted to a training run.",
    "monitor.false_alarms_per_year": "How often the drift alarm may sound in a year in which nothing drifts.",
    "cadence.budget_max": "Labels a cycle at full severity; without it, three times the budget.",
    "cadence.min": "Time between two cycles at full severity.",
    "cadence.max": "Time between two cycles when nothing has moved for long, or where `when` names no clock.",
    "gate.metric": "What a challenger is judged by.",
}
"""What the fields' own docstrings do not tell."""
NONE = "none"
REQUIRED = {"loop.name", "loop.labels", "loop.input"}
UNLESS = {"train.run", "train.base"}
"""Required, unless ``serve.model`` names a model."""


def keys() -> Iterator[tuple[str, str, Key]]:
    """Section, key and grammar of every key that this release acts on."""
    for section, known in GRAMMAR.items():
        yield from ((section, name, key) for name, key in known.items() if not key.missing)


def fields_of(section: str, name: str) -> tuple[str, ...]:
    return SPELLED.get(f"{section}.{name}", (name,))


def kind_of(section: str) -> type[msgspec.Struct]:
    found: type[msgspec.Struct] = type(getattr(Settings(name="x", signature=None, folder=""), section))  # type: ignore[arg-type]
    return found


def told() -> dict[tuple[str, str], str]:
    """(class, field) -> the first sentence or two that stand below the field."""
    module = ast.parse(inspect.getsource(records))
    found = {}
    for kind in (node for node in module.body if isinstance(node, ast.ClassDef)):
        for field, below in zip(kind.body, kind.body[1:], strict=False):
            match field, below:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    found[kind.name, name] = " ".join(text.replace("``", "`").split())
    return found


def spoken(value: object, *, key: Key) -> str:
    """A default as ``loop.toml`` would spell it, in backquotes."""
    if value == "" or (value == 0 and ("from 1" in key.allowed or "duration" in key.allowed)):
        return NONE
    if value == () and "SEGMENT" in key.allowed:
        return NONE
    if "duration" in key.allowed and isinstance(value, float | int):
        unit = next(unit for unit, size in reversed(UNITS.items()) if value % size == 0)
        return f'`"{value / UNITS[unit]:g}{unit}"`'
    if "predictions" in key.allowed:
        return f'`"{value} predictions"`'
    return f"`{show(listed(value))}`"


def listed(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def default_of(section: str, name: str, key: Key) -> str:
    place = f"{section}.{name}"
    if place in REQUIRED:
        return "required"
    if place in UNLESS:
        return "required, unless `serve.model` names a model"
    if section == "loop":
        return NONE
    held: dict[str, Any] = {field: getattr(kind_of(section)(), field) for field in fields_of(section, name)}
    if place == "select.when":
        return f'`["every {held["every_seconds"] / 3_600:g}h", "volume {held["volume"]}"]`'
    if not any(held.values()) and len(held) > 1 and "min" in key.allowed:
        return NONE
    if len(held) > 1:
        parts = {field.removeprefix(f"{name}_"): value for field, value in held.items()}
        return f"`{show({part: listed(value) for part, value in parts.items()})}`"
    return spoken(next(iter(held.values())), key=key)


def meaning_of(section: str, name: str) -> str:
    place = f"{section}.{name}"
    if place in MEANINGS:
        return MEANINGS[place]
    (field,) = fields_of(section, name)
    return told()[kind_of(section).__name__, field]


def page() -> str:
    parts = [HEAD]
    for section in dict.fromkeys(section for section, _, _ in keys()):
        rows = [
            f"| `{name}` | {default_of(section, name, key)} | {key.allowed} | {meaning_of(section, name)} |"
            for place, name, key in keys()
            if place == section
        ]
        parts.append(f"\n## [{section}]\n\n| key | default | allowed | meaning |\n|---|---|---|---|\n")
        parts.append("\n".join(row.replace("\n", " ") for row in rows) + "\n")
    return "".join(parts)


def test_the_reference_is_what_the_code_reads() -> None:
    if os.environ.get("LOOPLINE_GOLDEN"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_setting_has_a_key() -> None:
    for section in set(GRAMMAR) - {"loop"}:
        reached = {field for place, name, _ in keys() if place == section for field in fields_of(section, name)}
        refused = {name for name, key in GRAMMAR[section].items() if key.missing}
        assert reached == set(kind_of(section).__struct_fields__) - refused, section


def test_every_default_that_is_shown_is_one_that_may_be_written() -> None:
    for section, name, key in keys():
        shown = default_of(section, name, key).strip("`")
        if not shown.startswith("required") and shown != NONE:
            read = key.read(tomllib.loads(f"x = {shown}")["x"])
            stored = kind_of(section)()
            assert read == {field: getattr(stored, field) for field in read}, f"{section}.{name}"
