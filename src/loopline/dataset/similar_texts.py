"""Texts that say the same: equal but for case, blanks and marks, for a letter, for a word, or for one word in eight.

A cosine of character n-grams tells such texts badly from texts about the same matter (decision 0012 has the figures),
so the rules speak of edits. Two texts that become equal when at most one letter, or one word, is taken out of each
share a hash of "the text without its i-th", and all such hashes of a text come from one running sum: that finds every
such pair, and compares no two texts that are not alike. Long texts may differ in more: they are found by MinHash bands
over pairs of words, and then compared.

Sources: Mor and Fraenkel (1982), "A hash code method for detecting and correcting spelling errors", CACM 25(12);
Broder (1997), "On the resemblance and containment of documents".
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.dataset.pairs import Pairs, joined
from loopline.dataset.spelling import Hashes, Indices, Spelled, chained, mixed, shaken, spelled, without_one
from loopline.records.leak import Likeness

LETTER_LEAST = 12
"""Letters from which a text may differ in one and still be the same."""
WORD_LEAST = 8
"""Words from which a text may differ in one: at least 7 of 8 stay in their order."""
APPENDED_LEAST = 3
"""Words from which a text with one more at its end is still the same."""
ALIKE = 1.0 - 1.0 / WORD_LEAST
"""Share of the words that two alike texts have in common."""
LONG = 2 * WORD_LEAST
"""Words from which a text may differ in more than one, and in their order."""
BANDS, ROWS = 24, 3
"""Texts with 7 of 8 words in common share about 0.58 of their pairs of words: one band of 24 agrees with 0.994."""
RESEMBLANCE = 0.4
"""Share of the 72 minima that must agree before two long texts are compared: 3 standard deviations below 0.58."""
WIDTH, CLOSEST = 64, 4
"""Long texts of one band that each other one is held against, and how many of all these it is compared with."""
CHUNK, BLOCK = 16_384, 1_024
"""Texts hashed at a time, and long ones held against the sealed ones: bounds the memory to some tens of megabytes."""

_EQUAL, _LETTER, _WORD, _LONGER, _SHORTER, _BAND = (np.uint64(0x632BE59BD9B4E019 * i % 2**64) for i in range(1, 7))


class _Keyed(NamedTuple):
    """Hashes, and the text that each belongs to."""

    key: Hashes
    owner: Indices


class _Index(NamedTuple):
    """The hashes of the sealed texts, sorted, those of one hash by text."""

    key: Hashes
    owner: Indices
    table: NDArray[np.bool_]
    """Whether any hash begins with these bits: 16 places for every hash, up to 2^24."""
    shift: np.uint64
    """What leaves these bits of a hash."""


def alike(texts: Sequence[str], sealed: Sequence[str]) -> Pairs:
    """Pairs of a text and a sealed one that say the same: of every text and every sealed one that has a twin, one pair.

    Which texts have a twin does not depend on the order of either side. A text without a letter is like nothing.
    Time: linear in the letters of both.

    >>> found = alike(["Where is my new card?", "no"], ["where is my new cart", "yes"])
    >>> found.row.tolist(), found.sealed.tolist(), found.likeness.tolist(), found.similarity.round(2).tolist()
    ([0], [0], ['letter'], [0.94])
    """
    order, sealed_order = (
        np.array(sorted(range(len(side)), key=side.__getitem__), np.int64) for side in (texts, sealed)
    )
    found = _alike([texts[at] for at in order.tolist()], [sealed[at] for at in sealed_order.tolist()])
    return joined(found._replace(row=order[found.row], sealed=sealed_order[found.sealed]))


def _alike(texts: Sequence[str], sealed: Sequence[str]) -> Pairs:
    """The same of sorted texts: what is cut short on the way is then cut short for the same texts in any order."""
    edits = _indexed([_variants(part, start, longer=_LONGER) for start, part in _spelled(sealed)])
    theirs = _Minima.of([_minima(part, start) for start, part in _spelled(sealed)])
    bands = _indexed([_banded(theirs.found)])
    least = np.full(len(edits.key), len(texts))
    found = []
    for start, part in _spelled(texts):
        edited = _edited(_variants(part, start, longer=_SHORTER), edits, least=least)
        found.append(_checked(texts, sealed, edited))
        found += _resembling(_minima(part, start), theirs, bands, check=partial(_checked, texts, sealed))
    first = _first(edits.owner, least[np.searchsorted(edits.key, edits.key)])[:, ::-1]
    return joined(_checked(texts, sealed, first[first[:, 0] < len(texts)]), *found)


def compared(one: Sequence[list[int]], other: Sequence[list[int]]) -> tuple[Likeness, float] | None:
    """In what two texts, each its letters and its words, are the same, and the share that agrees; or None.

    >>> compared(([7, 7, 7], [1]), ([7, 7, 7], [2, 3]))
    ('letters', 1.0)
    """
    (letters, words), (their_letters, their_words) = one, other
    if letters == their_letters:
        return ("letters", 1.0) if letters else None
    shortest, longest = sorted([len(letters), len(their_letters)])
    if shortest >= LETTER_LEAST and differ_in_one(letters, their_letters):
        return "letter", 1.0 - 1.0 / longest
    fewer, more = sorted([words, their_words], key=len)
    is_edited = len(more) >= WORD_LEAST and len(fewer) >= WORD_LEAST - 1 and differ_in_one(fewer, more)
    if is_edited or (len(fewer) >= APPENDED_LEAST and more[:-1] == fewer):
        return "word", 1.0 - 1.0 / len(more)
    if len(fewer) < max(LONG, ALIKE * len(more)):
        return None
    shared = (Counter(words) & Counter(their_words)).total() / len(more)
    return ("words", shared) if shared >= ALIKE else None


def differ_in_one(one: Sequence[object], other: Sequence[object]) -> bool:
    """Whether both become equal when at most one is taken out of each: one changed, added, missing or moved.

    >>> differ_in_one("card", "cart"), differ_in_one("card", "cards"), differ_in_one("card", "crad")
    (True, True, True)
    >>> differ_in_one("card", "care!"), differ_in_one("card", "cost")
    (False, False)
    """
    if abs(len(one) - len(other)) > 1:
        return False
    start, shortest = 0, min(len(one), len(other))
    while start < shortest and one[start] == other[start]:
        start += 1
    end = 0
    while end < shortest - start and one[-1 - end] == other[-1 - end]:
        end += 1
    rest, their_rest = one[start : len(one) - end], other[start : len(other) - end]
    if len(rest) <= 1 and len(their_rest) <= 1:
        return True
    return len(rest) == len(their_rest) and (rest[1:] == their_rest[:-1] or rest[:-1] == their_rest[1:])


def _variants(part: Spelled, start: int, *, longer: np.uint64) -> _Keyed:
    """Every hash under which a text is looked for; ``longer`` marks those of a text without its last word.

    Each rule has a mark of its own, so that texts meet by a rule. Short texts that end differently must not meet, a
    text and the one with a word more must: so the two sides swap the marks of the longer and of the shorter.
    """
    shorter = _SHORTER if longer == _LONGER else _LONGER
    whole, without = without_one(part.letters, part.lengths)
    words, without_word = without_one(part.words, part.counts)
    owner = np.arange(len(part.lengths))
    letter_owner, word_owner = np.repeat(owner, part.lengths), np.repeat(owner, part.counts)
    last = (np.cumsum(part.counts) - 1)[part.counts > APPENDED_LEAST]
    kinds = (
        (_EQUAL, whole, owner, part.lengths > 0),
        (_LETTER, whole, owner, part.lengths >= LETTER_LEAST),
        (_LETTER, without, letter_owner, (part.lengths >= LETTER_LEAST)[letter_owner]),
        (_WORD, words, owner, part.counts >= WORD_LEAST - 1),
        (_WORD, without_word, word_owner, (part.counts >= WORD_LEAST)[word_owner]),
        (shorter, words, owner, part.counts >= APPENDED_LEAST),
        (longer, without_word, word_owner, last),
    )
    keys = [mixed(hashes[which] ^ mark) for mark, hashes, _, which in kinds]
    return _Keyed(np.concatenate(keys), np.concatenate([who[which] for _, _, who, which in kinds]) + start)


def _edited(own: _Keyed, index: _Index, *, least: Indices) -> Indices:
    """Of each text the first sealed one that shares a hash; ``least`` keeps the first text of each hash."""
    held = _held(own, index)
    left = np.searchsorted(index.key, held.key)
    np.minimum.at(least, left, held.owner)
    return _first(held.owner, index.owner[left])


def _first(one: Indices, other: Indices) -> Indices:
    """(k, 2): each of ``one`` once, with the least of those of ``other`` beside it."""
    order = np.lexsort((other, one))
    kept, at = np.unique(one[order], return_index=True)
    return np.stack([kept, other[order][at]], axis=1)


class _Minima(NamedTuple):
    """Long texts, and the least of their pairs of words under each of BANDS x ROWS hash functions."""

    owner: Indices
    counts: Indices
    """Words of each."""
    found: Hashes

    @classmethod
    def of(cls, parts: Sequence["_Minima"]) -> "_Minima":
        none = cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, BANDS * ROWS), np.uint64))
        return cls._make(np.concatenate(columns) for columns in zip(none, *parts, strict=True))


def _minima(part: Spelled, start: int) -> _Minima:
    long = part.counts >= LONG
    words, counts = part.words[np.repeat(long, part.counts)], part.counts[long]
    begins_pair = np.ones(len(words), np.bool_)
    begins_pair[np.cumsum(counts) - 1] = False
    pairs = chained(words[:-1], words[1:])[begins_pair[:-1]]
    begins = np.cumsum(counts - 1) - (counts - 1)
    found = np.zeros((len(counts), BANDS * ROWS), np.uint64)
    factors = mixed(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64)) | np.uint64(1)
    for function in range(BANDS * ROWS if len(counts) else 0):
        found[:, function] = np.minimum.reduceat(shaken(pairs * factors[function]), begins)
    return _Minima(np.flatnonzero(long) + start, counts, found)


def _banded(minima: Hashes) -> _Keyed:
    """A hash of each band of each row of minima."""
    band = np.broadcast_to(_BAND * np.arange(1, BANDS + 1, dtype=np.uint64), (len(minima), BANDS))
    for place in range(ROWS):
        band = chained(band, minima[:, place::ROWS])
    return _Keyed(band.ravel(), np.repeat(np.arange(len(minima)), BANDS))


def _resembling(own: _Minima, theirs: _Minima, bands: _Index, *, check: Callable[[Indices], Pairs]) -> Iterator[Pairs]:
    """Of each long text that is like a sealed one the pair, and of each such sealed one.

    Whether a text is found depends on the sealed ones alone, never on the texts beside it: a version without what was
    found has nothing to be found.
    """
    for start in range(0, len(own.owner), BLOCK):
        block = _Minima._make(column[start : start + BLOCK] for column in own)
        row, sealed, agreement = _likely(block, theirs, bands)
        pairs = np.stack([block.owner[row], theirs.owner[sealed]], axis=1)
        closest = _place(row, agreement) < CLOSEST
        yield (first := check(pairs[closest]))
        others = ~closest & np.isin(pairs[:, 0], first.row) & ~np.isin(pairs[:, 1], first.sealed)
        pairs, agreement = pairs[others], agreement[others]
        yield check(pairs[_place(pairs[:, 1], agreement) < CLOSEST])


def _likely(own: _Minima, theirs: _Minima, bands: _Index) -> tuple[Indices, Indices, NDArray[np.float64]]:
    """Places of long texts, and of sealed ones that agree with them in enough of the minima; and in how many."""
    held = _held(_banded(own.found), bands)
    left = np.searchsorted(bands.key, held.key)
    copies = np.minimum(np.searchsorted(bands.key, held.key, side="right") - left, WIDTH)
    run = np.arange(copies.sum()) + np.repeat(left - (np.cumsum(copies) - copies), copies)
    pairs = np.unique(np.repeat(held.owner, copies) * len(theirs.owner) + bands.owner[run])
    row, sealed = np.divmod(pairs, max(1, len(theirs.owner)))
    fewer, more = np.sort([own.counts[row], theirs.counts[sealed]], axis=0)
    row, sealed = (column[fewer >= ALIKE * more] for column in (row, sealed))
    agreement = np.zeros(len(row))
    for function in range(BANDS * ROWS):
        agreement += own.found[row, function] == theirs.found[sealed, function]
    kept = agreement >= RESEMBLANCE * BANDS * ROWS
    return row[kept], sealed[kept], agreement[kept]


def _place(of: Indices, agreement: NDArray[np.float64]) -> Indices:
    """How many pairs of the same row are closer than this one."""
    order = np.lexsort((-agreement, of))
    _, begins, counts = np.unique(of[order], return_index=True, return_counts=True)
    places = np.empty(len(of), np.int64)
    places[order] = np.arange(len(of)) - np.repeat(begins, counts)
    return places


def _indexed(parts: Sequence[_Keyed]) -> _Index:
    none = _Keyed(np.zeros(0, np.uint64), np.zeros(0, np.int64))
    keys, owners = (np.concatenate(columns) for columns in zip(none, *parts, strict=True))
    order = np.lexsort((owners, keys))
    bits = min(24, len(keys).bit_length() + 4)
    table, shift = np.zeros(1 << bits, np.bool_), np.uint64(64 - bits)
    table[keys >> shift] = True
    return _Index(keys[order], owners[order], table, shift)


def _held(own: _Keyed, index: _Index) -> _Keyed:
    """Those of the hashes that the index holds; its table turns most of the others away."""
    likely = index.table[own.key >> index.shift]
    key, owner = own.key[likely], own.owner[likely]
    is_held = index.key[np.minimum(np.searchsorted(index.key, key), len(index.key) - 1)] == key
    return _Keyed(key[is_held], owner[is_held])


def _checked(texts: Sequence[str], sealed: Sequence[str], pairs: Indices) -> Pairs:
    """Of these pairs those that are alike by the rules themselves."""
    (mine, row), (theirs, other) = (np.unique(side, return_inverse=True) for side in pairs.T)
    own, held = _taken_apart([texts[at] for at in mine.tolist()]), _taken_apart([sealed[at] for at in theirs.tolist()])
    said = [compared(own[i], held[j]) for i, j in zip(row.tolist(), other.tolist(), strict=True)]
    kept = np.array([each is not None for each in said], np.bool_)
    likeness, similarity = (np.array([each[part] for each in said if each], np.object_) for part in (0, 1))
    return Pairs(pairs[kept, 0], pairs[kept, 1], likeness, similarity.astype(np.float64))


def _taken_apart(texts: Sequence[str]) -> list[tuple[list[int], list[int]]]:
    """The letters and the words of each text."""
    found: list[tuple[list[int], list[int]]] = []
    for _, part in _spelled(texts):
        ends, word_ends = np.cumsum(part.lengths)[:-1], np.cumsum(part.counts)[:-1]
        sides = zip(np.split(part.letters, ends), np.split(part.words, word_ends), strict=True)
        found += [(letters.tolist(), words.tolist()) for letters, words in sides]
    return found


def _spelled(texts: Sequence[str]) -> Iterator[tuple[int, Spelled]]:
    return ((start, spelled(texts[start : start + CHUNK])) for start in range(0, len(texts), CHUNK))
