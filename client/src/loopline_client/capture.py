"""The face of the client: call it with what went into your model and what came out."""

from __future__ import annotations

import atexit
import os
import time
import weakref
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from loopline_client.counting import Counts, Tally
from loopline_client.door import Door
from loopline_client.lines import input_of, line_of, moment_of, new_id, plain, row_of
from loopline_client.sender import Sender
from loopline_client.spool import Spool
from loopline_client.waiting import Line, Waiting

LOOK_SECONDS = 0.01
HURRY_SECONDS = 0.5
"""Between two attempts that a flush makes on a server that does not answer."""
CLOSE_SECONDS = 5.0


class Capture:
    """Sends predictions and outcomes in the background: no call raises, waits for a server, or grows without bound.

    ``url``: the server, ``http://host:8686``. ``loop``: the loop's name there. ``version``: of the model that answers.
    ``token``: else the environment's ``LOOPLINE_TOKEN``. ``queue_lines``, ``queue_bytes``: what may wait in memory;
    beyond them calls are counted as dropped. ``spool``: a folder in which lines outlive the process, of at most
    ``spool_bytes``; several processes may share it. ``timeout``: seconds for one exchange with the server.

    >>> log = Capture("http://127.0.0.1:9", loop="router", version="v1")
    >>> log("so good", proba=[0.25, 0.75], id="p1")
    'p1'
    >>> log.close(timeout=0), log.counts.accepted
    (False, 1)
    """

    def __init__(  # noqa: PLR0913  each is a setting of its own
        self,
        url: str,
        *,
        loop: str,
        version: str,
        token: str | None = None,
        spool: str | None = None,
        spool_bytes: int = 64 << 20,
        queue_lines: int = 10_000,
        queue_bytes: int = 16 << 20,
        timeout: float = 30.0,
    ) -> None:
        self._version, self._trouble = version, ""
        token = os.environ.get("LOOPLINE_TOKEN", "") if token is None else token
        self._door = partial(Door, url, loop=loop, token=token, timeout=timeout)
        self._memory = partial(Waiting, lines=queue_lines, size=queue_bytes)
        self._folder, self._folder_bytes = spool, spool_bytes
        self._sender: Sender | None = None
        self._is_closed = False
        self._arm()
        if self._spool is not None and self._sender is not None:
            self._attempt(self._sender.start)  # an earlier process may have left something
        _living.add(self)

    def __call__(  # noqa: PLR0913  the fields of a prediction
        self,
        x: Any,
        *,
        proba: Any = None,
        id: str | None = None,  # noqa: A002  what it is called everywhere
        group: str | None = None,
        segment: str | None = None,
        latency_ms: float | None = None,
        at: Any = None,
        arm: str | None = None,
        version: str | None = None,
        embedding: Any = None,
        trace: str | None = None,
        failure: str | None = None,
    ) -> str:
        """Take one prediction, and return its id: give it to ``outcome`` when you learn what was true.

        ``x``: a text, the numbers of one row, or the bytes of an image. ``proba``: one probability a class in the order
        of the loop's labels, or a dictionary by label. ``group``: whose sample it is, so that a person is wholly in or
        out of the test set. ``segment``: which part of the traffic it is, such as a channel or a country. ``at``: a
        datetime or seconds since 1970; now. ``arm``: incumbent, canary or shadow. ``failure``: why the model gave no
        answer, in place of ``proba``.
        """
        name = new_id()
        try:
            name = str(id) if id is not None else name
            fields = {
                "id": name,
                "model": str(version or self._version),
                "at": moment_of(at),
                "probabilities": None if proba is None else _distribution(proba),
                "group": None if group is None else str(group),
                "segment": None if segment is None else str(segment),
                "latency_ms": latency_ms,
                "arm": arm,
                "embedding": None if embedding is None else row_of(plain(embedding)),
                "trace": trace,
                "failure": failure,
            }
            fields.update(input_of(x))
            self._take("/v1/predictions", line_of(fields))
        except Exception as error:
            self._refuse(error)
        return name

    def outcome(
        self,
        id: str,  # noqa: A002  what it is called everywhere
        label: str,
        *,
        at: Any = None,
        source: str | None = None,
        key: str | None = None,
    ) -> None:
        """Take what turned out to be true about the prediction with this id; it may be told before the prediction is.

        ``source``: who says so. ``key``: tells a second report about the same prediction from the first.
        """
        try:
            fields = {"prediction": str(id), "label": str(label), "at": moment_of(at), "source": source, "id": key}
            self._take("/v1/outcomes", line_of(fields))
        except Exception as error:
            self._refuse(error)

    @property
    def counts(self) -> Counts:
        """What became of everything: accepted = sent + refused + dropped + waiting."""
        return self._tally.read()

    @property
    def trouble(self) -> str:
        """What is wrong now, else the last reason for which something was refused; empty when all went well."""
        sender = self._sender
        return (sender.trouble or sender.refusal if sender else "") or self._trouble

    def flush(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Try at once to send what waits, for so many seconds, and say whether all of it is settled."""
        now = time.monotonic()
        end, again = now + timeout, now
        while self.counts.waiting > 0:
            now = time.monotonic()
            if self._sender is None or now >= end:
                return False
            if now >= again:
                self._sender.hurry()
                again = now + HURRY_SECONDS
            time.sleep(LOOK_SECONDS)
        return True

    def close(self, timeout: float = CLOSE_SECONDS) -> bool:
        """Send what waits, for so many seconds, and take no more. Whether all of it is settled.

        What is left is in the spool, when there is one, and is sent by the next process; else it is dropped.
        """
        if not self._is_closed:
            self._is_closed = True
            self._attempt(self._close, timeout)
        return self.counts.waiting == 0 and self.counts.dropped == 0

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _arm(self) -> None:
        self._tally, self._waiting = Tally(), self._memory()
        self._spool: Spool | None = None
        if self._folder is not None:
            try:
                self._spool = Spool(Path(self._folder).absolute(), size=self._folder_bytes)
            except Exception as error:
                self._trouble = f"spool: {error}; what waits is kept in memory only"
        self._sender = Sender(self._door(), waiting=self._waiting, tally=self._tally, spool=self._spool)

    def _close(self, timeout: float) -> None:
        self.flush(timeout)
        sender = self._sender
        if sender is not None and sender.close(max(timeout, 1.0)):
            self._tally.add("dropped", len(self._waiting))

    def _take(self, path: str, line: bytes) -> None:
        self._tally.add("accepted")
        is_taken = False
        try:
            is_taken = self._sender is not None and not self._is_closed and self._sender.offer(Line(path, line))
        finally:
            if not is_taken:
                self._tally.add("dropped")

    def _refuse(self, error: Exception) -> None:
        self._tally.add("accepted")
        self._tally.add("refused")
        self._trouble = f"{type(error).__name__}: {str(error)[:500]}"

    def _attempt(self, act: Any, *args: Any) -> None:
        try:
            act(*args)
        except Exception as error:
            self._trouble = f"{type(error).__name__}: {error}"

    def _rearm(self) -> None:
        """In a forked child: the threads are the parent's, and so is what waited there."""
        if self._spool is not None:
            self._spool.abandon()
        self._arm()


def _distribution(proba: Any) -> Any:
    values = plain(proba)
    if isinstance(values, dict):
        return values
    if not isinstance(values, list):
        raise TypeError(f"proba: {type(proba).__name__}, expected one probability a class")
    return row_of(values)


_living: weakref.WeakSet[Capture] = weakref.WeakSet()


def _close_all() -> None:
    for capture in list(_living):
        capture.close()


def _rearm_all() -> None:
    for capture in list(_living):
        capture._attempt(capture._rearm)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_rearm_all)
