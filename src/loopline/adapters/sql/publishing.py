"""Tasks enter the database, and ask for more or fewer people; always inside a ledger's transaction."""

import msgspec
from sqlalchemy import Connection, RowMapping, select, update

from loopline.adapters.sql.database import insert_new
from loopline.adapters.sql.tables import TASK
from loopline.errors import Conflict, NotFound
from loopline.records.lineage import Raise
from loopline.records.task import Task

_TASK = msgspec.json.Decoder(Task)


def store_task(connection: Connection, task: Task) -> None:
    """Add the task; the very same one again changes nothing. Raises Conflict for another one under its id."""
    body = msgspec.json.encode(task)
    row = {
        "id": task.id,
        "loop": task.loop,
        "cycle": task.cycle,
        "stratum": task.stratum,
        "content": task.content,
        "priority": task.priority,
        "wanted": task.wanted,
        "answers": 0,
        "body": body,
    }
    if insert_new(connection, TASK, row):
        return
    stored = connection.execute(select(TASK.c.body).where(TASK.c.id == task.id)).scalar_one()
    if stored != body:
        raise Conflict(f"task {task.id}", found="another task under this id", expected="a new id")


def raise_wanted(connection: Connection, now: Raise) -> None:
    """Ask for this many answers, whatever was asked before. Raises NotFound for an unknown task."""
    if connection.execute(update(TASK).where(TASK.c.id == now.task).values(wanted=now.wanted)).rowcount == 0:
        raise NotFound("task", now.task)


def task_of(row: RowMapping) -> Task:
    """The task behind its row, with as many answers wanted as now."""
    return msgspec.structs.replace(_TASK.decode(row["body"]), wanted=row["wanted"])
