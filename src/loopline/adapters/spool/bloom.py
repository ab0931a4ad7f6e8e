"""Whether an id may be among a million others, from one or three bytes for each of them.

A Bloom filter (Bloom, CACM 1970) is a field of bits; every id sets some, so one with a clear bit is not in it.
The places come from two hashes, ``h1 + i * h2`` (Kirsch and Mitzenmacher, Random Structures & Algorithms 2008).
"""

import math

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

DENSE, SPARSE = 10, 24
"""Bits an id. Ids that grow with time (UUIDv7) are told apart by their range, so the filter is seldom asked: 10 bits,
one false alarm in 120. Ids in no order are looked for in every segment at every append: 24 bits, one in 100,000."""
PROBES = 1
"""Bytes before the bits: how many places each id has."""
WORD = 8
SLICE = 1 << 16
"""Texts that are mixed at once, so that millions take no more memory than these."""
_ODD = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_LOW = np.uint64(0xFFFFFFFF)

Hashes = NDArray[np.uint64]


def hashes(ids: pa.StringArray) -> Hashes:
    """64 bits for each text, the same on every machine: its length and words, each mixed in (SplitMix64's mixer)."""
    if not len(ids):
        return np.empty(0, np.uint64)
    _, places, content = ids.buffers()
    offsets = np.frombuffer(places, np.int32)[ids.offset : ids.offset + len(ids) + 1].astype(np.int64)
    sizes = np.diff(offsets)
    letters = np.frombuffer(content, np.uint8) if content else np.empty(0, np.uint8)
    found = _mixed(sizes.astype(np.uint64) + _ODD)
    for size in np.unique(sizes[sizes > 0]).tolist():
        same = np.flatnonzero(sizes == size)
        for rows in np.split(same, range(SLICE, len(same), SLICE)):
            for word in _words(letters, offsets[rows], size=size):
                found[rows] = _mixed(found[rows] ^ word * _ODD)
    return found


def _words(letters: NDArray[np.uint8], starts: NDArray[np.int64], *, size: int) -> Hashes:
    """The texts of one size that start here, as columns of 8 letters each, (words, n); the last is filled up."""
    table = np.zeros((len(starts), -(-size // WORD) * WORD), np.uint8)
    if starts[-1] - starts[0] == (len(starts) - 1) * size:  # side by side, as ids of one making are
        table[:, :size] = letters[starts[0] : starts[-1] + size].reshape(-1, size)
    else:
        table[:, :size] = letters[starts[:, None] + np.arange(size)]
    return table.view("<u8").T.astype(np.uint64)


def bloom(found: Hashes, *, bits: int) -> bytes:
    """A filter of so many bits an id that knows these."""
    probes = max(1, round(bits * math.log(2)))
    field = np.zeros(max(8, -(-len(found) * bits // 8) * 8), np.uint8)
    for places in _places(found, probes=probes, size=len(field)):
        field[places] = 1
    return bytes([probes]) + np.packbits(field, bitorder="little").tobytes()


def may_hold(bloom: bytes, found: Hashes) -> NDArray[np.bool_]:
    """Whether each id may be among those that the filter knows; an empty filter knows nothing of any."""
    if not bloom:
        return np.ones(len(found), np.bool_)
    field = np.frombuffer(bloom, np.uint8, offset=PROBES)
    left = np.arange(len(found))
    # Most ids that are not in it fail one of the first places: the rest is asked of fewer and fewer.
    for probe in range(bloom[0]):
        place = _place(found[left], probe=probe, size=len(field) * 8)
        left = left[field[place >> 3] >> (place & 7).astype(np.uint8) & 1 == 1]
        if not len(left):
            break
    held = np.zeros(len(found), np.bool_)
    held[left] = True
    return held


def _places(found: Hashes, *, probes: int, size: int) -> list[NDArray[np.int64]]:
    return [_place(found, probe=probe, size=size) for probe in range(probes)]


def _place(found: Hashes, *, probe: int, size: int) -> NDArray[np.int64]:
    first, second = found & _LOW, found >> np.uint64(32) | np.uint64(1)
    return ((first + np.uint64(probe) * second) % np.uint64(size)).astype(np.int64)


def _mixed(word: Hashes) -> Hashes:
    word = (word ^ word >> np.uint64(30)) * _FIRST
    word = (word ^ word >> np.uint64(27)) * _SECOND
    return word ^ word >> np.uint64(31)
