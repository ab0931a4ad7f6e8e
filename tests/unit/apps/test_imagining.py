"""What-if and replay over a house in memory whose one selection is a real one."""

from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest

from loopline.adapters.memory.log import MemoryLog
from loopline.apps import imagining, replaying
from loopline.apps.imagining import WhatIf, what_if
from loopline.apps.replaying import Replayed, replay
from loopline.apps.turns import OneTurn
from loopline.errors import Busy, InvalidRecord, LooplineError, NotFound
from loopline.records.selection import Selection
from loopline.records.settings import SelectSettings
from loopline.testing import factories as make
from loopline.testing.choosing import ROWS, choose, logged
from loopline.testing.rooms import Rooms, StoredConsole, rooms
from loopline.testing.vocabulary import text_of

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
REMEDY = "rows are deleted at the age that [capture] retain names, and a damaged segment gives none"


class CountingConsole(StoredConsole):
    """The console, which knows how often it made a selection."""

    made = 0

    def imagine(self, cycle: int, *, strategy: str = "", budget: int = 0) -> tuple[Selection, Selection]:
        self.made += 1
        return super().imagine(cycle, strategy=strategy, budget=budget)


def filled(count: int = ROWS, *, gone: int = 0) -> MemoryLog:
    """A log of so many rows, of which the first ``gone`` are in the pool no more."""
    log = MemoryLog()
    rows = [logged(row, at=NOW) for row in range(count)]
    log.append([msgspec.structs.replace(one, arm="shadow") if row < gone else one for row, one in enumerate(rows)])
    return log


def chosen(**changes: object) -> Rooms:
    """A house whose cycle 1 has chosen from the whole log, and whose cycle 2 has not chosen yet."""
    house = rooms(now=NOW, log=filled())
    choose(house, now=NOW, **changes)
    return house


@pytest.fixture(scope="module")
def house() -> Rooms:
    return chosen()


def imagined(house: Rooms, **asked: object) -> WhatIf:
    return what_if(house, StoredConsole(house), 1, **asked)


def again(house: Rooms, **asked: int) -> Replayed:
    return replay(house, StoredConsole(house), 1, **asked)


def test_the_cycles_own_choice_gives_its_own_batch(house):
    found = imagined(house)
    assert (found.imagined, found.only_stored, found.only_imagined, found.lost) == (found.stored, (), (), "")
    assert found.both == found.stored.samples == found.stored.chosen + found.stored.audit - both(house)
    assert both(house) == 2  # drawn by either, counted for both
    assert found.stored.strategy == "cluster-margin.v1"
    assert found.sentence.startswith(
        f"cluster-margin.v1 with a budget of 24 asks about {found.both} samples, {found.both} of them the same as "
        "cluster-margin.v1 did; the "
    )


def both(house: Rooms) -> int:
    (selection,) = house.ledger.all(Selection, make.LOOP)
    return sum(one.is_both for one in selection.candidates)


def test_margin_is_told_of_what_was_chosen_and_beats_chance(house):
    found = imagined(house, strategy="margin.v1", budget=12)
    assert (found.imagined.strategy, found.imagined.budget, found.random.strategy) == ("margin.v1", 12, "random.v1")
    assert found.random.budget == 12
    assert 0.1 < found.imagined.mean_margin < 0.2
    assert 0.3 < found.random.mean_margin < 0.7
    assert found.imagined.held == found.imagined.chosen > 0
    assert sum(found.imagined.by_label.values()) == found.imagined.chosen
    assert 0 < found.imagined.clusters <= min(found.clusters, found.imagined.chosen)
    assert f"have a mean margin of {found.imagined.mean_margin:.3f}" in found.sentence


def test_each_difference_is_named_with_its_text(house):
    found = imagined(house, strategy="margin.v1", budget=12)
    (selection,) = house.ledger.all(Selection, make.LOOP)
    stored = {one.prediction for one in selection.candidates}
    assert len(found.only_stored) == found.stored.samples - found.both > 0
    assert len(found.only_imagined) == found.imagined.samples - found.both
    assert {one.id for one in found.only_stored} <= stored
    assert not {one.id for one in found.only_imagined} & stored
    for one in found.only_stored:
        row = int(one.id[1:])
        assert (one.text, one.predicted) == (text_of(row, is_new=row % 2 == 0), "neutral")


def test_chance_is_not_drawn_twice(house):
    console = CountingConsole(house)
    found = what_if(house, console, 1, strategy="random.v1", budget=12)
    assert found.imagined == found.random
    assert console.made == 1


def test_nothing_is_stored():
    house = chosen()
    before = msgspec.json.encode([sorted(house.ledger.state.entries), house.ledger.all(Selection, make.LOOP)])
    imagined(house, strategy="k-center.v1", budget=5)
    again(house)
    assert before == msgspec.json.encode([sorted(house.ledger.state.entries), house.ledger.all(Selection, make.LOOP)])


def test_the_time_is_that_of_the_people_who_answered():
    house = chosen()
    assert imagined(house).imagined.minutes is None
    assert imagined(house).minutes_from == "nobody has answered yet"
    tasks = (make.task("t1", wanted=2), make.task("t2", "bad"))
    house.ledger.commit(make.entry("published", tasks=tasks))
    said = (("a1", "t1", "ana", 4.0), ("a2", "t1", "bo", 6.0), ("a3", "t2", "ana", 20.0), ("a4", "t2", "bo", 0.0))
    house.queue.submit(
        [make.annotation(name, task=task, annotator=who, seconds=taken) for name, task, who, taken in said],
        loop=make.LOOP,
    )
    found = imagined(house, budget=10)
    assert found.minutes_from == "6 s an answer (median of 3) and 1.50 answers a label"
    assert found.imagined.minutes == pytest.approx(6.0 * 1.5 * found.imagined.samples / 60.0)
    assert found.stored.minutes == pytest.approx(6.0 * 1.5 * found.stored.samples / 60.0)


@pytest.mark.parametrize("budget", [0, -1, 10_001, 10**9])
def test_a_wild_budget_is_refused_before_anything_is_read(house, budget):
    console = CountingConsole(house)
    with pytest.raises(InvalidRecord, match=f"budget: {budget:,}, expected 1 to 10,000 samples"):
        what_if(house, console, 1, budget=budget)
    assert console.made == 0


def test_a_cycle_may_be_imagined_with_as_much_as_it_had():
    house = chosen(budget=20_000)
    assert imagined(house, budget=20_000).imagined.samples == ROWS
    with pytest.raises(InvalidRecord, match="budget: 20,001, expected 1 to 20,000 samples"):
        imagined(house, budget=20_001)


@pytest.mark.parametrize("ask", [what_if, replay])
@pytest.mark.parametrize(
    ("cycle", "sentence"), [(2, "no selection of 'cycle-2'; known: cycle-1"), (9, "no cycle '9'; known: 2, 1")]
)
def test_a_cycle_that_has_not_chosen_is_named_with_those_that_have(house, ask, cycle, sentence):
    with pytest.raises(NotFound) as told:
        ask(house, StoredConsole(house), cycle)
    assert str(told.value) == sentence


@pytest.mark.parametrize(
    ("strategy", "sentence"),
    [
        ("nope", "no strategy 'nope'; known: badge.v1, "),
        ("committee-bald.v1", "strategy committee-bald.v1: no members"),
    ],
)
def test_a_strategy_that_cannot_be_had_is_told(house, strategy, sentence):
    with pytest.raises(LooplineError, match=sentence):
        imagined(house, strategy=strategy)


def test_a_selection_comes_out_again(house):
    found = again(house)
    assert (found.is_same, found.missing, found.added) == (True, (), ())
    assert found.sentence == f"cycle-1 gives the same {found.samples} samples again, byte for byte"


def test_what_came_after_the_window_changes_nothing(house):
    later = filled()
    later.append([logged(row, at=NOW) for row in range(ROWS, 2 * ROWS)])
    assert again(replace(house, log=later)).is_same


def test_what_loop_toml_says_since_changes_nothing():
    quota = {"quota_by": ("predicted",), "quota_share": 0.4}
    house = rooms(now=NOW, log=filled())
    choose(house, now=NOW, choice=SelectSettings(**quota))
    for select in (SelectSettings(strategy="random.v1", budget=3, explore=0.9), SelectSettings(quota_share=0.1)):
        later = replace(house, settings=msgspec.structs.replace(house.settings, select=select))
        assert again(later).sentence.endswith("byte for byte")


def test_another_log_does_not_give_the_same_batch(house):
    other = MemoryLog()
    other.append([msgspec.structs.replace(logged(row, at=NOW), margin=row / ROWS) for row in range(ROWS)])
    found = again(replace(house, log=other))
    lost, new = len(found.missing), len(found.added)
    assert lost > 0
    assert not set(found.missing) & set(found.added)
    assert not found.is_same
    assert found.sentence == f"cycle-1 does not come out again: {lost} samples are missing and {new} are new"


def test_a_record_that_differs_says_in_what():
    found = again(chosen(unscored=3, audits=1))
    assert (found.is_same, found.missing) == (False, ())
    sentence = (
        f"cycle-1 gives the same {found.samples} samples, but not the same record: they differ in audits, unscored"
    )
    assert found.sentence == sentence


def test_a_selection_of_before_designs_were_kept_says_so():
    house = chosen(budget=0, audits=0)
    assert again(house).sentence == (
        "cycle-1 cannot be replayed: it was chosen by an earlier Loopline, which did not keep its design"
    )
    (selection,) = house.ledger.all(Selection, make.LOOP)
    assert imagined(house).imagined.budget == len(selection.candidates)


def test_rows_that_retention_deleted_are_told(house):
    aged = replace(house, log=filled(gone=200))
    sentence = f"of the 240 rows that cycle-1 chose from, the log gives 40 now; {REMEDY}"
    found = imagined(aged)
    assert found.lost == sentence
    assert 0 < found.stored.held < found.stored.chosen
    assert found.imagined.held == found.imagined.chosen > 0
    assert again(aged).sentence == f"cycle-1 does not come out again: {sentence}"


def test_a_window_that_is_gone_as_a_whole_is_told(house):
    empty = replace(house, log=filled(gone=ROWS))
    found = imagined(empty)
    assert found.lost == f"of the 240 rows that cycle-1 chose from, the log gives none now; {REMEDY}"
    assert found.sentence == (
        "cluster-margin.v1 with a budget of 24 asks about nothing: nothing to select: the log holds no eligible row in "
        "(0, 240]"
    )
    assert (found.stored.mean_margin, found.stored.held, found.clusters) == (None, 0, 0)
    assert {one.text for one in found.only_stored} == {""}
    assert not again(empty).is_same


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [({"threads": 65}, "threads: 65, expected 1 to 64, or 0 "), ({"threads": -1}, "threads: -1, "),
     ({"shards": 10**9}, "shards: 1,000,000,000, expected 1 to 4,096, or 0 ")],
)  # fmt: skip
def test_a_replay_takes_no_wild_numbers(house, asked, sentence):
    with pytest.raises(InvalidRecord, match=sentence):
        again(house, **asked)


@pytest.mark.parametrize(("module", "ask"), [(imagining, what_if), (replaying, replay)])
def test_whoever_finds_no_place_in_the_line_is_told_when_to_try_again(house, monkeypatch, module, ask):
    turn = OneTurn(waiting=0, patience_seconds=3)
    monkeypatch.setattr(module, "TURN", turn)
    with turn.held(), pytest.raises(Busy) as told:
        ask(house, StoredConsole(house), 1)
    assert str(told.value) == "what-if and replay: others are being computed, one at a time; try again in 3 s"
    assert ask(house, StoredConsole(house), 1).cycle == 1
