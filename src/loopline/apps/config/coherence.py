"""What single keys cannot tell: keys that are required, keys that must fit each other, files that must exist."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loopline.apps.config.problems import Problem
from loopline.records.settings import AnnotateSettings, CadenceSettings, SelectSettings

Fields = Mapping[str, Mapping[str, Any]]
"""Section -> field -> value, as far as it was read."""


def problems(fields: Fields, *, folder: Path, bad: frozenset[str]) -> list[Problem]:
    """Every clash between the sections; keys in ``bad`` already have a line of their own and are left alone."""
    found = [*required(fields), *shape(fields), *source(fields), *bounds(fields), *files(fields, folder=folder)]
    return [problem for problem in found if problem.key not in bad]


def required(fields: Fields) -> Iterator[Problem]:
    """The keys that no default can replace."""
    allowed = {
        "name": 'a name such as "sentiment"',
        "labels": 'a list of two or more distinct names, such as ["no", "yes"]',
        "input": '"text" or "tabular"',
    }
    for key, what in allowed.items():
        if key not in fields["loop"]:
            yield Problem(f"loop.{key}", found="nothing", allowed=what)


def shape(fields: Fields) -> Iterator[Problem]:
    """Tables need a width, texts have none."""
    loop = fields["loop"]
    if loop.get("input") == "tabular" and "width" not in loop:
        yield Problem("loop.width", found="nothing", allowed='the number of features, since input = "tabular"')
    if loop.get("input") == "text" and "width" in loop:
        yield Problem("loop.width", found=str(loop["width"]), allowed='no width, since input = "text"')


def source(fields: Fields) -> Iterator[Problem]:
    """The first model comes from somewhere, and challengers from a trainer."""
    if "base" not in fields["train"]:
        remedy = "version 1 is trained from it"
        yield Problem("train.base", found="nothing", allowed="a .jsonl or .csv file of labelled rows", remedy=remedy)
    if "run" not in fields["train"]:
        yield Problem("train.run", found="nothing", allowed='a trainer such as "train.py:train"')
    if "gold" in fields["annotate"] and "gold_file" not in fields["annotate"]:
        share = f"gold = {fields['annotate']['gold']:g} without a gold_file"
        yield Problem("annotate.gold", found=share, allowed="both, or neither")


def bounds(fields: Fields) -> Iterator[Problem]:
    """Lower bounds lie below upper bounds."""
    annotate = AnnotateSettings(**fields["annotate"])
    if annotate.overlap_min > annotate.overlap_max:
        found = f"min {annotate.overlap_min} above max {annotate.overlap_max}"
        yield Problem("annotate.overlap", found=found, allowed="min at most max")
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
