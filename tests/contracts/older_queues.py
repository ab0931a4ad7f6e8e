"""A queue as older schemas kept it: written column by column, so that no code of today takes part in it."""

import json

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

from loopline.adapters.sql.answers import SqlAnswerBook
from loopline.adapters.sql.codec import encode, microseconds
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.queue import SqlTaskQueue
from loopline.adapters.sql.work import SqlWorkLog
from loopline.records.keys import KINDS, key_of_record
from loopline.testing import factories as one
from loopline.testing.desk import GOLD, Desk

OLDER = ("0001", "0002", "0003")
"""Every schema before the one that knows skills, comments and batches that are over."""
BODY = {"loop": "sentiment", "cycle": 1, "sample": "p", "stratum": "chosen", "inputs": "Ingi", "wanted": 1}
TASK = """INSERT INTO task (id, loop, cycle, stratum, content, priority, wanted, answers, body)
VALUES (:id, 'sentiment', :cycle, :stratum, :id, 0, 2, :answers, :body)"""
ANSWER = """INSERT INTO annotation (loop, id, task, cycle, stratum, annotator, label, at_us, seconds, withdrawn_us)
VALUES ('sentiment', 'old', 'open', 2, 'chosen', 'ana', 'positive', :at_us, 1.5, NULL)"""
LEASE = """INSERT INTO lease (task, annotator, loop, content, until_us, seconds)
VALUES ('held', 'ana', 'sentiment', 'held', :until_us, 60)"""
RECORD = """INSERT INTO record (loop, kind, key, cycle, state, schema_version, body, sequence, position, updated)
VALUES ('sentiment', :kind, :key, :cycle, :state, 1, :body, 1, 0, 1)"""
TASKS = (
    ("labelled", 1, "chosen"), ("open", 2, "chosen"), ("held", 2, "reserve"), ("closed", 3, "audit"),
    ("gold", 1, "gold"),
)  # fmt: skip


def write_at(connection: Connection, revision: str) -> None:
    """This schema, and in it a labelled batch, a closed one, and an open one with an answer and a lease."""
    configuration = Config()
    configuration.set_main_option("script_location", "loopline.adapters.sql:migrations")
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, revision)
    for name, cycle, stratum in TASKS:
        told = {"id": name, "cycle": cycle, "stratum": stratum}
        body = json.dumps(BODY | told | {"content": name, "gold": "positive" if stratum == "gold" else ""}).encode()
        connection.execute(text(TASK), told | {"answers": int(name == "open"), "body": body})
    connection.execute(text(ANSWER), {"at_us": microseconds(one.NOW)})
    connection.execute(text(LEASE), {"until_us": microseconds(one.later(60))})
    for record, cycle, state in ((one.label_batch(), 1, ""), (one.cycle(3, phase="closed"), 3, "closed")):
        row = {"kind": KINDS[type(record)], "key": key_of_record(record), "body": encode(record)}
        connection.execute(text(RECORD), row | {"cycle": cycle, "state": state})


def check_queue(engine: Engine) -> None:
    """What the newest schema makes of it."""
    desk = Desk(SqlLedger(engine), SqlTaskQueue(engine), SqlAnswerBook(engine), SqlWorkLog(engine))
    assert desk.claim("bob", count=9) == ["held", "open"]
    assert desk.claim("eve", count=9) == []
    assert desk.claim("ana", count=9) == ["held"]
    assert desk.claim("ana", count=9, strata=GOLD) == ["gold"]
    (work,) = desk.work.work(one.LOOP, annotator="ana", newest=9)
    told = work.annotation.comment, work.annotation.is_flagged, work.annotation.is_bulk, work.undone_at
    assert (work.annotation.id, *told) == ("old", "", False, False, None)
    assert (work.task.id, work.task.wanted, work.task.skill, work.task.cluster) == ("open", 2, "", "")
    assert desk.say("bob", "open") == 1
    assert desk.book.progress(one.LOOP, cycle=2).by_stratum == {"chosen": (1, 1), "reserve": (0, 1)}
