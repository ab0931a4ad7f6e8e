"""Laws that every built-in strategy keeps, whatever it is given."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from loopline.errors import NotFound
from loopline.ports.strategy import Arrangement, Shortlist, Strategy
from loopline.select.strategies import BUILT_IN, strategy_of

ALL = pytest.mark.parametrize("name", sorted(BUILT_IN))
DIVERSE = sorted(name for name, strategy in BUILT_IN.items() if strategy.arrange)
COMPONENT = st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.6, -0.8])
UNKNOWN = st.sampled_from([np.inf, np.nan, -np.inf])


def unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0).astype(np.float32)


@st.composite
def shortlists(draw: st.DrawFn) -> Shortlist:
    """Few candidates with everything that can go wrong: ties, zeros, equal vectors, one class, unknown numbers."""
    rows, size, classes = draw(st.integers(0, 14)), draw(st.integers(1, 3)), draw(st.integers(1, 4))
    labelled = draw(st.integers(0, 4))
    place = st.lists(COMPONENT, min_size=size, max_size=size)
    vectors = draw(st.lists(place, min_size=rows + labelled, max_size=rows + labelled))
    known = draw(st.integers(0, rows))
    urgency = sorted(draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), min_size=known, max_size=known)))
    unknown = draw(st.lists(UNKNOWN, min_size=rows - known, max_size=rows - known))
    raw = np.array(
        draw(st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=classes, max_size=classes),
                      min_size=rows, max_size=rows))
    ).reshape(rows, classes) + 0.01  # fmt: skip
    p = (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    if rows and draw(st.booleans()):
        p[draw(st.integers(0, rows - 1))] = np.nan
    everywhere = unit(np.array(vectors, np.float64).reshape(rows + labelled, size))
    return frozen(Shortlist(
        urgency=np.array(urgency + unknown, np.float32),
        probabilities=p,
        members=np.zeros((rows, 0, classes), np.float32),
        vectors=everywhere[:rows],
        multiplicity=np.array(draw(st.lists(st.integers(1, 9), min_size=rows, max_size=rows)), np.int64),
        labelled=everywhere[rows:],
        labels=np.zeros(labelled, np.int64),
    ))  # fmt: skip


def frozen(shortlist: Shortlist) -> Shortlist:
    """Nobody may write into what others read."""
    for column in shortlist:
        column.flags.writeable = False
    return shortlist


def plain(rows: int, *, size: int = 8, classes: int = 3, labelled: int = 0, seed: int = 0) -> Shortlist:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), rows).astype(np.float32)
    top = np.sort(p, axis=1)
    order = np.argsort(top[:, -1] - top[:, -2])
    return frozen(Shortlist(
        urgency=(top[:, -1] - top[:, -2])[order],
        probabilities=p[order],
        members=np.zeros((rows, 0, classes), np.float32),
        vectors=unit(rng.normal(size=(rows, size))),
        multiplicity=rng.integers(1, 4, rows),
        labelled=unit(rng.normal(size=(labelled, size))),
        labels=rng.integers(0, classes, labelled),
    ))  # fmt: skip


def arranged(strategy: Strategy, shortlist: Shortlist, wanted: int, seed: int = 7) -> Arrangement:
    each = np.arange(len(shortlist.vectors))
    if strategy.arrange is None:
        return Arrangement(each, each)
    return strategy.arrange(shortlist, wanted, np.random.default_rng(seed))


@pytest.mark.parametrize("name", DIVERSE)
@settings(max_examples=60, deadline=None)
@given(shortlist=shortlists(), wanted=st.integers(0, 16), seed=st.integers(0, 9))
def test_an_order_takes_every_candidate_once_and_the_same_again(
    name: str, shortlist: Shortlist, wanted: int, seed: int
) -> None:
    strategy, rows = BUILT_IN[name], len(shortlist.vectors)
    first, again = (arranged(strategy, shortlist, wanted, seed) for _ in range(2))
    assert first.order.dtype == first.cluster.dtype == np.int64
    assert sorted(first.order.tolist()) == list(range(rows))
    assert first.cluster.shape == (rows,)
    assert np.array_equal(first.order, again.order)
    assert np.array_equal(first.cluster, again.cluster)
    if strategy.reads:
        known = np.isfinite(shortlist.urgency[first.order])
        assert not known[known.sum() :].any(), "an unknown candidate stands before a known one"


@pytest.mark.parametrize("name", DIVERSE)
def test_one_thread_and_two_give_the_same_order(name: str) -> None:
    shortlist = plain(1_500, size=96, classes=5, labelled=40)
    orders = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            orders.append(arranged(BUILT_IN[name], shortlist, 60))
    assert np.array_equal(orders[0].order, orders[1].order)
    assert np.array_equal(orders[0].cluster, orders[1].cluster)


@pytest.mark.parametrize("name", DIVERSE)
def test_equal_candidates_come_as_they_stand(name: str) -> None:
    rows = 30
    one = plain(1)
    same = Shortlist(*(np.repeat(column, rows, axis=0) for column in one[:5]), one.labelled, one.labels)
    assert arranged(BUILT_IN[name], frozen(same), 10).order.tolist() == list(range(rows))


@pytest.mark.parametrize("name", DIVERSE)
def test_a_batch_is_not_the_first_of_the_list_but_spread(name: str) -> None:
    """Ten groups, of which the first fills the head of the list: a batch of ten visits most of them."""
    centres = np.eye(10, 16, dtype=np.float32) * 3
    group = np.repeat(np.arange(10), 20)
    shortlist = plain(200, size=16)
    near = unit(centres[group] + shortlist.vectors * 0.3)
    batch = arranged(BUILT_IN[name], frozen(shortlist._replace(vectors=near)), 10).order[:10]
    assert len(set(group[batch])) >= 6


@ALL
def test_a_score_is_one_number_a_row_and_nan_where_the_column_holds_none(name: str) -> None:
    strategy = BUILT_IN[name]
    column = np.full((3, 4, 2), 0.5, np.float32) if strategy.reads == "members" else np.array([0.2, 0.5, 0.9], "f")
    column = column.astype(np.float32)
    column[1] = np.nan
    scores = strategy.score(column)
    assert (scores.dtype, scores.shape) == (np.float32, (3,))
    assert np.isfinite(scores[[0, 2]]).all()
    assert np.isnan(scores[1]) == bool(strategy.reads)
    assert strategy.score(column[:0]).shape == (0,)


def test_the_least_certain_answer_is_the_most_informative() -> None:
    uncertain_first = {"margin": [0.0, 0.4, 1.0], "entropy": [1.1, 0.6, 0.0], "top": [0.34, 0.7, 1.0]}
    for strategy in BUILT_IN.values():
        if strategy.reads in uncertain_first:
            column = np.array(uncertain_first[strategy.reads], np.float32)
            assert np.argsort(strategy.sign * strategy.score(column)).tolist() == [0, 1, 2], strategy.name


def test_names_carry_versions_and_agree_with_the_keys() -> None:
    assert sorted(BUILT_IN) == [
        "badge.v1", "cluster-margin.v1", "committee-bald.v1", "committee-consensus-kl.v1",
        "committee-variation-ratio.v1", "committee-vote-entropy.v1", "entropy.v1", "facility-location.v1",
        "k-center.v1", "least-confidence.v1", "margin.v1", "random-diverse.v1", "random.v1", "typical-first.v1",
        "uncertainty-herding.v1",
    ]  # fmt: skip
    assert all(name == strategy.name for name, strategy in BUILT_IN.items())
    assert all(strategy.needs_members == (strategy.reads == "members") for strategy in BUILT_IN.values())


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(NotFound) as caught:
        strategy_of("entropy")
    assert str(caught.value).startswith("no strategy 'entropy'; known: badge.v1, cluster-margin.v1, ")
