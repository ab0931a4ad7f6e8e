"""Records as bytes and back: JSON with a schema version beside it."""

from datetime import UTC, datetime, timedelta
from typing import cast

import msgspec

from loopline.errors import Conflict, InvalidRecord
from loopline.ports.ledger import R
from loopline.records.keys import KINDS, entity_of
from loopline.records.lineage import Stored

SCHEMA_VERSION = 1
"""Of the stored JSON. It grows when a field is renamed or its meaning changes; a new field with a default is free."""

_DECODERS = {name: msgspec.json.Decoder(kind) for kind, name in KINDS.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def encode(record: Stored) -> bytes:
    """The record as JSON. Raises InvalidRecord for a record that would not read back the same.

    JSON has no NaN and no infinity: such a number would come back as null.
    """
    body = msgspec.json.encode(record)
    if b"null" in body:
        try:
            _DECODERS[KINDS[type(record)]].decode(body)
        except msgspec.ValidationError as error:
            found = f"JSON cannot hold it ({error})"
            raise InvalidRecord(entity_of(record), found=found, expected="finite numbers") from error
    return body


def decode(kind: type[R], body: bytes, *, version: int, key: str) -> R:
    """The record behind its JSON. Raises Conflict for one that a newer Loopline wrote."""
    if version > SCHEMA_VERSION:
        found, expected = f"schema version {version}", f"at most {SCHEMA_VERSION}"
        remedy = "a newer Loopline wrote it: update this one"
        raise Conflict(f"{kind_of(kind)}:{key}", found=found, expected=expected, remedy=remedy)
    return cast(R, _DECODERS[kind_of(kind)].decode(body))


def kind_of(kind: type[R]) -> str:
    """What the ledger calls records of this type.

    >>> from loopline.records.cycle import Cycle
    >>> kind_of(Cycle)
    'cycle'
    """
    return KINDS[cast(type[Stored], kind)]


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 UTC.

    >>> microseconds(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return (at - _EPOCH) // timedelta(microseconds=1)


def moment(us: int) -> datetime:
    """The UTC time so many microseconds after 1970.

    >>> moment(1_000_000).isoformat()
    '1970-01-01T00:00:01+00:00'
    """
    return _EPOCH + timedelta(microseconds=us)
