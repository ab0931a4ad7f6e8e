"""What each stage did last, read off the stored records: one card each on the overview, one row each in the status."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, Protocol

import msgspec

from loopline.apps.http.archive import Archive
from loopline.apps.web.words import OUTCOMES, count, first_line, gap, shares
from loopline.loop import STAGES
from loopline.records.command import Situation
from loopline.records.cycle import Cycle, Phase
from loopline.records.lineage import Event

Mood = Literal["idle", "active", "alert"]
AT_WORK: dict[Phase, str] = {
    "open": "select",
    "selected": "annotate",
    "published": "annotate",
    "labelled": "dataset",
    "cut": "train",
    "training": "train",
    "trained": "evaluate",
    "judged": "rollout",
    "rolling": "rollout",
}
"""Whose turn it is in each phase of an open cycle."""
TOLD_BY: dict[str, str] = {
    "signal": "monitor",
    "cycle.selected": "select",
    "batch": "annotate",
    "annotator": "annotate",
    "dataset": "dataset",
    "training": "train",
    "model": "train",
    "evaluation": "evaluate",
    "rollout": "rollout",
}
"""Which stage an event speaks of, by its type or the first word of it."""


class StageState(msgspec.Struct, frozen=True, kw_only=True):
    """One stage now."""

    name: str
    mood: Mood
    figure: str
    """The one number or word that matters, short."""
    detail: str
    """What stands beside it, short."""
    last: str
    """What it did last, as a sentence; empty before it did anything."""
    at: datetime | None
    """When."""


def stages_of(archive: Archive, situation: Situation, counts: dict[str, int]) -> tuple[StageState, ...]:
    """All stages, in the order in which a sample travels."""
    cycle = situation.cycle
    working = AT_WORK.get(cycle.phase, "") if cycle else ""
    told = _told(archive.events)
    now = {
        "serve": _serve(situation),
        "capture": (f"{count(counts.get('stored', 0))} stored", f"{count(counts.get('dropped', 0))} dropped"),
        "monitor": _monitor(situation),
        "select": _select(archive),
        "annotate": _annotate(archive, situation),
        "dataset": _dataset(archive),
        "train": _train(archive, situation),
        "evaluate": _evaluate(archive),
        "rollout": _rollout(archive),
    }
    phase = failed_phase(archive, cycle)
    failed = AT_WORK[phase] if phase else ""
    return tuple(
        _failed(stage.name, cycle)
        if cycle and stage.name == failed
        else StageState(
            name=stage.name,
            mood="alert" if stage.name == "monitor" and situation.signals else _mood(stage.name, working),
            figure=now[stage.name][0],
            detail=now[stage.name][1],
            last=first_line(told[stage.name].text) if stage.name in told else "",
            at=told[stage.name].time if stage.name in told else None,
        )
        for stage in STAGES
    )


class _OfCycle(Protocol):
    @property
    def cycle(self) -> int: ...


def failed_phase(archive: Archive, cycle: Cycle | None) -> Phase | None:
    """The last phase that a failed cycle reached, read off what it made; None for every other cycle."""
    if cycle is None or cycle.outcome != "failed":
        return None
    made: tuple[tuple[Phase, Iterable[_OfCycle]], ...] = (
        ("rolling", archive.rollouts),
        ("judged", archive.verdicts),
        ("trained", archive.models),
        ("training", archive.runs),
        ("cut", archive.datasets),
        ("labelled", archive.batches),
        ("selected", archive.selections),
    )
    reached = (phase for phase, records in made if any(record.cycle == cycle.number for record in records))
    return next(reached, "open" if archive.splits else "cut")


def _failed(name: str, cycle: Cycle) -> StageState:
    last = first_line(cycle.outcome_reason)
    return StageState(
        name=name, mood="alert", figure="failed", detail=f"in cycle {cycle.number}", last=last, at=cycle.closed_at
    )


def _mood(name: str, working: str) -> Mood:
    return "active" if name == working else "idle"


def _told(events: tuple[Event, ...]) -> dict[str, Event]:
    """The newest event of each stage."""
    newest: dict[str, Event] = {}
    for event in events:
        stage = TOLD_BY.get(event.type) or TOLD_BY.get(event.type.partition(".")[0])
        if stage:
            newest.setdefault(stage, event)
    return newest


def _serve(situation: Situation) -> tuple[str, str]:
    rows = shares(situation.split)
    if not rows and situation.cycle and situation.cycle.outcome == "failed":
        return "no version is live", f"cycle {situation.cycle.number} failed"
    if not rows:
        return "no version yet", "the first one is being made"
    others = [f"{name} {role} {100 * part:.0f} %" if part else f"{name} {role}" for name, part, role in rows[1:]]
    return f"{rows[0][0]} answers", others[0] if others else "all traffic"


def _monitor(situation: Situation) -> tuple[str, str]:
    if situation.signals:
        worst = max(situation.signals, key=lambda signal: (signal.severity, signal.id))
        n = len(situation.signals)
        return f"{n} signal{'s' if n > 1 else ''} raised", f"{worst.signal} moved"
    if not situation.quiet:  # no alarm and no quiet tick: nothing was held against a reference yet
        return "watching", "gathering a reference"
    return "quiet", f"{situation.quiet} ticks without alarm"


def _select(archive: Archive) -> tuple[str, str]:
    if not archive.selections:
        return "nothing yet", "waits for a cycle"
    last = archive.selections[-1]
    return f"{count(len(last.candidates))} samples", f"of {count(last.pool_distinct)} distinct"


def _annotate(archive: Archive, situation: Situation) -> tuple[str, str]:
    progress = situation.progress
    if progress:
        return f"{count(progress.done)} of {count(progress.tasks)}", "tasks answered"
    if not archive.batches:
        return "nothing yet", "waits for tasks"
    last = archive.batches[-1]
    agreement = f"\u03b1 {last.alpha:.2f} on {last.alpha_n}" if last.alpha_n else "one answer each"
    return f"{count(len(last.labels))} labels", agreement


def _dataset(archive: Archive) -> tuple[str, str]:
    if not archive.datasets:
        return "nothing yet", "waits for a base set"
    last = archive.datasets[0]
    return f"{count(last.rows)} rows", f"{last.name}, {count(last.added)} added"


def _train(archive: Archive, situation: Situation) -> tuple[str, str]:
    run = situation.run
    if run and run.phase == "running":
        part = f"{100 * run.done / run.total:.0f} %" if run.total else "running"
        return part, f"step {run.done} of {run.total}" if run.total else "started"
    if not archive.models:
        return "nothing yet", "waits for a dataset"
    last = archive.models[0]
    return last.name, f"made in cycle {last.cycle}"


def _evaluate(archive: Archive) -> tuple[str, str]:
    if not archive.verdicts:
        return "nothing yet", "waits for a challenger"
    last = archive.verdicts[-1]
    fresh = next((part for part in last.comparisons if part.part == "fresh"), None)
    return (
        f"{last.challenger}: {last.outcome}",
        f"{gap(fresh.difference, last.metric)}, n {count(fresh.n)}" if fresh else "anchor",
    )


def _rollout(archive: Archive) -> tuple[str, str]:
    if not archive.rollouts:
        return "nothing yet", "waits for a verdict"
    last = archive.rollouts[-1]
    state = OUTCOMES.get(last.state, last.state)
    return f"{last.challenger} {state}", f"against {last.incumbent}" if last.incumbent != last.challenger else "first"
