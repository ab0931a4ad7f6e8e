"""Tasks enter the database, ask for more or fewer people, and are over; always inside a ledger's transaction."""

from collections.abc import Iterable
from itertools import islice

import msgspec
from sqlalchemy import Connection, RowMapping, exists, insert, or_, select, text, update

from loopline.adapters.sql.tables import RECORD, TASK
from loopline.errors import Conflict, NotFound
from loopline.records.cycle import Cycle
from loopline.records.label import LabelBatch
from loopline.records.lineage import Entry, Raise
from loopline.records.task import Task

PORTION = 500
"""Tasks that are looked up, and entered or changed, at once."""
WANTED = text("UPDATE task SET wanted = :wanted, full_us = 0 WHERE id = :task")
_TASK = msgspec.json.Decoder(Task)


def store_tasks(connection: Connection, tasks: Iterable[Task]) -> None:
    """Add the tasks; the very same one again changes nothing. Raises Conflict for another one under its id."""
    waiting = iter(tasks)
    while portion := list(islice(waiting, PORTION)):
        known = select(TASK.c.id, TASK.c.body).where(TASK.c.id.in_([task.id for task in portion]))
        stored = {row.id: _TASK.decode(row.body) for row in connection.execute(known)}
        new = []
        for task in portion:
            if task.id not in stored:
                stored[task.id] = task
                new.append(_row_of(task))
            elif stored[task.id] != task:
                raise Conflict(f"task {task.id}", found="another task under this id", expected="a new id")
        if new:
            connection.execute(insert(TASK), new)


def raise_wanted(connection: Connection, raises: Iterable[Raise]) -> None:
    """Ask for these many answers, whatever was asked before. Raises NotFound for an unknown task."""
    waiting = iter(raises)
    while portion := list(islice(waiting, PORTION)):
        known = set(connection.execute(select(TASK.c.id).where(TASK.c.id.in_([one.task for one in portion]))).scalars())
        for missing in (one.task for one in portion if one.task not in known):
            raise NotFound("task", missing)
        connection.execute(WANTED, [{"task": one.task, "wanted": one.wanted} for one in portion])


def close_batches(connection: Connection, entry: Entry) -> None:
    """Note at the tasks whether their batch is over, where the entry speaks of a batch or adds to one."""
    for loop, cycle in sorted(_touched(entry)):
        has_labels = RECORD.c.kind == "labels"
        is_closed = (RECORD.c.kind == "cycle") & (RECORD.c.state == "closed")
        ended = exists().where(RECORD.c.loop == loop, RECORD.c.cycle == cycle, or_(has_labels, is_closed))
        batch = TASK.c.loop == loop, TASK.c.cycle == cycle, TASK.c.stratum != "gold"
        connection.execute(update(TASK).where(*batch, TASK.c.closed != ended).values(closed=ended))


def task_of(row: RowMapping) -> Task:
    """The task behind its row, with as many answers wanted as now."""
    return task_from(row["body"], row["wanted"])


def task_from(body: bytes, wanted: int) -> Task:
    """The task of this body, with so many answers wanted."""
    task = _TASK.decode(body)
    return task if task.wanted == wanted else msgspec.structs.replace(task, wanted=wanted)


def _touched(entry: Entry) -> set[tuple[str, int]]:
    """The batches that get tasks or labels, or whose cycle moves on."""
    moved = {(one.loop, one.number) for one in entry.records if isinstance(one, Cycle)}
    labelled = {(one.loop, one.cycle) for one in entry.records if isinstance(one, LabelBatch)}
    return moved | labelled | {(task.loop, task.cycle) for task in entry.tasks if task.stratum != "gold"}


def _row_of(task: Task) -> dict[str, object]:
    return {
        "id": task.id,
        "loop": task.loop,
        "cycle": task.cycle,
        "stratum": task.stratum,
        "content": task.content,
        "priority": task.priority,
        "wanted": task.wanted,
        "answers": 0,
        "body": msgspec.json.encode(task),
        "skill": task.skill,
        "language": task.language,
        "cluster_name": task.cluster,
        "closed": False,
    }
