"""Near duplicates between two sets of rows, by the rule that fits their kind."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.dataset import similar_tables, similar_texts
from loopline.dataset.pairs import Pairs, alike_in, joined
from loopline.records.signature import Signature

CHUNK = 65_536


def twins(rows: Sequence[bytes], sealed: Sequence[bytes], *, signature: Signature) -> Pairs:
    """Pairs of a row and a sealed row that are one and the same but for trifles, by (row, sealed row).

    Of every row, and of every sealed row, that has a twin there is one pair at least: the number of pairs stays linear
    even where a thousand rows are alike. ``rows``, ``sealed``: canonical rows of the signature. Equal inputs are always
    twins; texts and table rows also by the rules of their modules; images by their bytes only.

    >>> text = Signature(input="text", labels=("a", "b"))
    >>> twins([b'"Good film"', b'"bad film"'], [b'"good film!"'], signature=text).likeness.tolist()
    ['letters']
    """
    equal = _equal(rows, sealed)
    if signature.input == "text":
        return joined(equal, similar_texts.alike(_texts(rows), _texts(sealed)))
    if signature.input == "tabular":
        mine, theirs = (similar_tables.decoded(side, width=signature.width) for side in (rows, sealed))
        return joined(equal, similar_tables.alike(mine, theirs))
    return equal


def shared(keys: Sequence[object], sealed: Sequence[object]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of equal keys: of each key held on both sides, every place with the first of the other side.

    >>> [places.tolist() for places in shared(["a", "b", "a"], ["c", "a"])]
    [[0, 2], [1, 1]]
    """
    theirs = {key: place for place, key in reversed(list(enumerate(sealed)))}
    met = [(place, theirs[key]) for place, key in enumerate(keys) if key in theirs]
    mine = {keys[place]: place for place, _ in reversed(met)}
    met += [(mine[key], place) for place, key in enumerate(sealed) if key in mine]
    places = np.array(sorted(set(met)), np.int64).reshape(-1, 2)
    return places[:, 0], places[:, 1]


def _equal(rows: Sequence[bytes], sealed: Sequence[bytes]) -> Pairs:
    return alike_in("inputs", *shared(rows, sealed))


def _texts(rows: Sequence[bytes]) -> list[str]:
    texts: list[str] = []
    for start in range(0, len(rows), CHUNK):
        texts += msgspec.json.decode(b"[" + b",".join(rows[start : start + CHUNK]) + b"]", type=list[str])
    return texts
