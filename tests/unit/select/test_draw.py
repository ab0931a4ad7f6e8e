"""The draw: what it gives, at what odds, and that neither depends on how the pool lies."""

import math
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from loopline.errors import InvalidRecord
from loopline.select import draw as drawing
from loopline.select.draw import Design, Drawn, draw, probabilities, softrank
from loopline.select.keys import exponential, hashed, least, salts, uniform


class Pool(NamedTuple):
    """A design on a pool; the candidates are the first keys, in no order of their numbers."""

    design: Design
    keys: np.ndarray

    @property
    def candidates(self) -> np.ndarray:
        return self.keys[: len(self.design.weights)]

    def drawn(self, seed: int) -> Drawn:
        return draw(self.design, candidates=self.candidates, pool=np.sort(self.keys), seed=seed)


def pool_of(count: int, tail: int, *, steps: int, explore: float, sharpness: float = 2.0, **caps: int) -> Pool:
    weights, beyond = softrank(count, tail=tail, sharpness=sharpness)
    strata = np.arange(count) % caps.get("strata", 1)
    design = Design(weights, strata, caps.get("cap", count), tail, beyond, steps, explore)
    return Pool(design, np.random.default_rng(count + tail).permutation(_keys(count + tail)))


def _keys(count: int) -> np.ndarray:
    return hashed(np.arange(count, dtype=np.uint64), np.uint64(7))


@st.composite
def pools(draw_from: st.DrawFn) -> Pool:
    """Small ones of every kind: without candidates, without a tail, capped, exhausted, taken whole, empty."""
    count = draw_from(st.integers(0, 15))
    return pool_of(
        count,
        draw_from(st.integers(0, 15)),
        steps=draw_from(st.integers(0, 20)),
        explore=draw_from(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        sharpness=draw_from(st.sampled_from([0.0, 1.0, 4.0])),
        strata=draw_from(st.integers(1, 4)),
        cap=draw_from(st.integers(1, 4)),
    )


def told(pool: Pool, drawn: Drawn, seed: int) -> list[np.ndarray]:
    """By the definition alone, the chance of every sample of the pool at each new draw; 0 where drawn before."""
    design, n, count = pool.design, len(pool.keys), len(pool.design.weights)
    weights = np.append(design.weights, np.full(n - count, design.tail_weight))
    strata = np.append(design.strata, np.full(n - count, -1))
    tossing, auditing, ringing = salts(seed, 3)
    coins = uniform(hashed(np.arange(design.steps, dtype=np.uint64), tossing)) <= design.explore
    audits = list(np.argsort(hashed(pool.keys, auditing)))
    clocks = list(np.argsort(exponential(hashed(pool.keys, ringing)) / weights))
    seen, chosen, audited, chances = set(), [], 0, []
    for is_audit in coins:
        full = {s for s, of in Counter(strata[i] for i in chosen if strata[i] >= 0).items() if of >= design.cap}
        can = np.array([i not in chosen and strata[i] not in full for i in range(n)])
        is_new = np.array([i not in seen for i in range(n)])
        mass = (weights * can).sum()
        chance = np.full(n, design.explore / max(n - audited, 1))
        chance += (1 - design.explore) * weights * can / mass if mass else 0.0
        if is_audit:
            took, audited = (audits[audited], audited + 1) if audited < n else (None, n)
        else:
            took = next((i for i in clocks if can[i]), None)
            chosen += [] if took is None else [took]
        if took is not None and took not in seen:
            assert drawn.content[len(seen)] == pool.keys[took]
            chances.append(chance * is_new / (chance * is_new).sum())
            seen.add(took)
    return chances


@settings(deadline=None)
@given(pools(), st.integers(0, 1_000))
def test_each_step_takes_what_the_design_says_at_the_odds_it_says(pool, seed):
    require_as_told(pool, seed)


@pytest.mark.parametrize("seed", range(12))
def test_the_odds_of_what_the_audit_draws_from_a_full_stratum_are_the_audits_alone(seed):
    require_as_told(pool_of(8, 8, steps=10, explore=0.5, sharpness=1.0, strata=2, cap=1), seed)


@pytest.mark.parametrize("seed", range(12))
def test_a_heavy_tail_is_drawn_from_however_many_candidates_ring_before_it(seed):
    pool = pool_of(10, 10, steps=6, explore=0.2)
    light = pool.design._replace(weights=np.full(10, 0.01), tail_weight=1.0)
    require_as_told(pool._replace(design=light), seed)


def require_as_told(pool: Pool, seed: int) -> None:
    drawn = pool.drawn(seed)
    place = {key: at for at, key in enumerate(pool.keys.tolist())}
    chances = told(pool, drawn, seed)
    if len(pool.keys) <= pool.design.steps:
        expected = 1.0 / np.arange(len(pool.keys), 0, -1)
    else:
        assert len(chances) == len(drawn.content)
        expected = [chance[place[key]] for chance, key in zip(chances, drawn.content.tolist(), strict=True)]
    assert all(abs(chance.sum() - 1.0) < 1e-12 for chance in chances)
    assert np.allclose(drawn.proposal, expected, rtol=1e-9)


@given(pools(), st.integers(0, 1_000))
def test_nothing_is_drawn_twice_nor_beyond_the_budget_nor_above_a_cap(pool, seed):
    drawn, design = pool.drawn(seed), pool.design
    assert len(np.unique(drawn.content)) == len(drawn.content)
    assert np.isin(drawn.content, pool.keys).all()
    assert ((drawn.proposal > 0) & (drawn.proposal <= 1 + 1e-12)).all()
    assert drawn.is_audit.sum() == drawn.audits
    assert (drawn.is_audit | ~drawn.is_both).all()
    if len(pool.keys) <= design.steps:
        assert len(drawn.content) == len(pool.keys)
        return
    assert len(drawn.content) <= design.steps
    chosen = pool.keys.tolist().index
    strata = [design.strata[at] for key in drawn.content[~drawn.is_audit | drawn.is_both].tolist()
              if (at := chosen(key)) < len(design.weights)]  # fmt: skip
    assert max(Counter(strata).values(), default=0) <= design.cap


@given(pools(), st.integers(0, 1_000), st.randoms(use_true_random=False))
def test_the_order_in_which_the_pool_lies_changes_nothing(pool, seed, random):
    shuffled = pool.keys.tolist()
    random.shuffle(shuffled)
    again = draw(pool.design, candidates=pool.candidates, pool=np.array(shuffled, np.uint64), seed=seed)
    for found, expected in zip(again, pool.drawn(seed), strict=True):
        assert np.array_equal(found, expected)


def test_a_longer_pool_than_a_stride_is_drawn_from_as_if_hashed_at_once(monkeypatch):
    keys, salt = _keys(1_000), np.uint64(3)
    monkeypatch.setattr("loopline.select.keys.STRIDE", 64)
    for count in (0, 1, 63, 64, 65, 999, 1_000, 2_000):
        assert least(keys, salt, count).tolist() == keys[np.argsort(hashed(keys, salt))][:count].tolist()


@pytest.mark.slow
def test_the_audit_is_uniform_and_knows_nothing_of_the_choice():
    pool = pool_of(8, 8, steps=6, explore=0.5, sharpness=4.0)
    audited, runs = Counter[int](), 4_000
    for seed in range(runs):
        drawn = pool.drawn(seed)
        audited.update(drawn.content[drawn.is_audit].tolist())
    expected = sum(audited.values()) / len(pool.keys)
    assert stats.chisquare([audited[key] for key in pool.keys.tolist()], expected).pvalue > 0.001


@pytest.mark.slow
def test_the_first_two_draws_come_as_often_as_their_odds_say():
    pool, runs = pool_of(4, 3, steps=3, explore=0.3, strata=2, cap=1), 6_000
    pairs, odds = Counter[tuple[int, int]](), dict[tuple[int, int], float]()
    for seed in range(runs):
        drawn = pool.drawn(seed)
        if len(drawn.content) > 1:
            first, second = drawn.content[:2].tolist()
            pairs[first, 0] += 1
            odds[first, 0] = drawn.proposal[0]
            if first == pool.keys[0]:
                pairs[first, second] += 1
    firsts = {key: count for key, count in pairs.items() if key[1] == 0}
    total = sum(firsts.values())
    assert stats.chisquare(list(firsts.values()), [odds[key] * total for key in firsts]).pvalue > 0.001
    assert sum(odds.values()) == pytest.approx(1.0)
    assert firsts[int(pool.keys[0]), 0] > 0.5 * total


CASES = {
    "capped": pool_of(10, 15, steps=8, explore=0.3, strata=4, cap=2),
    "no tail": pool_of(10, 0, steps=4, explore=0.1, sharpness=4.0),
    "short list": pool_of(3, 40, steps=2, explore=0.9, sharpness=4.0),
    "half": pool_of(6, 30, steps=12, explore=0.5, sharpness=1.0, strata=2, cap=1),
    "no audit": pool_of(12, 5, steps=10, explore=0.0, sharpness=0.5, strata=5, cap=3),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_each_sample_is_drawn_as_often_as_is_stated(name, monkeypatch):
    monkeypatch.setattr(drawing, "REPLAYS", 10_000)
    pool, runs = CASES[name], 3_000
    counts = Counter(key for seed in range(runs) for key in pool.drawn(seed).content.tolist())
    drawn = np.array([counts[key] for key in pool.keys.tolist()]) / runs
    stated, beyond = probabilities(pool.design, np.random.default_rng(1))
    both = np.append(stated, np.full(pool.design.tail, beyond))
    assert (np.abs(drawn - both) < 4.0 * np.sqrt(both * (1.0 - both) / runs) + 0.004).all()
    assert drawn.sum() == pytest.approx(both.sum(), abs=0.12)


def test_even_weights_have_their_chances_exactly_and_simulation_agrees(monkeypatch):
    pool = pool_of(6, 14, steps=5, explore=0.4, sharpness=0.0)
    exact, beyond = probabilities(pool.design, np.random.default_rng(0))
    assert exact.tolist() == [beyond] * 6
    assert beyond == pytest.approx(5 / 20 - 5 * 4 * 0.4 * 0.6 / 20**2)
    monkeypatch.setattr(drawing, "_is_even", lambda _: False)
    simulated, tail = probabilities(pool.design, np.random.default_rng(0))
    assert simulated.mean() == pytest.approx(beyond, rel=0.01)
    assert tail == pytest.approx(beyond, rel=0.01)


@pytest.mark.slow
@given(pools())
@settings(max_examples=60, deadline=None)
def test_chances_are_possible_and_agree_with_what_can_be_drawn(pool):
    stated, beyond = probabilities(pool.design, np.random.default_rng(0))
    n, steps = len(pool.keys), pool.design.steps
    total = stated.sum() + pool.design.tail * beyond
    assert ((stated >= 0) & (stated <= 1)).all()
    assert 0 <= beyond <= 1
    assert (stated > 0).all() or steps == 0
    assert total <= min(n, steps) * 1.1 + 0.3
    if n <= steps:
        assert total == n


def test_a_pool_no_larger_than_the_budget_is_taken_whole_and_its_audit_stays_a_random_part():
    pool = pool_of(5, 5, steps=10, explore=0.3, strata=1, cap=1)
    audited = Counter[int]()
    for seed in range(500):
        drawn = pool.drawn(seed)
        assert sorted(drawn.content.tolist()) == sorted(pool.keys.tolist())
        audited.update(drawn.content[drawn.is_audit].tolist())
    assert min(audited.values()) > 0.2 * 500


def test_a_small_budget_begins_as_a_large_one_does():
    small, large = (pool_of(20, 100, steps=steps, explore=0.3) for steps in (5, 20))
    for seed in range(20):
        first = small.drawn(seed).content.tolist()
        assert large.drawn(seed).content.tolist()[: len(first)] == first


def test_odds_keep_their_digits_after_thousands_of_draws():
    pool = pool_of(3_000, 0, steps=2_000, explore=0.0, sharpness=4.0)
    drawn = pool.drawn(1)
    weight = dict(zip(pool.keys.tolist(), pool.design.weights.tolist(), strict=True))
    left = {key: weight[key] for key in pool.keys.tolist()}
    for place, key in enumerate(drawn.content.tolist()):
        if place % 199 == 0 or place > 1_990:
            assert drawn.proposal[place] == pytest.approx(weight[key] / math.fsum(left.values()), rel=1e-12)
        del left[key]


def test_a_pool_that_is_not_the_designs_is_refused():
    pool = pool_of(3, 5, steps=2, explore=0.5)
    with pytest.raises(InvalidRecord) as caught:
        draw(pool.design, candidates=pool.candidates, pool=pool.keys[:7], seed=1)
    assert str(caught.value) == "draw: a pool of 7 samples, expected as many as 3 candidates and a tail of 5"


def test_ranks_too_sharp_for_a_number_still_leave_everyone_a_chance():
    pool = pool_of(5, 5, steps=4, explore=0.0, sharpness=900.0)
    assert pool.drawn(1).content[0] == pool.keys[0]
    stated, beyond = probabilities(pool.design, np.random.default_rng(0))
    assert (stated > 0).all()
    assert beyond > 0
