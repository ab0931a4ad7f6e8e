"""The anchor: labelled rows that never change, kept as one object."""

from collections.abc import Sequence

import msgspec
from blake3 import blake3

from loopline.dataset.parts import Objects, Source
from loopline.dataset.table import LabelledSample
from loopline.errors import InvalidRecord
from loopline.records.dataset import Anchor, LabelledRow
from loopline.records.settings import Settings


def stored(samples: Sequence[LabelledSample], *, settings: Settings, objects: Objects) -> Anchor:
    """The anchor of these rows, once they are in the store."""
    signature = settings.signature.digest
    return Anchor(id=objects.put(encoded(samples)), loop=settings.name, rows=len(samples), signature=signature)


def encoded(samples: Sequence[LabelledSample]) -> bytes:
    """The rows as JSON, in the order given."""
    rows = [LabelledRow(id=s.sample, inputs=s.inputs, label=s.label) for s in samples]
    return msgspec.json.encode(rows, order="sorted")


def decoded(content: bytes) -> tuple[LabelledRow, ...]:
    """The rows behind their bytes. Raises InvalidRecord when they are none."""
    try:
        return msgspec.json.decode(content, type=tuple[LabelledRow, ...])
    except msgspec.DecodeError as error:
        raise InvalidRecord("anchor rows", found=str(error), expected="labelled rows as JSON") from error


def anchor_rows(anchor: Anchor, *, objects: Source) -> tuple[LabelledRow, ...]:
    """The rows of an anchor, sorted by content."""
    return decoded(objects.get(anchor.id))


def anchor_contents(anchor: Anchor, *, objects: Source) -> frozenset[str]:
    """Content digests of the rows of an anchor."""
    return frozenset(blake3(row.inputs).hexdigest() for row in anchor_rows(anchor, objects=objects))
