"""Does what ``decide`` says: the only code that calls the stages, commits what they made, and retries."""

import logging
import traceback
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import NamedTuple

from loopline.errors import Unavailable
from loopline.orchestrate.acts import Made, act
from loopline.orchestrate.decide import decide
from loopline.orchestrate.installation import Installation
from loopline.orchestrate.situation import gather
from loopline.records.command import CloseCycle, Command, Measure, Review, Reviewed, SetCadence, Situation
from loopline.records.cycle import Cycle
from loopline.records.keys import entity_of
from loopline.records.lineage import Activity, Entry, Event

TRIES = 3
"""How often a command that fails is tried before its cycle ends as failed."""

PATIENCE = 60.0
"""Seconds: the longest rest between two tries of a command."""

MEASURE_EVERY = timedelta(seconds=1)
"""Measuring costs the same for few rows and for many: under heavy traffic it is done for many at once."""

REVIEW_REST = 20
"""Rest after a review, in the time that it took: it reads the whole batch, and those who answer wait meanwhile."""

log = logging.getLogger("loopline.runner")


def _matter(command: Command) -> str:
    """What a command is about, the same at every try: some ids name the moment as well."""
    match command:
        case Review(cycle=cycle):
            return f"{cycle.id}/review"
        case Measure() | SetCadence():
            return type(command).__name__
        case _:
            return command.id


class Failure(NamedTuple):
    """How often a command failed, why, and when it may be tried again."""

    tries: int
    why: str
    again: datetime


class Runner:
    """The controller of one loop. A tick is harmless to repeat: the stored state is the truth."""

    def __init__(self, house: Installation) -> None:
        self._house = house
        self._one_at_a_time = Lock()
        self._before: Situation | None = None
        self._looked, self._looked_at = 0, datetime.min.replace(tzinfo=UTC)
        self._reviewed: dict[str, Reviewed] = {}
        self._review_again = datetime.min.replace(tzinfo=UTC)
        self._failures: dict[str, Failure] = {}

    def situation(self) -> Situation:
        """What is stored, as ``decide`` sees it."""
        cycle = self._latest_cycle()
        found = self._before = gather(
            self._house,
            before=self._before,
            reviewed=self._reviewed.get(cycle),
            looked=self._looked,
            trouble=self._trouble(),
            failure=self._given_up(cycle),
        )
        return found

    def tick(self) -> tuple[Command, ...]:
        """Carry out all that is due now; return the commands that changed something. One tick at a time."""
        with self._one_at_a_time:
            seen = self.situation()
            due = decide(seen, self._house.clock.now())
            return tuple(command for command in due if self._carry_out(command, seen))

    def settle(self, *, most: int = 100) -> tuple[Command, ...]:
        """Tick until nothing more is due, at most ``most`` times: what ``loopline tick`` does."""
        done: list[Command] = []
        for _ in range(most):
            changed = self.tick()
            if not changed:
                break
            done += changed
        return tuple(done)

    def _carry_out(self, command: Command, seen: Situation) -> bool:
        started = self._house.clock.now()
        failure = self._failures.get(_matter(command))
        if failure and started < failure.again:
            return False
        if self._rests(command, started):
            return False
        try:
            made = act(self._house, command, seen=seen)
            fresh = made is not None and self._house.ledger.commit(self._entry(command, made, started))
        except Unavailable as error:  # a part is away: the state still says that this is due, the next tick tries again
            log.warning("%s: %s", command.id, error)
            return False
        except Exception as error:
            self._failed(command, error)
            return False
        if isinstance(command, Measure):
            self._looked, self._looked_at = command.until, started
        if isinstance(command, Review):
            self._reviewed = {command.cycle.id: Reviewed(annotations=command.annotations, at=started)}
            ended = self._house.clock.now()
            self._review_again = ended + REVIEW_REST * (ended - started)
            fresh = True  # that it was weighed is news, whether or not it moved a task
        self._failures.pop(_matter(command), None)
        if isinstance(command, CloseCycle):
            self._failures = {
                name: f for name, f in self._failures.items() if not name.startswith(f"{command.cycle.id}/")
            }
        return fresh

    def _rests(self, command: Command, now: datetime) -> bool:
        """Whether it is too early for what costs much and is due all the time under heavy traffic."""
        match command:
            case Measure():
                return now - self._looked_at < MEASURE_EVERY
            case Review():
                return now < self._review_again
            case _:
                return False

    def _failed(self, command: Command, error: Exception) -> None:
        before = self._failures.get(_matter(command))
        tries = before.tries + 1 if before else 1
        tail = "".join(traceback.format_exception(error)[-3:])
        why = f"{type(command).__name__} failed {tries} times: {error}\n{tail}".strip()
        again = self._house.clock.now() + timedelta(seconds=min(PATIENCE, 0.5 * 2 ** min(tries, 7)))
        self._failures[_matter(command)] = Failure(tries, why, again)
        log.error("%s: try %d: %s", command.id, tries, error, exc_info=error)

    def _given_up(self, cycle: str) -> str:
        """Why a command of the cycle failed for good, once it was tried often enough."""
        failures = tuple(self._failures.items())
        failed = (f.why for name, f in failures if f.tries >= TRIES and name.startswith(f"{cycle}/"))
        return next(failed, "") if cycle else ""

    def _trouble(self) -> str:
        """The first line of what failed last and is still being tried."""
        newest = max(tuple(self._failures.values()), key=lambda failure: failure.again, default=None)
        return newest.why.partition("\n")[0] if newest else ""

    def _latest_cycle(self) -> str:
        cycles = self._house.ledger.all(Cycle, self._house.settings.name)
        return max(cycles, key=lambda cycle: cycle.number).id if cycles else ""

    def _entry(self, command: Command, made: Made, started: datetime) -> Entry:
        loop, ended = self._house.settings.name, self._house.clock.now()
        cycle = getattr(command, "cycle", None)
        activity = Activity(
            id=command.id,
            loop=loop,
            kind=type(command).__name__,
            cycle=cycle.number if cycle else -1,
            started=started,
            ended=ended,
            actor=self._house.actor,
            used=made.used,
            generated=(*(entity_of(record) for record in made.records), *made.also),
        )
        event = Event(
            id=f"{command.id}/event",
            type=made.event,
            source=f"/loops/{loop}",
            subject=command.id,
            time=ended,
            text=made.text,
        )
        quiet = isinstance(command, Measure | Review) and not made.event
        return Entry(
            id=command.id,
            records=made.records,
            tasks=made.tasks,
            raises=made.raises,
            seal=made.seal,
            members=made.members,
            activity=None if quiet else activity,
            events=(event,) if made.event else (),
        )
