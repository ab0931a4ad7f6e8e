"""Choosing: what the kernels of selection cost, beside the floor of this machine and beside modAL and scikit-activeml.

Everything of ours runs in this process, on two threads where the loop uses its fleet's, BLAS and faiss as they come.
Rivals run in processes and environments of their own, with a stub model whose answers lie ready, as ours do: 10
classes, 64 dimensions, float32. A median of several runs each; a floor is a copy of the same bytes on two threads, or
the matrix products of the same clustering, in this process.

- margin and entropy, top 1,000 of 1M and 10M: from probabilities in memory (scored and kept in one pass), and as the
  loop does it, from the column that the log holds: the pass alone, and the whole kernel with its census of contents.
- cluster-margin, 1,000 of 1M: from probabilities to a batch, through the 5,000 best; and all rows put in clusters.
- 10,000 of 10M: the pass over stored margins, then 50,000 candidates whose vectors are made when they are asked for.
- modAL's ranked batch costs batch x (a + b x pool + c x pool x (labelled + batch / 2)): it is fitted to what it
  finishes and read off at 1,000 of 1M. scikit-activeml's strategies get 90 seconds each at 10,000 rows: those that
  spread over vectors, as ours does, and Falcun, which spreads over probabilities alone and is reported apart.

The last line is one JSON object. ``--quick``: a tenth of the rows, fewer runs, fewer rivals.

    python benchmarks/selection.py [--quick] [--no-rivals]
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rig.costs import Cost, cost, rounded
from rig.environments import VERSIONS, Absent, environment
from scipy.optimize import nnls

from loopline.ports.columns import PoolColumns, Sifted
from loopline.ports.strategy import Shortlist
from loopline.select.sifting import Score, keyed, least, sift
from loopline.select.strategies import cluster_margin, k_center
from loopline.select.strategies.clustering import clustered, k_means
from loopline.select.strategies.entropy import entropy
from loopline.select.strategies.margin import logged, margin

Numbers = NDArray[np.float32]
Rows = NDArray[np.int64]
Size = tuple[int, int]

RIVALS = Path(__file__).parent / "rivals"
CLASSES, DIMENSIONS, FACTOR, LABELLED = 10, 64, 5, 10
PIECE = 1_000_000
"""Rows of a piece of the log, at most: a few sealed segments."""
THREADS = 2
LIMIT = 90
"""Seconds that a rival may take for one batch."""
BY_VECTORS = ("CoreSet", "Badge", "Clue", "ProbCover", "TypiClust")
"""scikit-activeml's strategies that spread a batch over vectors. Falcun spreads over probabilities alone."""
Together = ThreadPoolExecutor(THREADS)


class Pool(NamedTuple):
    """Rows that a model has answered."""

    probabilities: Numbers
    content: NDArray[np.uint64]

    def first(self, rows: int) -> "Pool":
        return Pool(self.probabilities[:rows], self.content[:rows])

    def columns(self, value: Numbers, part: slice = slice(None)) -> PoolColumns:
        content = self.content[part]
        return PoolColumns(content, np.ones(len(content), np.bool_), value[part])


def pool_of(rows: int) -> Pool:
    """Probabilities of some sure and some unsure answers, made on two threads; contents all distinct but by chance."""
    p = np.empty((rows, CLASSES), np.float32)

    def fill(part: slice) -> None:
        rng = np.random.default_rng((4, part.start))
        drawn = rng.standard_exponential((part.stop - part.start, CLASSES), dtype=np.float32)
        np.square(drawn, out=drawn)
        np.divide(drawn, drawn.sum(axis=1, keepdims=True), out=p[part])

    list(Together.map(fill, pieces(rows, size=100_000)))
    return Pool(p, np.random.default_rng(5).integers(0, 1 << 64, rows, dtype=np.uint64))


def vectors_of(rows: Rows) -> Numbers:
    """(n, 64) unit vectors around 200 centres, a function of the row alone, made when they are asked for."""
    rng = np.random.default_rng(6)
    centres = rng.standard_normal((200, DIMENSIONS)).astype(np.float32)
    noise = rng.standard_normal((9_973, DIMENSIONS)).astype(np.float32)
    found = centres[rows % 200] + noise[rows % 9_973] + 0.3 * noise[rows // 9_973 % 9_973]
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def pieces(rows: int, *, size: int) -> list[slice]:
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def halves(rows: int) -> list[slice]:
    return pieces(rows, size=-(-rows // THREADS))


def best(pool: Pool, value: Numbers, most: int, *, score: Score, sign: int) -> Rows:
    """The rows of least key of the whole pool, least first: a pass over each half at once, and the merge of the two."""

    def of(part: slice) -> tuple[Rows, NDArray[np.uint64]]:
        columns = pool.columns(value, part)
        top = least(keyed(columns, score=score, sign=sign), columns.content, most)
        kept = PoolColumns(columns.content[top], columns.is_current[top], columns.value[top])
        return top + part.start, np.concatenate(list(keyed(kept, score=score, sign=sign)))

    rows, keys = (np.concatenate(one) for one in zip(*Together.map(of, halves(len(value))), strict=True))
    return np.asarray(rows[np.lexsort((pool.content[rows], keys))][:most])


def surveyed(pool: Pool, value: Numbers, most: int, *, score: Score, sign: int) -> list[Sifted]:
    """What the loop's kernel finds in each piece, two at a time."""
    kernel = partial(sift, score=score, sign=sign)
    return list(Together.map(lambda part: kernel(pool.columns(value, part), most), pieces(len(value), size=PIECE)))


def copied(*arrays: NDArray[Any]) -> Callable[[], None]:
    """The floor of a pass: these bytes, read and written once."""
    targets = [np.empty_like(array) for array in arrays]
    parts = [(array[h], target[h]) for array, target in zip(arrays, targets, strict=True) for h in halves(len(array))]

    def copy() -> None:
        list(Together.map(lambda pair: np.copyto(pair[1], pair[0]), parts))

    return copy


def multiplied(*shapes: tuple[int, int, int]) -> Callable[[], None]:
    """The floor of a clustering: for each (rows, clusters, times) the product of rows x 64 with 64 x clusters."""

    def multiply() -> None:
        for rows, clusters, times in shapes:
            others = np.ones((DIMENSIONS, clusters), np.float32)
            for part in pieces(rows, size=4_096):
                many = np.ones((part.stop - part.start, DIMENSIONS), np.float32)
                for _ in range(times):
                    many @ others

    return multiply


def shortlist_of(pool: Pool, rows: Rows, vectors: Numbers) -> Shortlist:
    p = pool.probabilities[rows]
    return Shortlist(
        urgency=margin(p), probabilities=p, members=np.zeros((len(p), 0, CLASSES), np.float32), vectors=vectors,
        multiplicity=np.ones(len(p), np.int64), labelled=vectors[:0], labels=np.zeros(0, np.int64),
    )  # fmt: skip


def cluster_margin_batch(pool: Pool, wanted: int, vectors: Callable[[Rows], Numbers]) -> Rows:
    """From probabilities and vectors to the rows of a batch: a shortlist of five a sample, and the product's order."""
    rows = best(pool, pool.probabilities, FACTOR * wanted, score=margin, sign=1)
    return arranged(pool, rows, wanted, vectors)


def arranged(pool: Pool, rows: Rows, wanted: int, vectors: Callable[[Rows], Numbers]) -> Rows:
    listed = shortlist_of(pool, rows, vectors(rows))
    order = cluster_margin.arrange(listed, wanted, np.random.default_rng(0)).order
    return np.asarray(rows[order[:wanted]])


def whole_pool_batch(pool: Pool, wanted: int, vectors: Numbers) -> Rows:
    """The same with every row of the pool in a cluster, not only candidates: what the product does not do."""
    by_margin = np.argsort(margin(pool.probabilities), kind="stable")
    cluster = k_means(vectors, count=wanted)
    return np.asarray(by_margin[cluster_margin.round_robin(cluster[by_margin])][:wanted])


def passes(pool: Pool, *, repetitions: int) -> dict[str, dict[str, float]]:
    """Margin and entropy of a pool: 1,000 best."""
    told, p = {}, pool.probabilities
    floor = cost(copied(p), repetitions=repetitions, weigh=False)
    for name, score, sign in (("margin", margin, 1), ("entropy", entropy, -1)):
        column = np.asarray(score(p), np.float32)
        ask = {"score": score, "sign": sign}
        stored = {"score": logged, "sign": sign}
        stored_floor = cost(copied(column, pool.columns(column).is_current), repetitions=repetitions, weigh=False)
        census_floor = cost(copied(column, pool.content), repetitions=repetitions, weigh=False)
        works: dict[str, tuple[Callable[[], object], Cost]] = {
            f"{name}_from_probabilities": (partial(best, pool, p, 1_000, **ask), floor),
            f"{name}_stored_pass": (partial(best, pool, column, 1_000, **stored), stored_floor),
            f"{name}_stored_with_census": (partial(surveyed, pool, column, 1_000, **stored), census_floor),
        }
        assert np.array_equal(works[f"{name}_from_probabilities"][0](), works[f"{name}_stored_pass"][0]())
        for label, (work, under) in works.items():
            told[label] = cost(work, repetitions=repetitions).shown(floor=under)
    return told


class Ours(NamedTuple):
    """What our side of the comparison came to."""

    told: dict[str, Any]
    margin_1m: Cost
    million: Cost
    ten_thousand: Cost
    centres: Cost


def ours(*, scale: int, repetitions: int) -> Ours:
    """All measurements in this process, on 10M rows divided by ``scale``."""
    pool = pool_of(10_000_000 // scale)
    million, small = pool.first(1_000_000 // scale), pool.first(10_000)
    wanted = 1_000
    told: dict[str, Any] = {"1M": passes(million, repetitions=repetitions)}
    told["10M"] = passes(pool, repetitions=max(3, repetitions // 2))
    held = vectors_of(np.arange(len(million.content)))
    at = held.__getitem__
    candidates, rounds = FACTOR * wanted, 11  # ten of k-means, one to assign
    products = cost(multiplied((candidates, wanted, rounds)), repetitions=repetitions, weigh=False)
    of_million = cost(partial(cluster_margin_batch, million, wanted, at), repetitions=repetitions)
    of_small = cost(partial(cluster_margin_batch, small, wanted, at), repetitions=repetitions)
    told["cluster_margin_1000_of_1m"] = of_million.shown(floor=products)
    told["cluster_margin_1000_of_10k"] = of_small.shown(floor=products)
    taught = 16 * wanted
    products = cost(multiplied((taught, wanted, 10), (len(held), wanted, 1)), repetitions=1, weigh=False)
    whole = cost(partial(whole_pool_batch, million, wanted, held), repetitions=max(1, repetitions // 3))
    told["cluster_margin_1000_of_1m_whole_pool"] = whole.shown(floor=products) | {"clusters": wanted}
    centres = cost(partial(k_center.k_center, held[LABELLED:10_000], labelled=held[:LABELLED], wanted=wanted),
                   repetitions=repetitions)  # fmt: skip
    told["k_center_1000_of_10k"] = centres.shown()
    told |= ten_thousand_of(pool, 10_000 // scale, repetitions=max(3, repetitions // 2))
    alone = cost(partial(best, million, million.probabilities, wanted, score=margin, sign=1), repetitions=repetitions)
    return Ours(told, alone, of_million, of_small, centres)


def ten_thousand_of(pool: Pool, wanted: int, *, repetitions: int) -> dict[str, Any]:
    """10,000 of 10M, from stored margins."""
    column = np.concatenate([margin(pool.probabilities[part]) for part in pieces(len(pool.content), size=PIECE)])
    one = partial(best, pool, column, FACTOR * wanted, score=logged, sign=1)
    rows = one()
    vectors = vectors_of(rows)
    parts = int(wanted**0.5)
    shapes = [(len(rows), parts, 11), *[(len(rows) // parts, wanted // parts, 11)] * parts]
    once = cost(one, repetitions=repetitions)
    return {
        "pass_10000_of_10m": once.shown(floor=cost(copied(column), repetitions=repetitions, weigh=False)),
        "clusters_of_50000_candidates": cost(partial(clustered, vectors, wanted), repetitions=repetitions).shown(
            floor=cost(multiplied(*shapes), repetitions=repetitions, weigh=False)
        ),
        "cluster_margin_10000_of_10m": cost(
            lambda: arranged(pool, one(), wanted, vectors_of), repetitions=repetitions
        ).shown(),
    }


def rival(name: str, folder: Path, strategy: str, sizes: tuple[int, int], *, repetitions: int) -> dict[str, Any]:
    """What a rival's script measured: its own seconds; or why it measured none."""
    script, (rows, batch) = RIVALS / f"{name}_batches.py", sizes
    try:
        order = [str(environment(name) / "python"), str(script), str(folder), strategy]
    except Absent as absent:
        return {"absent": str(absent)}
    order += [str(number) for number in (rows, batch, repetitions)]
    try:
        done = subprocess.run(order, check=False, capture_output=True, text=True, timeout=LIMIT * repetitions + 30)
    except subprocess.TimeoutExpired:
        print(f"{name} {strategy} {batch} of {rows}: unfinished", flush=True)
        return {"unfinished": f"more than {LIMIT} s"}
    if done.returncode:
        return {"failed": (done.stderr.splitlines() or ["no word"])[-1][:200]}
    found = {key: rounded(value) for key, value in json.loads(done.stdout.splitlines()[-1]).items()}
    print(f"{name} {strategy} {batch} of {rows}: {found}", flush=True)
    return found if found["seconds"] <= LIMIT else {"unfinished": f"more than {LIMIT} s", **found}


def extrapolated(runs: dict[Size, dict[str, Any]], of: str, *, rows: int, batch: int) -> dict[str, float]:
    """modAL's ranked batch at a size that it cannot finish, by its own law, fitted to relative errors."""

    def terms(rows: int, batch: int) -> list[float]:
        return [batch, rows * batch, rows * batch * (LABELLED + batch / 2)]

    known = np.array([[term / one[of] for term in terms(*size)] for size, one in runs.items() if of in one])
    weights, _ = nnls(known, np.ones(len(known)))
    worst = np.abs(known @ weights - 1).max()
    told = {of: np.dot(terms(rows, batch), weights), "worst_relative_error_of_fit": worst}
    told |= {f"{name}_ns": weight * 1e9 for name, weight in zip("abc", weights, strict=True)}
    return {name: rounded(float(value)) for name, value in told.items()}


def rivals(mine: Ours, *, quick: bool) -> dict[str, Any]:
    """Each rival at what it can finish, and the ratios to ours."""
    rows = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory(prefix="loopline-bench-") as name:
        folder = Path(name)
        pool = pool_of(rows + LABELLED)
        np.save(folder / "probabilities.npy", pool.probabilities)
        np.save(folder / "vectors.npy", vectors_of(np.arange(rows + LABELLED)))
        modal = against_modal(mine, folder, rows, quick=quick)
        theirs = against_skactiveml(mine, folder, quick=quick)
        core = (2_000, 200) if quick else (10_000, 1_000)
        small = rival("small_text", folder, "cosine", core, repetitions=1)
    return modal | theirs | {"small_text": {"greedy_coreset_{1}_of_{0}".format(*core): small}}


def against_modal(mine: Ours, folder: Path, rows: int, *, quick: bool) -> dict[str, Any]:
    """modAL's plain batches as they are; its ranked batch read off at what we choose."""
    runs: dict[str, Any] = {
        f"{strategy}_1000_of_{rows}": rival("modal", folder, strategy, (rows, 1_000), repetitions=3 if quick else 5)
        for strategy in ("margin", "entropy")
    }
    sizes = [(10_000, 20), (10_000, 100), (40_000, 20), (20_000, 100)]
    sizes += [] if quick else [(10_000, 400), (10_000, 1_000), (100_000, 20), (100_000, 60), (100_000, 200)]
    often = {size: 3 if size[0] * size[1] <= 2_000_000 else 1 for size in sizes}
    ranked = {size: rival("modal", folder, "ranked", size, repetitions=times) for size, times in often.items()}
    told: dict[str, Any] = {"modal": runs | {"ranked_{1}_of_{0}".format(*size): one for size, one in ranked.items()}}
    if sum("seconds" in one for one in ranked.values()) > 1:
        whole = {of: extrapolated(ranked, of, rows=rows, batch=1_000) for of in ("seconds", "cpu_seconds")}
        told["modal_ranked_1000_extrapolated"] = whole
        told["ratio_vs_modal"] = rounded(whole["seconds"]["seconds"] / mine.million.seconds)
        told["cpu_ratio_vs_modal"] = rounded(whole["cpu_seconds"]["cpu_seconds"] / mine.million.cpu_seconds)
    if "seconds" in (plain := runs[f"margin_1000_of_{rows}"]):
        told["ratio_vs_modal_margin"] = rounded(plain["seconds"] / mine.margin_1m.seconds)
    return told


def against_skactiveml(mine: Ours, folder: Path, *, quick: bool) -> dict[str, Any]:
    """scikit-activeml's strategies at 10,000 rows, and what its margin does at 100,000."""
    strategies = ("margin", "Falcun", "Clue") if quick else ("margin", "entropy", "Falcun", *BY_VECTORS)
    plan = [(strategy, 10_000, 3 if strategy not in BY_VECTORS else 1) for strategy in strategies]
    plan += [] if quick else [("margin", 100_000, 1)]
    runs = {f"{strategy}_1000_of_{rows}": rival("skactiveml", folder, strategy, (rows, 1_000), repetitions=times)
            for strategy, rows, times in plan}  # fmt: skip
    told: dict[str, Any] = {"scikit_activeml": runs}
    done = {name: one for name in (*BY_VECTORS, "Falcun") if is_done(one := runs.get(f"{name}_1000_of_10000", {}))}
    if diverse := [name for name in BY_VECTORS if name in done]:
        fastest = min(diverse, key=lambda name: done[name]["seconds"])
        told["scikit_activeml_fastest_by_vectors"] = fastest
        told["ratio_vs_scikit_activeml"] = rounded(done[fastest]["seconds"] / mine.ten_thousand.seconds)
        told["cpu_ratio_vs_scikit_activeml"] = rounded(done[fastest]["cpu_seconds"] / mine.ten_thousand.cpu_seconds)
    if "Falcun" in done:
        told["ratio_vs_scikit_activeml_falcun"] = rounded(done["Falcun"]["seconds"] / mine.ten_thousand.seconds)
    if "CoreSet" in done:
        told["k_center_ratio_vs_scikit_activeml"] = rounded(done["CoreSet"]["seconds"] / mine.centres.seconds)
    return told


def is_done(one: dict[str, Any]) -> bool:
    return "seconds" in one and "unfinished" not in one


def report(*, quick: bool, with_rivals: bool) -> dict[str, Any]:
    load = os.getloadavg()[0]
    mine = ours(scale=10 if quick else 1, repetitions=3 if quick else 9)
    million = mine.told["cluster_margin_1000_of_1m"]
    summary: dict[str, Any] = {
        "benchmark": "selection",
        "quick_a_tenth_of_the_rows": quick,
        "load_before": round(load, 2),
        "cores": os.cpu_count(),
        "cluster_margin_1m_seconds": million["seconds"],
        "cluster_margin_1m_cpu_seconds": million["cpu_seconds"],
        "cluster_margin_1m_extra_mb": million["extra_mb"],
        "pass_10m_seconds": mine.told["pass_10000_of_10m"]["seconds"],
        "ours": mine.told,
    }
    print(json.dumps(summary, indent=1), flush=True)
    if with_rivals:
        summary |= rivals(mine, quick=quick)
    return summary | {"versions": {name: VERSIONS[name][0] for name in ("modal", "skactiveml", "small_text")}}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--no-rivals", action="store_true")
    asked = parser.parse_args()
    print(json.dumps(report(quick=asked.quick, with_rivals=not asked.no_rivals)))
