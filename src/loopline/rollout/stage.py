"""The recipe: a challenger and how it does live in, its next step and the traffic split out."""

from datetime import datetime

from msgspec.structs import replace

from loopline.records.command import LiveEvidence
from loopline.records.cycle import Cycle
from loopline.records.ids import VersionName
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.settings import RolloutSettings, Settings
from loopline.rollout.guards import Standing, breach, standing
from loopline.rollout.steps import WHOLE, Step, canary, first, promoted, rolled_back, shadow, withdrawn

__all__ = ["advance", "withdrawn"]
PHASES = 2  # shadow and canary: each spends half of alpha


def advance(  # noqa: PLR0913  stage recipes take what they weigh by name
    cycle: Cycle,
    *,
    challenger: VersionName,
    split: TrafficSplit | None,
    rollout: Rollout | None,
    live: LiveEvidence | None,
    settings: Settings,
    now: datetime,
) -> Step | None:
    """The rollout's next move, or None to hold: shadow, the canary steps, promotion, or back to the incumbent.

    A loop's first version is promoted at once. The guards come first at each look: five failures in a row, or
    anytime-valid evidence that the challenger fails more often than the incumbent beside it. ``rollout.alpha`` bounds
    the chance of the latter for one that fails no more often, over all looks of both phases; in shadow both answer
    the same requests, so it is rarer still. Agreement decides nothing. A step past its horizon ends undecided.
    """
    rules = settings.rollout
    if split is None:
        return first(cycle, challenger=challenger, now=now)
    if rollout is None:
        return shadow(cycle, challenger=challenger, split=split, wanted=rules.shadow, now=now)
    if rollout.state not in ("shadow", "canary") or live is None:
        return None
    in_shadow = rollout.state == "shadow"
    trial = live.shadow if in_shadow else live.canary
    held = standing(
        control=live.incumbent, trial=trial, before={} if in_shadow else _of_canary(rollout), phase=rollout.state,
        alpha=rules.alpha / PHASES,
    )  # fmt: skip
    evidence = held.evidence(rollout.state) | ({"agreement": live.shadow_agreement} if in_shadow else {})
    seen = replace(rollout, since_position=live.position, evidence=evidence)
    trouble = breach(held)
    if trouble:
        back = f"{challenger} rolled back from {rollout.state}: {trouble}; {rollout.incumbent} answers everything"
        return rolled_back(replace(seen, reason=back), split=split, now=now)
    wanted = rules.shadow if in_shadow else rules.step_predictions
    if trial.answers >= wanted:
        return _forward(seen, held=held, split=split, rules=rules, now=now)
    if (now - rollout.since).total_seconds() < rules.horizon_seconds:
        return None
    late = f"{trial.answers:,} of {wanted:,} {rollout.state} answers within the horizon; {rollout.incumbent} stays"
    return withdrawn(seen, split=split, reason=late, now=now)


def _forward(seen: Rollout, *, held: Standing, split: TrafficSplit, rules: RolloutSettings, now: datetime) -> Step:
    step = seen.step + 1
    percent = rules.canary[step] if step < len(rules.canary) else WHOLE
    told = f"{held.trial.failed:,} of {held.trial.answers:,} {seen.state} answers failed"
    told += f", against {held.control.failed:,} of {held.control.answers:,} of {seen.incumbent}"
    if seen.state == "shadow" and held.trial.answers:
        told += f"; the same label in {100 * seen.evidence['agreement']:.0f} % of them"
    if percent >= WHOLE:
        done = replace(seen, reason=f"{seen.challenger} answers all traffic: {told}")
        return promoted(done, split=split, step=step, now=now)
    onward = replace(seen, reason=f"{seen.challenger} answers {percent} % of traffic: {told}")
    return canary(onward, split=split, step=step, percent=percent, now=now)


def _of_canary(rollout: Rollout) -> dict[str, float]:
    """The counts of earlier canary steps; those of the shadow phase are of another comparison."""
    return rollout.evidence if "canary_answers" in rollout.evidence else {}
