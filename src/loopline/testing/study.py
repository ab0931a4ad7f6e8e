"""What queries look into, in memory."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from loopline.adapters.memory.log import MemoryLog
from loopline.adapters.memory.offsets import MemoryOffsets
from loopline.adapters.memory.outcomes import MemoryOutcomes
from loopline.adapters.spool.batch import record_batch
from loopline.ports.offsets import Offsets
from loopline.ports.outcome_book import OutcomeBook
from loopline.records.settings import Settings
from loopline.testing import factories as make


class Stretch(NamedTuple):
    """What the log consists of now."""

    files: tuple[Path, ...]
    tail: pa.Table
    firsts: tuple[int, ...] = ()


class PartedLog(MemoryLog):
    """A log in memory whose rows are one tail."""

    def parts(self, *, tiers: tuple[str, ...] = ()) -> Stretch:  # noqa: ARG002  no row is in a tier
        """The rows."""
        return Stretch((), pa.Table.from_batches([record_batch(self._rows)]))


@dataclass(frozen=True)
class Study:
    """The rooms that queries look into."""

    settings: Settings = field(default_factory=make.settings)
    log: PartedLog = field(default_factory=PartedLog)
    outcomes: OutcomeBook = field(default_factory=MemoryOutcomes)
    offsets: Offsets = field(default_factory=MemoryOffsets)
