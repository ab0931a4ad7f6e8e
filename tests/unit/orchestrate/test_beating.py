"""When the loop gives a strategy up: what it may look at, and how often it is wrong."""

from datetime import timedelta

import numpy as np
import pytest
from msgspec import structs

from loopline.orchestrate.beating import ALPHA, FALLBACK, choice, compared_after, is_given_up
from loopline.records.settings import GateSettings, SelectSettings
from loopline.testing.factories import NOW, selection, settings, signal, strategy_comparison


def one(cycle: int, excess: float, error: float = 0.005, **changes: object):
    """A comparison without a finding, an hour after that of the cycle before."""
    at = NOW + timedelta(hours=cycle)
    told = {"finding": "unclear", "excess": excess, "excess_error": error, "at": at, **changes}
    return strategy_comparison(cycle, **told)


def chosen(*comparisons, signals=(), **changes):
    return choice(comparisons, signals=signals, settings=settings(**changes))


BAD = [one(1, -0.04), one(2, -0.05), one(3, -0.045)]
GIVEN_UP = (
    "random-diverse.v1 instead of cluster-margin.v1, until loop.toml or the world changes: in 3 comparisons in a row, "
    "the last in cycle 3, labels chosen by cluster-margin.v1 were worth less than 1.25 random ones"
)


def test_three_comparisons_that_agree_give_the_strategy_up():
    assert not chosen(*BAD[:2]).is_fallback
    assert chosen(*BAD) == (FALLBACK, True, GIVEN_UP, ("cycle-1", "cycle-2", "cycle-3"))


def test_the_order_in_which_records_come_does_not_matter():
    assert chosen(*BAD[::-1]) == chosen(*BAD)


def test_without_a_comparison_the_strategy_of_loop_toml_is_used_and_the_reason_says_so():
    found = chosen()
    assert found.reason == "cluster-margin.v1, as loop.toml asks; it has not been compared with random labels yet"
    assert (found.strategy, found.is_fallback) == ("cluster-margin.v1", False)


def test_what_has_been_found_so_far_is_told():
    told = "cluster-margin.v1, as loop.toml asks; against random labels, 3 comparisons: 1 better, 2 unclear"
    assert chosen(one(1, 0.01), one(2, 0.0), one(3, 0.02, finding="better")).reason == told


def test_unclear_comparisons_are_no_strikes():
    wide = [one(cycle, -0.04, error=0.04) for cycle in range(1, 30)]
    assert not chosen(*wide).is_fallback


def test_comparisons_that_disagree_are_no_strikes():
    assert not chosen(one(1, -0.15), one(2, 0.04), one(3, -0.02)).is_fallback


def test_one_better_among_the_last_three_keeps_the_strategy():
    assert not chosen(*BAD[:2], structs.replace(BAD[2], finding="better")).is_fallback


def test_comparisons_that_were_not_measured_count_for_nothing():
    assert not chosen(*BAD[:2], one(3, -0.045, finding="not measured")).is_fallback
    assert chosen(*BAD[:2], one(3, 0.0, finding="not measured"), one(4, -0.045)).is_fallback


def test_another_strategy_in_loop_toml_begins_anew():
    found = chosen(*BAD, select=SelectSettings(strategy="margin.v1"))
    assert (found.strategy, found.is_fallback) == ("margin.v1", False)


def test_a_strategy_that_comes_back_after_another_begins_anew():
    assert not chosen(*BAD, one(4, 0.0, asked="margin.v1", strategy="margin.v1")).is_fallback


def test_another_metric_begins_anew():
    assert not chosen(*BAD, gate=GateSettings(metric="macro_f1")).is_fallback


@pytest.mark.parametrize(("hours", "is_fallback"), [(2, True), (4, False)])
def test_only_a_signal_raised_after_the_fallback_ends_it(hours, is_fallback):
    moved = signal(raised_at=NOW + timedelta(hours=hours), state="cleared")
    later = one(5, 0.0, finding="not measured")
    assert chosen(*BAD, signals=[moved]).is_fallback == is_fallback
    assert chosen(*BAD, later, signals=[moved]).is_fallback == is_fallback


def test_a_strategy_that_was_trusted_anew_is_given_up_on_new_evidence_only():
    moved, later = signal(raised_at=NOW + timedelta(hours=4)), [one(n, -0.05 - n / 1e3) for n in range(5, 8)]
    assert [chosen(*BAD, *later[:n], signals=[moved]).is_fallback for n in range(4)] == [False, False, False, True]


def test_what_is_compared_while_the_loop_has_fallen_back_changes_nothing():
    fallen = [one(n, 0.3, strategy=FALLBACK, finding="not measured") for n in (4, 5, 6)]
    assert chosen(*BAD, *fallen) == chosen(*BAD)


def test_the_switch_keeps_the_strategy_and_says_what_was_found():
    found = chosen(*BAD, select=SelectSettings(fallback=False))
    assert (found.strategy, found.is_fallback) == ("cluster-margin.v1", False)
    assert found.reason.endswith("; cluster-margin.v1 stays because [select] fallback is false")


def test_a_fallback_that_is_asked_for_is_no_fallback():
    assert not chosen(select=SelectSettings(strategy=FALLBACK)).is_fallback


def test_labels_are_compared_once_and_with_their_like():
    mine = selection(cycle=5)
    assert compared_after(mine, before=[], comparisons=[]) == 0
    other = selection(cycle=2, strategy="margin.v1")
    same = [selection(cycle=cycle) for cycle in (3, 4)]
    assert compared_after(mine, before=[other, *same], comparisons=[]) == 2
    counted = [one(3, 0.0), one(4, 0.0, finding="not measured")]
    assert compared_after(mine, before=[other, *same], comparisons=counted) == 3


@pytest.mark.parametrize("strategy", [FALLBACK, "random.v1"])
def test_random_labels_are_not_compared_with_random_ones(strategy):
    assert compared_after(selection(cycle=5, strategy=strategy), before=[], comparisons=[]) == -1


def ever_given_up(
    excess: float, *, drawn: float, shared: float, looks: int, generator: np.random.Generator
) -> int | None:
    """The comparison at which a strategy of this true excess is given up, if ever.

    Each is off by the reserve's error of 1, of which the part ``shared`` is the same in all, and by ``drawn``.
    """
    reserve = np.sqrt(shared) * generator.normal() + np.sqrt(1 - shared) * generator.normal(size=looks)
    seen = excess + reserve + drawn * generator.normal(size=looks)
    all_of_them = [one(n, float(value), error=1.0) for n, value in enumerate(seen)]
    for n in range(3, looks + 1):
        if is_given_up(all_of_them[:n], looks=n - 2):
            return n
    return None


@pytest.mark.slow
@pytest.mark.parametrize("shared", [0.0, 1.0])
@pytest.mark.parametrize("drawn", [0.0, 1.0, 5.0])
def test_a_strategy_worth_having_is_ever_given_up_with_the_stated_chance_at_most(drawn, shared):
    generator, runs = np.random.default_rng(7), 2_000
    ends = [ever_given_up(0.0, drawn=drawn, shared=shared, looks=25, generator=generator) for _ in range(runs)]
    lost = sum(end is not None for end in ends) / runs
    assert lost <= ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / runs)


@pytest.mark.parametrize("drawn", [0.0, 1.0])
def test_a_strategy_that_harms_is_given_up_soon(drawn):
    generator, runs = np.random.default_rng(8), 100
    ends = [ever_given_up(-4.0, drawn=drawn, shared=0.5, looks=6, generator=generator) for _ in range(runs)]
    assert sum(end == 3 for end in ends) / runs > 0.8
