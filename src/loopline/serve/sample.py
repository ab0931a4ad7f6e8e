"""The rows of one request, named and sorted into groups before any model sees them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from blake3 import blake3

from loopline.records.ids import Digest, PredictionId
from loopline.records.prediction import Role
from loopline.records.signature import Row, Signature
from loopline.serve.grouping import group_of

RoleOf = Callable[[str], Role]
"""What the samples of a group may be used for."""


class Sample(NamedTuple):
    """One row of a request."""

    id: PredictionId
    row: Row
    inputs: bytes
    """The canonical bytes of the row."""
    content: Digest
    group: str
    role: Role


def samples(rows: Sequence[Row], *, request: str, group: str, signature: Signature, role: RoleOf) -> tuple[Sample, ...]:
    """The rows with their ids: the request's own for a single row, else ``request/0``, ``request/1``, ...

    Without a group key, near-equal texts are a group, and equal tabular rows.

    >>> signature = Signature(input="text", labels=("a", "b"))
    >>> [s.id for s in samples(["x", "y"], request="r", group="", signature=signature, role=lambda group: "loop")]
    ['r/0', 'r/1']
    """
    made = []
    for number, row in enumerate(rows):
        inputs = signature.encode(row)
        content = Digest(blake3(inputs).hexdigest())
        name = PredictionId(request if len(rows) == 1 else f"{request}/{number}")
        key = group or group_of(row, content=content)
        made.append(Sample(id=name, row=row, inputs=inputs, content=content, group=key, role=role(key)))
    return tuple(made)
