"""Each formula against the plain way to write it down."""

import tracemalloc

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy as scipy_entropy
from threadpoolctl import threadpool_limits

from loopline.ports.strategy import Shortlist
from loopline.select.strategies import BUILT_IN
from loopline.select.strategies.badge import badge, residuals
from loopline.select.strategies.cluster_margin import round_robin
from loopline.select.strategies.clustering import clustered, k_means
from loopline.select.strategies.committee import bald, consensus_kl, variation_ratio, vote_entropy
from loopline.select.strategies.coverage import cover, covered_by
from loopline.select.strategies.entropy import entropy
from loopline.select.strategies.facility_location import likeness
from loopline.select.strategies.geometry import BLOCK, blocks, dots, nearest, squared_distances
from loopline.select.strategies.k_center import k_center
from loopline.select.strategies.margin import margin
from loopline.select.strategies.random_diverse import by_root
from loopline.select.strategies.typical_first import untypicality
from loopline.select.strategies.uncertainty_herding import gaussian, radius_of

SEEDS = pytest.mark.parametrize("seed", range(4))
RAW = arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5), st.integers(2, 4)), elements=st.floats(0, 1))


def sphere(rows: int, size: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).normal(size=(rows, size))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def likely(rows: int, classes: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), rows).astype(np.float32)


def shortlist(vectors: np.ndarray, p: np.ndarray, labelled: np.ndarray | None = None) -> Shortlist:
    rows = len(vectors)
    labelled = vectors[:0] if labelled is None else labelled
    return Shortlist(
        urgency=np.sort(margin(p)), probabilities=p, members=np.zeros((rows, 0, p.shape[1]), np.float32),
        vectors=vectors, multiplicity=np.ones(rows, np.int64), labelled=labelled,
        labels=np.zeros(len(labelled), np.int64),
    )  # fmt: skip


@given(RAW)
def test_the_committee_measures_are_what_their_formulas_say(raw: np.ndarray) -> None:
    members = raw + 0.001
    members = (members / members.sum(axis=2, keepdims=True)).astype(np.float32)
    for row, *found in zip(
        members.astype(np.float64), vote_entropy(members), variation_ratio(members), consensus_kl(members),
        bald(members), strict=True,
    ):  # fmt: skip
        votes = np.bincount(row.argmax(axis=1), minlength=row.shape[1])
        mean = row.mean(axis=0)
        kl = np.mean([scipy_entropy(each, mean) for each in row])
        information = scipy_entropy(mean) - np.mean([scipy_entropy(each) for each in row])
        expected = [scipy_entropy(votes), 1 - votes.max() / len(row), kl, information]
        assert np.allclose(found, expected, atol=1e-5)


def test_rows_without_members_have_no_score_and_nobody_is_surer_than_agreement() -> None:
    members = np.full((3, 4, 2), 0.5, np.float32)
    members[1, 2] = np.nan
    for measure in (vote_entropy, variation_ratio, consensus_kl, bald):
        assert np.isnan(measure(members)).tolist() == [False, True, False]
        assert np.isnan(measure(np.zeros((3, 0, 2), np.float32))).all()
        assert measure(members)[0] == 0.0


@SEEDS
def test_entropy_and_margin_are_what_their_formulas_say(seed: int) -> None:
    p = likely(50, 6, seed)
    p[0] = np.eye(6)[0]
    ordered = np.sort(p, axis=1)
    assert np.allclose(entropy(p), scipy_entropy(p.astype(np.float64), axis=1), atol=1e-6)
    assert np.array_equal(margin(p), ordered[:, -1] - ordered[:, -2])


def test_products_and_distances_are_exact_across_blocks() -> None:
    rows, others = sphere(2_000, 3, 0), sphere(5_000, 3, 1)
    assert len(list(blocks(len(rows), width=len(others)))) > 1
    assert BLOCK * 4 <= 1 << 24
    at, squared = nearest(rows, others)
    truth = ((rows.astype(float)[:, None] - others.astype(float)) ** 2).sum(axis=2)
    assert np.allclose(squared, truth.min(axis=1), atol=1e-5)
    assert np.allclose(truth[np.arange(len(rows)), at], truth.min(axis=1), atol=1e-5)
    assert np.allclose(squared_distances(rows[:9], others), truth[:9], atol=1e-5)
    assert np.allclose(dots(rows, others[:1])[:, 0], rows @ others[0], atol=1e-6)


def plain_round_robin(cluster: list[int]) -> list[int]:
    members = {c: [i for i, other in enumerate(cluster) if other == c] for c in cluster}
    queue = sorted(members.values(), key=lambda rows: (len(rows), rows[0]))
    taken = []
    while any(queue):
        taken += [rows.pop(0) for rows in queue if rows]
    return taken


@given(st.lists(st.integers(0, 6), max_size=40))
def test_round_robin_is_the_loop_of_the_paper(cluster: list[int]) -> None:
    assert round_robin(np.array(cluster, np.int64)).tolist() == plain_round_robin(cluster)


def test_cluster_margin_takes_one_of_each_cluster_a_round_and_the_unknown_last() -> None:
    vectors = np.eye(3, dtype=np.float32)[[0, 0, 1, 2, 2, 2]]
    listed = shortlist(vectors, likely(6, 3, 0))._replace(urgency=np.array([0.1, 0.2, 0.3, 0.4, 0.5, np.inf], "f"))
    strategy = BUILT_IN["cluster-margin.v1"]
    assert strategy.arrange is not None
    assert strategy.arrange(listed, 3, np.random.default_rng(0)).order.tolist() == [2, 0, 3, 1, 4, 5]


def test_well_parted_groups_become_clusters() -> None:
    groups = np.repeat(np.eye(5, 16, dtype=np.float32) * 10, 20, axis=0)
    found = k_means((groups + np.random.default_rng(1).normal(0, 0.1, (100, 16))).astype(np.float32), count=15)
    of_groups = [set(found[at : at + 20].tolist()) for at in range(0, 100, 20)]
    assert sum(map(len, of_groups)) == len(set.union(*of_groups))


@pytest.mark.parametrize("dimensions", [64, 256])
def test_the_same_vectors_give_the_same_clusters_whatever_the_threads(dimensions: int) -> None:
    rng, rows = np.random.default_rng(2), sphere(3_000, dimensions, 2)
    rows[rng.integers(0, len(rows), 1_000)] = rows[0]  # ties: what the last bit of a sum decides
    rows[rng.integers(0, len(rows), 500)] = 0.0
    before, found = faiss.omp_get_max_threads(), []
    try:
        for threads in (1, 2, 5):
            faiss.omp_set_num_threads(threads)
            with threadpool_limits(threads, user_api="blas"):
                found.append(k_means(rows.copy(), count=400))
            assert faiss.omp_get_max_threads() == threads
    finally:
        faiss.omp_set_num_threads(before)
    assert all(np.array_equal(found[0], other) for other in found)


def test_a_product_with_one_vector_has_the_same_bits_at_one_thread_and_two() -> None:
    for rows in (1_532, 2_085, 3_000):
        vectors = sphere(rows, 384, rows)
        found = []
        for threads in (1, 2):
            with threadpool_limits(threads):
                found.append(dots(vectors, vectors[:1]))
        assert np.array_equal(*found)


def test_clusters_are_as_many_as_wanted_within_bounds() -> None:
    assert sorted(clustered(np.eye(4, dtype=np.float32), 9).tolist()) == [0, 1, 2, 3]
    assert set(clustered(np.ones((6, 3), np.float32), 3).tolist()) <= {0, 1, 2}


def test_beyond_a_thousand_clusters_there_still_are_about_as_many_as_wanted_and_they_are_tight() -> None:
    vectors = sphere(6_000, 8, 0)
    for wanted, least in ((1_024, 1_000), (1_025, 950), (3_000, 2_600)):
        cluster = clustered(vectors, wanted)
        assert least <= len(np.unique(cluster)) <= wanted + 60
        mean = np.stack([vectors[cluster == each].mean(axis=0) for each in np.unique(cluster)])
        inside = nearest(vectors, mean)[1].mean()
        anyhow = nearest(vectors, vectors[: len(mean)])[1].mean()
        assert inside < 0.9 * anyhow
    assert len(np.unique(clustered(np.ones((3_000, 2), np.float32), 2_000))) == 1


@SEEDS
@pytest.mark.parametrize("labels", [0, 5])
def test_k_center_is_the_farthest_point_loop(seed: int, labels: int) -> None:
    rows, labelled = sphere(60, 5, seed), sphere(labels, 5, seed + 50)
    taken = [*map(tuple, labelled.astype(float))]
    expected = []
    for step in range(20):
        far = [min((np.linalg.norm(row - np.array(each)) for each in taken), default=9.0) for row in rows.astype(float)]
        best = int(np.argmax([-1.0 if at in expected else f for at, f in enumerate(far)]))
        expected.append(best)
        taken.append(tuple(rows[best].astype(float)))
        assert len(expected) == step + 1
    assert k_center(rows, labelled=labelled, wanted=20).tolist() == expected


@SEEDS
def test_badge_draws_as_if_the_whole_gradients_were_built(seed: int) -> None:
    p, vectors = likely(40, 4, seed), sphere(40, 6, seed)
    gradients = (residuals(p).astype(float)[:, :, None] * vectors.astype(float)[:, None]).reshape(40, -1)
    assert np.allclose(residuals(p), p - np.eye(4)[p.argmax(axis=1)])
    rng = np.random.default_rng(seed)
    expected = [int(np.linalg.norm(gradients, axis=1).argmax())]
    while len(expected) < 15:
        gaps = ((gradients[:, None] - gradients[expected]) ** 2).sum(axis=2)
        nearness = gaps.min(axis=1)
        expected.append(int(np.searchsorted(np.cumsum(nearness), rng.random() * nearness.sum(), side="right")))
    assert badge(p, vectors, wanted=15, rng=np.random.default_rng(seed)).tolist() == expected


def test_an_answer_that_is_no_distribution_teaches_badge_nothing() -> None:
    assert residuals(np.array([[np.nan, 0.5], [0.75, 0.25]], np.float32)).tolist() == [[0.0, 0.0], [-0.25, 0.25]]


def test_badge_never_draws_a_gradient_twice() -> None:
    p, vectors = np.repeat(likely(3, 4, 0), 5, axis=0), np.repeat(sphere(3, 6, 0), 5, axis=0)
    for seed in range(20):
        drawn = badge(p, vectors, wanted=15, rng=np.random.default_rng(seed))
        assert sorted(drawn // 5) == [0, 1, 2]


@SEEDS
@pytest.mark.parametrize("labels", [0, 3])
@pytest.mark.parametrize("radius", [None, 0.5])
def test_lazy_cover_takes_what_the_greedy_loop_takes(seed: int, labels: int, radius: float | None) -> None:
    rows, labelled = sphere(70, 4, seed), sphere(labels, 4, seed + 50)
    weights = np.random.default_rng(seed).uniform(0.1, 2, 70).astype(np.float32)

    def kernel(cosines: np.ndarray) -> np.ndarray:
        return likeness(cosines) if radius is None else gaussian(cosines, radius=radius)

    def alike(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        wide = ours.astype(float) @ theirs.astype(float).T
        if radius is None:
            return np.maximum(wide, 0)
        return np.exp(-((ours.astype(float)[:, None] - theirs.astype(float)) ** 2).sum(axis=2) / (2 * radius**2))

    covered = alike(rows, labelled).max(axis=1, initial=0.0)
    assert np.allclose(covered_by(labelled, rows, kernel), covered, atol=1e-6)
    expected: list[int] = []
    for _ in range(25):
        gain = (np.maximum(alike(rows, rows) - covered, 0) * weights).sum(axis=1)
        gain[expected] = -1
        expected.append(int(gain.argmax()))
        covered = np.maximum(covered, alike(rows, rows)[expected[-1]])
    found = cover(rows, weights=weights, kernel=kernel, covered=covered_by(labelled, rows, kernel), wanted=25)
    assert found.tolist() == expected


def test_facility_location_goes_where_the_log_repeats_itself() -> None:
    listed = shortlist(np.eye(3, dtype=np.float32), likely(3, 3, 0))._replace(multiplicity=np.array([1, 9, 4]))
    strategy = BUILT_IN["facility-location.v1"]
    assert strategy.arrange is not None
    assert strategy.arrange(listed, 3, np.random.default_rng(0)).order.tolist() == [1, 2, 0]
    beside = listed._replace(labelled=np.eye(3, dtype=np.float32)[1:2], labels=np.zeros(1, np.int64))
    assert strategy.arrange(beside, 2, np.random.default_rng(0)).order.tolist() == [2, 0, 1]


def test_herding_goes_by_uncertainty_among_the_unlike_and_its_reach_shrinks_with_labels() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.7, 0.3, 0.0]], np.float32)
    strategy = BUILT_IN["uncertainty-herding.v1"]
    assert strategy.arrange is not None
    listed = shortlist(np.eye(3, dtype=np.float32), p)
    assert strategy.arrange(listed, 3, np.random.default_rng(0)).order.tolist() == [1, 2, 0]
    few, many = radius_of(sphere(5, 3, 0)), radius_of(sphere(500, 3, 0))
    assert 0.05 <= many < few <= radius_of(sphere(1, 3, 0)) == 1.0
    gaps = np.linalg.norm(sphere(5, 3, 0)[:, None] - sphere(5, 3, 0), axis=2) + 9 * np.eye(5)
    assert np.isclose(few, min(1.0, np.median(gaps.min(axis=1))), atol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3, 30, 100])
def test_typicality_is_the_mean_distance_to_the_nearest(rows: int) -> None:
    vectors = sphere(rows, 4, rows)
    gaps = np.sort(np.linalg.norm(vectors[:, None].astype(float) - vectors, axis=2), axis=1)[:, 1:]
    near = min(20, max(1, rows // 2), rows - 1)
    expected = gaps[:, :near].mean(axis=1) if near else np.zeros(rows)
    assert np.allclose(untypicality(vectors), expected, atol=2e-4)


def test_typical_first_goes_to_the_largest_unlabelled_group_and_its_middle() -> None:
    rng = np.random.default_rng(3)
    sizes, centres = (40, 30, 20), np.eye(3, 8) * 3
    group = np.repeat(np.arange(3), sizes)
    spread = (centres[group] + rng.normal(0, 0.3, (90, 8))).astype(np.float32)
    vectors = spread / np.linalg.norm(spread, axis=1, keepdims=True)
    strategy = BUILT_IN["typical-first.v1"]
    assert strategy.arrange is not None
    found = strategy.arrange(shortlist(vectors, likely(90, 3, 0), vectors[:1]), 2, rng)
    assert group[found.order[:3]].tolist() == [1, 2, 0], "group 0 has a label, so it comes last"
    inside = np.flatnonzero(group == 1)
    assert found.order[0] == inside[untypicality(vectors[inside]).argmin()]


def test_random_diverse_asks_the_model_nothing() -> None:
    vectors = sphere(60, 6, 0)
    strategy = BUILT_IN["random-diverse.v1"]
    assert strategy.arrange is not None
    one, other = (strategy.arrange(shortlist(vectors, likely(60, 3, s)), 12, np.random.default_rng(7)) for s in (1, 2))
    assert np.array_equal(one.order, other.order)


def test_random_diverse_gives_each_cluster_the_root_of_its_size() -> None:
    cluster = np.repeat(np.arange(3), (100, 25, 1))
    shares = np.zeros(3)
    for seed in range(2_000):
        order = by_root(cluster, np.random.default_rng(seed))
        shares += np.bincount(cluster[order[:8]], minlength=3) / 2_000
    assert np.allclose(shares, [5.0, 2.5, 0.5], atol=0.05), "8 of 16 = 10 + 5 + 1"
    inside = order[cluster[order] == 0]
    assert np.array_equal(inside, np.arange(100)), "inside a cluster as they stand"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(name for name, strategy in BUILT_IN.items() if strategy.arrange))
def test_memory_stays_far_below_all_pairs(name: str) -> None:
    """10,000 candidates make 400 MB of pairs; equal vectors make one cluster of all."""
    rows = 10_000
    for vectors in (sphere(rows, 8, 0), np.ones((rows, 8), np.float32) / np.float32(np.sqrt(8))):
        listed = shortlist(vectors, likely(rows, 3, 0), sphere(2_000, 8, 1))
        arrange = BUILT_IN[name].arrange
        assert arrange is not None
        tracemalloc.start()
        arrange(listed, 5, np.random.default_rng(0))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 64 << 20
