"""Given this state and this time, what is due, and why? Pure: no clock, no I/O; a tick is harmless to repeat.

The cycle's phase names what is already done, so that each phase has one next command. Ids of commands are made of
what they act on: carrying one out twice changes nothing.
"""

import math
from datetime import datetime, timedelta
from typing import assert_never

from msgspec import structs

from loopline.orchestrate.cadence import next_cadence, spoken
from loopline.records.command import (
    Advance,
    Aggregate,
    CloseCycle,
    CollectModel,
    Command,
    CutDataset,
    ImportBase,
    Judge,
    Measure,
    OpenCycle,
    Publish,
    Review,
    Select,
    SetCadence,
    Situation,
    StartTraining,
    is_open,
    key_of,
    seed_of,
)
from loopline.records.cycle import Cadence, Cycle, CycleOutcome
from loopline.records.settings import LEARNED, Settings
from loopline.records.task import Progress

ATTEMPTS = 3
"""How often a training run that vanished is started again."""
RETRY = timedelta(seconds=30)
"""Rest after the first version could not be trained; doubled with each failure, five times at most."""
LOOK = timedelta(seconds=15)
"""Rest between two reviews of a batch in which nobody answers: people skip, leave, and come back."""
WINDOW = 50_000_000
"""Rows that a cycle looks back over at most, so that what it reads stays in bounds."""
RELOOK = 1.1
"""The monitor looks again where it found no whole tick once the stretch has grown by this factor: rare rows are then
found at most a tenth later, without reading all that lies between them at each tick."""
CHOICE = 10
"""Rows per label asked for, below which there is too little to choose from, and too little reserve to decide on."""
ROWS = "new log rows, shadow answers included"
"""What a cycle waits for, in words."""


def decide(situation: Situation, now: datetime) -> tuple[Command, ...]:
    """Everything that is due now, in the order in which it should be done."""
    due = (_measure(situation), _set_cadence(situation, now), _turn(situation, now))
    return tuple(command for command in due if command is not None)


def _measure(situation: Situation) -> Measure | None:
    split, tick = situation.split, situation.settings.monitor.tick
    unmeasured = situation.end - situation.measured
    if split is None or unmeasured < max(tick, RELOOK * (situation.looked - situation.measured)):
        return None
    return Measure(
        id=key_of(situation.settings.name, "measure", split.incumbent, situation.end),
        version=split.incumbent,
        until=situation.end,
        reason=f"{unmeasured} rows since the last tick, {tick} make one",
    )


def _set_cadence(situation: Situation, now: datetime) -> SetCadence | None:
    cadence = next_cadence(situation, now)
    if cadence is None:
        return None
    key = key_of(situation.settings.name, "cadence", cadence.since.isoformat())
    return SetCadence(id=key, cadence=cadence, reason=cadence.reason)


def _turn(situation: Situation, now: datetime) -> Command | None:
    """The next hop of the cycle: opened when one is due, closed with an outcome."""
    cycle = situation.cycle
    if cycle is None or not is_open(cycle):
        return _begin(situation, now)
    if situation.failure:
        return _close(cycle, "failed", situation.failure)
    return _hop(situation, cycle, now)


def _begin(situation: Situation, now: datetime) -> Command | None:
    settings = situation.settings
    if settings.train.base and not situation.has_base:
        return ImportBase(id=key_of(settings.name, "base"), reason="the base set is not in the store yet")
    if situation.split is None:
        return _first(situation, now)
    reason = due_reason(situation, now)
    if not reason or situation.cadence is None or not opens_cycles(settings):
        return None
    cycle = _cycle(situation, now, reason=reason)
    return OpenCycle(id=key_of(settings.name, "cycle", cycle.number), cycle=cycle, reason=reason)


def opens_cycles(settings: Settings) -> bool:
    """Whether there is a trainer, or a question whose answers no trainer of this loop learns: they are the product."""
    return bool(settings.train.run) or settings.annotate.question not in LEARNED


def _first(situation: Situation, now: datetime) -> OpenCycle | None:
    """The cycle that trains the first version; opened again, later and later, while it fails."""
    settings, last = situation.settings, situation.cycle
    again = first_again(last) if last else None
    if settings.serve.model or not settings.train.base or (again is not None and now < again):
        return None
    reason = "no version is live: the first one is trained from the base set"
    cycle = _cycle(situation, now, reason=reason)
    return OpenCycle(id=key_of(settings.name, "cycle", cycle.number), cycle=cycle, reason=reason)


def first_again(last: Cycle) -> datetime | None:
    """When the first version is tried again after this cycle failed; None while it is open."""
    return last.closed_at + RETRY * 2 ** min(last.number, 5) if last.closed_at else None


def _cycle(situation: Situation, now: datetime, *, reason: str) -> Cycle:
    settings, last, cadence = situation.settings, situation.cycle, situation.cadence
    number = last.number + 1 if last else int(situation.split is not None)
    return Cycle(
        loop=settings.name,
        number=number,
        phase="open" if situation.split else "cut",
        opened_at=now,
        closed_at=None,
        after=max(moved_at(situation), last.after if last else 0, situation.end - WINDOW),
        until=situation.end,
        budget=cadence.budget if cadence else settings.select.budget,
        explore=cadence.explore if cadence else settings.select.explore,
        seed=seed_of(settings.name, number),
        reason=reason,
        outcome="",
        outcome_reason="",
    )


def due_reason(situation: Situation, now: datetime) -> str:
    """Why a cycle is due now, in words; empty when none is."""
    settings, cadence, new = situation.settings, situation.cadence, new_rows(situation)
    if cadence is None or is_week_spent(situation):
        return ""
    if settings.select.volume and new >= settings.select.volume:
        return f"{new:,} {ROWS}, reached the volume of {settings.select.volume:,}"
    by_clock = settings.select.every_seconds or cadence.severity > 0
    if by_clock and clock_left(situation, cadence, now) <= 0 and rows_to_choose_from(situation) >= enough(cadence):
        return f"{spoken(cadence.interval_seconds)} have passed with {new:,} {ROWS}; {cadence.reason}"
    return ""


def is_week_spent(situation: Situation) -> bool:
    """Whether the last seven days chose all that the week's cap allows."""
    return 0 < situation.settings.select.weekly <= situation.asked


def new_rows(situation: Situation) -> int:
    """Log rows since the window of the last cycle ended, those of every arm."""
    return situation.end - (situation.cycle.until if situation.cycle else 0)


def rows_to_choose_from(situation: Situation) -> int:
    """Those of the new rows that came in after the newest open signal."""
    return min(new_rows(situation), situation.end - moved_at(situation))


def enough(cadence: Cadence) -> int:
    """How many of them a cycle by the clock waits for."""
    return CHOICE * cadence.budget


def clock_left(situation: Situation, cadence: Cadence, now: datetime) -> float:
    """Seconds until the clock opens the next cycle; 0 or less when it may."""
    last = situation.cycle
    since = (last.closed_at or last.opened_at) if last else cadence.since
    return cadence.interval_seconds - (now - since).total_seconds()


def moved_at(situation: Situation) -> int:
    """The log position at which the newest open signal was raised; 0 when none is open."""
    return max((signal.position for signal in situation.signals), default=0)


def _hop(situation: Situation, cycle: Cycle, now: datetime) -> Command | None:  # noqa: C901  one case a phase
    match cycle.phase:
        case "open" | "selected":
            return _asking(situation, cycle)
        case "published":
            return _labelling(situation, cycle, now)
        case "labelled":
            return _labelled(situation, cycle)
        case "cut":
            return _training(cycle, attempt=1, reason="a dataset version is ready: train a challenger")
        case "training":
            return _trained(situation, cycle)
        case "trained":
            return _judge(situation, cycle)
        case "judged":
            return _judged(situation, cycle)
        case "rolling":
            return _rolling(situation, cycle)
        case "closed":
            return None
        case _:
            assert_never(cycle.phase)


def _asking(situation: Situation, cycle: Cycle) -> Command | None:
    if situation.split is None:
        return None
    model = situation.split.incumbent
    if cycle.phase == "open":
        reason = f"cycle {cycle.number} is open: choose up to {cycle.budget} samples"
        return Select(id=key_of(cycle.id, "select"), cycle=cycle, model=model, reason=reason)
    reason = "the samples are chosen: ask people"
    return Publish(id=key_of(cycle.id, "publish"), cycle=cycle, model=model, reason=reason)


def _labelling(situation: Situation, cycle: Cycle, now: datetime) -> Command | None:
    progress = situation.progress
    if progress is None:
        return None
    left = deadline_left(situation, cycle, now)
    if left <= 0:
        return _overdue(situation, cycle, progress, late=-left)
    seen, rest = situation.reviewed, LOOK
    weighed = seen.annotations if seen else 0
    if seen is None or weighed != progress.annotations or (not progress.is_complete and now - seen.at >= rest):
        return Review(
            id=key_of(cycle.id, "review", now.isoformat()),
            cycle=cycle,
            annotations=progress.annotations,
            reason=f"{progress.annotations} answers stand, {weighed} were weighed",
        )
    if progress.is_complete and not situation.doubts:
        reason = f"all {progress.tasks} tasks have the answers they need"
        return Aggregate(id=key_of(cycle.id, "aggregate"), cycle=cycle, reason=reason)
    return None


def _overdue(situation: Situation, cycle: Cycle, progress: Progress, *, late: float) -> Command | None:
    """After the deadline: labels from what there is; without any answer the cycle waits as long again, and ends."""
    deadline = situation.settings.annotate.deadline_seconds
    if progress.annotations:
        reason = f"the deadline of {spoken(deadline)} has passed: {progress.done} of {progress.tasks} tasks are done"
        return Aggregate(id=key_of(cycle.id, "aggregate"), cycle=cycle, reason=reason)
    if late < deadline:
        return None
    return _close(cycle, "inconclusive", f"nobody answered any of {progress.tasks} tasks within {spoken(2 * deadline)}")


def deadline_left(situation: Situation, cycle: Cycle, now: datetime) -> float:
    """Seconds until labels are derived from what there is; 0 or less when they are; infinity without a deadline."""
    deadline = situation.settings.annotate.deadline_seconds
    if not deadline or cycle.published_at is None:
        return math.inf
    return deadline - (now - cycle.published_at).total_seconds()


def _labelled(situation: Situation, cycle: Cycle) -> Command:
    if situation.settings.annotate.question not in LEARNED:
        why = "the labels are in; no trainer of this loop learns what has several answers a sample"
        return _close(cycle, "labelled", why)
    return CutDataset(id=key_of(cycle.id, "cut"), cycle=cycle, reason="the labels are in: cut a dataset version")


def _training(cycle: Cycle, *, attempt: int, reason: str) -> StartTraining:
    return StartTraining(id=key_of(cycle.id, "train", attempt), cycle=cycle, attempt=attempt, reason=reason)


def _trained(situation: Situation, cycle: Cycle) -> Command | None:
    run = situation.run
    if run is None or run.phase == "running":
        return None
    if run.phase == "succeeded":
        name = situation.next_version
        return CollectModel(id=key_of(cycle.id, "collect"), cycle=cycle, name=name, reason=f"run {run.id} is done")
    attempt = int(run.id.rsplit("/", 1)[-1])
    if run.phase == "vanished" and attempt < ATTEMPTS:
        return _training(cycle, attempt=attempt + 1, reason=f"{run.reason}; attempt {attempt + 1} of {ATTEMPTS}")
    return _close(cycle, "failed", f"training failed: {run.reason}\n{run.log_tail}".strip())


def _judge(situation: Situation, cycle: Cycle) -> Command | None:
    if situation.challenger is None:
        return None
    if situation.split is None:
        return _advance(situation, cycle, reason="the first version has no incumbent to be compared with")
    return Judge(
        id=key_of(cycle.id, "judge"),
        cycle=cycle,
        challenger=situation.challenger,
        incumbent=situation.split.incumbent,
        decision=situation.decisions + 1,
        reason=f"{situation.challenger} is trained: compare it with {situation.split.incumbent} on the reserve",
    )


def _judged(situation: Situation, cycle: Cycle) -> Command | None:
    match situation.verdict:
        case "pass":
            return _advance(situation, cycle, reason="the gate passed it: show it traffic, unseen at first")
        case "fail":
            return _close(cycle, "rejected", situation.verdict_reason)
        case _:
            return _close(cycle, "inconclusive", situation.verdict_reason)


def _rolling(situation: Situation, cycle: Cycle) -> Command | None:
    rollout = situation.rollout
    if rollout is None:
        return None
    match rollout.state:
        case "shadow" | "canary":
            return _advance(situation, cycle, reason="new traffic came in: look whether the next step is due")
        case "promoted" | "rolled_back" | "inconclusive":
            return _close(cycle, rollout.state, rollout.reason)
        case _:
            assert_never(rollout.state)


def _advance(situation: Situation, cycle: Cycle, *, reason: str) -> Advance | None:
    if situation.challenger is None:
        return None
    step = "start" if situation.rollout is None else f"{situation.rollout.state}{situation.rollout.step}"
    key = key_of(cycle.id, "rollout", step)
    return Advance(id=key, cycle=cycle, challenger=situation.challenger, reason=reason)


def _close(cycle: Cycle, outcome: CycleOutcome, reason: str) -> CloseCycle:
    closed = structs.replace(cycle, phase="closed", outcome=outcome, outcome_reason=reason)
    return CloseCycle(id=key_of(cycle.id, "close"), cycle=closed, reason=reason)
