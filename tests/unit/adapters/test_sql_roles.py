"""The seal of the reserve in SQLite's own tables: tried without the ledger, and on the state of a running loop."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text
from tests.contracts.reserve_tables import CROSSINGS, ON_SQLITE, check_after, crossed, settled, write_as_before

from loopline.adapters.sql.database import open_database, reading, writing
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.roles import SqlRoleBook
from loopline.testing import factories as one
from loopline.testing.role_book import contents, members, selected

Open = Callable[[], Engine]
EVERY = CROSSINGS | ON_SQLITE


@pytest.mark.parametrize("way", EVERY)
def test_no_statement_takes_a_sample_across(state: Open, way: str) -> None:
    engine = settled(state())
    assert not crossed(engine, EVERY[way])
    roles = SqlRoleBook(engine)
    assert (roles.reserved(one.LOOP), roles.selected(one.LOOP)) == (contents("r"), contents("a"))
    assert roles.members(one.LOOP, version=9) == contents("a")


def test_statements_that_cross_nothing_are_let_through(state: Open) -> None:
    engine = settled(state())
    assert crossed(engine, CROSSINGS["select it"].replace("cycle-1", "cycle-2").replace(":r", ":a"))
    assert crossed(engine, "UPDATE dataset_member SET until = 3 WHERE content = :a")
    assert crossed(engine, CROSSINGS["learn it"].replace(":r", ":a"))
    assert crossed(engine, "INSERT INTO sample_role (loop, content, role) VALUES ('sentiment', 'new', 'reserve')")


def test_what_a_running_loop_has_stored_is_registered(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/state.db"
    before = create_engine(url)
    with before.begin() as connection:
        write_as_before(connection)
    before.dispose()
    engine = open_database(url)
    check_after(engine)
    engine.dispose()


def test_an_entry_that_is_refused_late_takes_its_roles_back(state: Open) -> None:
    engine = state()
    ledger, roles = SqlLedger(engine), SqlRoleBook(engine)
    ledger.commit(one.entry("e1", activity=one.activity()))
    with pytest.raises(Exception, match="activity act-1"):
        ledger.commit(one.entry("e2", selected("a"), members=members(1, added="b"), activity=one.activity()))
    assert (roles.selected(one.LOOP), roles.members(one.LOOP, version=1)) == (frozenset(), frozenset())


def test_a_selection_that_is_replaced_has_the_samples_of_the_latest(state: Open) -> None:
    engine = state()
    ledger = SqlLedger(engine)
    for number, texts in enumerate(("ab", "bc")):
        ledger.commit(one.entry(f"e{number}", selected(*texts), selected("z", name="cycle-2")))
    with reading(engine) as connection:
        found = connection.execute(text("SELECT content FROM selection_member WHERE selection = 'cycle-1'"))
        assert frozenset(found.scalars()) == contents("b", "c")


def test_an_open_interval_is_the_only_one(state: Open) -> None:
    engine = settled(state())
    again = "INSERT INTO dataset_member (loop, content, since) VALUES ('sentiment', :a, 2)"
    assert not crossed(engine, again)
    assert not crossed(engine, "UPDATE dataset_member SET until = since WHERE content = :a")
    with writing(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
