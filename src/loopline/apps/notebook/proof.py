"""Whether the rows of a version are what its manifest says of them."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from loopline.dataset.manifest import Manifest
from loopline.dataset.merge import TRAINABLE
from loopline.dataset.table import IMPORTED, by_class


def flaws(table: pa.Table, manifest: Manifest) -> Iterator[str]:
    """What is wrong with these rows, in words; nothing, when every digest and every count is found again."""
    content, inputs = table["content"].to_pylist(), table["inputs"].to_pylist()
    if any(later <= earlier for earlier, later in pairwise(content)):
        yield "its rows are not sorted by content, or one stands twice"
    wrong = [name for name, held in zip(content, inputs, strict=True) if blake3(held).hexdigest() != name]
    if wrong:
        yield f"{len(wrong):,} rows whose inputs do not match their digest, {wrong[0][:12]} the first"
    counts = by_class(table, manifest.signature.labels)
    if (table.num_rows, counts) != (manifest.rows, manifest.by_class):
        yield f"{table.num_rows:,} rows, {_counted(counts)}, expected {manifest.rows:,}, {_counted(manifest.by_class)}"
    for column, known in (("label", manifest.signature.labels), ("stratum", (IMPORTED, *sorted(TRAINABLE)))):
        strange = sorted(set(pc.unique(table[column]).to_pylist()) - set(known))
        if strange:
            yield f"{column} {', '.join(map(repr, strange[:3]))}, expected one of {', '.join(known)}"
    weights = table["weight"].to_numpy()
    if not (np.isfinite(weights) & (weights >= 0)).all():
        yield "weights that are negative or no numbers"


def _counted(by_class: dict[str, int]) -> str:
    return ", ".join(f"{n:,} {label}" for label, n in by_class.items())
