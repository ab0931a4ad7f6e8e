"""A loop whose people have answered: a labelled batch that models learned, an open one, and gold with suggestions."""

from datetime import timedelta

from loopline.dataset import stage as dataset
from loopline.records.ids import VersionName
from loopline.records.label import Label, LabelBatch
from loopline.records.task import Stratum
from loopline.testing import factories as make
from loopline.testing.rooms import Rooms

RIGHT = "positive"
WRONG = "negative"
STRATA: tuple[Stratum, ...] = ("chosen", "audit", "reserve", "chosen")


def fill(house: Rooms) -> None:
    """Cycle 1 has labels, cut as ``c1`` and learned by ``v2``; cycle 2 is open.

    Ana is right throughout. Ben follows wrong suggestions where they are shown: 10 of 10, against 2 of 10 where not.
    The sample of task ``w-7`` was answered by Ben alone. Chi was asked only in the open batch, and passed once.
    """
    work = [make.task(f"w-{n}", f"work {n}", stratum=STRATA[n % 4], wanted=2) for n in range(8)]
    gold = [
        make.task(
            f"g-{n:02}",
            f"known {n}",
            stratum="gold",
            gold=RIGHT,
            suggestion=WRONG if n < 10 else "",
            withheld="" if n < 10 else WRONG,
            suggested_by=VersionName("v1") if n < 10 else VersionName(""),
        )
        for n in range(20)
    ]
    later = [make.task(f"o-{n}", f"open {n}", cycle=2, wanted=2) for n in range(3)]
    cycles = (make.cycle(1, phase="published"), make.cycle(2, phase="published"))
    house.ledger.commit(make.entry("tasks", *cycles, tasks=(*work, *gold, *later)))
    said = [make.annotation(f"ana-{task.id}", task=task.id, label=RIGHT, seconds=4.0) for task in (*work[:7], *gold)]
    said += [
        make.annotation(
            f"ben-{task.id}",
            task=task.id,
            annotator="ben",
            label=WRONG if task.suggestion or task.id in ("g-10", "g-11") else RIGHT,
            at=make.NOW + timedelta(seconds=n),
            seconds=2.0,
        )
        for n, task in enumerate((*work, *gold))
    ]
    said += [make.annotation(f"chi-{task.id}", task=task.id, annotator="chi", label=RIGHT) for task in later[:2]]
    house.queue.submit(said, loop=make.LOOP)
    house.queue.skip(make.skip(task="o-2", annotator="chi"), loop=make.LOOP)
    labels = [
        make.label(
            task.sample,
            f"work {n}",
            stratum=task.stratum,
            label=RIGHT,
            annotators=("ben",) if n == 7 else ("ana", "ben"),
        )
        for n, task in enumerate(work)
    ]
    answers = tuple(sorted(one.id for one in said if one.task.startswith(("w-", "g-"))))
    batch = make.label_batch(*labels, id="cycle-1", cycle=1, annotations=15, answers=answers)
    house.ledger.commit(make.entry("labelled", make.cycle(1, phase="closed", closed_at=make.NOW), batch))
    _learn(house, batch)


def _learn(house: Rooms, batch: LabelBatch) -> None:
    """The labels become ``c1`` over a base set, and ``v2`` is trained on that."""
    rows = [make.labelled_row(f"r{n}", f"base {n}") for n in range(4)]
    base, _ = dataset.import_base(rows, anchor=(), settings=house.settings, objects=house.objects, now=make.NOW)
    chosen = [
        make.candidate(one.sample, inputs_of(one), draw=one.stratum) for one in batch.labels if one.stratum != "reserve"
    ]
    cut = dataset.cut(
        make.cycle(1),
        parent=base,
        batch=batch,
        selection=make.selection(*chosen),
        objects=house.objects,
        settings=house.settings,
        now=make.NOW,
    )
    model = make.model_version("v2", cycle=1, dataset=cut.version.id)
    house.ledger.commit(make.entry("learned", base, cut.version, model))


def inputs_of(label: Label) -> str:
    """The text of its sample."""
    return str(make.SIGNATURE.decode(label.inputs))
