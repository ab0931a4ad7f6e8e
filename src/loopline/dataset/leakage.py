"""Rows that stand on both sides of the wall between training and the reserve, or nearly so."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from blake3 import blake3
from numpy.typing import NDArray

from loopline.dataset.intake import Intake
from loopline.dataset.pairs import Pairs, alike_in, joined
from loopline.dataset.similar import shared, twins
from loopline.dataset.table import LabelledSample
from loopline.errors import InvalidRecord
from loopline.records.dataset import LabelledRow
from loopline.records.label import Label
from loopline.records.leak import Leak, Leakage, digest_of
from loopline.records.signature import Signature

Named = tuple[str, str]
"""(content, id) of a row."""
SHOWN = 5
"""Pairs that a sentence names."""
LISTED = 100
"""Pairs that a record lists."""


class Rows(NamedTuple):
    """Rows on one side of the wall. All of one length, but for what is not known, which is empty."""

    id: Sequence[str]
    inputs: Sequence[bytes]
    """Canonical."""
    group: Sequence[str] = ()
    """The group key of each; an empty one is shared with nobody."""
    cycle: Sequence[int] = ()
    """The cycle that gave each label."""


class Found(NamedTuple):
    """Which rows leak, and the record of it."""

    trained: NDArray[np.bool_]
    """(training rows,)"""
    sealed: NDArray[np.bool_]
    """(reserve rows,)"""
    leakage: Leakage


def search(training: Rows, *, reserve: Rows, signature: Signature, cut: int | None = None) -> Found:
    """Every training row that tells of a reserve row, and every reserve row that one tells of.

    By equal inputs, by near equal ones as ``twins`` defines them, by a shared group; and every label of a later cycle
    than the ``cut``. Which rows are found does not depend on the order of either side.
    """
    pairs = twins(training.inputs, reserve.inputs, signature=signature)
    if training.group and reserve.group:
        pairs = joined(pairs, _grouped(training.group, reserve.group))
    late = np.zeros(len(training.id), np.bool_)
    if cut is not None and len(training.cycle):
        late = np.asarray(training.cycle) > cut
    trained, sealed = late.copy(), np.zeros(len(reserve.id), np.bool_)
    trained[pairs.row], sealed[pairs.sealed] = True, True
    named = [
        Leak(trained=training.id[row], sealed=reserve.id[other], likeness=likeness, similarity=similarity)
        for row, other, likeness, similarity in zip(*(column.tolist() for column in _first(pairs)), strict=True)
    ]
    places = np.flatnonzero(late)[: LISTED - len(named)].tolist()
    named += [Leak(trained=training.id[place], sealed="", likeness="late", similarity=0.0) for place in places]
    leakage = Leakage(
        training=len(training.id), reserve=digest_of(blake3(row).hexdigest() for row in reserve.inputs),
        trained=int(trained.sum()), sealed=int(sealed.sum()), late=int(late.sum()),
        pairs=tuple(named), found=len(pairs.row),
    )  # fmt: skip
    return Found(trained, sealed, leakage)


def require_no_leaks(training: Iterable[Named], reserve: Iterable[Named]) -> None:
    """Nothing, when no content stands on both sides; else raises InvalidRecord, naming the first pairs."""
    sealed = dict(reserve)
    found = sorted((content, name, sealed[content]) for content, name in training if content in sealed)
    if not found:
        return
    pairs = ", ".join(f"{trained} = {sealed}" for _, trained, sealed in found[:SHOWN])
    more = f" and {len(found) - SHOWN:,} more" if len(found) > SHOWN else ""
    raise InvalidRecord(
        "base set",
        found=f"{len(found):,} {'row' if len(found) == 1 else 'rows'} also in the anchor ({pairs}{more})",
        expected="none",
        remedy="take them out of one of the two: a model must not be judged on what it learned",
    )


def apart(base: Intake, held: Intake, signature: Signature) -> tuple[Intake, str]:
    """The base rows that are not nearly rows of the anchor, and the sentence about the others; empty without any.

    Raises InvalidRecord for a base row that is in the anchor as it is.
    """
    require_no_leaks(((s.content, s.sample) for s in base.samples), ((s.content, s.sample) for s in held.samples))
    found = search(of_samples(base.samples), reserve=of_samples(held.samples), signature=signature)
    left = tuple(s for s, leaks in zip(base.samples, found.trained.tolist(), strict=True) if not leaks)
    return base._replace(samples=left, near=len(base.samples) - len(left)), left_out(found.leakage, of="the anchor")


def left_out(leakage: Leakage, *, of: str) -> str:
    """``2 left out because they nearly are rows of the reserve (r17 ~ p9 (one word apart, 0.92), ...)``; else empty.

    >>> left_out(Leakage(training=9, reserve="", trained=0, sealed=0, late=0, pairs=(), found=0), of="the anchor")
    ''
    """
    if not leakage.trained:
        return ""
    shown = ", ".join([leak.spoken for leak in leakage.pairs[:SHOWN]] + ["..."] * (leakage.found > SHOWN))
    they = "it nearly is a row" if leakage.trained == 1 else "they nearly are rows"
    return f"{leakage.trained:,} left out because {they} of {of} ({shown})"


def closed(
    rows: Mapping[str, bytes], *, reserve: Rows, signature: Signature, sealed: frozenset[str] = frozenset()
) -> frozenset[str]:
    """Content digests that no dataset may hold: those ``sealed``, those of the reserve, those of rows nearly in it.

    ``rows``: content -> canonical inputs of all that the dataset might hold. A search among what is left finds nothing.
    """
    held = sealed | {blake3(inputs).hexdigest() for inputs in reserve.inputs}
    while True:
        left = sorted(rows.keys() - held)
        side = Rows(left, [rows[content] for content in left])
        found = np.flatnonzero(search(side, reserve=reserve, signature=signature).trained).tolist()
        held |= {left[place] for place in found}
        # How near two table rows must be is measured on all of them, and without these it is measured anew.
        if not found or signature.input != "tabular":
            return frozenset(held)


def of_table(table: pa.Table) -> Rows:
    """The rows of a version."""
    return Rows(table["sample"].to_pylist(), table["inputs"].to_pylist(), cycle=table["cycle"].to_pylist())


def of_samples(samples: Sequence[LabelledSample]) -> Rows:
    """Rows that are about to enter a version."""
    return Rows([s.sample for s in samples], [s.inputs for s in samples], cycle=[s.cycle for s in samples])


def of_reserve(fresh: Iterable[Label], *, anchor: Iterable[LabelledRow]) -> Rows:
    """The labelled reserve, rolling and fixed, each content once, sorted by it, whatever the order of the labels."""
    by_cycle = sorted(fresh, key=lambda one: (one.cycle, one.sample))
    rows: dict[bytes, str] = {label.inputs: label.sample for label in by_cycle}
    rows |= {row.inputs: row.id for row in sorted(anchor, key=lambda one: one.id)}
    return Rows([rows[inputs] for inputs in sorted(rows)], sorted(rows))


def _grouped(groups: Sequence[str], sealed: Sequence[str]) -> Pairs:
    row, other = shared(groups, sealed)
    named = np.array([bool(groups[place]) for place in row.tolist()], np.bool_)
    return alike_in("group", row[named], other[named])


def _first(pairs: Pairs) -> Pairs:
    """The most alike pairs; of equally alike ones in their own order."""
    order = np.argsort(-pairs.similarity, kind="stable")[:LISTED]
    return Pairs._make(column[order] for column in pairs)
