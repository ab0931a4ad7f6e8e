"""How much a cycle may ask for: no more than its people have been seen to label while a cycle lasts.

The rate is the median of labels a day over the days on which anyone answered. A day on which a batch was finished tells
only that people can do as much at least: they ran out of tasks. Taken as it is, such a day would make a small batch
prove that people are slow, and the next batch smaller. So it is a censored observation, and the median is that of
Kaplan and Meier (1958, "Nonparametric Estimation from Incomplete Observations", JASA 53).
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

from loopline.orchestrate.cadence import spoken
from loopline.ports.task_queue import Answers
from loopline.records.cycle import Cycle
from loopline.records.selection import Selection
from loopline.records.settings import SelectSettings
from loopline.records.throughput import Throughput

WINDOW = timedelta(days=28)
"""How far back people's work is looked at."""
LEAST_DAYS = 3
"""Days with answers, below which nothing is said about a usual one."""
WEEK = timedelta(days=7)
DAY_SECONDS = 86_400
ROUNDING = 1e-9
CHOSEN = ("chosen", "audit")
"""Strata that a budget pays for; gold, reserve and further opinions are work that comes on top."""


class Cap(NamedTuple):
    """What a cycle asks for, and why no more."""

    budget: int
    reason: str


class Day(NamedTuple):
    """What was labelled on one day."""

    labels: float
    is_full: bool
    """Whether there was more to do all day long."""


def measured(batches: Iterable[Answers], *, now: datetime) -> Throughput | None:
    """How much is labelled a day, from the batches of the last weeks; None while there are too few days to tell.

    An answer counts as the part of a label that answers come to: where people give three answers for each label of a
    chosen sample (to gold, to the reserve, as a second opinion), it is a third. Days are those of UTC.
    """
    answers: Counter[date] = Counter()
    people: set[str] = set()
    ends: set[date] = set()
    labelled = 0
    for batch in batches:
        recent = [one for one in batch.annotations if now - WINDOW < one.at <= now]
        if not recent:
            continue
        paid = {task.id for task in batch.tasks if task.stratum in CHOSEN}
        labelled += len(paid & {one.task for one in recent})
        answers.update(one.at.date() for one in recent)
        people.update(one.annotator for one in recent)
        ends.add(max(one.at for one in batch.annotations).date())
    if len(answers) < LEAST_DAYS or not labelled:
        return None
    share = labelled / answers.total()
    days = [Day(count * share, is_full=day not in ends) for day, count in sorted(answers.items())]
    return Throughput(people=len(people), days=(now.date() - min(answers)).days + 1, labels_a_day=censored_median(days))


def censored_median(days: Sequence[Day]) -> float | None:
    """What is exceeded on less than half of all days, had there been enough to do; None where it cannot be told.

    >>> censored_median([Day(40, is_full=True), Day(60, is_full=True), Day(5, is_full=False), Day(30, is_full=True)])
    40
    >>> censored_median([Day(40, is_full=True), Day(60, is_full=False), Day(60, is_full=False)]) is None
    True
    """
    exceeding = 1.0
    for place, day in enumerate(sorted(days, key=lambda day: (day.labels, not day.is_full))):
        if day.is_full:
            exceeding *= 1 - 1 / (len(days) - place)
            if exceeding < 0.5 - ROUNDING:
                return day.labels
    return None


def asked_within_a_week(cycles: Iterable[Cycle], selections: Iterable[Selection], *, now: datetime) -> int:
    """Samples chosen by cycles that were opened in the last seven days."""
    recent = {cycle.number for cycle in cycles if now - WEEK < cycle.opened_at <= now}
    return sum(len(selection.candidates) for selection in selections if selection.cycle in recent)


def capped(
    budget: int, *, settings: SelectSettings, throughput: Throughput | None, cycle_seconds: float, asked: int
) -> Cap:
    """The budget within what people can label while a cycle lasts, and within the week's cap.

    A cycle that is shorter than a day counts as one: people were measured by the day, and mostly sleep at night.

    Args:
        budget: what the cycle would ask for, at least 1.
        settings: whether there is a week's cap, and whether people's pace counts.
        throughput: None where nothing is measured yet, which caps nothing.
        cycle_seconds: from one cycle to the next.
        asked: samples chosen in the last seven days; where they reach the week's cap the budget is 0.
    """
    reachable, reason = _reachable(budget, settings=settings, throughput=throughput, cycle_seconds=cycle_seconds)
    reachable = min(budget, reachable)
    left = max(0, settings.weekly - asked) if settings.weekly else reachable
    if left < reachable:
        why = f"{asked:,} were chosen in the last 7 days, and {settings.weekly:,} a week are the most"
        return Cap(left, f"{left:,} of {budget:,}: {why}")
    if reachable < budget:
        return Cap(reachable, f"{reachable:,} of {budget:,}: {reason}")
    return Cap(budget, f"{budget:,} as configured: {reason}")


def _reachable(
    budget: int, *, settings: SelectSettings, throughput: Throughput | None, cycle_seconds: float
) -> tuple[int, str]:
    """What people can label while a cycle lasts, and the sentence about it; the budget itself where that is unknown."""
    if not settings.throughput:
        return budget, "throughput = false, so that it does not follow what people answer"
    if throughput is None:
        return budget, "how much people answer is not measured yet"
    who = "1 person" if throughput.people == 1 else f"{throughput.people:,} people"
    over = f"over the last {throughput.days} days"
    if throughput.labels_a_day is None:
        return budget, f"{who} answered all there was on most days {over}"
    lasts = f"a cycle lasts {spoken(cycle_seconds)}"
    if cycle_seconds < DAY_SECONDS:
        lasts += ", which counts as a day"
    within = throughput.labels_a_day * max(1.0, cycle_seconds / DAY_SECONDS)
    rate = f"{throughput.labels_a_day:,.0f}" if throughput.labels_a_day >= 10 else f"{throughput.labels_a_day:.2g}"
    return max(1, int(within + ROUNDING)), f"{who} labelled {rate} a day {over}, and {lasts}"
