"""Table rows that are one row: every feature agrees within a tolerance that random pairs of rows never reach.

A difference is told in interquartile ranges of its column, and the largest of a pair counts. The tolerance is
calibrated, table by table: the shares of random pairs within two distances give the power by which that share falls
with the distance, and by it the distance within which a reserve row meets one of all the rows by chance with
FALSE_SHARE. A table of few or discrete columns gets a tiny one or none: there, near means nothing.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from loopline.dataset.pairs import Pairs, alike_in

Rows = NDArray[np.float64]

TOLERANCE = 0.05
"""Interquartile ranges: the widest tolerance."""
FALSE_SHARE = 5e-4
"""Reserve rows that may have a twin by chance."""
RANDOM_PAIRS = 1 << 18
"""Random pairs that calibrate, on either side."""
NEAREST, NEAR = 20, 2_000
"""Of 2^18 random pairs, the two whose distances tell how the share falls."""
CHUNK = 65_536
_MIXER = np.uint64(0x9E3779B97F4A7C15)


def decoded(rows: Sequence[bytes], *, width: int) -> Rows:
    """(n, width) numbers of canonical rows.

    >>> decoded([b"[1.0,2.5]"], width=2).tolist()
    [[1.0, 2.5]]
    """
    found = np.empty((len(rows), width))
    for start in range(0, len(rows), CHUNK):
        part = b"[" + b",".join(rows[start : start + CHUNK]) + b"]"
        found[start : start + CHUNK] = msgspec.json.decode(part, type=list[list[float]])
    return found


def alike(rows: Rows, sealed: Rows) -> Pairs:
    """Pairs of rows whose every feature agrees within the tolerance: of every row with a twin, its nearest one.

    Which rows have a twin does not depend on the order of either side, nor on which is which. The similarity is 1 minus
    the largest difference in interquartile ranges.
    """
    none = alike_in("features", np.zeros(0, np.int64), np.zeros(0, np.int64))
    if not len(rows) or not len(sealed):
        return none
    scale = spread(np.concatenate([rows, sealed]))
    mine, theirs = rows / scale, sealed / scale
    within = tolerance(mine, theirs)
    if within == 0.0:
        return none
    far, nearest = _nearest(mine, theirs, within=within)
    found = np.flatnonzero(np.isfinite(far))
    if not len(found):
        return none
    back, place = _nearest(theirs, mine[found], within=within)
    met = np.flatnonzero(np.isfinite(back))
    row, other = np.concatenate([found, found[place[met]]]), np.concatenate([nearest[found], met])
    pairs, first = np.unique(np.stack([row, other], axis=1), axis=0, return_index=True)
    distance = np.concatenate([far[found], back[met]])[first]
    return alike_in("features", pairs[:, 0], pairs[:, 1])._replace(similarity=1.0 - distance)


def spread(rows: Rows) -> Rows:
    """(width,) how far apart rows are in each column: interquartile range, else standard deviation, else 1.

    >>> spread(np.array([[0.0, 7.0], [1.0, 7.0], [2.0, 7.0], [3.0, 7.0], [4.0, 7.0]])).tolist()
    [2.0, 1.0]
    """
    low, high = np.percentile(rows, [25, 75], axis=0)
    deviation = np.where(np.ptp(rows, axis=0) > 0.0, rows.std(axis=0), 1.0)
    return np.asarray(np.where(high > low, high - low, deviation))


def tolerance(rows: Rows, sealed: Rows) -> float:
    """The largest difference, in interquartile ranges, at which two rows are still one; 0: none but equal rows.

    Random pairs are drawn within either side, never across: what leaks must not calibrate what finds it.
    """
    distances = np.sort(np.concatenate([_random_distances(rows), _random_distances(sealed)]))
    pairs = len(distances)
    nearest, near = NEAREST * pairs // RANDOM_PAIRS, NEAR * pairs // RANDOM_PAIRS
    if nearest < 2:
        nearest, near = 1, 16
    if pairs <= near:
        return TOLERANCE  # a dozen rows: too few to tell
    if distances[nearest] <= 0.0 or distances[near] <= distances[nearest]:
        return 0.0
    power = np.log((near + 1) / (nearest + 1)) / np.log(distances[near] / distances[nearest])
    wanted = FALSE_SHARE / max(len(rows), len(sealed))
    return float(min(TOLERANCE, distances[nearest] * (wanted * pairs / (nearest + 1)) ** (1.0 / power)))


def _random_distances(rows: Rows) -> Rows:
    """The largest difference of each of up to RANDOM_PAIRS pairs of different rows, whatever their order."""
    mixed = np.zeros(len(rows), np.uint64)
    for column in rows.T:
        mixed = (mixed ^ np.ascontiguousarray(column + 0.0).view(np.uint64)) * _MIXER
        mixed ^= mixed >> np.uint64(32)
    shuffled = rows[np.argsort(mixed, kind="stable")]
    most, found = min(RANDOM_PAIRS, len(rows) * (len(rows) - 1) // 2), [np.zeros(0)]
    taken, step = 0, 1
    while taken < most:
        apart = shuffled[step:][: most - taken] - shuffled[: len(rows) - step][: most - taken]
        found.append(np.abs(apart).max(axis=1))
        taken, step = taken + len(apart), step + 1
    return np.concatenate(found)


def _nearest(rows: Rows, others: Rows, *, within: float) -> tuple[Rows, NDArray[np.int64]]:
    """Of each row the distance to the nearest of the others, inf where none is within, and its place."""
    tree = cKDTree(others)
    limit = float(np.nextafter(within, np.inf))  # the tree's own bound leaves out what lies on it
    distance, place = tree.query(rows, p=np.inf, distance_upper_bound=limit, workers=-1)
    return np.asarray(distance), np.asarray(place)
