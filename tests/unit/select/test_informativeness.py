import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from loopline.errors import NotFound
from loopline.select.informativeness import STRATEGIES, entropy, least_confidence, strategy_of
from loopline.serve.informativeness import margin

RAW = arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(2, 6)), elements=st.floats(0.01, 1.0))


def distributions(raw: np.ndarray) -> np.ndarray:
    return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)


@given(RAW)
def test_every_measure_stays_in_its_range(raw: np.ndarray) -> None:
    p = distributions(raw)
    classes = p.shape[1]
    assert ((margin(p) >= 0) & (margin(p) <= 1)).all()
    assert ((entropy(p) >= 0) & (entropy(p) <= np.log(classes) + 1e-6)).all()
    assert ((least_confidence(p) >= 0) & (least_confidence(p) <= 1 - 1 / classes + 1e-6)).all()


@given(RAW, st.randoms())
def test_the_order_of_classes_does_not_matter(raw: np.ndarray, random: object) -> None:
    p = distributions(raw)
    turned = p[:, ::-1]
    assert np.allclose(margin(p), margin(turned))
    assert np.allclose(entropy(p), entropy(turned))
    assert np.allclose(least_confidence(p), least_confidence(turned))


def test_the_uniform_distribution_is_the_most_informative_and_certainty_the_least() -> None:
    p = np.array([[1 / 3, 1 / 3, 1 / 3], [0.6, 0.3, 0.1], [1.0, 0.0, 0.0]], np.float32)
    for name in ("margin.v1", "cluster-margin.v1", "entropy.v1", "least-confidence.v1"):
        strategy = strategy_of(name)
        urgency = strategy.urgency(strategy.score(p, margin(p)))
        assert urgency.argsort().tolist() == [0, 1, 2], name


def test_margin_strategies_read_the_margin_that_was_stored() -> None:
    p = np.array([[0.5, 0.5]], np.float32)
    stored = np.array([0.25])
    assert strategy_of("cluster-margin.v1").score(p, stored).tolist() == [0.25]
    assert strategy_of("margin.v1").score(p, stored).tolist() == [0.25]


def test_an_unknown_strategy_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFound) as caught:
        strategy_of("entropy")
    known = "cluster-margin.v1, entropy.v1, least-confidence.v1, margin.v1, random.v1"
    assert str(caught.value) == f"no strategy 'entropy'; known: {known}"


def test_names_and_keys_agree() -> None:
    assert all(name == strategy.name for name, strategy in STRATEGIES.items())
