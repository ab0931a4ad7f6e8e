"""A run's folder: the protocol between the launcher and the process that trains, in files.

========================  ==========================================================================================
``spec.json``             what to do; written by the launcher before the process starts
``process.json``          who does it; written once, by whoever comes first: the launcher after the start, the process
                          itself, or somebody who asks and finds no process ("nobody": then no process may begin)
``progress.jsonl``        one line a report; the last whole one counts
``log.txt``               what the run printed
``model``, ``checks.json``  what it made
``result.json``           that it succeeded; written last, so that whatever it names is there
``ending.json``           that it did not, and why; the first reason stays
========================  ==========================================================================================

The folder is made with ``mkdir``, which only one process can win: the mark that a run has been submitted.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import quote, unquote

import msgspec
from blake3 import blake3

from loopline.adapters.subprocess.process import Process
from loopline.records.ids import RunId
from loopline.records.model import RunResult, RunSpec

MODEL, CHECKS = "model", "checks.json"
TAIL_LINES = 20
_TAIL_BYTES = 64 * 1024
_LONGEST_NAME = 150

S = TypeVar("S", bound=msgspec.Struct)


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no result."""

    phase: Literal["failed", "vanished"]
    reason: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """How far the run has come."""

    done: int = 0
    total: int = 0
    metrics: dict[str, float] = {}


class RunFolder:
    """The files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log.txt"

    def spec(self) -> RunSpec:
        """What to do."""
        return msgspec.json.decode((self.path / "spec.json").read_bytes(), type=RunSpec)

    def order(self, spec: RunSpec) -> None:
        """Write down what to do."""
        write_whole(self.path / "spec.json", msgspec.json.encode(spec))

    def claim(self, process: Process) -> Process:
        """The process that owns the run: this one, unless another was written down before."""
        return _first(self.path / "process.json", process)

    def owner(self) -> Process | None:
        """The process that owns the run, if any was written down."""
        return _read(self.path / "process.json", Process)

    def finish(self, result: RunResult) -> None:
        """Write down the success; what the result names must be there already."""
        write_whole(self.path / "result.json", msgspec.json.encode(result))

    def result(self) -> RunResult | None:
        """What the run left, if it succeeded; its file names are whole paths."""
        found = _read(self.path / "result.json", RunResult)
        if found is None:
            return None
        return msgspec.structs.replace(
            found,
            artifact_file=str(self.path / Path(found.artifact_file).name),
            checks_file=str(self.path / Path(found.checks_file).name),
        )

    def conclude(self, ending: Ending) -> Ending:
        """Why there is no result: this, unless another reason was written down before."""
        return _first(self.path / "ending.json", ending)

    def ending(self) -> Ending | None:
        """Why there is no result, if that was written down."""
        return _read(self.path / "ending.json", Ending)

    def report(self, line: Report) -> None:
        """Add to the progress. A crash may cut the last line short; it is then passed over."""
        with (self.path / "progress.jsonl").open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    def progress(self) -> Report:
        """The last report, or that nothing is done yet."""
        for line in reversed(_last_lines(self.path / "progress.jsonl")):
            with suppress(msgspec.DecodeError):
                return msgspec.json.decode(line, type=Report)
        return Report()

    def log_tail(self) -> str:
        """The last lines that the run printed."""
        return b"\n".join(_last_lines(self.log)[-TAIL_LINES:]).decode(errors="replace")


def folder_name(run: RunId) -> str:
    """A file name for the run: readable, safe, and different for different ids.

    >>> folder_name(RunId("sentiment/run/3/1"))
    'sentiment%2Frun%2F3%2F1'
    """
    safe = quote(run, safe="").replace(".", "%2E")
    return safe if len(safe) <= _LONGEST_NAME else f"{safe[:80]}~{blake3(run.encode()).hexdigest()[:32]}"


def overtime(seconds: int) -> Ending:
    """The ending of a run that used up its time."""
    return Ending(phase="failed", reason=f"ran longer than its limit of {seconds} s")


def write_whole(path: Path, content: bytes) -> None:
    """Put the content there durably and at once: a reader sees what was there before, or all of this."""
    with _written_beside(path, content) as draft:
        draft.replace(path)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the names in this folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first(path: Path, record: S) -> S:
    """Store the record unless one is stored; return the stored one. Atomic: of many writers one wins."""
    with _written_beside(path, msgspec.json.encode(record)) as draft, suppress(FileExistsError):
        path.hardlink_to(draft)
    sync_folder(path.parent)
    return _read(path, type(record)) or record


def _read(path: Path, kind: type[S]) -> S | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None


@contextmanager
def _written_beside(path: Path, content: bytes) -> Iterator[Path]:
    """A file with the content, to be moved or linked to the path; gone afterwards, also when it cannot be written."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _last_lines(path: Path) -> list[bytes]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def known_runs(names: Iterable[str]) -> tuple[str, ...]:
    """The run ids behind folder names, sorted; shortened names stay as they are."""
    return tuple(sorted(map(unquote, names)))
