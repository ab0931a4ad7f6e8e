"""Candidates become tasks, tasks become answers, answers become labels."""

from collections.abc import Sequence
from datetime import datetime

from loopline.annotate.assignment import AWAITED, FRESH, HIDDEN, drawn, of_candidates, of_gold, of_reserve, once_each
from loopline.annotate.gold import mixed, rotation, slots
from loopline.annotate.labelling import labelled
from loopline.annotate.reviewing import Reviewed, raised, weighed
from loopline.ports.prediction_log import Pool, ReserveLog
from loopline.ports.task_queue import AnswerBook, TaskQueue
from loopline.records.cycle import Cycle
from loopline.records.dataset import LabelledRow
from loopline.records.label import LabelBatch
from loopline.records.selection import Selection
from loopline.records.settings import Settings
from loopline.records.task import Standing, Task


def publish(  # noqa: PLR0913  stage recipes take their ports by name
    selection: Selection,
    *,
    cycle: Cycle,
    pool: Pool,
    reserve: ReserveLog,
    gold: Sequence[LabelledRow],
    known: frozenset[str],
    settings: Settings,
) -> tuple[Task, ...]:
    """The tasks of a cycle, by id: its candidates, the fresh reserve rows of its window, and gold.

    One task a content: the reserve's before a candidate's, so that what is sealed is not learned. Reserve rows whose
    content is ``known``, learned or labelled before, are left out; of the others a bounded uniform draw is asked about.
    """
    places = [candidate.position for candidate in selection.candidates]  # 0 in a selection of before they were kept
    rows = pool.at(places) if all(places) else pool.rows(after=selection.after, until=selection.until)
    inputs = dict(zip(rows.id.tolist(), rows.inputs.tolist(), strict=True))
    chosen = of_candidates(selection, inputs, cycle=cycle, settings=settings)
    world = reserve.sealed(after=max(cycle.after, cycle.until - FRESH), until=cycle.until)
    sealed = {row.id: row.inputs for row in world if row.content not in known}
    fresh = of_reserve(drawn(sealed, seed=cycle.seed, budget=cycle.budget), cycle=cycle, settings=settings)
    turn = rotation(gold, cycle=cycle.number, tasks=len(chosen) + len(fresh), settled=settings.annotate.gold)
    return once_each(fresh, chosen, of_gold(turn, cycle=cycle, signature=settings.signature))


def claim(  # noqa: PLR0913  stage recipes take their ports by name
    annotator: str,
    *,
    count: int,
    queue: TaskQueue,
    book: AnswerBook,
    settings: Settings,
    now: datetime,
    secret: bytes = b"",
) -> tuple[Task, ...]:
    """Up to ``count`` tasks leased to this person, with hidden gold where a hash keyed by ``secret`` puts it."""
    loop, seconds = settings.name, settings.annotate.lease_seconds
    first, _ = book.answered(loop, annotator)
    is_gold = slots(annotator, first=first, count=count, settled=settings.annotate.gold, secret=secret).tolist()
    gold = queue.claim(loop, annotator, count=sum(is_gold), strata=HIDDEN, now=now, seconds=seconds)
    work = queue.claim(loop, annotator, count=count - len(gold), strata=AWAITED, now=now, seconds=seconds)
    return mixed(work, gold, is_gold)


def review(
    cycle: Cycle, *, book: AnswerBook, standings: tuple[Standing, ...], settings: Settings, now: datetime
) -> Reviewed:
    """Whom the gold answers pause, and which tasks of the cycle need more people, or wait for fewer."""
    changed = weighed(book.gold_answers(settings.name), before=standings, settings=settings)
    latest = tuple({s.annotator: s for s in (*standings, *changed)}.values())
    said = book.answers(settings.name, cycle=cycle.number)
    raises = raised(said.tasks, said.annotations, skips=said.skips, standings=latest, settings=settings, now=now)
    return Reviewed(changed, raises)


def aggregate(cycle: Cycle, *, book: AnswerBook, settings: Settings) -> LabelBatch:
    """The labels that the cycle's standing answers give; the same answers give the same bytes."""
    said = book.answers(settings.name, cycle=cycle.number)
    return labelled(said.tasks, said.annotations, cycle=cycle, labels=settings.signature.labels)
