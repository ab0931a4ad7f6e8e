"""Texts that are one but for typing mistakes: case, blanks and marks, and up to two letters.

A cosine of character n-grams does not tell them: two typos in a sentence of sixty letters leave one where other texts
about the same matter lie. Edits do. A text that differs in ``e`` edits leaves one of ``e + 1`` parts as it was, moved
by at most ``e`` places: texts that share such a part are compared, no others.

Source: Li, Deng, Wang and Feng (2011), "Pass-Join: a partition-based method for similarity joins", PVLDB 5(3).
"""

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

LETTERS_AN_EDIT, MOST_EDITS = 12, 2
"""Letters of a text for each edit that it may differ in, and edits at most."""
LONGEST = 300
"""Letters beyond which only equal ones count: two edits leave the cosine of such texts at 0.97 or more."""
CLOSEST = 8
"""Texts that are compared because of one part they share: what more share is a form that is filled in."""
Part = tuple[int, int, str]
"""Letters of the whole text, where the part begins, and what it holds."""


def owners(texts: Sequence[str]) -> NDArray[np.int64]:
    """Who stands for each text, (n,): itself, or an earlier standing text that is the same but for typing mistakes.

    Greedy in the order given. An edit is a letter changed, missing or added, or two neighbours swapped; a swap across
    the border of two parts may be missed. Digits are no mistakes: texts whose digits differ are two. Time: linear in
    the number of texts.

    >>> owners(["Where is my card?", "where is  my crad", "Where is my cart", "I lost my card"]).tolist()
    [0, 0, 0, 3]
    """
    told = [letters(text) for text in texts]
    digits = ["".join(filter(str.isdigit, text)) for text in told]
    owner, equal, standing = np.arange(len(told)), dict[str, int](), dict[Part, list[int]]()
    for row, mine in enumerate(told):
        if not mine or mine in equal:
            owner[row] = equal.get(mine, row)
            continue
        met = {at for part in _sought(mine) for at in standing.get(part, ())}
        near = (at for at in sorted(met) if digits[at] == digits[row])
        same = (at for at in near if is_within(edits_of(min(len(mine), len(told[at]))), mine, told[at]))
        owner[row] = equal[mine] = next(same, row)
        for part in _parts(mine) if owner[row] == row else ():
            others = standing.setdefault(part, [])
            others += [row] if len(others) < CLOSEST else []
    return owner


def letters(text: str) -> str:
    r"""What is written, without case, blanks and marks; compatibility forms unified.

    >>> letters("It's  a \uff23ard, 2 me!")
    'itsacard2me'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(each for each in folded if each.isalnum() or unicodedata.category(each)[0] == "M")


def edits_of(length: int) -> int:
    """How many edits a text of so many letters may differ in and be the same."""
    return min(length // LETTERS_AN_EDIT, MOST_EDITS) if length <= LONGEST else 0


def is_within(edits: int, one: str, other: str) -> bool:
    """Whether one text becomes the other by at most so many edits.

    >>> is_within(1, "from", "form"), is_within(1, "card", "carts")
    (True, False)
    """
    start = next(
        (at for at, (mine, its) in enumerate(zip(one, other, strict=False)) if mine != its), min(len(one), len(other))
    )
    one, other = one[start:], other[start:]
    if not edits or not one or not other:
        return max(len(one), len(other)) <= edits
    is_swapped = one[:2] == other[1::-1]
    ways = [(one[1:], other[1:]), (one[1:], other), (one, other[1:]), *[(one[2:], other[2:])] * is_swapped]
    return any(is_within(edits - 1, *way) for way in ways)


def _parts(text: str) -> Iterator[Part]:
    """What a text holds at each of its parts."""
    return ((len(text), start, text[start:end]) for start, end in _cuts(len(text)))


def _sought(text: str) -> Iterator[Part]:
    """The parts by which a text within reach is found: one of about its length, which holds them about there.

    A part that moved by ``s`` places to a text of ``d`` letters more took ``|s|`` edits before it, ``|d - s|`` after.
    """
    edits = edits_of(len(text))
    for less in range(-edits, edits + 1):
        for start, end in _cuts(len(text) - less):
            for moved in range(-edits, edits + 1):
                if abs(moved) + abs(less - moved) <= edits and start + moved >= 0:
                    yield len(text) - less, start, text[start + moved : end + moved]


@cache
def _cuts(length: int) -> tuple[tuple[int, int], ...]:
    """Where the parts of a text of so many letters begin and end: one more than the edits it may differ in."""
    count = edits_of(length) + 1
    return tuple((length * at // count, length * (at + 1) // count) for at in range(count)) if count > 1 else ()
