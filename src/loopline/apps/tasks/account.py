"""What became of everything that a file holds."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

SHOWN: Final = 1_000
"""Bad rows that are named; all are counted."""


class Row(NamedTuple):
    """One row of a file."""

    number: int
    """Its line, its place in a list, or its row, from 1."""
    content: Mapping[str, Any] | None
    trouble: str = ""
    """Why it is none."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """A row, or one answer in it, that was not taken."""

    row: int
    error: str


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of everything that was read: read = stored + corrected + passed + repeated + bad."""

    read: int
    stored: int
    corrected: int = 0
    """Answers that took the place of an earlier one of the same person to the same task."""
    passed: int = 0
    """Tasks that a person passed on."""
    repeated: int
    """Held before, or taken back before they were exported."""
    bad: int
    is_dry: bool
    """Nothing was stored: the counts are what would have become of it."""
    errors: tuple[Fault, ...]
    """Of what was not taken, the first thousand."""


class Tally:
    """Counts what becomes of the rows."""

    def __init__(self, *, is_dry: bool) -> None:
        self._is_dry = is_dry
        self.stored = self.corrected = self.passed = self.repeated = self.bad = 0
        self._faults: list[Fault] = []

    def refuse(self, row: int, error: str) -> None:
        """One more that is not taken."""
        self.bad += 1
        if len(self._faults) < SHOWN:
            self._faults.append(Fault(row=row, error=error))

    def told(self) -> Imported:
        """The account."""
        good = self.stored + self.corrected + self.passed + self.repeated
        return Imported(
            read=good + self.bad, stored=self.stored, corrected=self.corrected, passed=self.passed,
            repeated=self.repeated, bad=self.bad, is_dry=self._is_dry, errors=tuple(self._faults),
        )  # fmt: skip
