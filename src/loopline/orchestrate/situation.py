"""Reads the stored state into the one record that ``decide`` looks at."""

import numpy as np
from numpy.typing import NDArray

from loopline.errors import NotFound
from loopline.orchestrate.installation import Installation
from loopline.ports.prediction_log import Scores
from loopline.records.command import ArmTally, LiveEvidence, Reviewed, Situation, is_open
from loopline.records.cycle import Cadence, Cycle
from loopline.records.dataset import DatasetVersion
from loopline.records.evaluation import Verdict
from loopline.records.ids import VersionName
from loopline.records.model import ModelVersion, RunSpec, RunState
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.signal import Measurement, Signal


def gather(house: Installation, *, reviewed: Reviewed | None, trouble: str, failure: str = "") -> Situation:
    """The situation of the loop now; ``reviewed``, ``trouble`` and ``failure`` are the runner's own memory."""
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
    return Situation(
        settings=house.settings,
        end=end,
        split=split,
        cadence=max(ledger.all(Cadence, loop), key=lambda c: c.since, default=None),
        cycle=cycle,
        has_base=bool(ledger.all(DatasetVersion, loop)),
        measured=min((m.position for m in measured), default=0),
        quiet=min((m.quiet for m in measured), default=0),
        signals=tuple(s for s in ledger.all(Signal, loop) if s.state == "raised"),
        progress=house.book.progress(loop, cycle=number) if cycle and cycle.phase == "published" else None,
        reviewed=reviewed,
        run=_run(house, cycle) if cycle and cycle.phase == "training" else None,
        next_version=VersionName(f"v{len(models) + 1}"),
        challenger=next((m.name for m in models if m.cycle == number), None),
        verdict=verdict.outcome if verdict else "",
        verdict_reason=verdict.reason if verdict else "",
        decisions=sum(verdict.alpha > 0 for verdict in verdicts),
        rollout=rollout,
        live=_live(house, rollout, end=end) if rollout and rollout.state in ("shadow", "canary") else None,
        trouble=trouble,
        failure=failure,
    )


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


def _live(house: Installation, rollout: Rollout, *, end: int) -> LiveEvidence:
    scores = house.log.scores(after=rollout.since_position, until=end)
    challenger = scores.model == rollout.challenger
    shadow, canary = challenger & (scores.arm == "shadow"), challenger & (scores.arm == "canary")
    incumbent = (scores.model == rollout.incumbent) & (scores.arm == "incumbent")
    return LiveEvidence(
        position=end,
        incumbent=_tally(scores.failed[incumbent]),
        canary=_tally(scores.failed[canary]),
        shadow=_tally(scores.failed[shadow]),
        shadow_agreement=_agreement(scores, shadow & ~scores.failed, incumbent),
    )


def _tally(failed: NDArray[np.bool_]) -> ArmTally:
    answered = np.flatnonzero(~failed)
    in_a_row = len(failed) - (int(answered[-1]) + 1 if len(answered) else 0)
    return ArmTally(answers=len(failed), failures=int(failed.sum()), last_failures=in_a_row)


def _agreement(
    scores: Scores,
    shadow: NDArray[np.bool_],
    live: NDArray[np.bool_],
) -> float:
    """Share of shadow answers whose label the incumbent gave too; a shadow answer to ``p`` has the id ``p~v2``."""
    said = dict(zip(scores.id[live], scores.label[live], strict=True))
    unseen = zip(scores.id[shadow], scores.label[shadow], strict=True)
    pairs = [(said.get(str(name).rsplit("~", 1)[0]), label) for name, label in unseen]
    joined = [(one, other) for one, other in pairs if one is not None]
    return sum(one == other for one, other in joined) / len(joined) if joined else 0.0
