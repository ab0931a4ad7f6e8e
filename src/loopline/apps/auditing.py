"""The audit log as the doors write it: one line an act, before its answer is sent, and never a secret."""

import logging
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from itertools import count
from threading import Lock
from typing import Final

from loopline.apps.access import SHOWN
from loopline.ports.audit_log import AuditLog
from loopline.records.ids import LoopName, uuid7
from loopline.records.people import Act

LONGEST: Final = 200
"""Characters of each text."""
SECRET: Final = re.compile(SHOWN.pattern.decode())
log = logging.getLogger("loopline.audit")


class Scribe:
    """Writes acts down. What cannot be written is counted and told, and the act goes on. Thread-safe."""

    def __init__(self, audit: AuditLog, *, loop: LoopName, now: Callable[[], datetime]) -> None:
        self._audit, self._loop, self._now = audit, loop, now
        self._lock, self._turns = Lock(), count()
        self.unwritten = 0
        """Acts since the start that are not on record."""

    def note(self, act: str, *, actor: str, subject: str = "", outcome: str = "", address: str = "") -> None:
        """Write one act; never raises."""
        at = self._now()
        line = Act(
            id=self._next_id(at),
            loop=self._loop,
            at=at,
            actor=plain(actor),
            act=plain(act),
            subject=plain(subject),
            outcome=plain(outcome),
            address=plain(address),
        )
        try:
            self._audit.write((line,))
        except Exception as error:
            with self._lock:
                self.unwritten += 1
            log.error("%s by %s is not in the audit log", line.act, line.actor or "somebody unknown", exc_info=error)

    def _next_id(self, at: datetime) -> str:
        """Ids of this process sort as its acts were written, those of one millisecond too."""
        turn = ((next(self._turns) & 0xFFF) << 4).to_bytes(2, "big")
        return uuid7(now_ms=int(at.timestamp() * 1_000), randomness=turn + secrets.token_bytes(8))

    def troubles(self) -> tuple[str, ...]:
        """One sentence when acts are missing."""
        if not self.unwritten:
            return ()
        return (f"audit log: {self.unwritten:,} acts since the start could not be written; the log has the reasons",)


def plain(text: str) -> str:
    r"""The text in one line, cut, and without the secret part of a key.

    >>> plain("a\nb"), plain("lk_000000000000_" + "f" * 64)
    ('a\\nb', 'lk_000000000000_...')
    """
    bare = SECRET.sub(r"\1_...", text)
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in bare)[:LONGEST]
