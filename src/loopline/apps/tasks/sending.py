"""Files on their way to the door: in batches, with an account of every row."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from loopline.apps.importing.files import Watch, files_of
from loopline.apps.importing.row import Found
from loopline.apps.tasks.reading import rows_of

BATCH_ROWS: Final = 1_000
BATCH_BYTES: Final = 4 << 20
MOST_BYTES: Final = 15 << 20
"""Of one row: below what the door takes."""
COUNTS: Final = ("read", "stored", "corrected", "passed", "repeated", "bad")


class Door(Protocol):
    """Where rows go."""

    def give(self, content: bytes, *, params: Mapping[str, str | list[str]]) -> dict[str, Any]:
        """What became of these rows, a JSON list."""
        ...


class Batch(NamedTuple):
    """Rows that go together."""

    places: tuple[str, ...]
    content: bytes
    """A JSON list of as many objects."""


def send(
    paths: Sequence[Path],
    *,
    door: Door,
    params: Mapping[str, str | list[str]],
    tell: Callable[[str], None],
    watch: Watch,
) -> dict[str, int]:
    """Bring the files in; each bad row is told as it is found. What became of everything, by fate.

    A second run over the same files stores nothing twice. Raises NotFound or InvalidRecord for files that cannot be
    read, LooplineError when the door stays shut.
    """
    counts = dict.fromkeys(COUNTS, 0)

    def refuse(sentence: str) -> None:
        counts["read"] += 1
        counts["bad"] += 1
        tell(sentence)

    found = (row for path in files_of(paths) for row in rows_of(path, watch=watch))
    for batch in batches(found, refuse=refuse):
        told = door.give(batch.content, params=params)
        for name in COUNTS:
            counts[name] += int(told[name])
        for fault in told["errors"]:
            tell(f"{batch.places[int(fault['row']) - 1]}: {fault['error']}")
    return counts


def batches(found: Iterable[Found], *, refuse: Callable[[str], None]) -> Iterator[Batch]:
    """The rows, so many that the door takes them at once; what is no row is refused."""
    places: list[str] = []
    rows: list[bytes] = []
    size = 0
    for one in found:
        row, trouble = _encoded(one)
        if trouble:
            refuse(f"{one.place}: {trouble}")
            continue
        if rows and (size + len(row) > BATCH_BYTES or len(rows) == BATCH_ROWS):
            yield Batch(tuple(places), b"[" + b",".join(rows) + b"]")
            places, rows, size = [], [], 0
        places.append(one.place)
        rows.append(row)
        size += len(row) + 1
    if rows:
        yield Batch(tuple(places), b"[" + b",".join(rows) + b"]")


def _encoded(found: Found) -> tuple[bytes, str]:
    """The row as JSON, or why there is none."""
    if found.trouble:
        return b"", found.trouble
    try:
        row = msgspec.json.encode(found.content)
    except UnicodeEncodeError:
        return b"", "bytes that are no UTF-8, expected text"
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return b"", f"{error}, expected what JSON can hold"
    return (row, "") if len(row) <= MOST_BYTES else (b"", f"{len(row):,} bytes, expected at most {MOST_BYTES:,}")


def sentence(counts: Mapping[str, int], *, is_dry: bool) -> str:
    """The account in words.

    >>> sentence({"read": 9, "stored": 5, "corrected": 0, "passed": 0, "repeated": 3, "bad": 1}, is_dry=False)
    '9 read: 5 stored, 3 repeated, 1 bad'
    """
    always = ("stored", "repeated", "bad")
    told = [f"{counts[name]:,} {name}" for name in COUNTS[1:] if counts[name] or name in always]
    dry = "nothing was stored; it would have been: " if is_dry else ""
    return f"{dry}{counts['read']:,} read: {', '.join(told)}"
