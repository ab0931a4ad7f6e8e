"""A selection remembers which group of alike samples each chosen one is of; older selections replay all the same."""

from collections import Counter

import pytest
from msgspec import structs

from loopline.apps.replaying import encoded
from loopline.orchestrate.selecting import replayed
from loopline.records.selection import Selection
from loopline.records.settings import SelectSettings
from loopline.testing import factories as make
from loopline.testing.choosing import ROWS, choose, logged
from loopline.testing.factories import NOW
from loopline.testing.rooms import Rooms, rooms


@pytest.fixture(scope="module")
def house() -> Rooms:
    return rooms(now=NOW)


@pytest.fixture(scope="module")
def chosen(house: Rooms) -> Selection:
    house.log.append([logged(row, at=NOW) for row in range(ROWS)])
    return choose(house, now=NOW)


def test_what_was_chosen_has_its_cluster_and_what_was_drawn_by_chance_has_none(chosen: Selection) -> None:
    groups = Counter(one.cluster for one in chosen.candidates if one.draw == "chosen")
    assert chosen.clusters > 1
    assert len(groups) <= chosen.clusters
    assert min(groups) >= 0
    assert {one.cluster for one in chosen.candidates if one.draw == "audit"} == {-1}


def test_a_selection_comes_out_again_with_its_clusters(house: Rooms, chosen: Selection) -> None:
    stored, again = replayed(house, 1)
    assert stored == chosen
    assert encoded(stored) == encoded(again)


def test_a_selection_of_before_clusters_were_kept_comes_out_again_too(house: Rooms, chosen: Selection) -> None:
    old = structs.replace(chosen, candidates=tuple(structs.replace(c, cluster=-1) for c in chosen.candidates))
    house.ledger.commit(make.entry("as it was stored then", old))
    stored, again = replayed(house, 1)
    assert stored == old
    assert encoded(stored) == encoded(again)


def test_a_strategy_without_clusters_names_none() -> None:
    house = rooms(now=NOW)
    house.log.append([logged(row, at=NOW) for row in range(ROWS)])
    made = choose(house, now=NOW, choice=SelectSettings(strategy="margin.v1"))
    assert {one.cluster for one in made.candidates} == {-1}
    stored, again = replayed(house, 1)
    assert encoded(stored) == encoded(again)
