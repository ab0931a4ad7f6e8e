"""Where a sample lies, so that alike samples can be told: unit vectors from texts or from feature rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loopline.records.signature import Signature

Vectors = NDArray[np.float32]

CHAR_NGRAMS = "char-ngrams.v1"
FEATURES = "features.v1"
DIMENSIONS = 256
SIZES = (3, 4, 5)
CHUNK = 512
"""Texts hashed at a time: bounds the memory to a few megabytes whatever the pool."""

_MULTIPLIER = np.uint64(0x100000001B3)  # the prime of 64-bit FNV
_MIX = np.uint64(0xFF51AFD7ED558CCD)  # the first finaliser constant of MurmurHash3
_HALF = np.uint64(33)


def normalised(text: str) -> str:
    r"""The text with case folded and every run of white space made one blank.

    >>> normalised("  So\tGOOD ")
    'so good'
    """
    return " ".join(text.casefold().split())


def char_ngrams(texts: Sequence[str]) -> Vectors:
    """Unit vectors of signed hashed character n-gram counts, n = 3, 4, 5, of the normalised texts.

    A blank is put on either side, so that word starts and ends count. Each n-gram adds +1 or -1, by one bit of its
    hash, at one of 256 places: inner products are unbiased estimates of those of the full count vectors.
    Gives (len(texts), 256) float32; a text too short for any n-gram is the zero vector. Same text, same vector.
    Source: Weinberger et al. (2009), "Feature hashing for large scale multitask learning", ICML.

    >>> a, b = char_ngrams(["So  good", "so GOOD"])
    >>> round(float(a @ b), 3)
    1.0
    """
    parts = [_hashed(texts[start : start + CHUNK]) for start in range(0, len(texts), CHUNK)]
    return unit(np.concatenate(parts)) if parts else np.zeros((0, DIMENSIONS), np.float32)


def _hashed(texts: Sequence[str]) -> Vectors:
    padded = [f" {normalised(text)} " for text in texts]
    lengths = np.array([len(text) for text in padded])
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    owner = np.repeat(np.arange(len(padded)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(codes))  # characters to the end of the own text
    counts = np.zeros(len(padded) * DIMENSIONS)
    rolling = codes.copy()
    for size in range(2, max(SIZES) + 1):
        rolling = rolling[:-1] * _MULTIPLIER + codes[size - 1 :]  # wraps at 64 bits, as hashing wants
        if size not in SIZES:
            continue
        whole = left[: len(rolling)] >= size
        mixed = (rolling[whole] ^ (rolling[whole] >> _HALF)) * _MIX
        place = (mixed >> np.uint64(56)).astype(np.int64)  # the top 8 bits: 0 to 255
        sign = 1.0 - 2.0 * ((mixed >> np.uint64(55)) & np.uint64(1)).astype(np.float64)
        at = owner[: len(rolling)][whole] * DIMENSIONS + place
        counts += np.bincount(at, weights=sign, minlength=len(counts))
    return counts.reshape(len(padded), DIMENSIONS).astype(np.float32)


def features(rows: NDArray[np.float64]) -> Vectors:
    """Unit vectors of the standardised columns; a constant column says nothing and becomes zero.

    ``rows``: (n, width), finite. Gives (n, width) float32.

    >>> features(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist()
    [[-1.0, 0.0], [1.0, 0.0]]
    """
    if not len(rows):
        return rows.astype(np.float32)
    spread = rows.std(axis=0)
    centred = rows - rows.mean(axis=0)
    return unit(np.where(spread > 0.0, centred / np.where(spread > 0.0, spread, 1.0), 0.0).astype(np.float32))


def embedding_of(signature: Signature) -> str:
    """The versioned name of the embedding that fits this kind of row.

    >>> embedding_of(Signature(input="text", labels=("a", "b")))
    'char-ngrams.v1'
    """
    return CHAR_NGRAMS if signature.input == "text" else FEATURES


def embed(inputs: Sequence[bytes], signature: Signature) -> Vectors:
    """Unit vectors (n, d) of canonical rows, by the embedding that fits them.

    >>> embed([b'"good"', b'"bad"'], Signature(input="text", labels=("a", "b"))).shape
    (2, 256)
    """
    rows = [signature.decode(row) for row in inputs]
    if signature.input == "text":
        return char_ngrams([str(text) for text in rows])
    return features(np.array(rows, np.float64).reshape(len(rows), signature.width))


def unit(vectors: Vectors) -> Vectors:
    """The rows at length 1; a zero row stays zero."""
    norms = np.sqrt(np.square(vectors).sum(axis=1, keepdims=True))
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0.0))
