"""Simulated annotators: coroutines of one process, each on its own keep-alive connection, and all they were told."""

import asyncio
import json
import random
import resource
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

LABELS = ("negative", "neutral", "positive")
REST_SECONDS = 0.2
"""Before a request is repeated that got no good answer."""


class Reply(NamedTuple):
    """One request and what came back."""

    kind: str
    sent: float
    got: float
    """Both as ``time.time``."""
    status: int


class Order(NamedTuple):
    """What one process of annotators is to do."""

    port: int
    token: str
    names: tuple[str, ...]
    count: int
    """Tasks in a claim."""
    pace: float
    """Seconds from one request of a person to the next; 0: at once."""
    begin: float
    until: float
    """When to begin and to stop, as ``time.time``."""
    absence: tuple[float, float]
    """From when on, as ``time.time``, and for how long every twentieth person is away, with tasks in their hands."""
    path: str = ""
    """Ask for this and nothing else; empty: work."""


class Told:
    """All that the annotators of one process were told."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.handed: list[tuple[str, float, float, tuple[str, ...]]] = []
        """Who, when asked, when told, which tasks."""
        self.sent: set[str] = set()
        """Ids of all answers that were sent, acknowledged or not."""
        self.stored: list[tuple[str, str, str, str, float]] = []
        """Acknowledged answers: id, task, person, label, and when that was told."""
        self.repeated = 0
        """Requests that had to be sent again."""
        self.cpu_seconds = 0.0


class Wire(asyncio.Protocol):
    """A keep-alive connection that speaks just enough HTTP/1.1."""

    def __init__(self) -> None:
        self._heard = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP one

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError(str(exc)))

    def data_received(self, data: bytes) -> None:
        self._heard += data
        end = self._heard.find(b"\r\n\r\n")
        if end < 0 or self._answer is None:
            return
        head = bytes(self._heard[:end]).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(self._heard) >= end + 4 + length:
            body = bytes(self._heard[end + 4 : end + 4 + length])
            del self._heard[: end + 4 + length]
            self._answer.set_result((int(head[9:12]), body))

    @property
    def is_open(self) -> bool:
        return self._transport is not None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body. Raises ConnectionError when the connection ends first."""
        if self._transport is None:
            raise ConnectionResetError("closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def label_of(task: dict[str, Any]) -> str:
    """What the text of a task says of itself."""
    shown = json.dumps(task)
    return next(label for label in LABELS if f"it is {label}" in shown)


class Annotator:
    """One person: claims, answers one task at a time, and repeats whatever was not acknowledged."""

    def __init__(self, name: str, order: Order, told: Told) -> None:
        self._name, self._order, self._told = name, order, told
        self._wire = Wire()
        self._chance = random.Random(name)
        self._is_away_once = int(name.rpartition("-")[2]) % 20 == 0

    async def work(self) -> None:
        """Until the time is up or nothing is left."""
        await asyncio.sleep(self._chance.random() * self._order.pace)
        while time.time() < self._order.until:
            sent = time.time()
            claimed = await self._asked("claim", "/api/claim", {"annotator": self._name, "count": self._order.count})
            tasks = {task["id"]: label_of(task) for task in (claimed or {}).get("tasks", ())}
            if claimed is not None:
                self._told.handed.append((self._name, sent, time.time(), tuple(tasks)))
            if not tasks:
                await asyncio.sleep(0.2)
            await self._break()
            for task, label in tasks.items():
                if time.time() < self._order.until:
                    await self._answer(task, label)
        self._wire.close()

    async def knock(self) -> None:
        """Ask for one path, over and over."""
        while time.time() < self._order.until:
            await self._asked("knock", self._order.path, None)
        self._wire.close()

    async def _answer(self, task: str, label: str) -> None:
        name = f"{self._name}/{task}"
        self._told.sent.add(name)
        given = {"id": name, "task": task, "label": label, "seconds": 1.5}
        if await self._asked("submit", "/api/annotations", {"annotator": self._name, "annotations": [given]}):
            self._told.stored.append((name, task, self._name, label, time.time()))

    async def _break(self) -> None:
        """Leave once with tasks in hand, until their lease has run out: the answers come late."""
        since, seconds = self._order.absence
        if self._is_away_once and time.time() > since:
            self._is_away_once = False
            await asyncio.sleep(seconds)

    async def _asked(self, kind: str, path: str, body: Any) -> Any:
        """What the server says in the end; None when the time is up before it says anything good."""
        content = b"" if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._order.token}\r\n"
        request = f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
        while True:
            sent = time.time()
            try:
                if not self._wire.is_open:
                    self._wire = await self._connected()
                status, found = await asyncio.wait_for(self._wire.ask(request), 60)
            except (OSError, TimeoutError):
                status, found = 0, b""
                self._wire.close()
            got = time.time()
            self._told.replies.append(Reply(kind, sent, got, status))
            if status == 200:
                await asyncio.sleep(max(0.0, sent + self._order.pace - got))
                return json.loads(found) if body is not None else True
            if 400 <= status < 500 and status != 429:
                raise RuntimeError(f"{path} says {status}: {found[:300]!r}")
            if got > self._order.until + 60:
                return None
            self._told.repeated += 1
            await asyncio.sleep(REST_SECONDS)

    async def _connected(self) -> Wire:
        _, wire = await asyncio.get_running_loop().create_connection(Wire, "127.0.0.1", self._order.port)
        return wire


async def _all(order: Order, told: Told) -> None:
    people = [Annotator(name, order, told) for name in order.names]
    doing: Callable[[Annotator], Awaitable[None]] = Annotator.knock if order.path else Annotator.work
    await asyncio.gather(*map(doing, people))


def run(ends: Connection) -> None:
    """Say that this process is there, do as ordered then, and send back what was told."""
    ends.send("ready")
    order: Order = ends.recv()
    time.sleep(max(0.0, order.begin - time.time()))
    before, told = resource.getrusage(resource.RUSAGE_SELF), Told()
    asyncio.run(_all(order, told))
    after = resource.getrusage(resource.RUSAGE_SELF)
    told.cpu_seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    ends.send(told)
    ends.close()
