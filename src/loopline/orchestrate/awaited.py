"""What is awaited, since what, and why: the sentence on the overview."""

from datetime import datetime
from typing import assert_never

from loopline.orchestrate.cadence import spoken
from loopline.orchestrate.decide import (
    ROWS,
    clock_left,
    decide,
    enough,
    first_again,
    is_week_spent,
    new_rows,
    rows_to_choose_from,
)
from loopline.records.command import Situation, is_open
from loopline.records.cycle import Cadence, Cycle
from loopline.records.settings import ELSEWHERE


def awaited(situation: Situation, now: datetime) -> str:
    """One sentence: what is due now, what the loop waits for, or what goes wrong again and again."""
    if situation.trouble:
        return f"in trouble, tried again: {situation.trouble}"
    due = [command for command in decide(situation, now) if type(command).__name__ not in ("Measure", "Advance")]
    if due:
        return f"due now: {due[-1].reason}"
    cycle = situation.cycle
    if cycle is None or not is_open(cycle):
        return _between(situation, now)
    return f"cycle {cycle.number}: {_within(situation, cycle)}"


def _between(situation: Situation, now: datetime) -> str:
    if situation.split is None:
        if situation.cycle is not None:
            why, again = situation.cycle.outcome_reason.partition("\n")[0], first_again(situation.cycle)
            then = f"; tried again in {spoken(max(0.0, (again - now).total_seconds()))}" if again else ""
            return f"no version is live: {why}{then}"
        if situation.settings.serve.model == ELSEWHERE:
            return "predictions that are sent to us: nothing is served here"
        return "no version is live: name a base set under [train] base"
    cadence, select = situation.cadence, situation.settings.select
    if not situation.settings.train.run:
        return "predictions; no cycle opens, since no trainer is named under [train] run"
    if cadence is None:
        return "the first tick"
    if is_week_spent(situation):
        return f"room in the week: {situation.asked:,} of {select.weekly:,} samples were chosen in the last 7 days"
    by_volume = f"at {select.volume:,} {ROWS} ({new_rows(situation):,} so far)"
    if not select.every_seconds and not cadence.severity:
        return f"the next cycle opens {by_volume}"
    either = f", or {by_volume}" if select.volume else ""
    return f"the next cycle opens {_by_clock(situation, cadence, now)}{either}; {cadence.reason}"


def _by_clock(situation: Situation, cadence: Cadence, now: datetime) -> str:
    left, choice = clock_left(situation, cadence, now), rows_to_choose_from(situation)
    moment = [f"in {spoken(left)}"] if left > 0 else []
    if choice < enough(cadence):
        since = " since the newest signal" if choice < new_rows(situation) else ""
        moment.append(f"once {enough(cadence):,} log rows are new{since} ({choice:,} so far)")
    return ", ".join(moment)


def _within(situation: Situation, cycle: Cycle) -> str:
    match cycle.phase:
        case "published":
            progress = situation.progress
            return f"people's answers: {progress.done} of {progress.tasks} tasks are done" if progress else "tasks"
        case "training":
            run = situation.run
            return f"training run {run.id}: {run.done} of {run.total} steps" if run else "the training run"
        case "rolling":
            rollout, live = situation.rollout, situation.live
            if rollout is None or live is None:
                return "live traffic"
            rules, in_shadow = situation.settings.rollout, rollout.state == "shadow"
            seen, wanted = (live.shadow, rules.shadow) if in_shadow else (live.canary, rules.step_predictions)
            return f"traffic for {rollout.challenger}: {seen.answers} of {wanted} {rollout.state} answers of this step"
        case "open" | "selected" | "labelled" | "cut" | "trained" | "judged" | "closed":
            return f"the act after {cycle.phase!r} is being carried out"
        case _:
            assert_never(cycle.phase)
