"""Whether the challenger has been trained on what judges it: any doubt about that ends the judgement."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from blake3 import blake3

from loopline.records.dataset import LabelledRow
from loopline.records.ids import Digest
from loopline.records.label import Label
from loopline.records.leak import Leakage, digest_of

SHOWN = 5
"""Pairs that a sentence names."""


class Sample(NamedTuple):
    """A reserve row with its known label, wherever it came from."""

    id: str
    content: Digest
    """BLAKE3 of ``inputs``."""
    inputs: bytes
    label: str


def fresh_samples(labels: Iterable[Label]) -> tuple[Sample, ...]:
    """The labelled rows of the rolling reserve, each content once (its latest cycle counts), by id.

    Equal inputs would not be independent evidence, and the bounds count on independence.
    """
    latest: dict[str, Label] = {}
    for label in sorted(labels, key=lambda label: (label.cycle, label.sample)):
        latest[label.content] = label
    samples = (Sample(one.sample, _digest(one.inputs), one.inputs, one.label) for one in latest.values())
    return tuple(sorted(samples))


def anchor_samples(rows: Iterable[LabelledRow]) -> tuple[Sample, ...]:
    """The fixed rows of the reserve, by id."""
    return tuple(sorted(Sample(row.id, _digest(row.inputs), row.inputs, row.label) for row in rows))


def leaked(samples: Iterable[Sample], *, trained_on: frozenset[str]) -> tuple[Sample, ...]:
    """Those whose very content is in the training data, by id; ``trained_on`` holds content digests.

    >>> sample = Sample("p1", _digest(b"x"), b"x", "good")
    >>> [leak.id for leak in leaked([sample], trained_on=frozenset({sample.content, "other"}))]
    ['p1']
    """
    return tuple(sorted(sample for sample in samples if sample.content in trained_on))


def objections(samples: Sequence[Sample], *, trained_on: frozenset[str], leakage: Leakage | None) -> tuple[str, ...]:
    """Why these samples may not judge: one sentence a reason, the pairs named; empty only when all is shown to be well.

    ``trained_on``: content digests of the training rows; ``leakage``: what the search between these very rows and
    these very samples found. No search, or a search among other rows, is an objection as a leak is.
    """
    if leakage is None:
        return ("nobody has searched the training data for rows of the reserve",)
    reasons = [*_mismatches(samples, trained_on=trained_on, leakage=leakage)]
    if leakage.trained > leakage.late or leakage.sealed:
        near = leakage.trained - leakage.late
        rows = f"{leakage.sealed:,} reserve {'row is' if leakage.sealed == 1 else 'rows are'}"
        shown = ", ".join(leak.spoken for leak in leakage.pairs[:SHOWN] if leak.sealed)
        more = f" and {leakage.found - SHOWN:,} more" if leakage.found > SHOWN else ""
        reasons.append(f"{rows} known from {max(near, 1):,} of {leakage.training:,} training rows: {shown}{more}")
    if leakage.late:
        late = [leak.trained for leak in leakage.pairs if leak.likeness == "late"]
        shown = ", ".join(late[:SHOWN] + ["..."] * (leakage.late > min(SHOWN, len(late))))
        labels = "1 training label was" if leakage.late == 1 else f"{leakage.late:,} training labels were"
        reasons.append(f"{labels} given after the cut: {shown}")
    return tuple(reasons)


def _mismatches(samples: Sequence[Sample], *, trained_on: frozenset[str], leakage: Leakage) -> Iterable[str]:
    if leakage.reserve != digest_of(sample.content for sample in samples):
        yield f"the search for leaks has seen other reserve rows than these {len(samples):,}"
    if leakage.training != len(trained_on):
        yield f"the search for leaks has seen {leakage.training:,} of {len(trained_on):,} training rows"
    missed = leaked(samples, trained_on=trained_on)
    if missed and not leakage.trained:
        yield f"the search for leaks has missed {len(missed):,}, {missed[0].id} first"


def _digest(inputs: bytes) -> Digest:
    return Digest(blake3(inputs).hexdigest())
