"""Reported outcomes: read line by line, and recorded so that one bad line keeps no good one back."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from loopline.apps.http.reporting.lines import Line, decoded, name_in
from loopline.apps.http.reporting.moments import Moment, moment
from loopline.errors import Conflict, InvalidRecord
from loopline.ports.outcome_book import OutcomeBook
from loopline.ports.prediction_log import Appended
from loopline.records.ids import LoopName, PredictionId
from loopline.records.outcome import Outcome
from loopline.records.settings import Settings


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One outcome as it is reported."""

    prediction: str
    label: str
    at: Moment = None
    source: str = ""
    id: str = ""


class Numbered(NamedTuple):
    """An outcome and the line it stood on."""

    line: int
    outcome: Outcome


def read_outcome(line: Line, *, settings: Settings, now: datetime) -> Numbered:
    """The outcome that the line reports. Raises InvalidRecord, naming the line."""
    thing, labels = f"line {line.number}", settings.signature.labels
    report = decoded(line.content, Report, thing=thing)
    if report.label not in labels:
        raise InvalidRecord(thing, found=f"label {report.label!r}", expected=f"one of {', '.join(labels)}")
    prediction = name_in(report.prediction, thing=thing, field="prediction")
    if not prediction:
        raise InvalidRecord(thing, found="an empty prediction", expected="a prediction's id")
    try:
        at = moment(report.at, now=now)
    except InvalidRecord as error:
        raise InvalidRecord(thing, found=error.found, expected=error.expected) from error
    outcome = Outcome(
        id=name_in(report.id, thing=thing, field="id") or prediction,
        prediction=PredictionId(prediction),
        label=report.label,
        at=at,
        source=name_in(report.source, thing=thing, field="source"),
    )
    return Numbered(line.number, outcome)


def record(
    outcomes: Sequence[Numbered], *, book: OutcomeBook, loop: LoopName
) -> tuple[Appended, tuple[tuple[int, str], ...]]:
    """What became of them, and the lines whose id stands for another outcome, each with the reason.

    A refused batch is halved until the line that clashes stands alone.
    """
    if not outcomes:
        return Appended(0, 0), ()
    try:
        return book.record([one.outcome for one in outcomes], loop=loop), ()
    except Conflict as error:
        if len(outcomes) == 1:
            return Appended(0, 0), ((outcomes[0].line, f"line {outcomes[0].line}: {error}"),)
    middle = len(outcomes) // 2
    first, first_bad = record(outcomes[:middle], book=book, loop=loop)
    second, second_bad = record(outcomes[middle:], book=book, loop=loop)
    appended = Appended(first.stored + second.stored, first.repeated + second.repeated)
    return appended, first_bad + second_bad
