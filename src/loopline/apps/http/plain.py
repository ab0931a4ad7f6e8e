"""``POST /v1/predict/{loop}``: plain rows in, labels with their probabilities out, for people without a client."""

import base64
import math
from typing import Any, NamedTuple

import msgspec
import numpy as np

from loopline.apps.http.bodies import Reply, json_reply
from loopline.apps.http.oip import DATATYPES, EXTRAS, LONGEST_ID, Accepts, column, labels_of
from loopline.errors import InvalidRecord
from loopline.records.signature import Signature
from loopline.serve.question import Answer, Rows

EXAMPLES = {
    "text": '{"rows": ["so good", "so bad"]}',
    "tabular": '{"rows": [[1.0, 2.5], [0.0, 3.0]]}',
    "image": '{"rows": ["iVBORw0KGgo..."]}, images in base64',
}


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    row: Any = None
    rows: list[Any] | None = None
    id: str = ""
    group: str = ""
    segment: str = ""
    version: str = ""
    outputs: list[str] = []


class Plain(NamedTuple):
    """A request, understood."""

    id: str
    rows: Rows
    group: str
    version: str
    outputs: tuple[str, ...]
    segment: str

    @property
    def extras(self) -> frozenset[str]:
        """The outputs that the model has to be asked for."""
        return EXTRAS.intersection(self.outputs)


def parse(body: bytes, *, accepts: Accepts) -> Plain:
    """The request in the body: ``{"rows": [...]}`` or ``{"row": ...}``. Raises InvalidRecord.

    >>> parse(b'{"row": "so good"}', accepts=Accepts(Signature(input="text", labels=("no", "yes")))).rows
    ('so good',)
    """
    kind = accepts.signature.input
    try:
        found = msgspec.json.decode(body, type=_Body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidRecord("request", found=str(error), expected=f"JSON such as {EXAMPLES[kind]}") from error
    if (found.rows is None) == (found.row is None):
        both = "neither row nor rows" if found.rows is None else "both row and rows"
        raise InvalidRecord("request", found=both, expected=f"one of them, such as {EXAMPLES[kind]}")
    rows = [found.row] if found.rows is None else found.rows
    if not 0 < len(rows) <= accepts.most_rows:
        raise InvalidRecord("rows", found=f"{len(rows):,} rows", expected=f"1 to {accepts.most_rows:,}")
    if len(found.id) > LONGEST_ID or not found.id.isprintable():
        raise InvalidRecord("id", found=f"{len(found.id)} characters", expected=f"at most {LONGEST_ID}, printable")
    for name in found.outputs:
        if name not in DATATYPES:
            raise InvalidRecord("outputs", found=repr(name), expected=" or ".join(DATATYPES))
    read = [_row(row, number=number, signature=accepts.signature) for number, row in enumerate(rows)]
    table: Rows = np.array(read, np.float64) if kind == "tabular" else tuple(read)
    return Plain(found.id, table, found.group, found.version, tuple(found.outputs), found.segment)


def _row(row: Any, *, number: int, signature: Signature) -> Any:
    thing, width = f"row {number}", signature.width
    if signature.input != "tabular":
        if not isinstance(row, str):
            raise InvalidRecord(thing, found=_kind(row), expected="a text")
        try:
            return row if signature.input == "text" else base64.b64decode(row, validate=True)
        except ValueError as error:
            raise InvalidRecord(thing, found="a text that is no base64", expected="an image in base64") from error
    if not isinstance(row, list) or len(row) != width:
        found = f"{len(row)} values" if isinstance(row, list) else _kind(row)
        raise InvalidRecord(thing, found=found, expected=f"a list of {width} numbers")
    for place, value in enumerate(row):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InvalidRecord(thing, found=f"{_kind(value)} at {place}", expected="finite numbers")
    return row


def _kind(value: Any) -> str:
    names = {str: "a text", list: "a list", dict: "an object", bool: "true or false", type(None): "null"}
    return names.get(type(value), f"{value!r:.40}")


def respond(request: Plain, answer: Answer) -> Reply:
    """For each row its id, the most likely label, every class with its probability, and what else was asked for."""
    question, version = answer.asked.question, answer.version
    p, labels = answer.given, version.signature.labels
    ids = [question.id] if len(p) == 1 else [f"{question.id}/{number}" for number in range(len(p))]
    lines: list[dict[str, object]] = [
        {"id": name, "label": label, "probabilities": dict(zip(labels, row, strict=True))}
        for name, label, row in zip(ids, labels_of(answer), p.tolist(), strict=True)
    ]
    for output in request.outputs:
        if output not in ("label", "probabilities"):
            for line, value in zip(lines, column(output, answer=answer).tolist(), strict=True):
                line[output] = value
    return json_reply({"id": question.id, "model": version.name, "predictions": lines})
