"""The guideline that people go by: its versions, what changed between them, and the threads about its gaps."""

import secrets
from collections.abc import Iterator, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from typing import Final, Literal, NamedTuple, Protocol

from loopline import __version__
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.ports.clock import Clock
from loopline.ports.ledger import Ledger
from loopline.records.guideline import Example, Guideline, Remark
from loopline.records.ids import CommandId, LoopName, uuid7
from loopline.records.keys import entity_of
from loopline.records.lineage import Activity, Entry, Event, Stored
from loopline.records.settings import Settings

LOOP_FILE: Final = "loop.toml"
"""Author of the versions that came from there."""
LONGEST_TEXT, MOST_LINES, MOST_EXAMPLES = 20_000, 1_000, 50
LONGEST_SAMPLE, LONGEST_LABEL, LONGEST_WHY, LONGEST_WORD = 4_000, 200, 1_000, 2_000
LONGEST_REASON: Final = 500
LONGEST_ID: Final = 128
AROUND: Final = 3
"""Unchanged lines that are shown beside a change."""
Mark = Literal["same", "added", "removed", "gap"]


class Rooms(Protocol):
    """What is needed of the house."""

    @property
    def settings(self) -> Settings:
        """The loop as its owner wrote it."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Every stored record."""
        ...

    @property
    def clock(self) -> Clock:
        """Tells the time."""
        ...


class Draft(NamedTuple):
    """A version that is to be."""

    text: str
    reason: str
    """What changed, and why."""
    examples: tuple[Example, ...] | None = None
    """None: those of the version before."""
    after: int | None = None
    """The version that its author had before them; None: whichever is the newest."""
    settles: tuple[str, ...] = ()
    """Threads that it answers."""


class Thread(NamedTuple):
    """One gap, and what was said about it."""

    opening: Remark
    replies: tuple[Remark, ...]
    """Oldest first."""
    settled: Remark | None


class Line(NamedTuple):
    """One line of a difference; ``gap`` stands for unchanged ones that are left out."""

    mark: Mark
    text: str


def versions(house: Rooms) -> tuple[Guideline, ...]:
    """Every version, oldest first; the text of ``loop.toml`` is version 1 while nothing is stored."""
    stored = sorted(house.ledger.all(Guideline, house.settings.name), key=lambda one: one.version)
    text = house.settings.annotate.guideline
    if stored or not text:
        return tuple(stored)
    return (_from_file(house, version=1, examples=()),)


def newest(house: Rooms) -> Guideline | None:
    """The version that holds; None where nothing was ever written."""
    return next(reversed(versions(house)), None)


def bring(house: Rooms) -> Guideline | None:
    """Make a new version of the text in ``loop.toml``, if that changed since it was last brought; else None.

    So what a lead writes stays, however often the server starts, until somebody edits the text in the file again. An
    empty text there brings nothing. The examples of the version before stay.
    """
    loop, text = house.settings.name, house.settings.annotate.guideline
    stored = sorted(house.ledger.all(Guideline, loop), key=lambda one: one.version)
    brought = [one.text for one in stored if one.author == LOOP_FILE]
    if not text or brought[-1:] == [text]:
        return None
    last = stored[-1] if stored else None
    made = _from_file(house, version=last.version + 1 if last else 1, examples=last.examples if last else ())
    return made if _commit(house, made) else None


def publish(house: Rooms, draft: Draft, *, author: str) -> Guideline:
    """The new version, stored together with the end of the threads that it settles. The same draft twice is one.

    Raises InvalidRecord for a draft that is none, Conflict when somebody was faster, NotFound for an unknown thread.
    """
    _require(draft)
    before = newest(house)
    if before is not None and _is(before, draft, author=author):
        return before
    if draft.after is not None and draft.after != (before.version if before else 0):
        found = f"version {before.version} of {before.author}" if before else "none yet"
        expected, remedy = f"version {draft.after}", "read the newest, then write yours again"
        raise Conflict("newest guideline", found=found, expected=expected, remedy=remedy)
    if before is not None and before.author == LOOP_FILE:
        _commit(house, before)  # what stood in the file alone is stored before another version follows it
    made = Guideline(
        loop=house.settings.name,
        version=before.version + 1 if before else 1,
        text=draft.text,
        examples=before.examples if draft.examples is None and before else draft.examples or (),
        at=house.clock.now(),
        author=author,
        reason=draft.reason.strip(),
    )
    known = {one.opening.id: one for one in threads(house)}
    ends = tuple(_end(known, name, made) for name in draft.settles)
    if not _commit(house, made, *ends):
        expected, remedy = f"no version {made.version}", "read the newest, then write yours again"
        raise Conflict("newest guideline", found=f"version {made.version}", expected=expected, remedy=remedy)
    return made


def threads(house: Rooms) -> tuple[Thread, ...]:
    """What was said about gaps: open threads first, then the newest first."""
    said = sorted(house.ledger.all(Remark, house.settings.name), key=lambda one: (one.at, one.id))
    found = [_thread(one, said) for one in reversed(said) if one.kind == "gap"]
    return tuple(sorted(found, key=lambda one: one.settled is not None))


def say(house: Rooms, remark: Remark) -> Remark:
    """Store a remark. The same id with the same words twice is one.

    Raises InvalidRecord for no words, NotFound for an unknown thread, Conflict for one that is settled.
    """
    if not 1 <= len(remark.id) <= LONGEST_ID:
        raise InvalidRecord("remark id", found=f"{len(remark.id)} characters", expected=f"1 to {LONGEST_ID}")
    _between("remark", remark.text, LONGEST_WORD)
    known = {one.opening.id: one for one in threads(house)}
    stored = {one.id: one for one in house.ledger.all(Remark, remark.loop)}
    if remark.id in stored:
        return _same(stored[remark.id], remark)
    if remark.kind != "gap":
        _open_thread(known, remark.thread)
    text = f"{remark.author} {'found a gap in' if remark.kind == 'gap' else 'answered about'} the guideline"
    _store(house, f"remark/{remark.id}", (remark,), at=remark.at, actor=remark.author, told=("guideline.remark", text))
    return remark


def remark_of(house: Rooms, *, author: str, text: str, thread: str = "", name: str = "") -> Remark:
    """A remark as it is said now: it opens a thread, or goes on with one."""
    at, last = house.clock.now(), newest(house)
    name = name or uuid7(now_ms=int(at.timestamp() * 1_000), randomness=secrets.token_bytes(10))
    return Remark(
        id=name,
        loop=house.settings.name,
        thread=thread or name,
        at=at,
        author=author,
        text=text.strip(),
        kind="reply" if thread else "gap",
        version=last.version if last else 0,
    )


def difference(old: Guideline | None, new: Guideline) -> tuple[Line, ...]:
    """What changed in text and examples, line by line, with three unchanged lines around.

    Source: Ratcliff, Metzener 1988, Pattern Matching: The Gestalt Approach; as in Python's ``difflib``.
    """
    before, after = _written(old) if old else [], _written(new)
    return tuple(_changed(before, after))


def _changed(before: Sequence[str], after: Sequence[str]) -> Iterator[Line]:
    shown = 0
    for group in SequenceMatcher(None, before, after, autojunk=False).get_grouped_opcodes(AROUND):
        if group[0][1] > shown:
            yield Line("gap", "")
        for tag, low, high, start, stop in group:
            if tag == "equal":
                yield from (Line("same", line) for line in before[low:high])
                continue
            yield from (Line("removed", line) for line in before[low:high])
            yield from (Line("added", line) for line in after[start:stop])
        shown = group[-1][2]
    if 0 < shown < len(before):
        yield Line("gap", "")


def _written(guideline: Guideline) -> list[str]:
    examples = [f"Example: {one.text} \u2192 {one.label}" + (f" ({one.why})" if one.why else "") for one in
                guideline.examples]  # fmt: skip
    return [*guideline.text.splitlines(), *(" ".join(line.split()) for line in examples)]


def _thread(opening: Remark, said: Sequence[Remark]) -> Thread:
    rest = [one for one in said if one.thread == opening.id and one.id != opening.id]
    settled = next((one for one in rest if one.kind == "settled"), None)
    return Thread(opening, tuple(one for one in rest if one.kind == "reply"), settled)


def _open_thread(known: dict[str, Thread], name: str) -> Thread:
    if name not in known:
        raise NotFound("thread", name[:80], known=tuple(known))
    if (end := known[name].settled) is not None:
        remedy = "open another thread"
        raise Conflict(f"thread {name}", found=f"settled by {end.author}", expected="open", remedy=remedy)
    return known[name]


def _end(known: dict[str, Thread], name: str, version: Guideline) -> Remark:
    opening = _open_thread(known, name).opening
    return Remark(
        id=f"{name}/settled",
        loop=version.loop,
        thread=name,
        at=version.at,
        author=version.author,
        text=version.reason,
        kind="settled",
        task=opening.task,
        version=version.version,
    )


def settle(house: Rooms, thread: str, *, author: str, text: str) -> Remark:
    """The word that closes a thread without a new version. Raises as ``say`` does."""
    last = newest(house)
    end = Remark(
        id=f"{thread}/settled",
        loop=house.settings.name,
        thread=thread,
        at=house.clock.now(),
        author=author,
        text=text.strip(),
        kind="settled",
        version=last.version if last else 0,
    )
    return say(house, end)


def _same(stored: Remark, remark: Remark) -> Remark:
    if (stored.author, stored.text, stored.thread) != (remark.author, remark.text, remark.thread):
        raise Conflict(f"remark {remark.id}", found="other words under this id", expected="the same", remedy=OTHER_ID)
    return stored


OTHER_ID: Final = "send these under an id of their own"


def _is(before: Guideline, draft: Draft, *, author: str) -> bool:
    same_examples = draft.examples is None or before.examples == draft.examples
    return (before.text, before.reason, before.author, same_examples) == (
        draft.text,
        draft.reason.strip(),
        author,
        True,
    )


def _require(draft: Draft) -> None:
    _between("guideline", draft.text, LONGEST_TEXT)
    if (lines := draft.text.count("\n") + 1) > MOST_LINES:
        raise InvalidRecord("guideline", found=f"{lines:,} lines", expected=f"at most {MOST_LINES:,}")
    _between("reason of the guideline", draft.reason, LONGEST_REASON)
    examples = draft.examples or ()
    if len(examples) > MOST_EXAMPLES:
        raise InvalidRecord("guideline", found=f"{len(examples)} examples", expected=f"at most {MOST_EXAMPLES}")
    for number, one in enumerate(examples, start=1):
        _between(f"sample of example {number}", one.text, LONGEST_SAMPLE)
        _between(f"label of example {number}", one.label, LONGEST_LABEL)
        _between(f"why of example {number}", one.why or "-", LONGEST_WHY)


def _between(thing: str, text: str, most: int) -> None:
    length = len(text.strip())
    if "\0" in text:
        raise InvalidRecord(thing, found="a NUL character", expected="a text without one")
    if not 1 <= length <= most:
        raise InvalidRecord(thing, found=f"{length:,} characters", expected=f"1 to {most:,}")


def _from_file(house: Rooms, *, version: int, examples: tuple[Example, ...]) -> Guideline:
    return Guideline(
        loop=house.settings.name,
        version=version,
        text=house.settings.annotate.guideline,
        examples=examples,
        at=house.clock.now(),
        author=LOOP_FILE,
        reason="the text in loop.toml" if version == 1 else "the text in loop.toml changed",
    )


def _commit(house: Rooms, made: Guideline, *ends: Remark) -> bool:
    settled = f"; it settles {len(ends)} thread{'s' if len(ends) != 1 else ''}" if ends else ""
    text = f"guideline version {made.version} by {made.author}: {made.reason}{settled}"
    name, told = f"guideline/{made.version}", ("guideline.changed", text)
    return _store(house, name, (made, *ends), at=made.at, actor=made.author, told=told)


def _store(
    house: Rooms, name: str, records: tuple[Stored, ...], *, at: datetime, actor: str, told: tuple[str, str]
) -> bool:
    loop: LoopName = house.settings.name
    command = CommandId(f"{loop}/{name}")
    activity = Activity(
        id=command,
        loop=loop,
        kind="Guideline",
        cycle=-1,
        started=at,
        ended=at,
        actor=actor or f"loopline {__version__}",
        used=(),
        generated=tuple(map(entity_of, records)),
    )
    event = Event(id=f"{command}/event", type=told[0], source=f"/loops/{loop}", subject=command, time=at, text=told[1])
    return house.ledger.commit(Entry(id=command, records=records, activity=activity, events=(event,)))
