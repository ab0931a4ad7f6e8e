"""The anchor as bytes: labelled rows that never change."""

from collections.abc import Sequence

import msgspec

from loopline.dataset.table import LabelledSample
from loopline.errors import InvalidRecord
from loopline.records.dataset import LabelledRow


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
