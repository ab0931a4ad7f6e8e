"""What a replay may know: what was there before its cycle, and nothing that came later."""

from datetime import UTC, datetime

from msgspec import structs

from loopline.dataset.stage import import_base
from loopline.orchestrate import known
from loopline.records.task import Stratum
from loopline.testing import factories as make
from loopline.testing.judgements import rollout
from loopline.testing.rooms import Rooms, rooms

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def grown() -> Rooms:
    """A house with a base, a version that cycle 1 cut, and a version that each of the cycles 1 to 3 promoted."""
    house = rooms(now=NOW)
    for cycle, text in ((0, "of the base"), (1, "of cycle 1")):
        rows = [make.labelled_row(f"{text} {label}", f"{text} {label}", label=label) for label in make.LABELS]
        version, _ = import_base(rows, anchor=(), settings=house.settings, objects=house.objects, now=NOW)
        house.ledger.commit(make.entry(f"cut {cycle}", structs.replace(version, name=f"c{cycle}", cycle=cycle)))
    for cycle in (1, 2, 3):
        made = rollout(id=f"cycle-{cycle}", cycle=cycle, challenger=f"v{cycle + 1}", state="promoted")
        house.ledger.commit(make.entry(f"promoted {cycle}", made))
    return house


def test_a_committee_holds_no_version_that_was_promoted_later():
    house = grown()
    assert known.promoted(house, before=3) == ("v2", "v3")
    assert known.promoted(house, before=1) == ()


def test_a_strategy_looks_at_no_sample_that_was_learned_later():
    house = grown()
    learned = {before: known.latest(house, before=before, most=10).inputs for before in (0, 1, 2)}
    assert [len(learned[before]) for before in (0, 1, 2)] == [0, 3, 3]
    assert all(b"of the base" in row for row in learned[1])
    assert all(b"of cycle 1" in row for row in learned[2])


def test_a_reserve_row_that_was_asked_about_later_is_not_sealed_yet():
    house = grown()
    stratum: Stratum = "reserve"
    for cycle in (1, 2):
        tasks = (make.task(f"t{cycle}", f"sealed {cycle}", cycle=cycle, stratum=stratum),)
        entry = structs.replace(make.entry(f"published {cycle}", make.cycle(cycle)), tasks=tasks)
        house.ledger.commit(entry)
    first, second = (make.digest(make.SIGNATURE.encode(f"sealed {cycle}")) for cycle in (1, 2))
    assert known.sealed(house, before=2) == {first}
    assert known.sealed(house, before=3) == {first, second}
