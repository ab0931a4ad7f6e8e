"""What was read once is not read again, and what changed is: also when another process changed it."""

from msgspec import structs

from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.ledger import SqlLedger
from loopline.records.cycle import Cycle
from loopline.testing.factories import LOOP, cycle, entry


def test_another_process_changes_and_adds_and_both_are_seen_in_order(tmp_path):
    url = f"sqlite:///{tmp_path / 'state.db'}"
    ours, theirs = SqlLedger(open_database(url)), SqlLedger(open_database(url))
    assert ours.all(Cycle, LOOP) == ()
    first, second = cycle(1), cycle(2)
    theirs.commit(entry("e1", first))
    theirs.commit(entry("e2", second))
    assert ours.all(Cycle, LOOP) == (first, second)
    closed = structs.replace(first, phase="closed")
    theirs.commit(entry("e3", closed))
    assert ours.all(Cycle, LOOP) == (closed, second)


def test_an_unchanged_shelf_gives_the_very_same_records(tmp_path):
    ledger = SqlLedger(open_database(f"sqlite:///{tmp_path / 'state.db'}"))
    ledger.commit(entry("e1", cycle(1)))
    assert ledger.all(Cycle, LOOP) is ledger.all(Cycle, LOOP)
