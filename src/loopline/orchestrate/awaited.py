"""What is awaited, since what, and why: the sentence on the overview."""

import math
from datetime import datetime
from typing import assert_never

from loopline.orchestrate.cadence import spoken
from loopline.orchestrate.decide import (
    ROWS,
    clock_left,
    deadline_left,
    decide,
    enough,
    first_again,
    is_week_spent,
    new_rows,
    opens_cycles,
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
    return f"cycle {cycle.number}: {_within(situation, cycle, now)}"


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
    if not opens_cycles(situation.settings):
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


def _people(situation: Situation, cycle: Cycle, now: datetime) -> str:
    """What is awaited from people, and until when."""
    progress, left = situation.progress, deadline_left(situation, cycle, now)
    if progress is None:
        return "tasks"
    if left <= 0:
        ends = left + situation.settings.annotate.deadline_seconds
        then = f"it ends without labels in {spoken(max(0.0, ends))}"
        return (
            f"the first answer: none of {progress.tasks} tasks has one, the deadline passed {spoken(-left)} ago, {then}"
        )
    rules = situation.settings.annotate
    least = max(rules.overlap_min, rules.reserve_min, rules.audit_min)
    each = f", some by {least} people at least" if least > 1 else ""
    said = f"people's answers: {progress.done} of {progress.tasks} tasks are done{each}"
    if progress.is_complete and situation.doubts:
        one = situation.doubts == 1
        said = f"an adjudicator: {situation.doubts:,} {'task is' if one else 'tasks are'} in doubt"
    if math.isinf(left):
        return said
    return f"{said}; labels are derived from what there is in {spoken(left)}"


def _within(situation: Situation, cycle: Cycle, now: datetime) -> str:
    match cycle.phase:
        case "published":
            return _people(situation, cycle, now)
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
