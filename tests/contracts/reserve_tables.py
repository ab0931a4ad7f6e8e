"""What both databases must hold without any code of ours: tried in SQL, and on a state of the schema before."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, insert, text
from sqlalchemy.exc import DBAPIError

from loopline.adapters.sql.codec import SCHEMA_VERSION, encode
from loopline.adapters.sql.database import writing
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.roles import SqlRoleBook
from loopline.adapters.sql.tables import RECORD
from loopline.records.ids import LoopName
from loopline.records.keys import KINDS, key_of_record
from loopline.records.lineage import Stored
from loopline.testing import factories as one
from loopline.testing.role_book import content, contents, members, selected

OTHER = LoopName("other")
ROLE = "INSERT INTO sample_role (loop, content, role) VALUES ('sentiment', :r, 'loop')"
CROSSINGS = {
    "select it": "INSERT INTO selection_member (loop, selection, content) VALUES ('sentiment', 'cycle-1', :r)",
    "learn it": "INSERT INTO dataset_member (loop, content, since) VALUES ('sentiment', :r, 9)",
    "select it as what it is": "INSERT INTO selection_member VALUES ('sentiment', 'cycle-1', :r, 'reserve')",
    "learn it as what it is": "INSERT INTO dataset_member VALUES ('sentiment', :r, 9, NULL, 'reserve')",
    "learn what nobody registered": "INSERT INTO dataset_member (loop, content, since) VALUES ('sentiment', 'new', 9)",
    "put it in the place of a member": "UPDATE dataset_member SET content = :r WHERE content = :a",
    "put it in the place of a choice": "UPDATE selection_member SET content = :r WHERE content = :a",
    "register it again": ROLE,
    "register it over": f"{ROLE} ON CONFLICT (loop, content) DO UPDATE SET role = 'loop'",
    "rename its role": "UPDATE sample_role SET role = 'loop' WHERE content = :r",
    "forget it": "DELETE FROM sample_role WHERE content = :r",
    "exchange it": "UPDATE sample_role SET content = 'elsewhere' WHERE content = :r",
    "judge with what was learned": "UPDATE sample_role SET role = 'reserve' WHERE content = :a",
    "a third role": "INSERT INTO sample_role (loop, content, role) VALUES ('sentiment', 'new', 'both')",
}
"""``:r`` judges, ``:a`` was selected and learned."""
TASK_OF_BEFORE = text(
    "INSERT INTO task (id, loop, cycle, stratum, content, priority, wanted, answers, body) "
    "VALUES (:id, :loop, 1, :stratum, :content, 0, 1, 0, :body)"
)
ON_SQLITE = {
    "replace it": ROLE.replace("INSERT", "INSERT OR REPLACE"),
    "update or replace it": "UPDATE OR REPLACE sample_role SET content = :r WHERE content = :a",
}


def settled(engine: Engine) -> Engine:
    """The tables of a loop that selected and learned ``a`` and judges with ``r``."""
    tasks = (one.task("t1", "r", stratum="reserve"),)
    SqlLedger(engine).commit(one.entry("settle", selected("a"), tasks=tasks, members=members(1, added="a")))
    return engine


def crossed(engine: Engine, statement: str) -> bool:
    """Whether this statement, alone and committed, is let through."""
    try:
        with writing(engine) as connection:
            connection.execute(text(statement), {"r": content("r"), "a": content("a")})
    except DBAPIError:
        return False
    return True


def write_as_before(connection: Connection) -> None:
    """The schema before this one, and a loop of two turns in it. ``x`` was selected and asked about to judge."""
    configuration = Config()
    configuration.set_main_option("script_location", "loopline.adapters.sql:migrations")
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "0002")
    strata = {"a": "chosen", "b": "audit", "r": "reserve", "x": "chosen"}
    labels = [one.label(f"p-{name}", name, stratum=stratum) for name, stratum in strata.items()]
    second = [one.label("p-c", "c", cycle=2), one.label("p-q", "q", cycle=2, stratum="reserve")]
    failed = [one.label("p-d", "d", cycle=3)]
    records: list[Stored] = [
        selected("a", "b", "x", "unlabelled"),
        selected("c", name="cycle-2", cycle=2),
        selected("x", loop=OTHER),
        one.label_batch(*labels),
        one.label_batch(*second, id="cycle-2", cycle=2),
        one.label_batch(*failed, id="cycle-3", cycle=3),
        one.dataset_version("c0"),
        one.dataset_version("c2", cycle=2),
    ]
    for place, record in enumerate(records):
        row = {"loop": record.loop, "kind": KINDS[type(record)], "key": key_of_record(record), "state": ""}
        order = {"sequence": 1, "position": place, "updated": 1, "schema_version": SCHEMA_VERSION}
        connection.execute(insert(RECORD).values(**row, **order, body=encode(record)))
    for name in ("r", "x", "asked", "gold"):
        stratum = "gold" if name == "gold" else "reserve"
        row = {"id": f"t-{name}", "loop": one.LOOP, "content": content(name), "stratum": stratum, "body": b"{}"}
        connection.execute(TASK_OF_BEFORE, row)


def check_after(engine: Engine) -> None:
    """What the newest schema makes of it."""
    roles = SqlRoleBook(engine)
    assert roles.reserved(one.LOOP) == contents("r", "q", "x", "asked")
    assert roles.selected(one.LOOP) == contents("a", "b", "c", "unlabelled")
    assert (roles.reserved(OTHER), roles.selected(OTHER)) == (frozenset(), contents("x"))
    found = [roles.members(one.LOOP, version=version) for version in (0, 1, 2, 3)]
    assert found == [frozenset(), frozenset(), contents("a", "b", "c"), contents("a", "b", "c")]
    with writing(engine) as connection:
        of_first = text("SELECT content FROM selection_member WHERE selection = 'cycle-1' AND loop = 'sentiment'")
        assert frozenset(connection.execute(of_first).scalars()) == contents("a", "b", "unlabelled")
    SqlLedger(engine).commit(one.entry("next", members=members(3, added="d", removed="a")))
    assert roles.members(one.LOOP, version=3) == contents("b", "c", "d")
    assert not crossed(engine, CROSSINGS["select it"])
