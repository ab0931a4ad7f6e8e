import faiss
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loopline.select.diversity import clusters, round_robin


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


def test_well_parted_groups_become_clusters() -> None:
    rng = np.random.default_rng(1)
    centres = np.eye(5, 16, dtype=np.float32) * 10
    rows = (np.repeat(centres, 20, axis=0) + rng.normal(0, 0.1, (100, 16))).astype(np.float32)
    found = clusters(rows, count=15)
    assert all(
        len(set(found[g * 20 : g * 20 + 20]) & set(found[h * 20 : h * 20 + 20])) == 0
        for g in range(5)
        for h in range(g)
    )


def test_the_same_vectors_give_the_same_clusters_and_the_thread_count_is_left_alone() -> None:
    rows = np.random.default_rng(2).normal(size=(300, 32)).astype(np.float32)
    before = faiss.omp_get_max_threads()
    assert np.array_equal(clusters(rows, count=40), clusters(rows.copy(), count=40))
    assert faiss.omp_get_max_threads() == before


def test_as_many_clusters_as_rows_and_equal_rows_are_no_trouble() -> None:
    assert sorted(clusters(np.eye(4, dtype=np.float32), count=4).tolist()) == [0, 1, 2, 3]
    assert set(clusters(np.ones((6, 3), np.float32), count=3).tolist()) <= {0, 1, 2}
