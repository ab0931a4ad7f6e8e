import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, log_loss

from loopline.evaluate.metrics import METRICS, measure
from loopline.evaluate.power import power_of_accuracy, power_of_mean


@given(st.integers(0, 2**32 - 1), st.integers(2, 6), st.integers(1, 60))
def test_metrics_agree_with_scikit_learn(seed, classes, n):
    generator = np.random.default_rng(seed)
    p, truth = generator.dirichlet(np.ones(classes), n), generator.integers(0, classes, n)
    predicted = p.argmax(axis=1)
    assert measure("accuracy", p, truth) == pytest.approx(accuracy_score(truth, predicted))
    assert measure("macro_f1", p, truth) == pytest.approx(f1_score(truth, predicted, average="macro", zero_division=0))
    assert measure("log_score", p, truth) == pytest.approx(-log_loss(truth, p, labels=range(classes)), abs=1e-9)


def test_a_certain_wrong_answer_costs_much_but_not_everything():
    assert measure("log_score", np.array([[1.0, 0.0]]), np.array([1])) == pytest.approx(-34.54, abs=0.01)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_perfect_model_scores_best_in_every_gated_metric(name):
    truth = np.array([0, 1, 2, 1])
    perfect, even = np.eye(3)[truth], np.full((4, 3), 1 / 3)
    assert measure(name, perfect, truth) > measure(name, even, truth)


def test_power_is_what_methods_measured():
    assert power_of_accuracy(500, alpha=0.05, margin=0.01, discordance=0.05) == pytest.approx(0.26, abs=0.02)
    assert power_of_accuracy(5000, alpha=0.05, margin=0.01, discordance=0.05) == pytest.approx(0.93, abs=0.01)


@pytest.mark.slow
def test_power_agrees_with_simulation_of_the_exact_bound():
    from loopline.evaluate.mcnemar import lower_bound

    n, alpha, margin, discordance, repeats = 100, 0.05, 0.08, 0.1, 300
    half = discordance / 2
    drawn = np.random.default_rng(1).multinomial(n, [half, half, 1 - discordance], size=repeats)
    passed = np.mean([lower_bound(int(b), int(c), n=n, alpha=alpha) > -margin for b, c, _ in drawn])
    assert power_of_accuracy(n, alpha=alpha, margin=margin, discordance=discordance) == pytest.approx(passed, abs=0.1)


def test_power_of_a_mean_grows_with_the_margin():
    assert power_of_mean(0.01, alpha=0.05, margin=0.0) == pytest.approx(0.05)
    assert power_of_mean(0.01, alpha=0.05, margin=0.05) > 0.99
    assert power_of_mean(0.0, alpha=0.05, margin=0.01) == 1.0
