"""What people are asked: names that must be known, and keys of ``[annotate]`` that must fit the rest of the file."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from loopline.apps import questions, views
from loopline.apps.config.problems import Problem, nearest
from loopline.records.settings import ELSEWHERE, LEARNED, AnnotateSettings

Fields = Mapping[str, Mapping[str, Any]]
VIEWED: Final[Mapping[str, frozenset[str]]] = {
    "text": frozenset({"text", "tabular"}),
    "json": frozenset({"text"}),
    "table": frozenset({"tabular"}),
    "image": frozenset({"image"}),
}
"""What a built-in view can show; an installed one knows by itself."""


def asking(fields: Fields) -> Iterator[Problem]:
    """Every clash in what people are asked, how it is shown, and whom it is asked of."""
    annotate = AnnotateSettings(**fields["annotate"])
    yield from _question(fields, annotate)
    yield from _view(fields, annotate)
    yield from _overlap(annotate)
    yield from _people(fields, annotate)


def _question(fields: Fields, annotate: AnnotateSettings) -> Iterator[Problem]:
    kind, labels = annotate.question, fields["loop"].get("labels", ())
    if kind not in (names := questions.known()):
        yield Problem("annotate.question", found=f'"{kind}"', allowed=", ".join(names), remedy=nearest(kind, names))
        return
    if kind == "binary" and labels and len(labels) != 2:
        found = f'"binary" with {len(labels)} labels'
        yield Problem("annotate.question", found=found, allowed="two labels", remedy='or question = "single"')
    if kind not in LEARNED and "run" in fields["train"]:
        remedy = f"leave out [train] run: a loop that asks {kind} questions ends each cycle with its labels"
        found = f'"{kind}" with a trainer, which learns one label a sample'
        learned = ", ".join(sorted(LEARNED))
        yield Problem("annotate.question", found=found, allowed=f"{learned}, where there is one", remedy=remedy)


def _view(fields: Fields, annotate: AnnotateSettings) -> Iterator[Problem]:
    view, shown = annotate.view, fields["loop"].get("input")
    if view not in (names := views.known()):
        yield Problem("annotate.view", found=f'"{view}"', allowed=", ".join(names), remedy=nearest(view, names))
    elif shown and shown not in VIEWED.get(view, {shown}):
        allowed = ", ".join(name for name in names if shown in VIEWED.get(name, {shown}))
        yield Problem("annotate.view", found=f'"{view}", while input = "{shown}"', allowed=allowed)


def _overlap(annotate: AnnotateSettings) -> Iterator[Problem]:
    """Of each stratum; what is not written is as ``overlap`` says."""
    least, most = annotate.overlap_min, annotate.overlap_max
    bounds = {
        "annotate.overlap": (least, most),
        "annotate.overlap_reserve": (annotate.reserve_min or least, annotate.reserve_max or most),
        "annotate.overlap_audit": (annotate.audit_min or least, annotate.audit_max or most),
    }
    for key, (low, high) in bounds.items():
        if low > high and (key == "annotate.overlap" or (low, high) != (least, most)):
            yield Problem(key, found=f"min {low} above max {high}", allowed="min at most max")


def _people(fields: Fields, annotate: AnnotateSettings) -> Iterator[Problem]:
    """Skills and languages go by the segment, so there have to be some; a wrong suggestion needs a gold task."""
    is_named = "segment_by" in fields["capture"] or fields["serve"].get("model") == ELSEWHERE
    for key in ("skills", "languages"):
        if getattr(annotate, key) and not is_named:
            found = f"{key} by segment without capture.segment_by"
            yield Problem(f"annotate.{key}", found=found, allowed="both, or neither")
    if "wrong" in fields["annotate"] and not annotate.gold_file:
        found = f"wrong = {annotate.wrong:g} without a gold_file"
        yield Problem("annotate.wrong", found=found, allowed="both, or neither")
