"""Answers that were given elsewhere: checked one by one, stored once, and of each that is not, why."""

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Final, NamedTuple

from blake3 import blake3

from loopline.apps.http.caller import named
from loopline.apps.questions import resolved
from loopline.apps.tasks.account import Imported, Row, Tally
from loopline.apps.tasks.answers import Said, Stars, answers_in, decoded
from loopline.apps.tasks.desk import Desk, Dry, Given, Rooms
from loopline.errors import InvalidRecord
from loopline.ports.question import Question
from loopline.records.ids import TaskId
from loopline.records.settings import Settings
from loopline.records.task import Annotation, Skip

AT_ONCE: Final = 1_000
"""Answers in one transaction."""
LONGEST_ID, LONGEST_COMMENT, LONGEST_SOURCE = 128, 2_000, 40
LABEL_STUDIO: Final = "label-studio"
MOST_SECONDS: Final = 31_536_000.0
"""From shown to answered: a year."""


class Wish(NamedTuple):
    """How answers from elsewhere are to be read."""

    source: str = LABEL_STUDIO
    """What their ids begin with: another one for each server that they come from."""
    people: Mapping[str, str] = {}
    """Address or number there -> name here."""
    is_dry: bool = False
    """Only check: nothing is stored."""


def take_answers(house: Rooms, rows: Iterable[Row], *, wish: Wish) -> Imported:
    """Store what the rows say; a second time it changes nothing.

    An answer is called ``<source>/<its id there>``. One that was changed there since is stored beside the first, which
    is taken back. Whatever is bad is listed and does not hold up the others. Raises InvalidRecord for a wish that
    cannot be.
    """
    reading = _Reading(house.settings, wish, now=house.clock.now())
    tally = Tally(is_dry=wish.is_dry)
    desk: Desk = Dry(house, tally) if wish.is_dry else Desk(house, tally)
    given = reading.given(rows, tally=tally)
    while portion := list(islice(given, AT_ONCE)):
        desk.take([one for one in portion if one.passed is None])
        for one in portion:
            if one.passed is not None:
                desk.pass_on(one.row, one.passed)
    return tally.told()


class _Reading:
    """From rows to answers as the loop keeps them."""

    def __init__(self, settings: Settings, wish: Wish, *, now: datetime) -> None:
        if not wish.source.isprintable() or not 1 <= len(wish.source) <= LONGEST_SOURCE:
            expected = f"1 to {LONGEST_SOURCE} printable characters"
            raise InvalidRecord("source", found=repr(wish.source[:80]), expected=expected)
        for name in wish.people.values():
            named(name)
        self._labels, self._wish, self._now = settings.signature.labels, wish, now
        self._question: Question = resolved(settings.annotate.question)
        self._is_several = settings.annotate.question == "multiple"

    def given(self, rows: Iterable[Row], *, tally: Tally) -> Iterator[Given]:
        """Every good answer; the others are counted, and so are those that were taken back before."""
        for row in rows:
            if row.content is None:
                tally.refuse(row.number, row.trouble)
                continue
            for said in answers_in(row.content):
                if isinstance(said, str):
                    tally.refuse(row.number, said)
                elif said.is_over:
                    tally.repeated += 1
                else:
                    try:
                        yield self._checked(row.number, said)
                    except InvalidRecord as error:
                        tally.refuse(row.number, str(error))

    def _checked(self, row: int, said: Said) -> Given:
        annotator, at = self._person(said), self._moment(said.at)
        _whole(f"task {said.task[:40]}", said.task, said.comment, annotator)
        if len(said.comment) > LONGEST_COMMENT:
            found = f"{len(said.comment):,} characters"
            raise InvalidRecord("comment", found=found, expected=f"at most {LONGEST_COMMENT:,}")
        answer = Annotation(
            id=self._name(said, annotator),
            task=TaskId(said.task),
            annotator=annotator,
            label="" if said.is_passed else self._answer(said.answer),
            at=at,
            seconds=_seconds(said.seconds),
            comment=said.comment,
            is_flagged=said.is_flagged,
            is_bulk=said.is_bulk,
        )
        reason = said.comment or f"passed on in {self._wish.source}"
        passed = Skip(task=answer.task, annotator=annotator, reason=reason[:500], at=at) if said.is_passed else None
        return Given(row, answer, passed)

    def _name(self, said: Said, annotator: str) -> str:
        if said.is_ours and said.id:
            name = said.id
        elif said.id:
            name = f"{self._wish.source}/{said.id}"
        else:
            name = f"import/{blake3(f'{said.task}/{annotator}'.encode()).hexdigest(length=12)}"
        if len(name) > LONGEST_ID or not name.isprintable():
            found = f"{name[:40]!r} ({len(name)} characters)"
            raise InvalidRecord("annotation id", found=found, expected=f"at most {LONGEST_ID} printable characters")
        return name

    def _person(self, said: Said) -> str:
        for name in said.by:
            if name in self._wish.people:
                return self._wish.people[name]
        if not said.by:
            raise InvalidRecord("annotator", found="none", expected="who gave the answer")
        first = said.by[0]
        return named(f"{self._wish.source}/{first}" if first.isdecimal() and not said.is_ours else first)

    def _answer(self, answer: object) -> str:
        labels = self._labels
        if isinstance(answer, Stars):
            if not 1 <= answer.number <= len(labels):
                raise InvalidRecord("rating", found=str(answer.number), expected=f"1 to {len(labels)}")
            return self._question.canonical(labels[answer.number - 1], labels=labels)
        if isinstance(answer, list) and not self._is_several and len(answer) == 1:
            answer = answer[0]
        if answer is None and self._is_several:
            answer = []
        if self._is_several and isinstance(answer, str):
            listed = decoded(answer)
            answer = listed if isinstance(listed, list) else [answer]
        is_text = isinstance(answer, str) or (isinstance(answer, list) and all(isinstance(one, str) for one in answer))
        if not is_text:
            found = "no label" if answer is None else f"{answer!r:.80}"
            raise InvalidRecord("answer", found=found, expected=f"one of {', '.join(labels)}")
        return self._question.canonical(answer, labels=labels)  # type: ignore[arg-type]  # as was just looked at

    def _moment(self, at: object) -> datetime:
        """When it was given; never later than now, whatever the clock there says."""
        found = at
        if isinstance(at, int | float) and not isinstance(at, bool) and math.isfinite(at) and 0 <= at < 2**33:
            found = datetime.fromtimestamp(at, UTC)
        if isinstance(at, str):
            try:
                found = datetime.fromisoformat(at)
            except ValueError:
                found = at
        if at in (None, ""):
            return self._now
        if not isinstance(found, datetime):
            raise InvalidRecord("at", found=f"{at!r:.60}", expected="a time such as 2026-01-05T09:00:00Z")
        moment = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        try:
            return min(moment.astimezone(UTC), self._now)
        except OverflowError as error:
            raise InvalidRecord("at", found=f"{at!r:.60}", expected="a time of this world") from error


def _whole(thing: str, *texts: str) -> None:
    """Raise InvalidRecord for half a surrogate pair, or a NUL, which not every database stores."""
    if any("\0" in text for text in texts):
        raise InvalidRecord(thing.replace("\0", ""), found="a NUL character", expected="a text without one")
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise InvalidRecord(thing, found="half a surrogate pair", expected="whole characters") from error


def _seconds(given: object) -> float:
    if given in (None, ""):
        return 0.0
    try:
        if isinstance(given, bool) or not isinstance(given, int | float | str):
            raise ValueError
        seconds = float(given)
    except (ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds <= MOST_SECONDS:
        raise InvalidRecord("seconds", found=f"{given!r:.40}", expected="a number of 0 or more")
    return seconds
