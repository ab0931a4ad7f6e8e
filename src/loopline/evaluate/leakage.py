"""Which reserve rows the challenger has been trained on: any of them ends the judgement."""

from collections.abc import Iterable
from typing import NamedTuple

from blake3 import blake3

from loopline.records.dataset import LabelledRow
from loopline.records.ids import Digest
from loopline.records.label import Label


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


def _digest(inputs: bytes) -> Digest:
    return Digest(blake3(inputs).hexdigest())
