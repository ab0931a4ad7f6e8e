"""The tasks of a batch from all that it asks about: each content once."""

from collections.abc import Mapping, Sequence

from loopline.annotate.assignment import (
    Ground,
    PoolRow,
    again_of,
    drawn,
    of_candidates,
    of_gold,
    of_reserve,
    once_each,
)
from loopline.annotate.gold import rotation
from loopline.records.dataset import LabelledRow
from loopline.records.ids import PredictionId
from loopline.records.selection import Selection
from loopline.records.task import Task


def batch_of(
    selection: Selection,
    *,
    rows: Mapping[PredictionId, PoolRow],
    sealed: Mapping[PredictionId, bytes],
    again: Sequence[Task],
    gold: Sequence[LabelledRow],
    ground: Ground,
) -> tuple[Task, ...]:
    """The tasks, by id: samples asked about ``again``, a bounded uniform draw of ``sealed``, candidates, and gold.

    One task a content: the reserve's before a candidate's, so that what is sealed is not learned, and gold's last.
    """
    chosen = of_candidates(selection, rows, ground=ground)
    fresh = of_reserve(drawn(sealed, seed=ground.cycle.seed, budget=ground.cycle.budget), ground=ground)
    asked = once_each(again_of(again, ground=ground), fresh, chosen)
    turn = rotation(gold, cycle=ground.cycle.number, tasks=len(asked), settled=ground.settings.annotate.gold)
    is_any_shown = any(task.suggestion for task in chosen)
    return once_each(asked, of_gold(turn, ground=ground, is_any_shown=is_any_shown))
