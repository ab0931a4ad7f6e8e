"""Which samples are the same, so that nobody is asked the same thing twice."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loopline.records.signature import Signature
from loopline.select.embedding import CHAR_NGRAMS, FEATURES, embedding_of
from loopline.select.strategies.geometry import dots
from loopline.select.typos import owners

Indices = NDArray[np.int64]

THRESHOLD = {CHAR_NGRAMS: 0.95, FEATURES: 0.999}
"""Cosine from which two samples count as one, by embedding.

Among 2 million pairs of different movie-review sentences the highest cosine of hashed character n-grams was 0.64, one
in 10,000 lay above 0.42; 0.95 joins texts that differ in case, blanks, or one character at the end of a sentence.
Feature rows of one class point the same way, hence nearly 1.
"""
BLOCK = 512
"""Rows compared at a time: memory stays at BLOCK x candidates numbers."""
EVERY_PAIR = 8_192
"""Distinct rows up to which every pair is compared: 0.3 s at 256 dimensions on one core."""
LEAST_BITS, MOST_BITS, MOST_BANDS = 12, 62, 64
"""Signs in a band, an integer's at most, and bands: as many signs as leave a pair at the threshold its chance."""
MISSED = 1e-3
"""Chance that a pair at the threshold shares no band."""
MOST_CANDIDATES = 20_000_000
"""Pairs that are compared one by one; where more rows share a band, few stand and every pair is cheaper."""
CHUNK = 65_536
DIRECTIONS = 20_021
"""The seed of the random directions: always the same ones, so that a selection can be replayed."""


def alike(inputs: Sequence[bytes], vectors: NDArray[np.float32], signature: Signature) -> Indices:
    """Who stands for each sample, (n,): itself, or an earlier standing one that is the same but for trifles.

    ``inputs``: canonical rows; ``vectors``: (n, d) what ``embed`` makes of them. By their cosine, and texts that still
    stand also by their letters.

    >>> from loopline.select.embedding import embed
    >>> text = Signature(input="text", labels=("a", "b"))
    >>> asked = [b'"Where is my card?"', b'"where is my crad"', b'"A loan"']
    >>> alike(asked, embed(asked, text), text).tolist()
    [0, 0, 2]
    """
    owner = near(vectors, threshold=THRESHOLD[embedding_of(signature)])
    if signature.input != "text":
        return owner
    stands = np.flatnonzero(owner == np.arange(len(owner)))
    texts = [str(signature.decode(inputs[at])) for at in stands.tolist()]
    return np.asarray(stands[owners(texts)][np.searchsorted(stands, owner)])


def near(vectors: NDArray[np.float32], *, threshold: float) -> Indices:
    """Who stands for each row: itself, or the first earlier standing row whose cosine reaches the threshold.

    Greedy in the order given, so that of alike rows the first (the most informative) stays.
    ``vectors``: (n, d) of unit length or zero; a zero vector is like nothing. Gives (n,) indices ``owner`` with
    ``owner[owner[i]] == owner[i] <= i``. Up to ``EVERY_PAIR`` rows each is compared with all that stand; beyond, only
    with those that share a band of signs of random projections, which a pair at the threshold does not with a chance of
    ``MISSED``, a closer one hardly ever.
    Source: Charikar (2002), "Similarity estimation techniques from rounding algorithms", STOC.

    >>> near(np.array([[1, 0], [0, 1], [1, 0]], np.float32), threshold=0.95).tolist()
    [0, 1, 0]
    """
    stands_for = np.arange(len(vectors))
    rows = np.flatnonzero(vectors.any(axis=1))
    bits = np.ascontiguousarray(vectors[rows]).view(np.uint32).astype(np.uint64)
    factors = np.random.default_rng(DIRECTIONS).integers(1 << 63, size=vectors.shape[1], dtype=np.uint64)
    _, first, copies = np.unique(bits @ (2 * factors + 1), return_index=True, return_inverse=True)
    distinct = np.sort(first)  # equal rows have one fate: the first of them is looked at
    apart = vectors[rows[distinct]]
    pairs = _candidates(apart, threshold=threshold) if len(apart) > EVERY_PAIR else None
    owner = _by_blocks(apart, threshold=threshold) if pairs is None else _greedy(apart, pairs, threshold=threshold)
    stands_for[rows] = rows[distinct[owner[np.searchsorted(distinct, first[copies])]]]
    return stands_for


def _by_blocks(vectors: NDArray[np.float32], *, threshold: float) -> Indices:
    """Each row against every earlier one that stands."""
    owner, standing = np.arange(len(vectors)), np.zeros(0, np.int64)
    for start in range(0, len(vectors), BLOCK):
        block = vectors[start : start + BLOCK]
        alike = dots(block, vectors[standing]) >= threshold
        met = alike.any(axis=1)
        owner[start + np.flatnonzero(met)] = standing[alike[met].argmax(axis=1)] if len(standing) else 0
        free = np.flatnonzero(~met)
        inside = np.tril(dots(block[free], block[free]) >= threshold, -1)
        stays = np.ones(len(free), np.bool_)
        for row in np.flatnonzero(inside.any(axis=1)).tolist():
            earlier = inside[row] & stays
            if earlier.any():
                stays[row] = False
                owner[start + free[row]] = start + free[earlier.argmax()]
        standing = np.concatenate([standing, start + free[stays]])
    return owner


def _candidates(vectors: NDArray[np.float32], *, threshold: float) -> Indices | None:
    """(k, 2) places (earlier, later) of rows that may be near; None when to compare every pair is cheaper.

    The mean is taken out first: rows that all point one way are told apart by what is left of them.
    """
    centred = vectors - vectors.mean(axis=0)
    reach = float(np.sqrt(2.0 * (1.0 - threshold)) / np.quantile(np.linalg.norm(centred, axis=1), 0.05))
    if reach >= 1.0:
        return None
    agrees = 1.0 - np.arcsin(reach) / np.pi
    bits = min(MOST_BITS, int(np.log1p(-(MISSED ** (1.0 / MOST_BANDS))) / np.log(agrees)))
    if bits < LEAST_BITS:
        return None
    bands = int(np.ceil(np.log(MISSED) / np.log1p(-(agrees**bits))))
    directions = np.random.default_rng(DIRECTIONS).standard_normal((vectors.shape[1], bands * bits), np.float32)
    keys, found = np.empty((len(vectors), bands), np.int64), [np.zeros(0, np.int64)]
    for start in range(0, len(vectors), EVERY_PAIR):
        signs = (centred[start : start + EVERY_PAIR] @ directions > 0.0).reshape(-1, bands, bits)
        keys[start : start + EVERY_PAIR] = signs @ (1 << np.arange(bits))
    for band in keys.T:
        found.append(_sharing(band))
        if sum(map(len, found)) > MOST_CANDIDATES:
            return None
    every = np.sort(np.concatenate(found))
    return np.stack(np.divmod(every[np.flatnonzero(np.diff(every, prepend=-1))], len(vectors)), axis=1)


def _sharing(band: Indices) -> Indices:
    """Of every two rows with the same signs earlier x n + later; more than MOST_CANDIDATES are not written out."""
    order = np.argsort(band, kind="stable")
    _, begins, counts = np.unique(band[order], return_index=True, return_counts=True)
    after = np.repeat(begins + counts, counts) - np.arange(len(band)) - 1  # rows of the same signs that come later
    if after.sum() > MOST_CANDIDATES:
        return np.arange(MOST_CANDIDATES + 1)
    left = np.repeat(np.arange(len(band)), after)
    right = left + 1 + np.arange(len(left)) - np.repeat(np.cumsum(after) - after, after)
    return np.asarray(order[left] * len(band) + order[right])


def _greedy(vectors: NDArray[np.float32], pairs: Indices, *, threshold: float) -> Indices:
    """The greedy rule over these pairs, those that are near."""
    parts = [pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK)]
    near = [part[np.einsum("ij,ij->i", *vectors[part.T]) >= threshold] for part in parts]
    owner = np.arange(len(vectors))
    chained = np.concatenate([np.zeros((0, 2), np.int64), *near])
    for earlier, later in chained[np.lexsort(chained.T)].tolist():
        if owner[later] == later and owner[earlier] == earlier:
            owner[later] = earlier
    return owner
