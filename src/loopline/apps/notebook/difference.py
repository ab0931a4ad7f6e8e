"""What stands between two versions: rows that came, rows that went, labels that changed."""

from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from loopline.dataset.parts import within, without

COMPARED = ("content", "label", "sample", "inputs")
"""The columns that a comparison needs."""


class Difference(NamedTuple):
    """From one version to another; every table is sorted by content."""

    added: pa.Table
    """Rows that only the later holds: content, label, sample, inputs."""
    removed: pa.Table
    """Rows that only the earlier holds, in the same columns."""
    relabelled: pa.Table
    """Rows of the later whose label was another, in ``before``."""


def difference(before: pa.Table, now: pa.Table) -> Difference:
    """By what ``now`` differs from ``before``, both sorted by content.

    >>> one, other = ({"content": list(c), "label": list(y)} for c, y in (("abc", "xxx"), ("bcd", "xyx")))
    >>> found = difference(pa.table(one), pa.table(other))
    >>> [part["content"].to_pylist() for part in found], found.relabelled["before"].to_pylist()
    ([['d'], ['a'], ['c']], ['x'])
    """
    here, there = (table["content"].combine_chunks() for table in (before, now))
    # Both are sorted and each content stands once: what they share stands in the same order in both.
    shared, old = within(now, here), within(before, there)
    is_other = pc.not_equal(shared["label"], old["label"])
    relabelled = shared.append_column("before", old["label"]).filter(is_other)
    return Difference(without(now, here), without(before, there), relabelled)
