import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.select.probability import Design, audit_probability, chosen_probabilities, draw, softrank


def frequencies(design: Design, runs: int) -> tuple[np.ndarray, np.ndarray]:
    audit, chosen = np.zeros(len(design.weights)), np.zeros(len(design.weights))
    for seed in range(runs):
        drawn = draw(design, np.random.default_rng(seed))
        audit[drawn.audit] += 1
        chosen[drawn.chosen] += 1
    return audit / runs, chosen / runs


@pytest.mark.parametrize(("n", "audit", "chosen"), [(30, 3, 7), (30, 0, 1), (12, 6, 5), (60, 2, 20)])
def test_stated_probabilities_are_the_frequencies_over_seeds(n: int, audit: int, chosen: int) -> None:
    runs = 4_000
    design = Design(softrank(np.arange(1, n + 1), sharpness=4.0), audit=audit, chosen=chosen)
    by_audit, by_choice = frequencies(design, runs)
    stated = chosen_probabilities(design, np.random.default_rng(99))
    error = 4.5 * np.sqrt(stated * (1 - stated) / runs) + 0.01  # sampling of the frequencies, then of the 512 replays
    assert (np.abs(by_choice - stated) < error).all()
    share = audit_probability(design)
    assert (np.abs(by_audit - share) < 4.5 * np.sqrt(share * (1 - share) / runs) + 1e-9).all()


def test_one_clock_race_agrees_with_its_closed_form() -> None:
    weights = np.array([4.0, 2.0, 1.0, 1.0])
    stated = chosen_probabilities(Design(weights, audit=0, chosen=1), np.random.default_rng(3))
    assert np.allclose(stated, weights / weights.sum(), atol=0.03)


def test_weighting_by_one_over_the_probability_is_unbiased_where_the_plain_mean_is_not() -> None:
    rng = np.random.default_rng(5)
    n = 80
    design = Design(softrank(np.arange(1, n + 1), sharpness=2.0), audit=0, chosen=25)
    wrong = (rng.random(n) < np.linspace(0.9, 0.1, n)).astype(float)  # errors gather where the model is unsure
    stated = chosen_probabilities(design, rng)
    naive, weighted = [], []
    for seed in range(1_500):
        chosen = draw(design, np.random.default_rng(seed)).chosen
        naive.append(wrong[chosen].mean())
        weighted.append((wrong[chosen] / stated[chosen]).sum() / n)
    assert abs(np.mean(weighted) - wrong.mean()) < 0.02
    assert np.mean(naive) - wrong.mean() > 0.1


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50), st.floats(0, 6))
def test_probabilities_are_possible_and_sum_to_the_sizes(n: int, a: int, k: int, sharpness: float) -> None:
    audit = min(a, n)
    chosen = min(k, n - audit)
    design = Design(softrank(np.arange(1, n + 1), sharpness=sharpness), audit=audit, chosen=chosen)
    stated = chosen_probabilities(design, np.random.default_rng(0))
    assert ((stated >= 0) & (stated <= 1)).all()
    assert (stated > 0).all() or chosen == 0
    assert abs(stated.sum() - chosen) <= 0.25 + 0.05 * chosen
    drawn = draw(design, np.random.default_rng(1))
    assert len(drawn.audit) == audit
    assert len(drawn.chosen) == chosen
    assert len({*drawn.audit.tolist(), *drawn.chosen.tolist()}) == audit + chosen


def test_taking_everything_is_certain() -> None:
    design = Design(softrank(np.arange(1, 11), sharpness=4.0), audit=2, chosen=8)
    stated = chosen_probabilities(design, np.random.default_rng(0)) + audit_probability(design)
    assert np.allclose(stated, 1.0)


def test_better_ranks_have_higher_probabilities() -> None:
    design = Design(softrank(np.arange(1, 41), sharpness=4.0), audit=4, chosen=10)
    stated = chosen_probabilities(design, np.random.default_rng(0))
    assert stated[0] > 0.85
    assert stated[:10].min() > stated[15:].max()
