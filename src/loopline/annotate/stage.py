"""Candidates become tasks, tasks become answers, answers become labels."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial

from msgspec import structs

from loopline.annotate.assignment import AWAITED, FRESH, HIDDEN, Ground, pooled
from loopline.annotate.evidence import NO_DECISIONS, Decided, Heard, holding, known_of, looked_at
from loopline.annotate.gold import mixed, slots
from loopline.annotate.labelling import Method, labelled
from loopline.annotate.publishing import batch_of
from loopline.annotate.reviewing import Meetings, Reviewed, Room, nobody, raised, weighed
from loopline.annotate.rulings import Rulings
from loopline.ports.prediction_log import Pool, ReserveLog
from loopline.ports.question import Question
from loopline.ports.task_queue import AnswerBook, TaskQueue
from loopline.records.cycle import Cycle
from loopline.records.dataset import LabelledRow
from loopline.records.ids import TaskId
from loopline.records.label import Label, LabelBatch
from loopline.records.selection import Selection
from loopline.records.settings import Settings
from loopline.records.task import Claim, Standing, Task


def publish(  # noqa: PLR0913  stage recipes take their ports by name
    selection: Selection, *, ground: Ground, pool: Pool, reserve: ReserveLog, gold: Sequence[LabelledRow],
    known: frozenset[str], again: Sequence[Task] = (), there: Sequence[Task] = (),
) -> tuple[Task, ...]:  # fmt: skip
    """The tasks of a cycle, by id: what is asked again, fresh reserve rows of its window, its candidates, and gold.

    Reserve rows whose content is ``known``, learned or labelled before, are left out, and what is ``there`` already.
    """
    cycle, places = ground.cycle, [candidate.position for candidate in selection.candidates]  # 0: not kept, long ago
    rows = pool.at(places) if all(places) else pool.rows(after=selection.after, until=selection.until)
    world = reserve.sealed(after=max(cycle.after, cycle.until - FRESH), until=cycle.until)
    sealed = {row.id: row.inputs for row in world if row.content not in known}
    found, held = pooled(rows.id, rows.inputs, rows.probabilities), {task.id for task in there}
    tasks = batch_of(selection, rows=found, sealed=sealed, again=again, gold=gold, ground=ground)
    return tuple(task for task in tasks if task.id not in held)


def claim(
    wish: Claim, *, queue: TaskQueue, book: AnswerBook, settings: Settings, now: datetime, secret: bytes = b""
) -> tuple[Task, ...]:
    """Up to ``wish.count`` tasks of any stratum, with hidden gold where a hash keyed by ``secret`` puts it."""
    (first, _), share = book.answered(settings.name, wish.annotator), settings.annotate.gold
    is_gold = slots(wish.annotator, first=first, count=wish.count, settled=share, secret=secret).tolist()
    hidden = structs.replace(wish, count=sum(is_gold), strata=HIDDEN)
    gold = queue.claim(hidden, loop=settings.name, now=now)
    awaited = structs.replace(wish, count=wish.count - len(gold), strata=AWAITED)
    return mixed(queue.claim(awaited, loop=settings.name, now=now), gold, is_gold)


def review(  # noqa: PLR0913  stage recipes take their ports by name
    cycle: Cycle, *, book: AnswerBook, question: Question, standings: tuple[Standing, ...], settings: Settings,
    now: datetime, met: Meetings = nobody, settled: frozenset[TaskId] = frozenset(), decided: Decided = NO_DECISIONS,
) -> Reviewed:  # fmt: skip
    """Whom gold and the others' answers pause, and which tasks of the cycle need more people, or wait for fewer."""
    sure = partial(question.sure, labels=settings.signature.labels)
    before = [Heard(*book.answers(settings.name, cycle=number)) for number in looked_at(cycle)]
    gold = holding(book.gold_answers(settings.name), decided=decided)
    verdicts = known_of(gold, before, standings=standings, sure=sure, settings=settings)
    changed = weighed(verdicts, before=standings, settings=settings)
    latest = tuple({s.annotator: s for s in (*standings, *changed)}.values())
    said = Heard(*book.answers(settings.name, cycle=cycle.number))
    room = Room(now, met, settled)
    return Reviewed(changed, raised(said, standings=latest, sure=sure, settings=settings, room=room))


def aggregate(  # noqa: PLR0913  stage recipes take their ports by name
    cycle: Cycle, *, book: AnswerBook, question: Question, settings: Settings, rulings: Rulings,
    late: Sequence[Label] = (), sealed: frozenset[str] = frozenset(),
) -> LabelBatch:  # fmt: skip
    """The labels that the cycle's standing answers and findings give; the same answers give the same bytes."""
    said, labels = book.answers(settings.name, cycle=cycle.number), settings.signature.labels
    method = Method(question.method, partial(question.agreed, labels=labels), labels)
    return labelled(Heard(*said), cycle=cycle, method=method, rulings=rulings, late=late, sealed=sealed)
