"""Random numbers that belong to a content key: the same for a sample wherever it lies and whatever stands beside it.

SplitMix64's finaliser is a bijection of the 64-bit numbers, so distinct content keys have distinct hashes: an order by
hash has no ties to break. Source: Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators", OOPSLA.
"""

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Numbers = NDArray[np.float64]

STRIDE = 1 << 18
"""Keys hashed at once: 2 MB, which stays in the cache."""


def salts(seed: int, count: int) -> Keys:
    """(count,) independent salts of a non-negative seed, one for each order that it rules."""
    return np.random.SeedSequence(seed).generate_state(count, np.uint64).astype(np.uint64)


def hashed(keys: Keys, salt: np.uint64) -> Keys:
    """(n,) the hash of each key under the salt: SplitMix64's finaliser of ``key XOR salt``.

    >>> hashed(np.array([0x9E3779B97F4A7C15], np.uint64), np.uint64(0)).tolist()  # SplitMix64's first output for seed 0
    [16294208416658607535]
    """
    mixed = keys ^ salt
    mixed ^= mixed >> np.uint64(30)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(27)
    mixed *= np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return mixed


def uniform(hashes: Keys) -> Numbers:
    """(n,) a number in (0, 1] from the upper 53 bits of each hash.

    >>> uniform(np.array([0, 1 << 63], np.uint64)).tolist()
    [1.0, 0.5]
    """
    return np.asarray(1.0 - (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def exponential(hashes: Keys) -> Numbers:
    """(n,) standard exponential times that rise with the hash: ``-log`` of ``uniform``.

    >>> exponential(np.array([0, 1 << 63], np.uint64)).round(4).tolist()
    [0.0, 0.6931]
    """
    return np.asarray(-np.log1p(-((hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53)))


def least(keys: Keys, salt: np.uint64, count: int) -> Keys:
    """The ``count`` keys of least hash, least first; all of them where there are fewer. Their order does not matter.

    Takes memory for ``count`` keys and a few strides, however many keys there are.
    """
    best, hashes = keys[:0], keys[:0]
    for start in range(0, len(keys) if count else 0, STRIDE):
        piece = keys[start : start + STRIDE]
        found = hashed(piece, salt)
        if len(best) == count:  # only these can still displace one
            near = found < hashes.max()
            piece, found = piece[near], found[near]
        best, hashes = np.concatenate([best, piece]), np.concatenate([hashes, found])
        if len(best) > count:
            nearest = np.argpartition(hashes, count - 1)[:count]
            best, hashes = best[nearest], hashes[nearest]
    return best[np.argsort(hashes)]
