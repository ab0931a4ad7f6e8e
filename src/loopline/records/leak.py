"""What stands on both sides of the wall between training and the reserve."""

from collections.abc import Iterable
from typing import Literal

import msgspec
from blake3 import blake3

from loopline.records.ids import Digest

Likeness = Literal["inputs", "letters", "letter", "word", "words", "features", "group", "late"]
"""Why a training row may not stand beside the reserve; ``SPOKEN`` says it in words."""
SPOKEN: dict[Likeness, str] = {
    "inputs": "equal inputs",
    "letters": "equal letters",
    "letter": "one letter apart",
    "word": "one word apart",
    "words": "most words in common",
    "features": "every feature nearly equal",
    "group": "the same group",
    "late": "labelled after the cut",
}


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """A training row that tells of a reserve row."""

    trained: str
    """Id of the training row."""
    sealed: str
    """Id of the reserve row; empty for a late label, which belongs to none."""
    likeness: Likeness
    similarity: float
    """In [0, 1]: the share of letters or words that agree; of features, 1 minus the largest difference in interquartile
    ranges; 1 for a shared group, 0 for a late label."""

    @property
    def spoken(self) -> str:
        """The pair in words.

        >>> Leak(trained="r17", sealed="p9", likeness="word", similarity=0.92).spoken
        'r17 ~ p9 (one word apart, 0.92)'
        """
        if self.likeness in ("word", "words", "letter", "features"):
            return f"{self.trained} ~ {self.sealed} ({SPOKEN[self.likeness]}, {self.similarity:.2f})"
        return f"{self.trained} ~ {self.sealed} ({SPOKEN[self.likeness]})" if self.sealed else self.trained


class Leakage(msgspec.Struct, frozen=True, kw_only=True):
    """What the search found between one training set and one reserve."""

    training: int
    """Training rows that were looked at."""
    reserve: Digest
    """``digest_of`` the contents of the reserve rows that were looked at; the gate asks for these."""
    trained: int
    """Training rows that leak."""
    sealed: int
    """Reserve rows that they tell of."""
    late: int
    """Training rows whose label was given after the cut."""
    pairs: tuple[Leak, ...]
    """The first of them, most alike first."""
    found: int
    """Pairs in all. Every row that leaks, on either side, is in one at least."""


def digest_of(contents: Iterable[str]) -> Digest:
    """One digest of these content digests, each once, whatever their order.

    >>> digest_of(["c2", "c1", "c2"]) == digest_of(["c1", "c2"])
    True
    """
    return Digest(blake3("\n".join(sorted(set(contents))).encode()).hexdigest())
