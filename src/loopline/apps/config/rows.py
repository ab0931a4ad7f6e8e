"""Labelled rows from a JSONL or CSV file: the base set, the anchor, the gold."""

import base64
import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loopline.errors import InvalidRecord, NotFound
from loopline.ports.question import Question
from loopline.records.dataset import LabelledRow
from loopline.records.signature import Row, Signature

TEXT = "text"
FEATURES = "features"
IMAGE = "image"
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")


def read_rows(path: Path, signature: Signature, *, question: Question | None = None) -> tuple[LabelledRow, ...]:
    """Every row of the file, checked against the signature, in the order of the file.

    JSONL: one object a line, ``{"text": ..., "label": ...}``, ``{"features": [...], "label": ...}``, one key a feature,
    or ``{"image": ..., "label": ...}``: a file beside this one, or its bytes in base64. CSV: a header with ``label``
    and either ``text``, ``image`` or one column a feature. ``id`` is optional; without it a
    row is called by file and line (``base-17``). Features keep the order of the first row's columns. With a question,
    labels are its answers in their canonical spelling: where several may be right, a list.

    Raises:
        NotFound: there is no such file.
        InvalidRecord: naming file, line, what was found and what is expected.
    """
    rows: list[LabelledRow] = []
    seen: dict[str, int] = {}
    columns: tuple[str, ...] = ()
    for line, record in raw_rows(path):
        place = f"{path.name} line {line}"
        columns = columns or _columns(record)
        if _columns(record) != columns:
            found = f"columns {', '.join(_columns(record)) or 'none'}"
            raise InvalidRecord(place, found=found, expected=f"those of the first row: {', '.join(columns)}")
        row = LabelledRow(
            id=str(record.get("id") or f"{path.stem}-{line}"),
            inputs=signature.encode(_row(record, columns, signature, place=place, folder=path.parent)),
            label=_answer(record, signature, question, place=place)
            if question
            else _label(record, signature, place=place),
        )
        if row.id in seen:
            expected = f"an id of its own; line {seen[row.id]} has the same"
            raise InvalidRecord(place, found=f"id {row.id!r}", expected=expected)
        seen[row.id] = line
        rows.append(row)
    if not rows:
        raise InvalidRecord(path.name, found="no rows", expected="one labelled row or more")
    return tuple(rows)


def raw_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Line number and fields of each row as the file has them; empty lines are passed over. Raises as ``read_rows``."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _csv(path, csv.DictReader(file, strict=True)) if path.suffix == ".csv" else _jsonl(path, file)
    except FileNotFoundError as error:
        raise NotFound("file", str(path)) from error
    except UnicodeDecodeError as error:
        raise InvalidRecord(path.name, found=str(error), expected="UTF-8") from error


def _csv(path: Path, reader: "csv.DictReader[str]") -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        for record in reader:
            place = f"{path.name} line {reader.line_num}"
            width = len(reader.fieldnames or ())
            if None in record:
                extra: Any = record
                raise InvalidRecord(place, found=f"{width + len(extra[None])} fields", expected=f"{width}")
            if None in record.values():
                filled = sum(value is not None for value in record.values())
                raise InvalidRecord(place, found=f"{filled} fields", expected=f"{width}")
            yield reader.line_num, record
    except csv.Error as error:
        raise InvalidRecord(f"{path.name} line {reader.line_num}", found=str(error), expected="a CSV row") from error


def _jsonl(path: Path, lines: Iterator[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        place = f"{path.name} line {number}"
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InvalidRecord(place, found=str(error), expected="a JSON object") from error
        if not isinstance(record, dict):
            raise InvalidRecord(place, found=f"a JSON {type(record).__name__}", expected="a JSON object")
        if "\\u" in text:
            _check_characters(record, place=place)
        yield number, record


def _check_characters(record: Mapping[str, Any], *, place: str) -> None:
    """Raise for half a surrogate pair: an escape may name one, but no text can be stored or shown with it."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = f"half a surrogate pair {error.object[error.start]!r}"
        raise InvalidRecord(place, found=half, expected="whole characters") from error


def _columns(record: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(name for name in record if name not in {"id", "label"})


def _image(record: Mapping[str, Any], *, place: str, folder: Path) -> bytes:
    image = record.get(IMAGE)
    if not isinstance(image, str) or not image:
        found = f"image {image!r:.40}" if IMAGE in record else f"columns {', '.join(record) or 'none'}"
        raise InvalidRecord(place, found=found, expected="a file's name, or its bytes in base64, in the column image")
    if image.lower().endswith(IMAGES):
        try:
            return (folder / image).read_bytes()
        except OSError as error:
            reason = error.strerror or "it cannot be read"
            raise InvalidRecord(place, found=f"image {image}: {reason}", expected=f"a file in {folder}") from error
    try:
        return base64.b64decode(image, validate=True)
    except ValueError as error:
        expected = f"a file's name that ends in {', '.join(IMAGES)}, or base64"
        raise InvalidRecord(place, found=f"image {image[:40]!r}", expected=expected) from error


def _row(record: Mapping[str, Any], columns: tuple[str, ...], signature: Signature, *, place: str, folder: Path) -> Row:
    if signature.input == "image":
        return _image(record, place=place, folder=folder)
    if signature.input == "text":
        text = record.get(TEXT)
        if not isinstance(text, str):
            found = f"text {text!r}" if TEXT in record else f"columns {', '.join(record) or 'none'}"
            raise InvalidRecord(place, found=found, expected="a text in the column text")
        return text
    packed = record.get(FEATURES) if columns == (FEATURES,) else None
    cells = packed if isinstance(packed, list) else [record[name] for name in columns]
    names = columns if packed is None else [f"features[{i}]" for i in range(len(cells))]
    row = tuple(_feature(cell, name, place=place) for name, cell in zip(names, cells, strict=False))
    if len(row) != signature.width:
        raise InvalidRecord(place, found=f"{len(row)} features", expected=f"{signature.width}, the loop's width")
    try:
        signature.check(row)
    except InvalidRecord as error:
        raise InvalidRecord(place, found=error.found, expected=error.expected) from error
    return row


def _feature(cell: object, name: str, *, place: str) -> float:
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        raise InvalidRecord(place, found=f"{name} {cell!r}", expected="a number")
    try:
        return float(cell)
    except (ValueError, OverflowError) as error:
        raise InvalidRecord(place, found=f"{name} {cell!r}", expected="a number") from error


def _label(record: Mapping[str, Any], signature: Signature, *, place: str) -> str:
    label = record.get("label")
    shown = str(label) if isinstance(label, str | int) and not isinstance(label, bool) else ""
    if shown not in signature.labels:
        found = f"label {label!r}" if "label" in record else "no label"
        raise InvalidRecord(place, found=found, expected=f"one of {', '.join(signature.labels)}")
    return shown


def _answer(record: Mapping[str, Any], signature: Signature, question: Question, *, place: str) -> str:
    label = record.get("label")
    given = [str(one) for one in label] if isinstance(label, list) else str(label)
    if "label" not in record or label is None or isinstance(label, bool | dict):
        found = f"label {label!r}" if "label" in record else "no label"
        raise InvalidRecord(place, found=found, expected=f"an answer out of {', '.join(signature.labels)}")
    try:
        return question.canonical(given, labels=signature.labels)
    except InvalidRecord as error:
        raise InvalidRecord(place, found=f"label {error.found}", expected=error.expected) from error
