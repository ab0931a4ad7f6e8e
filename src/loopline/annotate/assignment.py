"""Samples become tasks: what a person is asked, and what they are shown beside it."""

from collections.abc import Mapping, Sequence

from blake3 import blake3

from loopline.errors import InvalidRecord, NotFound
from loopline.records.cycle import Cycle
from loopline.records.dataset import LabelledRow
from loopline.records.ids import Digest, PredictionId, TaskId, VersionName
from loopline.records.selection import Selection
from loopline.records.settings import Settings
from loopline.records.signature import Signature
from loopline.records.task import Stratum, Task

AWAITED = frozenset[Stratum]({"chosen", "audit", "reserve"})
"""Whose answers a cycle waits for."""
HIDDEN = frozenset[Stratum]({"gold"})
RESERVE_TIMES = 3
"""A cycle asks about at most so many reserve rows for each sample of its budget: people's time has a bound."""
FRESH = 200_000
"""Latest rows of a window whose sealed part a cycle asks about: the reserve measures the world as it is."""
RESERVE_LEAST = 30
"""But about so many in any case: the gate cannot judge on less."""


def task_id(cycle: Cycle, content: Digest) -> TaskId:
    """An opaque id, the same for the same content in the same cycle; it tells nothing of the stratum.

    Tasks of one priority are served in the order of their ids, so chosen, audit and reserve samples come mixed.
    """
    return TaskId(blake3(f"{cycle.id}/{content}".encode()).hexdigest(length=10))


def is_blind(task: TaskId, *, share: float) -> bool:
    """Whether a chosen task shows no suggestion: fixed by a hash of its id, true for ``share`` of all ids.

    >>> is_blind(TaskId("any"), share=0.0), is_blind(TaskId("any"), share=1.0)
    (False, True)
    """
    return int.from_bytes(blake3(b"blind/" + task.encode()).digest(length=6), "big") < share * 2**48


def of_candidates(
    selection: Selection, inputs: Mapping[PredictionId, bytes], *, cycle: Cycle, settings: Settings
) -> tuple[Task, ...]:
    """One task a candidate; chosen ones show the model's label, but for the blind share; audit ones never do.

    Raises NotFound for a candidate that is not among ``inputs``.
    """
    tasks = []
    for candidate in selection.candidates:
        if candidate.prediction not in inputs:
            raise NotFound("pool row of candidate", candidate.prediction)
        name = task_id(cycle, candidate.content)
        is_shown = candidate.draw == "chosen" and not is_blind(name, share=settings.annotate.blind)
        tasks.append(
            Task(
                id=name,
                loop=cycle.loop,
                cycle=cycle.number,
                sample=candidate.prediction,
                content=candidate.content,
                stratum=candidate.draw,
                inputs=inputs[candidate.prediction],
                suggestion=candidate.predicted if is_shown else "",
                suggested_by=selection.model if is_shown else VersionName(""),
                wanted=settings.annotate.overlap_min,
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


def of_reserve(samples: Mapping[PredictionId, bytes], *, cycle: Cycle, settings: Settings) -> tuple[Task, ...]:
    """One task a sealed sample, id -> inputs; none shows a suggestion."""
    wanted = settings.annotate.overlap_min
    return tuple(_unaided(name, row, "reserve", cycle=cycle, wanted=wanted) for name, row in samples.items())


def of_gold(rows: Sequence[LabelledRow], *, cycle: Cycle, signature: Signature) -> tuple[Task, ...]:
    """One task a gold row, with its known answer; looks like any task without a suggestion.

    Raises InvalidRecord, naming the row, when its label is none of the loop's.
    """
    tasks = []
    for row in rows:
        if row.label not in signature.labels:
            allowed = f"one of {', '.join(signature.labels)}"
            raise InvalidRecord(f"gold row {row.id}", found=f"label {row.label!r}", expected=allowed)
        tasks.append(_unaided(PredictionId(row.id), row.inputs, "gold", cycle=cycle, gold=row.label))
    return tuple(tasks)


def once_each(*groups: Sequence[Task]) -> tuple[Task, ...]:
    """All tasks, by id, one a content: where groups share a content, the earlier group's task stays."""
    kept: dict[TaskId, Task] = {}
    for group in groups:
        for task in group:
            kept.setdefault(task.id, task)
    return tuple(kept[name] for name in sorted(kept))


def _unaided(
    sample: PredictionId, inputs: bytes, stratum: Stratum, *, cycle: Cycle, wanted: int = 1, gold: str = ""
) -> Task:
    content = Digest(blake3(inputs).hexdigest())
    return Task(
        id=task_id(cycle, content),
        loop=cycle.loop,
        cycle=cycle.number,
        sample=sample,
        content=content,
        stratum=stratum,
        inputs=inputs,
        gold=gold,
        wanted=wanted,
    )
