"""What adjudicators found, for one house: how it bears on labels, on gold, on what may be learned, on what is open."""

from collections.abc import Iterable
from functools import partial

from loopline.annotate.doubt import Doubt, doubtful
from loopline.annotate.reviewing import surety
from loopline.annotate.rulings import Rulings, changed, is_certain, is_left_out, ruled
from loopline.orchestrate import known
from loopline.orchestrate.installation import Installation
from loopline.records.dataset import LabelledRow
from loopline.records.decision import Decision
from loopline.records.guideline import Guideline
from loopline.records.ids import TaskId
from loopline.records.label import Label, LabelBatch
from loopline.records.task import Annotation, Standing, Task


def decisions(house: Installation) -> tuple[Decision, ...]:
    """Every finding that holds."""
    return tuple(one for one in house.ledger.all(Decision, house.settings.name) if one.finding != "withdrawn")


def latest(house: Installation) -> tuple[Decision, ...]:
    """The last finding about each content: a sample that was asked about again may have several."""
    found = sorted(decisions(house), key=lambda one: (one.at, one.task))
    return tuple({one.content: one for one in found}.values())


def rulings(house: Installation, *, cycle: int) -> Rulings:
    """What was found about tasks of this cycle."""
    own = (one for one in decisions(house) if one.cycle == cycle)
    return ruled(own, ambiguous=house.settings.annotate.ambiguous)


def guideline(house: Installation) -> int:
    """The version of the guideline that holds; 0 when nothing was written yet."""
    return max((one.version for one in house.ledger.all(Guideline, house.settings.name)), default=0)


def gold(house: Installation) -> tuple[LabelledRow, ...]:
    """The rows that people are checked with: those of the gold file, and those that an adjudicator made gold.

    What judges models is never among them: gold is shown to many and leaves in files. The adjudicator is not told so,
    since that would tell them which samples judge.
    """
    judging = house.roles.reserved(house.settings.name)
    chosen = [one for one in latest(house) if one.is_gold and one.finding == "label" and one.content not in judging]
    tasks, _ = _answered(house, {one.cycle for one in chosen})
    found = (LabelledRow(id=gold_row(d), inputs=tasks[d.task].inputs, label=d.label) for d in chosen if d.task in tasks)
    return (*house.gold(), *found)


def gold_row(decision: Decision) -> str:
    """The id of the gold row that this decision makes."""
    return f"decided-{decision.task}"


def decided_gold(house: Installation) -> dict[str, str]:
    """Gold row that a decision made, or once made -> its answer now; empty where it is gold no more."""
    every = {gold_row(one): "" for one in house.ledger.all(Decision, house.settings.name)}
    return every | {gold_row(one): one.label for one in latest(house) if one.is_gold and one.finding == "label"}


def unlearnable(house: Installation) -> frozenset[str]:
    """Contents of which nobody can say one answer: the next dataset version does not hold them."""
    ambiguous = house.settings.annotate.ambiguous
    return frozenset(str(one.content) for one in latest(house) if is_left_out(one, ambiguous=ambiguous))


def judging(house: Installation) -> tuple[Label, ...]:
    """The fresh labels that judge models: but for samples of which an adjudicator found since that none is right."""
    unclear = unlearnable(house)
    return tuple(label for label in known.fresh(house) if label.content not in unclear)


def late(house: Installation, *, cycle: int, stored: Iterable[LabelBatch]) -> tuple[Label, ...]:
    """The labels of earlier cycles that were decided otherwise since, as they are now."""
    batches = tuple(stored)
    newest = {str(label.content): label for batch in batches for label in batch.labels}
    labelled = {batch.cycle for batch in batches}
    since = [d for d in latest(house) if d.cycle in labelled and d.cycle < cycle and _is_news(d, newest.get(d.content))]
    tasks, annotations = _answered(house, {one.cycle for one in since})
    return changed(since, tasks=tasks, annotations=annotations, stored=newest, cycle=cycle, settings=house.settings)


def _is_news(decision: Decision, old: Label | None) -> bool:
    """Whether the stored label was derived without this finding."""
    if decision.finding == "withdrawn":
        return False
    if old is None or old.decided_by != decision.adjudicator:
        return True
    is_label = decision.finding == "label"
    return is_certain(old.posterior) != is_label or (is_label and old.label != decision.label)


def doubts(house: Installation, *, cycle: int) -> tuple[Doubt, ...]:
    """What the answers of this cycle leave in doubt so far, the least sure first."""
    settings = house.settings
    said = house.book.answers(settings.name, cycle=cycle)
    asked = [task for task in said.tasks if task.stratum != "gold"]
    labels = settings.signature.labels
    sure = surety(
        asked,
        said.annotations,
        standings=house.ledger.all(Standing, settings.name),
        sure=partial(house.question.sure, labels=labels),
        labels=len(labels),
    )
    settled = rulings(house, cycle=cycle).settled
    return doubtful(
        asked, said.annotations, skips=said.skips, sure=sure.tolist(), settled=settled, rules=settings.annotate
    )


def _answered(house: Installation, cycles: set[int]) -> tuple[dict[TaskId, Task], list[Annotation]]:
    """The tasks of these cycles by id, and the answers to them that stand."""
    found = [house.book.answers(house.settings.name, cycle=number) for number in sorted(cycles)]
    tasks = {task.id: task for said in found for task in said.tasks}
    return tasks, [one for said in found for one in said.annotations]
