"""The panel that says whether choosing beats chance."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from loopline.apps.web.overview import overview_of
from loopline.apps.web.render import text
from loopline.apps.web.words import NARROW
from loopline.records.settings import SelectSettings
from loopline.testing import factories as make
from loopline.testing.rooms import Rooms, StoredConsole, rooms

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def house(*comparisons, select: SelectSettings | None = None) -> Rooms:
    made = rooms(now=NOW, settings=make.settings(select=select or SelectSettings()))
    made.ledger.commit(make.entry("told", *comparisons))
    return made


def view(of: Rooms):
    return overview_of(of, StoredConsole(of))


def panel(of: Rooms) -> str:
    """The words of the panel, as they are read."""
    page = text("overview_live.html", view=view(of), settings=of.settings)
    section = page.split('data-part="beating"')[1].split("</section>")[0]
    words = re.sub(r"<[^>]+>", " ", section).replace(NARROW, " ").replace("&#8239;", " ").replace("\u2212", "-")
    return " ".join(words.replace("&#39;", "'").split())


def labelled(cycle: int, *, chosen: int, audit: int):
    """A selection and its labels: so many of each draw."""
    draws = ["chosen"] * chosen + ["audit"] * audit
    ids = [f"p{cycle}-{n}" for n in range(len(draws))]
    candidates = [make.candidate(p, p, draw=draw) for p, draw in zip(ids, draws, strict=True)]
    labels = [make.label(p, p, stratum=draw, cycle=cycle) for p, draw in zip(ids, draws, strict=True)]
    name = f"cycle-{cycle}"
    batch = make.label_batch(*labels, id=name, cycle=cycle)
    return make.selection(*candidates, id=name, cycle=cycle), batch


def test_an_empty_loop_is_told_what_it_takes():
    told = panel(house())
    assert told.startswith(
        'aria-labelledby="beating-title"> Beating random? Not compared yet: 0 of 20 labels of each kind'
    )
    assert "20 random labels are missing; 10 % of each cycle are drawn at random." in told
    assert "fallen back" not in told


def test_the_missing_random_labels_are_counted_cycle_by_cycle():
    told = panel(house(*labelled(1, chosen=30, audit=5), *labelled(2, chosen=3, audit=9)))
    assert "Not compared yet: 8 of 20 labels of each kind so far 12 random labels are missing" in told


def test_enough_labels_wait_for_the_next_training():
    told = panel(house(*labelled(1, chosen=30, audit=25)))
    assert "There are 25 of each by now." in told
    assert "missing" not in told


def test_a_loop_that_draws_nothing_at_random_is_told_so():
    told = panel(house(select=SelectSettings(explore=0.0)))
    assert "[select] explore is 0, so no label is random and nothing can be compared." in told


def test_the_last_comparison_stands_there_with_its_interval_its_numbers_and_its_cost():
    told = panel(house(make.strategy_comparison(3)))
    assert "Chosen minus random +3.0 points (95 % +1.0 points to +5.0 points)" in told
    assert "Reached 78.0 % against 75.0 %" in told
    assert "At that rate +12.5 points per 100 labels" in told
    assert "Compared 24 labels of each, 700 reserve rows, in cycle 3" in told
    assert "Extra training 2.8 s" in told
    assert "cluster-margin.v1, as loop.toml asks; against random labels, 1 comparison: 1 better." in told


def test_the_newest_measured_one_is_shown_and_all_are_in_the_table():
    late = make.strategy_comparison(5, finding="not measured", reason="13 of 20 labels of each kind so far")
    found = view(house(make.strategy_comparison(3), make.strategy_comparison(4, difference=-0.01), late)).beating
    assert found.last is not None
    assert found.last.cycle == 4
    assert [one.cycle for one in found.history] == [5, 4, 3]
    told = panel(house(make.strategy_comparison(3), late))
    assert "not measured: 13 of 20 labels of each kind so far" in told


def test_what_was_never_measured_is_explained_by_the_newest_reason():
    reason = "the two models differ on 4 of 700 reserve rows, at least 10 are needed"
    told = panel(house(make.strategy_comparison(3, finding="not measured", reason=reason)))
    assert f"Not compared yet: {reason}" in told


@pytest.mark.parametrize("is_on", [True, False])
def test_the_fallback_is_announced_with_its_reason_unless_it_is_switched_off(is_on):
    bad = [
        make.strategy_comparison(n, at=NOW + timedelta(hours=n), finding="worse", excess=-0.05, excess_error=0.005)
        for n in (1, 2, 3)
    ]
    told = panel(house(*bad, select=SelectSettings(fallback=is_on)))
    assert ("fallen back random-diverse.v1 instead of cluster-margin.v1" in told) == is_on
    assert ("cluster-margin.v1 stays because [select] fallback is false." in told) != is_on


def test_nats_are_called_nats():
    told = panel(house(make.strategy_comparison(3, metric="log_score", chosen=-0.4, random=-0.5, difference=0.1)))
    assert "Chosen minus random +0.100 nats" in told
