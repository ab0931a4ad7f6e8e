"""Samples become tasks: what a person is asked, and what they are shown beside it."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from blake3 import blake3
from msgspec import structs
from numpy.typing import NDArray

from loopline.errors import InvalidRecord, NotFound
from loopline.records.cycle import Cycle
from loopline.records.dataset import LabelledRow
from loopline.records.ids import Digest, PredictionId, TaskId, VersionName
from loopline.records.selection import Selection
from loopline.records.settings import AnnotateSettings, Settings
from loopline.records.task import STEP, Stratum, Task

AWAITED = frozenset[Stratum]({"chosen", "audit", "reserve", "relabel"})
"""Whose answers a cycle waits for."""
HIDDEN = frozenset[Stratum]({"gold"})
RESERVE_TIMES = 3
"""A cycle asks about at most so many reserve rows for each sample of its budget: people's time has a bound."""
FRESH = 200_000
"""Latest rows of a window whose sealed part a cycle asks about: the reserve measures the world as it is."""
RESERVE_LEAST = 30
"""But about so many in any case: the gate cannot judge on less."""
RANKS = 4
"""Steps of priority: the first quarter of the draw is served first, with a quarter of what is drawn by chance."""
Spell = Callable[[str], str]
"""How the loop's question spells a label as an answer; empty where it is none."""


def task_id(cycle: Cycle, content: Digest) -> TaskId:
    """An opaque id, the same for the same content in the same cycle; it tells nothing of the stratum.

    Nor does its place among those that were served before: within a step of priority chance orders, not the id. Gold,
    which comes from a row of its own, would else stand out from ids that only rise.
    """
    return TaskId(blake3(f"{cycle.id}/{content}".encode()).hexdigest(length=10))


def is_blind(task: TaskId, *, sample: PredictionId, share: float) -> bool:
    """Whether a chosen task shows no suggestion: fixed by a hash of its id and its sample's, true for ``share`` of all.

    >>> is_blind(TaskId("any"), sample=PredictionId("p"), share=0.0)
    False
    >>> is_blind(TaskId("any"), sample=PredictionId("p"), share=1.0)
    True
    """
    return _chance("blind", task, sample) < share


def nowhere(_sample: PredictionId) -> str:
    """No named part of the traffic."""
    return ""


class Ground(NamedTuple):
    """What all tasks of a batch share."""

    cycle: Cycle
    settings: Settings
    model: VersionName
    """Whose labels are suggested."""
    spell: Spell
    guideline: int = 0
    """The version that holds now; 0: there is none."""
    segment_of: Callable[[PredictionId], str] = nowhere
    """The part of the traffic that a sealed sample is of."""


class PoolRow(NamedTuple):
    """What the log's pool holds of a candidate."""

    inputs: bytes
    probabilities: tuple[float, ...] = ()


def pooled(
    names: NDArray[np.object_], inputs: NDArray[np.object_], probabilities: NDArray[np.float32]
) -> dict[PredictionId, PoolRow]:
    """Rows of the pool by id, from its columns of equal length."""
    columns = zip(names.tolist(), inputs.tolist(), probabilities.astype(np.float64).tolist(), strict=True)
    return {name: PoolRow(row, tuple(p)) for name, row, p in columns}


def spelling(canonical: Callable[[str | Sequence[str]], str]) -> Spell:
    """How a question spells a label: as it is, or as the only one of a list; empty where it is no answer."""

    def spell(label: str) -> str:
        for answer in (label, [label]):
            try:
                return canonical(answer)
            except InvalidRecord:
                continue
        return ""

    return spell


def bounds(stratum: Stratum, *, rules: AnnotateSettings) -> tuple[int, int]:
    """The fewest and the most people that a sample of this stratum is asked of.

    >>> bounds("reserve", rules=AnnotateSettings(reserve_min=3)), bounds("chosen", rules=AnnotateSettings())
    ((3, 3), (1, 3))
    """
    own = {"reserve": (rules.reserve_min, rules.reserve_max), "audit": (rules.audit_min, rules.audit_max)}
    least, most = own.get(stratum, (0, 0))
    least = least or rules.overlap_min
    return least, max(least, most or rules.overlap_max)


def of_candidates(selection: Selection, rows: Mapping[PredictionId, PoolRow], *, ground: Ground) -> tuple[Task, ...]:
    """One task a candidate; chosen ones show the model's label, but for the blind share; audit ones never do.

    Raises NotFound for a candidate that is not among ``rows``.
    """
    rules, tasks = ground.settings.annotate, []
    chosen = [c.order for c in selection.candidates if c.draw == "chosen"]
    rank = {order: place for place, order in enumerate(sorted(chosen))}
    for candidate in selection.candidates:
        if candidate.prediction not in rows:
            raise NotFound("pool row of candidate", candidate.prediction)
        name, row = task_id(ground.cycle, candidate.content), rows[candidate.prediction]
        is_chosen, said = candidate.draw == "chosen", ground.spell(candidate.predicted)
        is_shown = is_chosen and said != "" and not is_blind(name, sample=candidate.prediction, share=rules.blind)
        counts = is_chosen and rules.prior == "model" and said == candidate.predicted
        made = _unaided(candidate.prediction, row.inputs, candidate.draw, ground=ground, segment=candidate.segment)
        tasks.append(
            structs.replace(
                made,
                suggestion=said if is_shown else "",
                suggested_by=ground.model if is_shown else VersionName(""),
                withheld="" if is_shown else said,
                prior=row.probabilities if counts else (),
                priority=place(
                    name, candidate.prediction, step=RANKS - 1 - rank[candidate.order] * RANKS // len(chosen)
                )
                if is_chosen
                else made.priority,
                cluster=f"cycle-{ground.cycle.number}/{candidate.cluster}"
                if is_chosen and candidate.cluster >= 0
                else "",
            )
        )
    return tuple(tasks)


def drawn(rows: Mapping[PredictionId, bytes], *, seed: int, budget: int) -> dict[PredictionId, bytes]:
    """The sealed rows that a cycle asks about: one a content, at most three times its budget, or 30.

    Drawn uniformly over contents, by a hash of seed and content: the gate compares versions by their means over the
    fresh rows, and a draw that preferred some rows (the newest, the hardest) would bias that mean. Each keeps the
    same chance, so fewer rows cost precision only. What is not drawn stays unlabelled: a later cycle in whose window
    its content comes again may draw it.

    >>> len(drawn({PredictionId(f"r{i}"): f"row {i}".encode() for i in range(99)}, seed=1, budget=20))
    60
    """
    of_content: dict[bytes, PredictionId] = {}
    for name, row in rows.items():
        of_content.setdefault(row, name)
    order = {row: blake3(f"reserve/{seed}/{blake3(row).hexdigest()}".encode()).digest() for row in of_content}
    most = max(RESERVE_LEAST, RESERVE_TIMES * budget)
    return {of_content[row]: row for row in sorted(order, key=order.__getitem__)[:most]}


def of_reserve(samples: Mapping[PredictionId, bytes], *, ground: Ground) -> tuple[Task, ...]:
    """One task a sealed sample, id -> inputs; none shows a suggestion."""
    return tuple(
        _unaided(name, row, "reserve", ground=ground, segment=ground.segment_of(name)) for name, row in samples.items()
    )


def of_gold(rows: Sequence[LabelledRow], *, ground: Ground, is_any_shown: bool) -> tuple[Task, ...]:
    """One task a gold row, with its known answer; a share of them carry a deliberately wrong suggestion.

    Such a suggestion looks like any of the model's; where no chosen task shows one (``is_any_shown``), neither does
    gold. The others say in ``withheld`` which wrong one they would carry: how far people follow a suggestion is the
    difference between the two. Raises InvalidRecord, naming the row, when its label is no answer.
    """
    tasks = []
    labels, share = ground.settings.signature.labels, ground.settings.annotate.wrong
    for row in rows:
        answer = ground.spell(row.label)
        if not answer:
            allowed = f"one of {', '.join(labels)}"
            raise InvalidRecord(f"gold row {row.id}", found=f"label {row.label!r}", expected=allowed)
        made = _unaided(PredictionId(row.id), row.inputs, "gold", ground=ground)
        wrong = misleading(made.id, answer, sample=made.sample, others=tuple(map(ground.spell, labels)))
        is_shown = is_any_shown and wrong != "" and _chance("wrong", made.id, made.sample) < share
        tasks.append(
            structs.replace(
                made,
                gold=answer,
                wanted=1,
                suggestion=wrong if is_shown else "",
                suggested_by=ground.model if is_shown else VersionName(""),
                withheld="" if is_shown else wrong,
            )
        )
    return tuple(tasks)


def misleading(task: TaskId, answer: str, *, sample: PredictionId, others: Sequence[str]) -> str:
    """One of the ``others`` that is not the answer, fixed by a hash of the task; empty where there is none.

    >>> misleading(TaskId("t"), "good", sample=PredictionId("g1"), others=("bad", "good"))
    'bad'
    """
    wrong = [other for other in others if other and other != answer]
    return wrong[int(_chance("which", task, sample) * len(wrong))] if wrong else ""


def again_of(tasks: Sequence[Task], *, ground: Ground) -> tuple[Task, ...]:
    """The same samples, asked about once more in this cycle, among the first: nothing is suggested.

    A sample that judges models is asked about so as well; its label is one of the reserve again.
    """
    return tuple(
        structs.replace(
            _unaided(task.sample, task.inputs, "relabel", ground=ground),
            skill=task.skill,
            language=task.language,
            priority=place(task_id(ground.cycle, task.content), task.sample, step=RANKS - 1),
        )
        for task in tasks
    )


def once_each(*groups: Sequence[Task]) -> tuple[Task, ...]:
    """All tasks, by id, one a content: where groups share a content, the earlier group's task stays."""
    kept: dict[TaskId, Task] = {}
    for group in groups:
        for task in group:
            kept.setdefault(task.id, task)
    return tuple(kept[name] for name in sorted(kept))


def _unaided(sample: PredictionId, inputs: bytes, stratum: Stratum, *, ground: Ground, segment: str = "") -> Task:
    rules, digest = ground.settings.annotate, Digest(blake3(inputs).hexdigest())
    name = task_id(ground.cycle, digest)
    return Task(
        id=name,
        loop=ground.cycle.loop,
        cycle=ground.cycle.number,
        sample=sample,
        content=digest,
        stratum=stratum,
        inputs=inputs,
        wanted=bounds(stratum, rules=rules)[0],
        priority=place(name, sample, step=int(_chance("turn", name, sample) * RANKS)),
        skill=dict(rules.skills).get(segment, ""),
        language=dict(rules.languages).get(segment, ""),
        guideline=ground.guideline,
    )


def place(task: TaskId, sample: PredictionId, *, step: int) -> int:
    """A priority of this step, somewhere in it by chance.

    >>> place(TaskId("t"), PredictionId("p"), step=3) // STEP
    3
    """
    return step * STEP + int(_chance("place", task, sample) * STEP)


def _chance(what: str, task: TaskId, sample: PredictionId) -> float:
    """A number in [0, 1), fixed by what it is for and the two ids.

    The task's id is known to whoever is asked: from it alone they could work out that a task which shows no suggestion
    is not of the blind share. The sample's is not shown to them.
    """
    return int.from_bytes(blake3(f"{what}/{task}/{sample}".encode()).digest(length=6), "big") / 2**48
