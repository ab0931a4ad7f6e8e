"""Rows that stand on both sides of the wall between training and the reserve."""

from collections.abc import Iterable
from typing import NamedTuple

from loopline.errors import InvalidRecord

Named = tuple[str, str]
"""(content, id) of a row."""
SHOWN = 5
"""Pairs that an error names."""


class Leak(NamedTuple):
    """One content on both sides."""

    content: str
    trained: str
    """Id of the training row."""
    sealed: str
    """Id of the reserve row."""


def leaks(training: Iterable[Named], reserve: Iterable[Named]) -> tuple[Leak, ...]:
    """Every pair of a training row and a reserve row with equal content, by (content, training id, reserve id).

    >>> leaks([("c1", "r1"), ("c2", "r2")], [("c2", "p9")])
    (Leak(content='c2', trained='r2', sealed='p9'),)
    """
    sealed: dict[str, list[str]] = {}
    for content, name in reserve:
        sealed.setdefault(content, []).append(name)
    pairs = [Leak(content, name, other) for content, name in training for other in sealed.get(content, ())]
    return tuple(sorted(pairs))


def require_no_leaks(training: Iterable[Named], reserve: Iterable[Named]) -> None:
    """Nothing, when no content stands on both sides; else raises InvalidRecord, naming the first pairs."""
    found = leaks(training, reserve)
    if not found:
        return
    pairs = ", ".join(f"{leak.trained} = {leak.sealed}" for leak in found[:SHOWN])
    more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    raise InvalidRecord(
        "base set",
        found=f"{len(found):,} {'row' if len(found) == 1 else 'rows'} also in the anchor ({pairs}{more})",
        expected="none",
        remedy="take them out of one of the two: a model must not be judged on what it learned",
    )
