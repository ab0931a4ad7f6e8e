"""``loopline import``: the rows of files, in batches, to the door, and an account of all of them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from loopline.apps.http.reporting.endpoint import NAMED
from loopline.apps.importing.columns import Columns, outcome_fields
from loopline.apps.importing.events import Join, is_event
from loopline.apps.importing.files import Watch, files_of, header_of, objects_of
from loopline.apps.importing.row import Found, Row
from loopline.capture.sampling import is_sampled
from loopline.errors import LooplineError
from loopline.records.settings import Settings

PREDICTIONS: Final = "/v1/predictions"
OUTCOMES: Final = "/v1/outcomes"
BATCH_LINES: Final = NAMED
"""So that every bad line of a batch is named."""
BATCH_BYTES: Final = 1 << 20


class Wish(NamedTuple):
    """What is to be done with the files."""

    is_outcomes: bool = False
    is_strict: bool = False
    """Stop at the first bad row."""
    model: str = ""
    """The version that answered, for rows that name none."""


class Verdict(NamedTuple):
    """What the door said about a batch."""

    accepted: int
    errors: Mapping[int, str]
    """Of bad lines, by their place in the batch from 1."""


class Door(Protocol):
    """Where rows go."""

    def take(self, path: str, lines: Sequence[bytes]) -> Verdict:
        """What became of the lines: those accepted are durable. Raises LooplineError when the door takes nothing."""
        ...

    def repeated(self) -> int:
        """Predictions and outcomes that were held before, since the door was opened."""
        ...


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """How an import ended: read = stored + repeated + sampled_out + bad."""

    files: int
    read: int
    """Rows; of a KServe file, predictions and events that are none."""
    stored: int
    repeated: int
    """Held before."""
    sampled_out: int
    """Left out by the loop's own sampling."""
    bad: int
    ignored: tuple[str, ...] = ()
    """Columns that mean nothing to a loop."""

    @property
    def sentence(self) -> str:
        """The account in words.

        >>> Account(files=1, read=9, stored=5, repeated=3, sampled_out=0, bad=1).sentence
        '9 rows read from 1 file: 5 stored, 3 repeated, 1 bad'
        """
        files = f"{self.files:,} file" + ("" if self.files == 1 else "s")
        sampled = f", {self.sampled_out:,} left out by sampling" if self.sampled_out else ""
        counts = f"{self.stored:,} stored, {self.repeated:,} repeated{sampled}, {self.bad:,} bad"
        ignored = f"; columns left out: {', '.join(self.ignored)}" if self.ignored else ""
        return f"{self.read:,} rows read from {files}: {counts}{ignored}"


def take_in(
    paths: Sequence[Path], *, settings: Settings, door: Door, wish: Wish, tell: Callable[[str], None], watch: Watch
) -> Account:
    """Bring the files in and say what became of every row; each bad one is told as it is found.

    A second run over the same files stores nothing twice: a row without an id is given the digest of its file and its
    place in it. Raises NotFound or InvalidRecord for files that cannot be read, LooplineError when the door stays shut,
    or at the first bad row of a strict import.
    """
    files = files_of(paths)
    reading, sending = _Reading(settings, wish), _Sending(settings, door, wish, tell)
    for path in files:
        for row in reading.rows(path, watch=watch):
            sending.give(row)
    for row in reading.join.rest():
        sending.give(row)
    sending.flush()
    return sending.account(files=len(files), ignored=tuple(sorted(reading.ignored)))


class _Reading:
    def __init__(self, settings: Settings, wish: Wish) -> None:
        self._settings, self._wish = settings, wish
        self.join = Join(signature=settings.signature, model=wish.model)
        self.ignored: set[str] = set()

    def rows(self, path: Path, *, watch: Watch) -> Iterator[Row]:
        header = header_of(path)
        columns: Columns | None = None
        if header and not self._wish.is_outcomes:
            columns = Columns(header, signature=self._settings.signature, file=path.name)
            self.ignored.update(() if columns.is_ours else columns.ignored)
        for found in objects_of(path, watch=watch):
            if found.trouble:
                yield Row(found.place, {}, found.trouble)
            elif self._wish.is_outcomes:
                yield Row(found.place, outcome_fields(found.content) if header else found.content)
            elif not header and is_event(found.content):
                yield from self.join.take(found)
            else:
                yield self._row(found, columns)

    def _row(self, found: Found, columns: Columns | None) -> Row:
        try:
            fields = columns.fields(found.content) if columns else dict(found.content)
        except ValueError as error:
            return Row(found.place, {}, str(error))
        fields["id"] = fields.get("id") or f"import-{found.id}"
        if self._wish.model and not fields.get("model"):
            fields["model"] = self._wish.model
        return Row(found.place, fields)


class _Sending:
    def __init__(self, settings: Settings, door: Door, wish: Wish, tell: Callable[[str], None]) -> None:
        self._settings, self._door, self._wish, self._tell = settings, door, wish, tell
        self._path = OUTCOMES if wish.is_outcomes else PREDICTIONS
        self._most = min(BATCH_BYTES, settings.serve.body_mb << 20)
        self._places: list[str] = []
        self._lines: list[bytes] = []
        self._ids: list[Any] = []
        self._bytes = self._read = self._accepted = self._sampled_out = self._bad = 0

    def give(self, row: Row) -> None:
        self._read += 1
        line, trouble = _encoded(row, most=self._settings.serve.body_mb << 20)
        if trouble:
            self._refuse(f"{row.place}: {trouble}")
            return
        if self._bytes + len(line) > self._most or len(self._lines) == BATCH_LINES:
            self.flush()
        self._places.append(row.place)
        self._lines.append(line)
        self._ids.append(row.fields.get("id"))
        self._bytes += len(line)

    def flush(self) -> None:
        if not self._lines:
            return
        verdict = self._door.take(self._path, self._lines)
        self._accepted += verdict.accepted
        share = self._settings.capture.sample
        if share < 1.0 and not self._wish.is_outcomes:
            good = [name for place, name in enumerate(self._ids, start=1) if place not in verdict.errors]
            self._sampled_out += sum(not is_sampled(str(name), share=share) for name in good)
        places = self._places
        self._places, self._lines, self._ids, self._bytes = [], [], [], 0
        for line, sentence in sorted(verdict.errors.items()):
            self._refuse(f"{places[line - 1]}: {sentence.removeprefix(f'line {line}: ')}")

    def account(self, *, files: int, ignored: tuple[str, ...]) -> Account:
        repeated = min(self._door.repeated(), self._accepted - self._sampled_out)
        return Account(
            files=files,
            read=self._read,
            stored=self._accepted - self._sampled_out - repeated,
            repeated=repeated,
            sampled_out=self._sampled_out,
            bad=self._bad,
            ignored=ignored,
        )

    def _refuse(self, sentence: str) -> None:
        self._bad += 1
        if self._wish.is_strict:
            stored = f"{self._accepted:,} rows are in the log" if self._accepted else "no row is in the log"
            raise LooplineError(f"{sentence}; {stored}, what is whole is kept: mend the file and run it again")
        self._tell(sentence)


def _encoded(row: Row, *, most: int) -> tuple[bytes, str]:
    """The row as a line, or why there is none."""
    if row.trouble:
        return b"", row.trouble
    try:
        line = msgspec.json.encode(row.fields)
    except UnicodeEncodeError:
        return b"", "bytes that are no UTF-8, expected text"
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return b"", f"{error}, expected what JSON can hold"
    return (line, "") if len(line) <= most else (b"", f"{len(line):,} bytes, expected at most {most:,}")
