"""The upkeep of a log: seals what has gathered, merges what is small, archives what has aged, deletes what is old."""

from collections import deque
from datetime import datetime, timedelta

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3

from loopline.adapters.spool.catalogue import last
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.spool.packing import Rules, Step, next_step
from loopline.adapters.spool.parquet import FAST, THOROUGH, pack
from loopline.errors import Conflict, Unavailable
from loopline.ports.clock import Clock
from loopline.ports.manifest import Manifest
from loopline.ports.object_store import ObjectStore
from loopline.records.ids import Digest
from loopline.records.segment import Segment
from loopline.records.settings import CaptureSettings

SEAL_ROWS = 100_000
"""Rows of a full segment, and of a tail that is sealed at once: a few seconds of a busy loop, 20 MB of SQLite."""
SOON, SOON_ROWS = timedelta(minutes=10), 5_000
"""So many rows are worth a segment after this long."""
LATEST = timedelta(hours=1)
"""However few there are, rows are in the object store, safe from this disk, after this long."""
GRACE = timedelta(minutes=10)
"""How long an object outlives its segment: a reader that has its path has finished by then."""


class Keeper:
    """Keeps one log in shape, one bounded step at a time; meant for a thread of the process that appends."""

    def __init__(
        self,
        log: SpoolLog,
        *,
        manifest: Manifest,
        objects: ObjectStore,
        settings: CaptureSettings,
        clock: Clock,
    ) -> None:
        self.trouble = ""
        """Why the last step failed; empty when it did not."""
        self._log, self._manifest, self._objects = log, manifest, objects
        self._settings, self._clock = settings, clock
        self._turns = deque([self._seal, self._pack])
        self._tail_since: tuple[int, datetime] | None = None
        log.sealer.changed()  # a predecessor may have died between the manifest and telling its readers

    def look(self) -> tuple[str, ...]:
        """Do the most pressing step that is due; what was done, or why it could not be, a sentence each.

        A step that fails leaves everything as readable as it was, and is tried again by the next look. The same
        trouble is told once.
        """
        now, before = self._clock.now(), self.trouble
        try:
            told = (*self._sweep(now), *self._act(now))
            self._log.sealer.shrink()
        except (Unavailable, Conflict) as error:
            self.trouble = str(error)
            return () if self.trouble == before else (f"the log is not tended to: {self.trouble}",)
        self.trouble = ""
        return told

    def _act(self, now: datetime) -> tuple[str, ...]:
        """One step; sealing and packing go first in turn, so that a tail that never empties starves neither."""
        for act in tuple(self._turns):
            if told := act(now):
                self._turns.remove(act)
                self._turns.append(act)
                return told
        return ()

    def _seal(self, now: datetime) -> tuple[str, ...]:
        """Seal a full segment, or fewer rows that have waited long enough."""
        first, rows = self._log.waiting()
        if rows == 0 or self._tail_since is None or self._tail_since[0] != first:
            # Age is counted from here, not from the rows' own times: an import brings rows of last year.
            self._tail_since = (first, now) if rows else None
        since = self._tail_since[1] if self._tail_since else now
        is_due = rows >= SEAL_ROWS or (rows >= SOON_ROWS and now - since >= SOON) or (rows and now - since >= LATEST)
        sealed = self._log.seal(now=now, rows=SEAL_ROWS) if is_due else None
        return (f"sealed {_said((sealed,))}",) if sealed else ()

    def _pack(self, now: datetime) -> tuple[str, ...]:
        """Delete, archive or merge what is due."""
        loop = self._log.loop
        rules = Rules(
            hot_seconds=self._settings.hot_seconds,
            retain_seconds=self._settings.retain_seconds,
            lane=self._log.lane,
            pins=self._manifest.pins(loop),
            damaged=self._log.files.damage().keys(),
        )
        step = next_step(self._manifest.segments(loop), now=now, rules=rules)
        if step is None:
            return ()
        if step.act == "delete":
            gone = msgspec.structs.replace(step.segments[0], tier="deleted", size=0, ids=b"")
            self._replace(step, new=gone, now=now)
            return (f"deleted {_said(step.segments)}, sealed at {gone.sealed_at:%Y-%m-%d %H:%M} UTC",)
        packed = self._repacked(step, now=now)
        if packed is None:
            return ()
        self._replace(step, new=packed, now=now)
        verb = "archived" if step.act == "archive" else "merged"
        return (f"{verb} {_said(step.segments)} into one segment of {packed.size} bytes",)

    def _repacked(self, step: Step, *, now: datetime) -> Segment | None:
        """The rows of neighbours as one segment, its object stored; None when one of them turns out to be damaged."""
        first = step.segments[0]
        is_dense = step.act == "archive" or first.tier == "archive"
        sources = [(each.lane_first - first.lane_first, self._log.source(each)) for each in step.segments]
        tables = (_moved(table, by=by) for by, source in sources for table in source or ())
        if any(source is None for _, source in sources):
            return None
        packed = pack(tables, level=THOROUGH if is_dense else FAST, max_id=self._max_id_before(first))
        digest = Digest(blake3(packed.content).hexdigest())
        self._log.sealer.doom((digest,), now=now)
        self._objects.put(packed.content)
        return msgspec.structs.replace(
            first,
            digest=digest,
            rows=sum(each.rows for each in step.segments),
            size=len(packed.content),
            min_at_us=packed.min_at_us,
            max_at_us=packed.max_at_us,
            min_id=packed.min_id,
            max_id=packed.max_id,
            counts=packed.counts,
            arms=packed.arms,
            tier="archive" if is_dense else "hot",
            sealed_at=max(each.sealed_at for each in step.segments),
            ids=packed.ids,
        )

    def _max_id_before(self, segment: Segment) -> str:
        lane = (each for each in self._manifest.segments(self._log.loop) if each.lane == segment.lane)
        return max((each.max_id for each in lane if each.first < segment.first), default="")

    def _replace(self, step: Step, *, new: Segment, now: datetime) -> None:
        """Put the new segment in the place of the old ones, whose objects go when nobody can be reading them."""
        self._log.sealer.doom(tuple(each.digest for each in step.segments), now=now)
        self._manifest.replace(step.segments, new=(new,))
        self._log.sealer.changed()

    def _sweep(self, now: datetime) -> tuple[str, ...]:
        """Delete the objects whose time has come and that no segment names."""
        due = self._log.sealer.doomed(before=now - GRACE)
        if not due:
            return ()
        named = {each.digest for each in self._manifest.segments(self._log.loop) if each.tier != "deleted"}
        unneeded = [digest for digest in due if digest not in named]
        for digest in unneeded:
            self._objects.delete(digest)
        self._log.sealer.absolve(due)
        noun = "object" if len(unneeded) == 1 else "objects"
        return (f"removed {len(unneeded)} {noun} that no segment needs",) if unneeded else ()


def _moved(table: pa.Table, *, by: int) -> pa.Table:
    """The rows of a segment that begins so many places later than the merged one."""
    offset = pc.add(table["offset"], pa.scalar(by, pa.int32()))
    return table.set_column(table.schema.get_field_index("offset"), table.schema.field("offset"), offset)


def _said(segments: tuple[Segment, ...]) -> str:
    count = f"{len(segments)} segments, " if len(segments) > 1 else ""
    return f"{count}rows {segments[0].first} to {last(segments[-1])}"
