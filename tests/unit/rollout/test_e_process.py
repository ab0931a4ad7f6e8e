import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.rollout.e_process import Failures, log_bar, log_evidence

ALPHA = 0.05


def first_passage(rates: tuple[float, float], *, share: float, seed: int, looks: int, each: int) -> int:
    """Trial answers at the look that passed the bar; 0 when none did."""
    rng = np.random.default_rng(seed)
    control, trial = np.zeros(2, int), np.zeros(2, int)
    for _ in range(looks):
        asked = rng.binomial(each, share)
        trial += (asked, rng.binomial(asked, rates[1]))
        control += (each - asked, rng.binomial(each - asked, rates[0]))
        if log_evidence(Failures(*control.tolist()), Failures(*trial.tolist())) >= log_bar(ALPHA):
            return int(trial[0])
    return 0


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_an_equal_version_is_accused_at_most_alpha_of_the_time_over_100_looks(rate: float, share: float) -> None:
    runs = 150
    accused = [first_passage((rate, rate), share=share, seed=s, looks=100, each=40) > 0 for s in range(runs)]
    assert np.mean(accused) <= ALPHA


def test_arms_that_answer_the_same_requests_are_accused_no_more_often() -> None:
    rng = np.random.default_rng(5)
    accused = 0
    for _ in range(150):
        hard = rng.random(1_500) < 0.1
        fails = [hard & (rng.random(1_500) < 0.5) for _ in range(2)]
        counts = np.cumsum(np.array(fails), axis=1)[:, 14::15]
        ends = np.arange(15, 1_501, 15)
        looks = zip(ends, counts[0], counts[1], strict=True)
        accused += any(
            log_evidence(Failures(int(n), int(a)), Failures(int(n), int(b))) >= log_bar(ALPHA) for n, a, b in looks
        )
    assert accused / 150 <= ALPHA


@pytest.mark.parametrize(
    ("rates", "within"), [((0.01, 0.05), 500), ((0.01, 0.2), 60), ((0.05, 0.2), 160), ((0.3, 0.6), 160)]
)
def test_a_version_that_fails_more_often_is_found(rates: tuple[float, float], within: int) -> None:
    found = [first_passage(rates, share=0.1, seed=s, looks=300, each=50) for s in range(60)]
    assert np.mean([0 < n <= within for n in found]) >= 0.9


COUNTS = st.tuples(st.integers(0, 500), st.floats(0, 1)).map(lambda pair: Failures(pair[0], int(pair[0] * pair[1])))


@given(COUNTS, COUNTS)
def test_evidence_is_finite_and_none_when_the_trial_fails_no_more_often(control: Failures, trial: Failures) -> None:
    value = log_evidence(control, trial)
    assert math.isfinite(value)
    if not control.answers or not trial.answers or trial.failed * control.answers <= control.failed * trial.answers:
        assert value <= 1e-9


@given(COUNTS, st.integers(1, 300))
def test_one_failure_more_is_more_evidence(control: Failures, answers: int) -> None:
    if not control.answers:
        return
    above = range(int(answers * control.failed / control.answers) + 1, answers)
    values = [log_evidence(control, Failures(answers, failed)) for failed in above]
    assert all(later >= earlier - 1e-9 for earlier, later in itertools.pairwise(values) if earlier > 0)


def test_its_expectation_over_one_look_is_at_most_one() -> None:
    from scipy.stats import binom

    for rate in (0.02, 0.2, 0.5, 0.9):
        total = 0.0
        for a in range(31):
            for b in range(11):
                chance = binom.pmf(a, 30, rate) * binom.pmf(b, 10, rate)
                total += chance * math.exp(log_evidence(Failures(30, a), Failures(10, b)))
        assert total <= 1.0
