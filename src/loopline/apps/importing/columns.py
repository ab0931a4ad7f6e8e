"""Flat rows, of CSV and of Parquet, as the fields that the door takes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import numpy as np

from loopline.errors import InvalidRecord
from loopline.records.signature import Signature

TEXTS: Final = ("id", "model", "text", "image", "group", "segment", "arm", "trace", "failure", "label", "signature")
NUMBERS: Final = ("latency_us", "latency_ms")
LISTS: Final = ("features", "probabilities", "embedding", "members")
OUTCOME: Final = ("id", "prediction", "label", "at", "source")
OURS: Final = frozenset({"id", "inputs", "probabilities", "at_us", "arm", "model"})
"""Columns by which a Parquet file of our own log is known."""


class Columns:
    """How the columns of one file are read.

    Columns named as the door's fields are those; ``p_<label>`` holds a label's probability, 0 to 1. The features of a
    table are ``features``, a list, or every column that has no other meaning, in the order of the file. Raises
    InvalidRecord for a table with another number of features than the loop's.
    """

    def __init__(self, names: Sequence[str], *, signature: Signature, file: str) -> None:
        self._signature = signature
        self._chances = {label: f"p_{label}" for label in signature.labels if f"p_{label}" in names}
        known = {*TEXTS, *NUMBERS, *LISTS, "at", *self._chances.values()}
        self.ignored = tuple(name for name in names if name not in known)
        """Columns that mean nothing to us: of a table these are its features."""
        self._features: tuple[str, ...] = ()
        self.is_ours = set(names) >= OURS
        if signature.input == "tabular" and "features" not in names and not self.is_ours:
            self._features, self.ignored = self.ignored, ()
            if len(self._features) != signature.width:
                found = f"{len(self._features)} features ({', '.join(self._features[:20]) or 'none'})"
                raise InvalidRecord(file, found=found, expected=f"{signature.width}, the loop's width")

    def fields(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of one row. Raises ValueError for a cell that is not what its column holds."""
        if self.is_ours:
            try:
                return _logged(row, self._signature)
            except TypeError as error:
                raise ValueError(f"{error}, expected a row as our log holds it") from error
        fields = {name: str(row[name]) for name in TEXTS if row.get(name) not in (None, "")}
        if self._signature.input == "text" and row.get("text") == "":
            fields["text"] = ""
        found: dict[str, Any] = fields | {name: _number(name, row[name]) for name in NUMBERS if _is_filled(row, name)}
        found |= {name: _list(name, row[name]) for name in LISTS if _is_filled(row, name)}
        if _is_filled(row, "at"):
            found["at"] = _moment(row["at"])
        if self._features:
            found["features"] = [_number(name, row[name]) for name in self._features]
        if self._chances and any(_is_filled(row, name) for name in self._chances.values()):
            found["probabilities"] = {label: _number(name, row[name]) for label, name in self._chances.items()}
        return found


def outcome_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an outcome; other columns are left out.

    >>> outcome_fields({"prediction": "p1", "label": "a", "source": "", "at": "1.5"})
    {'prediction': 'p1', 'label': 'a', 'at': 1.5}
    """
    fields = {name: row[name] for name in OUTCOME if _is_filled(row, name)}
    return fields | ({"at": _moment(fields["at"])} if "at" in fields else {})


def _is_filled(row: Mapping[str, Any], name: str) -> bool:
    return row.get(name) not in (None, "")


def _number(name: str, cell: Any) -> float:
    try:
        if cell is None or isinstance(cell, bool):
            raise TypeError
        return int(cell) if name == "latency_us" else float(cell)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} {cell!r}, expected a number") from error


def _list(name: str, cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    try:
        return msgspec.json.decode(cell)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ValueError(f"{name} {cell[:40]!r}, expected a JSON list ({error})") from error


def _moment(cell: Any) -> Any:
    """What a cell says about a time: a number is seconds; a time of Arrow without a zone is in UTC."""
    if isinstance(cell, datetime):
        return cell if cell.tzinfo else cell.replace(tzinfo=UTC)
    try:
        return float(cell)
    except (TypeError, ValueError):
        return cell


def _logged(row: Mapping[str, Any], signature: Signature) -> dict[str, Any]:
    """A row of our own log. A shadow's answer, and a failure's, is called ``id~version`` there."""
    if row.get("payload"):
        raise ValueError(f"the row's bytes are in the object {row['payload']}, expected them in the file")
    field = {"text": "text", "tabular": "features", "image": "image"}[signature.input]
    classes = len(signature.labels)
    embedding, members = (np.frombuffer(row.get(name) or b"", "<f4") for name in ("embedding", "members"))
    plain = {"group": row.get("group") or row.get("group_key")}
    plain |= {name: row.get(name) for name in ("segment", "trace", "failure", "label", "signature", "latency_us")}
    return {name: value for name, value in plain.items() if value} | {
        "id": str(row["id"]).removesuffix(f"~{row['model']}"),
        "model": row["model"],
        "arm": row["arm"],
        "at": row["at_us"] / 1_000_000,
        field: signature.spelled(signature.decode(row["inputs"])),
        "probabilities": row["probabilities"] or (),
        "embedding": embedding.tolist(),
        "members": members.reshape(-1, classes).tolist(),
    }
