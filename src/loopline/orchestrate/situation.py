"""Reads the stored state into the one record that ``decide`` looks at."""

from collections.abc import Iterable

import msgspec
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from loopline.errors import NotFound
from loopline.orchestrate import findings
from loopline.orchestrate.decide import LOOK
from loopline.orchestrate.installation import Installation
from loopline.orchestrate.throughput import asked_within_a_week
from loopline.records.command import ArmTally, Doubted, LiveEvidence, Reviewed, Situation, is_open
from loopline.records.cycle import Cadence, Cycle
from loopline.records.dataset import DatasetVersion
from loopline.records.decision import Decision
from loopline.records.evaluation import Verdict
from loopline.records.ids import PredictionId, VersionName
from loopline.records.model import ModelVersion, RunSpec, RunState
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.selection import Selection
from loopline.records.signal import Measurement, Signal
from loopline.records.task import Progress, Standing

CHUNK = 100_000
"""Log rows read at once, so that a long trial never fills the memory."""
DOUBT_REST = 20
"""Rest before a batch is read again for what is in doubt, in the time that it took."""


def gather(
    house: Installation,
    *,
    before: Situation | None = None,
    reviewed: Reviewed | None = None,
    looked: int = 0,
    trouble: str = "",
    failure: str = "",
) -> Situation:
    """The situation of the loop now, from the stored state and the runner's own memory.

    ``before``: any earlier one; what it counted of the present rollout step is counted on, and comes out the same.
    """
    ledger, loop = house.ledger, house.settings.name
    cycles, splits = ledger.all(Cycle, loop), ledger.all(TrafficSplit, loop)
    models, verdicts = ledger.all(ModelVersion, loop), ledger.all(Verdict, loop)
    cycle = max(cycles, key=lambda c: c.number, default=None)
    split = max(splits, key=lambda s: s.revision, default=None)
    end = house.log.end()
    number = cycle.number if cycle is not None and is_open(cycle) else -1
    verdict = next((v for v in verdicts if v.cycle == number), None)
    rollout = next((r for r in ledger.all(Rollout, loop) if r.cycle == number), None)
    measured = _measured(house, split)
    progress = house.book.progress(loop, cycle=number) if cycle and cycle.phase == "published" else None
    doubted = _doubted(house, number, progress, before=before)
    return Situation(
        settings=house.settings,
        end=end,
        split=split,
        cadence=max(ledger.all(Cadence, loop), key=lambda c: c.since, default=None),
        cycle=cycle,
        has_base=bool(ledger.all(DatasetVersion, loop)),
        measured=min((m.position for m in measured), default=0),
        looked=looked if measured else 0,
        quiet=min((m.quiet for m in measured), default=0),
        signals=tuple(s for s in ledger.all(Signal, loop) if s.state == "raised"),
        progress=progress,
        reviewed=reviewed,
        run=_run(house, cycle) if cycle and cycle.phase == "training" else None,
        next_version=VersionName(f"v{len(models) + 1}"),
        challenger=next((m.name for m in models if m.cycle == number), None),
        verdict=verdict.outcome if verdict else "",
        verdict_reason=verdict.reason if verdict else "",
        decisions=sum(verdict.alpha > 0 for verdict in verdicts),
        rollout=rollout,
        live=_live(house, rollout, before=before, end=end),
        doubts=doubted.count if doubted else 0,
        doubted=doubted,
        asked=_asked(house) if house.settings.select.weekly and number < 0 else 0,
        trouble=trouble,
        failure=failure,
    )


def _asked(house: Installation) -> int:
    loop, ledger = house.settings.name, house.ledger
    return asked_within_a_week(ledger.all(Cycle, loop), ledger.all(Selection, loop), now=house.clock.now())


def _doubted(house: Installation, cycle: int, progress: Progress | None, *, before: Situation | None) -> Doubted | None:
    """How many tasks an adjudicator is awaited for, where a batch that has its answers waits for that.

    The whole batch is read for it: anew when somebody answered, was paused or found something, else after a rest.
    """
    if progress is None or not progress.is_complete or not house.settings.annotate.adjudicate:
        return None
    kinds = (house.ledger.all(kind, house.settings.name) for kind in (Standing, Decision))
    rests_on = blake3(msgspec.json.encode((cycle, progress, *kinds), order="sorted")).hexdigest()
    held, started = before.doubted if before else None, house.clock.now()
    if held is not None and held.rests_on == rests_on and started < held.again:
        return held
    count, ended = len(findings.doubts(house, cycle=cycle)), house.clock.now()
    return Doubted(rests_on=rests_on, count=count, again=ended + max(LOOK, DOUBT_REST * (ended - started)))


def _measured(house: Installation, split: TrafficSplit | None) -> tuple[Measurement, ...]:
    if split is None:
        return ()
    return tuple(m for m in house.ledger.all(Measurement, house.settings.name) if m.version == split.incumbent)


def _run(house: Installation, cycle: Cycle) -> RunState | None:
    specs = [spec for spec in house.ledger.all(RunSpec, house.settings.name) if spec.cycle == cycle.number]
    if not specs:
        return None
    try:
        return house.launcher.poll(specs[-1].id)
    except NotFound as error:  # its folder is gone: the same as a run that died without a word
        return RunState(id=specs[-1].id, phase="vanished", done=0, total=0, metrics={}, reason=str(error), log_tail="")


def _live(house: Installation, rollout: Rollout | None, *, before: Situation | None, end: int) -> LiveEvidence | None:
    if rollout is None or rollout.state not in ("shadow", "canary"):
        return None
    counted = before.live if before and before.rollout == rollout else None
    live = counted or LiveEvidence(position=rollout.since_position)
    while live.position < end:
        live = _further(house, rollout, live, until=min(end, live.position + CHUNK))
    return live


def _further(house: Installation, rollout: Rollout, live: LiveEvidence, *, until: int) -> LiveEvidence:
    """The evidence, and that of the rows in (live.position, until]; a shadow answer to ``p`` has the id ``p~v2``."""
    scores = house.log.scores(after=live.position, until=until)
    challenger = scores.model == rollout.challenger
    shadow, canary = challenger & (scores.arm == "shadow"), challenger & (scores.arm == "canary")
    incumbent = (scores.model == rollout.incumbent) & (scores.arm == "incumbent")
    answered = shadow & ~scores.failed
    unseen = {name.rsplit("~", 1)[0]: label for name, label in _pairs(scores.id, scores.label, answered)}
    said = dict(_pairs(scores.id, scores.label, incumbent)) if unseen or live.unpaired else {}
    said |= _said_before(house, rollout, unseen.keys() - said.keys())
    asked = (*live.unpaired, *unseen.items())
    both = [said[name] == label for name, label in asked if name in said]
    return LiveEvidence(
        position=until,
        incumbent=live.incumbent.plus(_tally(scores.failed[incumbent])),
        canary=live.canary.plus(_tally(scores.failed[canary])),
        shadow=live.shadow.plus(_tally(scores.failed[shadow])),
        paired=live.paired + len(both),
        agreed=live.agreed + sum(both),
        unpaired=tuple(pair for pair in asked if pair[0] not in said),
    )


def _pairs(names: NDArray[np.object_], labels: NDArray[np.object_], at: NDArray[np.bool_]) -> Iterable[tuple[str, str]]:
    return zip(names[at].tolist(), labels[at].tolist(), strict=True)


def _said_before(house: Installation, rollout: Rollout, names: Iterable[str]) -> dict[str, str]:
    """What the incumbent had answered in rows that were read earlier."""
    said = {}
    for name in names:
        try:
            found = house.log.find(PredictionId(name))
        except NotFound:  # its row comes later, or never: the log had no room for it
            continue
        if found.model == rollout.incumbent and found.arm == "incumbent":
            said[name] = found.label
    return said


def _tally(failed: NDArray[np.bool_]) -> ArmTally:
    answered = np.flatnonzero(~failed)
    in_a_row = len(failed) - (int(answered[-1]) + 1 if len(answered) else 0)
    return ArmTally(answers=len(failed), failures=int(failed.sum()), last_failures=in_a_row)
