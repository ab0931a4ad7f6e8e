"""A body as its lines: one JSON object, an array of them, or one object a line."""

import re
from typing import Final, NamedTuple, TypeVar

import msgspec

from loopline.errors import InvalidRecord

LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
"""Content types that say: one object a line."""
EXPECTED: Final = "a JSON object, an array of them, or one object a line"
LONGEST: Final = 256
"""Characters of a name: of an id, a version, a source."""

T = TypeVar("T")


class Line(NamedTuple):
    """One object of a request, not yet read."""

    number: int
    """From 1; of an array, its place."""
    content: bytes | msgspec.Raw


def lines_of(body: bytes, *, content_type: str, most: int) -> list[Line]:
    r"""The lines of a body, empty ones left out. Raises InvalidRecord for a body without any, or with too many.

    >>> [line.number for line in lines_of(b'{"a": 1}\n\n{"a": 2}', content_type="", most=9)]
    [1, 3]
    >>> [line.number for line in lines_of(b'[{"a": 1}, {"a": 2}]', content_type="", most=9)]
    [1, 2]
    """
    if content_type.partition(";")[0].strip().lower() in LINES or _is_lines(body):
        if body.count(b"\n") > 2 * most:  # before anything is allotted for them
            raise _too_many("more than " + f"{most:,}", most=most)
        found = [Line(number, text) for number, text in enumerate(body.split(b"\n"), start=1) if text.strip()]
    elif body.lstrip()[:1] == b"[":
        found = [Line(number, raw) for number, raw in enumerate(decoded(body, list[msgspec.Raw], thing="request"), 1)]
    else:
        found = [Line(1, body)] if body.strip() else []
    if not found:
        raise InvalidRecord("request", found="nothing", expected=EXPECTED)
    if len(found) > most:
        raise _too_many(f"{len(found):,}", most=most)
    return found


def decoded(content: bytes | msgspec.Raw, kind: type[T], *, thing: str) -> T:
    """What the JSON holds, as this type. Raises InvalidRecord about the ``thing``, with the place inside it."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _sentence(str(error), thing=thing, fields=getattr(kind, "__struct_fields__", ())) from error


def name_in(text: str, *, thing: str, field: str) -> str:
    """The text, when it can name something. Raises InvalidRecord.

    >>> name_in("p 17", thing="line 1", field="id")
    'p 17'
    """
    if len(text) > LONGEST or not text.isprintable():
        found = f"{field} of {len(text)} characters, {text[:20]!r}..."
        raise InvalidRecord(thing, found=found, expected=f"at most {LONGEST} printable characters")
    return text


def _is_lines(body: bytes) -> bool:
    """Whether a body that does not say what it is holds more than one JSON value."""
    text = body.strip()
    if b"\n" not in text or text[:1] != b"{":
        return False
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return True
    return False


def _too_many(found: str, *, most: int) -> InvalidRecord:
    return InvalidRecord("request", found=f"{found} lines", expected=f"at most {most:,}", remedy="send it in parts")


def _sentence(problem: str, *, thing: str, fields: tuple[str, ...]) -> InvalidRecord:
    if match := re.fullmatch(r"Expected `(.+?)`, got `(.+?)`(?: - at `(.+)`)?", problem):
        place = f" at {match[3]}" if match[3] else ""
        return InvalidRecord(thing, found=match[2] + place, expected=match[1])
    if match := re.fullmatch(r"Object contains unknown field `(.+)`", problem):
        return InvalidRecord(thing, found=f"unknown field {match[1]!r}", expected=f"of {', '.join(fields)}")
    if match := re.fullmatch(r"Object missing required field `(.+)`", problem):
        return InvalidRecord(thing, found=f"no {match[1]}", expected="one")
    return InvalidRecord(thing, found=problem, expected="JSON as documented")
