"""What the seal of the reserve keeps on record: who is on which side, and who looked."""

from datetime import datetime

import msgspec

from loopline.errors import InvalidRecord
from loopline.records.ids import LoopName


class ReserveAccess(msgspec.Struct, frozen=True, kw_only=True):
    """One use of labelled reserve rows, committed together with what it led to."""

    id: str
    loop: LoopName
    at: datetime
    actor: str
    """Who asked: ``loopline 0.1.0``, or a person."""
    purpose: str
    """What for, in words: ``the gate of cycle 3``."""
    rows: int
    """Labelled rows, fresh and anchor, that were read."""
    versions: tuple[str, ...]
    """The model versions that were judged; empty for a function of a notebook."""
    batches: tuple[str, ...] = ()
    """What was read, by entity: ``labels:cycle-3``, ``anchor:4087bfcf...``."""


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """Contents that judge models from now on, and are never learned: the anchor's."""

    loop: LoopName
    contents: tuple[str, ...]
    """Content digests. Sealing one again changes nothing."""


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """How the members of one dataset version differ from those of the version before it.

    A member is a sample of the log that is learned from: of the strata chosen and audit. Rows of the base set are none.
    """

    loop: LoopName
    version: int
    """The number of the cycle that cut it; grows from version to version."""
    added: tuple[str, ...] = ()
    """Content digests that are members from this version on; one that is a member already stays one."""
    removed: tuple[str, ...] = ()
    """Content digests that are members no more; one that is none is passed over."""

    def __post_init__(self) -> None:
        both = sorted(set(self.added) & set(self.removed))
        if both:
            found = f"{len(both):,} contents both added and removed ({both[0][:12]}, ...)"
            raise InvalidRecord(f"membership of version {self.version}", found=found, expected="one of the two")
