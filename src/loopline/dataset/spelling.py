"""Texts as sequences of letters and of words, hashed all at once: what near duplicates are looked for in."""

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Indices = NDArray[np.int64]

FACTOR = 0x9E3779B97F4A7C15
"""The base of all sums of code x factor^place; odd, hence with an inverse modulo 2^64."""
_ONWARD, _BACK = np.uint64(FACTOR), np.uint64(pow(FACTOR, -1, 2**64))
_MIXERS = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)  # the finaliser of MurmurHash3
_SHIFT = np.uint64(33)
_BLANK, _PART, _ALONE, _GONE = range(4)
_APOSTROPHES = "'\u2019`"


class Spelled(NamedTuple):
    """Texts as hashed letters and words, one text after the other."""

    letters: Hashes
    lengths: Indices
    """(texts,) letters of each."""
    words: Hashes
    counts: Indices
    """(texts,) words of each."""


def spelled(texts: Sequence[str]) -> Spelled:
    """The letters (case folded, compatibility forms unified, digits included) and words of these texts.

    Marks and blanks part words, an apostrophe does not; a wide character (Chinese, Japanese, Korean) is a word.

    >>> found = spelled(["Don't STOP!", "dont  stop"])
    >>> found.lengths.tolist(), found.counts.tolist(), bool(found.words[0] == found.words[2])
    ([8, 8], [2, 2], True)
    """
    folded = [t.casefold() if t.isascii() else unicodedata.normalize("NFKC", t).casefold() for t in texts]
    sizes = np.fromiter(map(len, folded), np.int64, len(folded))
    codes = np.frombuffer("".join(folded).encode("utf-32-le", "surrogatepass"), np.uint32)
    kind = _kinds(codes)
    seen = kind != _GONE
    codes, kind, owner = codes[seen], kind[seen], np.repeat(np.arange(len(folded)), sizes)[seen]
    starts = kind == _ALONE
    starts[:1] |= kind[:1] == _PART
    starts[1:] |= (kind[1:] == _PART) & ((kind[:-1] != _PART) | (owner[1:] != owner[:-1]))
    told = kind != _BLANK
    letters, first = mixed(codes[told].astype(np.uint64)), np.flatnonzero(starts[told])
    place = np.arange(len(letters)) - np.repeat(first, np.diff(first, append=len(letters)))
    weighted = letters * _powers(place)
    words = mixed(np.add.reduceat(weighted, first)) if len(first) else weighted
    lengths, counts = (np.bincount(owner[which], minlength=len(folded)) for which in (told, starts))
    return Spelled(letters, lengths, words, counts)


def without_one(codes: Hashes, counts: Indices) -> tuple[Hashes, Hashes]:
    """The hash of each sequence, (n,), and of each sequence without each of its places, (codes,).

    What comes after the place taken out moves one place to the front. Two sequences that are equal but for one place
    share the hash without it, and one with a place more shares it with the other's hash.

    >>> whole, without = without_one(np.array([1, 2, 3, 1, 3], np.uint64), np.array([3, 2]))
    >>> bool(without[1] == whole[1])
    True
    """
    ends = np.cumsum(counts)
    begins = ends - counts
    place = np.arange(len(codes)) - np.repeat(begins, counts)
    run = np.concatenate([np.zeros(1, np.uint64), np.cumsum(codes * _powers(place), dtype=np.uint64)])
    before = run[:-1] - np.repeat(run[begins], counts)
    after = np.repeat(run[ends], counts) - run[1:]
    return run[ends] - run[begins], before + after * _BACK


def mixed(hashes: Hashes) -> Hashes:
    """The same hashes with every bit spread over all: one to one."""
    for mixer in _MIXERS:
        hashes = shaken(hashes) * mixer
    return shaken(hashes)


def shaken(hashes: Hashes) -> Hashes:
    """The same hashes with the upper half brought into the lower: one to one."""
    return hashes ^ (hashes >> _SHIFT)


def chained(before: Hashes, after: Hashes) -> Hashes:
    """A hash of two in their order."""
    return mixed(before * _ONWARD + after)


def _powers(place: Indices) -> Hashes:
    """factor^place, wrapped at 64 bits."""
    steps = np.full(int(place.max(initial=0)) + 1, _ONWARD)
    steps[0] = 1
    return np.cumprod(steps, dtype=np.uint64)[place]


def _kinds(codes: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """What each character is: part of a word, a word alone, nothing at all, or what parts words."""
    present = np.flatnonzero(np.bincount(codes))
    kinds = np.zeros(int(present[-1]) + 1 if len(present) else 1, np.uint8)
    kinds[present] = [_kind(chr(code)) for code in present.tolist()]
    return kinds[codes]


def _kind(character: str) -> int:
    if character in _APOSTROPHES:
        return _GONE
    if not character.isalnum() and not unicodedata.category(character).startswith("M"):
        return _BLANK
    return _ALONE if unicodedata.east_asian_width(character) in "WF" else _PART
