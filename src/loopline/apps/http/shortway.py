"""The short way to the models: inference requests answered inside the HTTP protocol, all that arrived together at once.

An ASGI cycle costs more than the model it leads to: a task, an event, two messages and a dozen dictionaries for each
request. Here a small ``POST .../infer`` whose model answers within a millisecond goes from the parsed bytes to the
question, and what arrived in one turn of the event loop is asked together: as much of it as takes some
milliseconds, the rest after others had their turn. Everything else takes the long way.
"""

import asyncio
import logging
from typing import Any, Final, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from loopline.apps.http.admission import Admission
from loopline.apps.http.bodies import Reply, refusal, too_large
from loopline.apps.http.endpoint import Endpoint, Headers, Incoming, TooLarge
from loopline.errors import Busy, LooplineError
from loopline.records.ids import VersionName

SHORT_BYTES: Final = 65_536
"""The largest body that is worth a short way; a longer one is read as it comes, by the long one."""
HEAD_BYTES: Final = 65_536
"""The largest request line with its headers."""
MOST_PIPELINED: Final = 100
"""Requests of the long way that may wait on one connection for those before them."""
MOST_PENDING: Final = 4_096
"""Requests that wait for their turn; beyond it the machine is overloaded, and says so."""
TURN: Final = 8.0
"""Shares that are answered in one turn: milliseconds in which the event loop does nothing else."""
LEAST_SHARE: Final = 1 / 16
"""Of any request: whatever its model, it is read, recorded and written."""
ELSEWHERE: Final = object()
"""Not a path of the short way."""
log = logging.getLogger("loopline.inference")


class Pending(NamedTuple):
    """A request that is soon answered, on its connection."""

    connection: "Connection"
    work: Incoming | Reply
    share: float
    """Milliseconds, about, that it takes."""


class ShortWay:
    """What all connections share. The event loop's alone."""

    def __init__(self, endpoint: Endpoint, *, admission: Admission, most_connections: int) -> None:
        self._endpoint, self._admission = endpoint, admission
        self.most_connections, self.seconds = most_connections, endpoint.settings.serve.timeout_seconds
        self.pending: list[Pending] = []
        self._is_due = False
        """Whether the loop is to call ``answer``."""
        self.now = 0.0
        """Of the loop's clock, as of the last look around, once a second."""
        self._root = f"/v2/models/{endpoint.settings.name}/".encode()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._defaults: Any = None
        self._head = b""

    def begin(self, connection: "Connection") -> None:
        """A connection was made; the first of a loop starts the looks around."""
        if self._loop is not connection.loop:
            self._loop, self.now, self._is_due = connection.loop, connection.loop.time(), False
            self._loop.call_later(1.0, self._look_around, self._loop, connection.server_state.connections)

    def version_of(self, url: bytes) -> Any:
        """The version that an inference path names, None for whichever is routed to, or ELSEWHERE."""
        root = self._root
        if not url.startswith(root) or not url.endswith(b"/infer"):
            return ELSEWHERE
        if len(url) == len(root) + 5:
            version = None
        else:
            middle = url[len(root) : -6]
            if not middle.startswith(b"versions/") or b"/" in middle[9:] or b"%" in middle:
                return ELSEWHERE
            version = VersionName(middle[9:].decode())
        return version if self._quick_rows(version) else ELSEWHERE

    def take(self, connection: "Connection", headers: Headers, body: bytes, version: VersionName | None) -> bool:
        """Whether the request is answered in its turn; if not, it takes the long way."""
        refused = self._admission.admit(
            headers[b"authorization"], headers.get(b"host", b""), "predict", connection.loop.time()
        )
        work: Incoming | Reply
        share = LEAST_SHARE
        if refused is not None:
            work = refusal(refused.status, refused.sentence, *refused.headers)
        elif len(self.pending) >= MOST_PENDING:
            work = self._endpoint.refuse(Busy("endpoint", reason=f"{len(self.pending):,} requests at once", seconds=1))
        else:
            work = self._read(headers, body, version)
            if type(work) is Incoming:
                share = max(share, self._endpoint.share(work.question))
                if share > 1:
                    self._admission.give_back(headers[b"authorization"])  # the long way asks again
                    return False
        if not self._is_due:
            self._is_due = True
            connection.loop.call_soon(self.answer)
        self.pending.append(Pending(connection, work, share))
        return True

    def answer(self) -> None:
        """Ask what has come in, all together, and send each answer; what is too much for one turn waits for the next.

        The first is always asked, and more while all together take no more than a turn.
        """
        pending, taken, count = self.pending, 0.0, 0
        for one in pending:
            taken += one.share
            if taken > TURN and count:
                break
            count += 1
        self.pending, self._is_due = pending[count:], count < len(pending)
        if self._is_due and self._loop is not None:
            self._loop.call_soon(self.answer)
        self._answer(pending[:count])

    def finish(self, connection: "Connection") -> None:
        """Answer at once what this connection still waits for; the others keep their turn."""
        if own := [one for one in self.pending if one.connection is connection]:
            self.pending = [one for one in self.pending if one.connection is not connection]
            self._answer(own)

    def _answer(self, pending: list[Pending]) -> None:
        asked = [one.work for one in pending if type(one.work) is Incoming]
        replies = iter(self._endpoint.answer(asked) if asked else ())
        for connection, work, _ in pending:
            connection.reply(next(replies) if type(work) is Incoming else work)  # type: ignore[arg-type]

    def head(self, defaults: Any) -> bytes:
        """The start of every good answer: status, the headers of the server, the type, and the name of the length."""
        if defaults is not self._defaults:  # the server makes a new list when the date has changed
            self._defaults = defaults
            lines = [b"%b: %b\r\n" % (name, value) for name, value in defaults]
            self._head = STATUS_LINE[200] + b"".join(lines) + b"content-type: application/json\r\ncontent-length: "
        return self._head

    def refusal(self, status: int, sentence: str) -> bytes:
        """The body of a refusal, counted."""
        self._endpoint.meter.refused(status)
        return refusal(status, sentence).body

    def _read(self, headers: Headers, body: bytes, version: VersionName | None) -> Incoming | Reply:
        """The request, or what is wrong with it."""
        endpoint = self._endpoint
        try:
            return endpoint.read(headers, body, version=version)
        except TooLarge:
            endpoint.meter.refused(413)
            return too_large(endpoint.limit)
        except Exception as error:
            if not isinstance(error, LooplineError):
                log.error("a request failed", exc_info=error)
            return endpoint.refuse(error)

    def _quick_rows(self, version: VersionName | None) -> int:
        return self._endpoint.pace(version).quick_rows

    def _look_around(self, loop: asyncio.AbstractEventLoop, connections: set[Any]) -> None:
        self.now = loop.time()
        for connection in [one for one in connections if isinstance(one, Connection)]:
            connection.expire(self.now)
        loop.call_later(1.0, self._look_around, loop, connections)


def connections_of(way: ShortWay) -> type["Connection"]:
    """What uvicorn takes as its HTTP protocol: a class whose connections share this way."""
    return type("Connection", (Connection,), {"way": way})


class Connection(HttpToolsProtocol):
    """One HTTP connection. Answers leave in the order of their requests, whichever way those went."""

    way: ShortWay

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or say that there are too many."""
        super().connection_made(transport)
        self.way.begin(self)
        self._parts: list[bytes] | None = None
        self._running: RequestResponseCycle | None = None
        self._is_mid = self._is_long = self._is_leaving = False
        self._since = self._moved = self.way.now
        self._head_bytes = self._body_bytes = self._unsent = 0
        if len(self.connections) > self.way.most_connections:
            sentence = f"connections: {self.way.most_connections:,} are open; try again in 1 s"
            self._turn_away(503, sentence, b"retry-after: 1\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has left, or was cut off."""
        super().connection_lost(exc)
        if self._running is not None:  # of several that wait, the base class tells only the youngest
            self._running.disconnected = True
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        for start in range(
            0, len(data), HEAD_BYTES
        ):  # nearly always one part; a head that does not end in one is too long
            if self._is_leaving:
                return
            part = data[start : start + HEAD_BYTES] if len(data) > HEAD_BYTES else data
            self._head_bytes += len(part)
            super().data_received(part)
            if self._head_bytes >= HEAD_BYTES and not self.transport.is_closing():
                self._turn_away(431, f"headers: over {HEAD_BYTES:,} bytes, expected less")
            elif len(self.pipeline) > MOST_PIPELINED:
                sentence = f"requests: more than {MOST_PIPELINED} wait on this connection; try again in 1 s"
                self._turn_away(503, sentence, b"retry-after: 1\r\n")

    def on_message_begin(self) -> None:
        """A request begins; what the long way needs of it is made when it takes that."""
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._parts, self._since, self._is_mid, self._is_long = None, self.way.now, True, False

    def on_headers_complete(self) -> None:
        """The request line and the headers are whole: the way is chosen."""
        self._head_bytes = 0
        if self.parser.get_method() == b"POST" and self._is_free():
            self._version = self.way.version_of(self.url)
            if self._version is not ELSEWHERE:
                self._named = dict(self.headers)
                if self._named.get(b"authorization", b"")[:7].lower() == b"bearer ":
                    self._parts, self._body_bytes = [], 0
                    return
        self._take_the_long_way(())

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._head_bytes = 0
        if self._parts is None:
            super().on_body(body)
            return
        self._parts.append(body)
        self._body_bytes += len(body)
        if self._body_bytes > SHORT_BYTES:
            self._take_the_long_way(self._parts)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._head_bytes, self._is_mid = 0, False
        if self._parts is None:
            super().on_message_complete()
            return
        parts, self._parts = self._parts, None
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        if not self.way.take(self, self._named, body, self._version):
            self._take_the_long_way(parts)
            super().on_message_complete()

    def reply(self, reply: Reply) -> None:
        """Send an answer of the short way."""
        self.server_state.total_requests += 1
        transport = self.transport
        if transport.is_closing():
            return
        self._since = self.way.now
        body = reply.body
        if reply.status == 200 and len(reply.headers) == 1:
            transport.write(b"%b%d\r\n\r\n%b" % (self.way.head(self.server_state.default_headers), len(body), body))
        else:
            named = [b"%b: %b\r\n" % pair for pair in (*self.server_state.default_headers, *reply.headers)]
            head = STATUS_LINE[reply.status] + b"".join(named)
            transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))

    def on_response_complete(self) -> None:
        """An answer of the long way has left."""
        self._since = self.way.now
        self._running = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()
        if self._is_leaving and self._running is None:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP."""
        self._turn_away(400, f"request: {msg.rstrip('.')}, expected HTTP/1.1")

    def expire(self, now: float) -> None:
        """Close it when it takes no answer, when its request does not get whole, or when it has been idle for long."""
        unsent, before = self.transport.get_write_buffer_size(), self._unsent
        self._unsent = unsent
        if unsent == 0 or unsent < before:
            self._moved = now
        if now - self._moved > self.way.seconds:
            self.transport.abort()
        elif self.transport.is_closing() or self._owes():
            return
        elif self._is_mid:
            if now - self._since > self.way.seconds:
                self._turn_away(408, f"request: not whole after {self.way.seconds:g} s, expected it to be")
        elif now - self._since > self.timeout_keep_alive:
            self.transport.close()

    def shutdown(self) -> None:
        """The server stops: what was asked is answered first."""
        self.way.finish(self)
        super().shutdown()

    def _is_free(self) -> bool:
        """Whether nothing is under way here that the long way would have to finish first, or has to deal with."""
        parser, is_idle = self.parser, self.cycle is None or self.cycle.response_complete
        is_plain = not self.expect_100_continue and not parser.should_upgrade()
        is_kept = parser.should_keep_alive() and parser.get_http_version() == "1.1"
        return is_idle and is_plain and is_kept and not self.flow.write_paused

    def _owes(self) -> bool:
        """Whether the long way has still to answer a request that came before the one that now comes in."""
        if self._is_mid and self._is_long:
            return bool(self.pipeline)
        return self.cycle is not None and not self.cycle.response_complete

    def _take_the_long_way(self, parts: Any) -> None:
        self.way.finish(self)  # else what comes after could be answered before it
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue, self._is_long = url, expects, True
        self.headers.extend(headers)
        self._parts = None
        super().on_headers_complete()
        if not self.pipeline:
            self._running = self.cycle
        for part in parts:
            super().on_body(part)

    def _turn_away(self, status: int, sentence: str, headers: bytes = b"") -> None:
        """Answer what was asked before, then say no, and close; a request that has its answer gets no second one."""
        if self._is_leaving:
            return
        self._is_leaving = True
        self.way.finish(self)
        is_under_way = self._is_mid and self._is_long
        if self._owes():
            if is_under_way:
                self.pipeline.popleft()
            return
        if not (is_under_way and self.cycle.response_started):
            body = self.way.refusal(status, sentence)
            head = STATUS_LINE[status] + headers + b"content-type: application/json\r\nconnection: close\r\n"
            self.transport.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        self.transport.close()
