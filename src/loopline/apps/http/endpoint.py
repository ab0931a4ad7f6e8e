"""From the bytes of a request to a question, and from its answer to the bytes of a response."""

import logging
import math
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from loopline.apps.http import oip, plain
from loopline.apps.http.bodies import Reply, refusal, refused, unpacked
from loopline.apps.http.meter import Meter
from loopline.errors import InvalidRecord, LooplineError
from loopline.records.ids import VersionName, uuid7
from loopline.records.settings import Settings
from loopline.serve.question import Answer, Question
from loopline.serve.stage import Gateway
from loopline.serve.table import EMPTY, Pace, pace_of

Headers = Mapping[bytes, bytes]
"""By name, in small letters."""
Ask = Callable[[Sequence[Question]], list[Answer | Exception]]
TRACE: Final = re.compile(rb"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
"""A W3C ``traceparent``: version, trace id, parent id, flags."""
KEY, VERSION = b"loopline-key", b"loopline-version"
"""Headers: what decides who answers (as the parameter ``capture.group_by`` does), and who is to answer in any case."""
IDS_AHEAD = 256
QUICK_CHARACTERS: Final = 65_536
"""Of all texts of a request: however quick a model is with those that it was timed with, more take it milliseconds."""
log = logging.getLogger("loopline.inference")


class Incoming(NamedTuple):
    """One request, understood."""

    question: Question
    write: Callable[[Answer], Reply]
    started: int
    """Nanoseconds of the performance counter, when it was whole."""


class Endpoint:
    """Reads requests, asks the gateway, writes responses. ``read`` and ``write`` are the event loop's alone."""

    def __init__(self, gateway: Gateway, *, settings: Settings, meter: Meter) -> None:
        self.gateway, self.settings, self.meter = gateway, settings, meter
        self.limit = settings.serve.body_mb << 20
        self._accepts = oip.Accepts(settings.signature, settings.serve.outputs, settings.serve.batch_rows)
        self._paces: dict[VersionName | None, Pace] = {}
        self._of_table = EMPTY
        self._ids = NewIds()

    def read(self, headers: Headers, body: bytes, *, version: VersionName | None) -> Incoming:
        """An inference request of the Open Inference Protocol. Raises InvalidRecord."""
        started = time.perf_counter_ns()
        content = self._unpacked(headers, body)
        length = header_length(headers.get(b"inference-header-content-length"))
        request = oip.parse(content, header_length=length, accepts=self._accepts)
        group = segment = ""
        if request.parameters:
            capture = self.settings.capture
            group, segment = request.parameter(capture.group_by), request.parameter(capture.segment_by)
        question = Question(
            id=request.id or self._ids.next(),
            rows=request.rows,
            group=group or _text(headers, KEY),
            version=version or named(headers),
            trace=trace_of(headers.get(b"traceparent")),
            extras=request.extras if request.outputs is not None else frozenset(),
            segment=segment,
        )
        return Incoming(question, partial(_spoken, request), started)

    def read_plain(self, headers: Headers, body: bytes) -> Incoming:
        """A request of ``POST /v1/predict/{loop}``. Raises InvalidRecord."""
        started = time.perf_counter_ns()
        request = plain.parse(self._unpacked(headers, body), accepts=self._accepts)
        question = Question(
            id=request.id or self._ids.next(),
            rows=request.rows,
            group=request.group or _text(headers, KEY),
            version=VersionName(request.version) if request.version else named(headers),
            trace=trace_of(headers.get(b"traceparent")),
            extras=request.extras,
            segment=request.segment,
        )
        return Incoming(question, partial(plain.respond, request), started)

    def pace(self, version: VersionName | None) -> Pace:
        """How whoever may answer is best asked; measured when it was loaded."""
        table = self.gateway.table
        if table is not self._of_table:
            self._paces, self._of_table = {}, table
        if version not in self._paces:
            if version is not None and version not in table.loaded:
                return Pace()
            self._paces[version] = pace_of(table, version=version)
        return self._paces[version]

    def share(self, question: Question) -> float:
        """How much of the millisecond that may be spent on the event loop its answer takes; above 1: too much."""
        rows, quick_rows = question.rows, self.pace(question.version).quick_rows
        if len(rows) > quick_rows:
            return math.inf
        share = len(rows) / quick_rows
        return share if isinstance(rows, np.ndarray) else max(share, sum(map(len, rows)) / QUICK_CHARACTERS)

    def answer(self, incoming: Sequence[Incoming]) -> list[Reply]:
        """Ask, and write what was answered; in order."""
        answers = self.ask([one.question for one in incoming])
        return [self.write(one, answer) for one, answer in zip(incoming, answers, strict=True)]

    def ask(self, questions: Sequence[Question]) -> list[Answer | Exception]:
        """The gateway's answers; whatever it raises itself becomes the answer to each. Thread-safe."""
        try:
            return self.gateway.answer(questions)
        except Exception as error:
            log.error("the gateway failed", exc_info=error)
            return [error] * len(questions)

    def write(self, incoming: Incoming, answer: Answer | Exception) -> Reply:
        """The response, counted."""
        if isinstance(answer, Exception):
            return self.refuse(answer)
        try:
            reply = incoming.write(answer)
        except Exception as error:  # the others of this turn still get theirs
            if not isinstance(error, LooplineError):
                log.error("an answer could not be written", exc_info=error)
            return self.refuse(error)
        model, arm, meter = answer.version.name, answer.asked.arm, self.meter
        microseconds = (time.perf_counter_ns() - incoming.started) // 1_000
        meter.answered(model, arm, microseconds, len(incoming.question.rows))
        meter.computed(model, arm, answer.latency_us)
        return reply

    def refuse(self, error: Exception) -> Reply:
        """The refusal that the error stands for, counted."""
        if isinstance(error, LooplineError):
            reply = refused(error)
        else:
            reply = refusal(500, f"internal error ({type(error).__name__}); the server's log has the details")
        self.meter.refused(reply.status)
        return reply

    def _unpacked(self, headers: Headers, body: bytes) -> bytes:
        if b"content-encoding" in headers:
            body = unpacked(body, encoding=_text(headers, b"content-encoding"), limit=self.limit)
        if len(body) > self.limit:
            raise TooLarge(self.limit)
        return body


class TooLarge(InvalidRecord):
    """The body is over the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__("request", found=f"a body over {limit:,} bytes", expected="less; send it in parts")


def _spoken(request: oip.Request, answer: Answer) -> Reply:
    response, length = oip.respond(request, answer=answer)
    if length is None:
        return Reply(200, response)
    kind = (b"content-type", b"application/octet-stream")
    return Reply(200, response, (kind, (b"inference-header-content-length", str(length).encode())))


def _text(headers: Headers, name: bytes) -> str:
    return headers[name].decode("latin-1") if name in headers else ""


def named(headers: Headers) -> VersionName | None:
    """The version that the header asks for."""
    return VersionName(_text(headers, VERSION)) if VERSION in headers else None


def trace_of(traceparent: bytes | None) -> str:
    """The trace id; empty when there is none, or none that W3C's rules know.

    >>> trace_of(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    '4bf92f3577b34da6a3ce929d0e0e4736'
    """
    found = TRACE.fullmatch(traceparent) if traceparent else None
    return found[1].decode() if found else ""


def header_length(value: bytes | None) -> int | None:
    """The number in ``Inference-Header-Content-Length``. Raises InvalidRecord."""
    if value is not None and not (value.isdigit() and len(value) < 12):
        found = repr(value.decode("latin-1"))
        raise InvalidRecord("Inference-Header-Content-Length", found=found, expected="a number of bytes")
    return None if value is None else int(value)


class NewIds:
    """Ids for requests that came without one: UUIDv7. One thread's alone, and not to be kept across a fork.

    Random bytes are fetched for many ids at once: each time is a call of the kernel.
    """

    def __init__(self) -> None:
        self._randomness, self._at = b"", 0

    def next(self) -> str:
        """Another one."""
        if self._at == len(self._randomness):
            self._randomness, self._at = os.urandom(10 * IDS_AHEAD), 0
        start, self._at = self._at, self._at + 10
        return uuid7(now_ms=time.time_ns() // 1_000_000, randomness=self._randomness[start : self._at])
