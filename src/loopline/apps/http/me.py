"""``GET /api/me``: how far one person has come, and how well they agree with the others."""

from datetime import timedelta
from itertools import pairwise
from statistics import median
from typing import Any, Final

import msgspec
from litestar import Request, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from loopline.apps.http.answers import midnight
from loopline.apps.http.caller import annotator_of, caller_of
from loopline.apps.http.showing import Person, person_of
from loopline.apps.http.views import House
from loopline.apps.peers import Peers
from loopline.apps.web.chart import wilson
from loopline.records.cycle import Cycle
from loopline.records.people import Role, User

DAYS: Final = 30
PACE: Final = 20
"""Latest answers that tell how fast somebody works."""
FEWEST: Final = 3


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One UTC day."""

    date: str
    answers: int


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How often this person says what most others say, with a 95 % interval: of labelled batches, never of gold."""

    share: float
    n: int
    low: float
    high: float


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What the open batch still waits for, within this person's quota."""

    tasks: int
    seconds: float | None
    """At this person's pace, were they alone; None: not known yet."""


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """One person's own page."""

    name: str
    roles: tuple[Role, ...]
    language: str
    """The first one that they read; empty: not known."""
    skills: tuple[str, ...]
    answered: int
    today: int
    """Of these, in this UTC day."""
    quota: int
    """Most in a UTC day; 0: any number."""
    days: tuple[Day, ...]
    """The last 30, oldest first, today last."""
    agreement: Agreement | None
    """None: nobody else answered what this person did, in a batch that is labelled."""
    pace_seconds: float | None
    """Median of the latest 20 answers; None: too few."""
    left: Left


def me_routes(house: House) -> list[HTTPRouteHandler]:
    """The route."""
    peers = Peers(house)

    @get("/api/me", sync_to_thread=True)
    def me(request: Request[Any, Any, Any], annotator: FromQuery[str] = "") -> Me:
        """Who asks, what they did, and what is left; ``annotator`` only where nobody has signed in."""
        caller = caller_of(request)
        person = person_of(caller, annotator_of(caller, annotator), house=house)
        return of_person(house, person, user=caller.user, peers=peers)

    return [me]


def of_person(house: House, person: Person, *, user: User | None, peers: Peers) -> Me:
    """How this person stands."""
    days, pace = days_of(house, person.name), pace_of(house, person.name)
    return Me(
        name=person.name,
        roles=user.roles if user else (),
        language=person.languages[0] if person.languages else "",
        skills=person.skills,
        answered=house.book.answered(house.settings.name, person.name)[0],
        today=days[-1].answers,
        quota=person.quota,
        days=days,
        agreement=agreement_of(peers, person.name),
        pace_seconds=pace,
        left=left_of(house, person, pace=pace, today=days[-1].answers),
    )


def days_of(house: House, annotator: str) -> tuple[Day, ...]:
    """Answers by UTC day, without those that were taken back; oldest first."""
    starts = [midnight(house) - timedelta(days=ago) for ago in range(DAYS - 1, -1, -1)]
    since = [house.work.given_since(house.settings.name, annotator=annotator, since=start) for start in starts]
    counts = [before - after for before, after in pairwise([*since, 0])]
    return tuple(Day(date=start.date().isoformat(), answers=count) for start, count in zip(starts, counts, strict=True))


def pace_of(house: House, annotator: str) -> float | None:
    """Median seconds of the latest answers that were given one by one; None for fewer than three."""
    latest = house.work.work(house.settings.name, annotator=annotator, newest=PACE)
    seconds = [one.annotation.seconds for one in latest if not one.annotation.is_bulk and one.annotation.seconds > 0]
    return round(median(seconds), 1) if len(seconds) >= FEWEST else None


def agreement_of(peers: Peers, annotator: str) -> Agreement | None:
    """This person's agreement with the others; None where there is nothing to hold their answers against."""
    found = peers.of(annotator)
    if not found.n:
        return None
    share = found.same / found.n
    low, high = wilson(share, found.n)
    return Agreement(share=round(share, 3), n=found.n, low=round(low, 3), high=round(high, 3))


def roughly(tasks: int) -> int:
    """The number, to two digits that count, up: one that fell with each answer would tell gold, which it never counts.

    >>> [roughly(tasks) for tasks in (0, 1, 7, 23, 147, 1_234)]
    [0, 10, 10, 30, 150, 1300]
    """
    step = max(10, int(10 ** (len(str(tasks)) - 2)))
    return -(-tasks // step) * step


def left_of(house: House, person: Person, *, pace: float | None, today: int) -> Left:
    """Tasks of the open batch that are not done, roughly, and what they would take this person."""
    loop = house.settings.name
    cycle = max(house.ledger.all(Cycle, loop), key=lambda one: one.number, default=None)
    tasks = 0
    if cycle is not None and cycle.phase == "published":
        progress = house.book.progress(loop, cycle=cycle.number)
        tasks = roughly(max(0, progress.tasks - progress.done))
    if person.quota:
        tasks = min(tasks, max(0, person.quota - today))
    return Left(tasks=tasks, seconds=None if pace is None else round(tasks * pace, 1))
