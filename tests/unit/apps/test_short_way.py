"""A connection of the short way, fed by hand: every way to cut requests, and every way in which one does not end."""

import asyncio
import itertools
from collections.abc import Iterator
from copy import copy
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.apps.http import shortway
from loopline.apps.http.admission import Admission
from loopline.apps.http.crew import Crew
from loopline.apps.http.endpoint import Endpoint, Incoming
from loopline.apps.http.identity import Identity
from loopline.apps.http.inference import make_inference
from loopline.apps.http.meter import Meter
from loopline.apps.http.shortway import Connection, ShortWay, connections_of
from loopline.records.rollout import TrafficSplit
from loopline.records.settings import ServeSettings
from loopline.serve.stage import Gateway
from loopline.serve.table import Loaded, Pace, Table
from loopline.testing.factories import LOOP, NOW, SIGNATURE, model_version, settings

SECONDS, IDLE_SECONDS = 5.0, 60
BODY = b'{"id": "%s", "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"]}]}'


class Pipe(asyncio.Transport):
    """A transport that keeps what is written to it, and takes as much of it away as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.unsent = b"", 0
        self.is_aborted = self.is_closed = False

    def write(self, content: Any) -> None:
        assert not self.is_closed
        self.written += content

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Line:
    """One connection within a running loop."""

    def __init__(self, rig: "Rig") -> None:
        quiet = {"lifespan": "off", "ws": "none", "log_config": None, "access_log": False}
        config = uvicorn.Config(rig.application, timeout_keep_alive=IDLE_SECONDS, **quiet)
        self.pipe = Pipe()
        loop = asyncio.get_running_loop()
        self.connection: Connection = connections_of(rig.way)(config, rig.state, {}, loop)
        self.connection.connection_made(self.pipe)

    async def feed(self, *parts: bytes) -> bytes:
        """All that has been answered once these have come."""
        for part in parts:
            self.connection.data_received(part)
            await asyncio.sleep(0)
        await turns()
        return self.pipe.written

    async def end(self) -> None:
        """The caller leaves."""
        self.pipe.close()
        self.connection.connection_lost(None)
        await turns()


async def turns() -> None:
    """So many of the event loop that nothing is left to do."""
    for _ in range(100):
        await asyncio.sleep(0)


class Rig:
    """The short way over memory, and its model."""

    def __init__(self, *, most_connections: int = 100) -> None:
        made = settings(serve=ServeSettings(timeout_seconds=SECONDS))
        parts = {"clock": ManualClock(NOW), "counters": MemoryCounters(), "record": lambda _: None}
        self.gateway, self.meter = Gateway(made, **parts), Meter()
        model = MemoryEngine().load(linear({"good": (0.0, 0.0, 2.0)}), engine="sklearn", signature=SIGNATURE)
        version = Loaded.of(model_version("v1"), model.observe, keep=())._replace(pace=Pace(quick_rows=4))
        split = TrafficSplit(loop=LOOP, revision=1, incumbent="v1")
        self.gateway.table = Table(split=split, loaded={"v1": version})
        self.endpoint = Endpoint(self.gateway, settings=made, meter=self.meter)
        admission = Admission(Identity(token="t", secret=b"s"), meter=self.meter)
        self.way = ShortWay(self.endpoint, admission=admission, most_connections=most_connections)
        self.crew = Crew(self.endpoint.ask, seconds=SECONDS, workers=1)
        self.application = make_inference(self.endpoint, crew=self.crew, load=print, unload=print)
        self.state = ServerState()

    def fed(self, *parts: bytes) -> bytes:
        """All that is answered to these bytes."""

        async def feeding() -> bytes:
            line = Line(self)
            heard = await line.feed(*parts)
            await line.end()
            return heard

        return asyncio.run(feeding())

    def close(self) -> None:
        self.crew.close()
        self.gateway.close()


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    rig = Rig()
    yield rig
    rig.close()


def post(name: bytes, *, path: str = f"/v2/models/{LOOP}/infer", more: bytes = b"") -> bytes:
    body = BODY % name
    head = b"POST %b HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer t\r\n" % path.encode()
    return head + more + b"content-length: %d\r\n\r\n" % len(body) + body


def long(name: bytes) -> bytes:
    """The same question, spelled so that it takes the long way."""
    return post(name, path=f"/v2/models/{LOOP}/infer/")


WHOLE = post(b"a") + long(b"b") + post(b"c") + post(b"d", path=f"/v2/models/{LOOP}/versions/v1/infer")


@pytest.mark.slow
def test_wherever_a_packet_ends_the_answers_are_the_same(rig):
    expected = rig.fed(WHOLE)
    assert expected.count(b"HTTP/1.1 200 OK\r\n") == 4
    places = [expected.index(b'"id":"%c"' % name) for name in b"abcd"]
    assert places == sorted(places)
    for cut in range(1, len(WHOLE)):
        assert rig.fed(WHOLE[:cut], WHOLE[cut:]) == expected, WHOLE[:cut]


def test_byte_by_byte_the_answers_are_the_same(rig):
    assert rig.fed(*(WHOLE[i : i + 1] for i in range(len(WHOLE)))) == rig.fed(WHOLE)


@given(st.lists(st.sampled_from(["short", "long"]), max_size=12), st.lists(st.integers(0, 3_000), max_size=8))
def test_short_and_long_answers_leave_in_the_order_of_their_requests(rig, kinds, cuts):
    whole = b"".join((post if kind == "short" else long)(b"r%d" % n) for n, kind in enumerate(kinds))
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    heard = rig.fed(*(whole[a:b] for a, b in itertools.pairwise(ends)))
    for number in range(len(kinds)):
        _, found, heard = heard.partition(b'"id":"r%d"' % number)
        assert found
    assert b"HTTP/1.1" not in heard


def test_more_than_a_turns_worth_of_requests_is_answered_in_parts_and_others_have_their_turn_between(rig, monkeypatch):
    monkeypatch.setattr(shortway, "TURN", 1.0)

    async def crowding() -> list[int]:
        line, heard = Line(rig), list[int]()
        line.connection.data_received(b"".join(post(b"r%d" % number) for number in range(10)))
        for _ in range(4):
            await asyncio.sleep(0)
            heard.append(line.pipe.written.count(b"HTTP/1.1 200"))
        await line.end()
        return heard

    assert asyncio.run(crowding()) == [4, 8, 10, 10]  # four rows take a millisecond, as the model's pace says


def test_refusals_have_their_turns_too(rig, monkeypatch):
    monkeypatch.setattr(shortway, "LEAST_SHARE", shortway.TURN / 2)

    async def crowding() -> int:
        line = Line(rig)
        line.connection.data_received(post(b"a").replace(b"Bearer t", b"Bearer x") * 3)
        await asyncio.sleep(0)
        heard = line.pipe.written.count(b"HTTP/1.1 401")
        await line.end()
        return heard

    assert asyncio.run(crowding()) == 2


def test_what_a_connection_still_waits_for_is_answered_before_its_long_request_and_others_keep_their_turn(rig):
    async def mixing() -> tuple[bytes, bytes]:
        other, line = Line(rig), Line(rig)
        other.connection.data_received(b"".join(post(b"o%d" % number) for number in range(9)))
        line.connection.data_received(post(b"a") + long(b"b") + post(b"c"))
        early = other.pipe.written
        await turns()
        found = line.pipe.written
        assert other.pipe.written.count(b"HTTP/1.1 200") == 9
        await other.end()
        await line.end()
        return early, found

    early, heard = asyncio.run(mixing())
    assert early == b""
    places = [heard.index(b'"id":"%c"' % name) for name in b"abc"]
    assert places == sorted(places)


def expired(rig: Rig, *parts: bytes, seconds: float, unsent: int = 0) -> Pipe:
    """What became of a connection on which nothing more comes, looked at each second."""

    async def waiting() -> Pipe:
        line = Line(rig)
        await line.feed(*parts)
        line.pipe.unsent, began = unsent, rig.way.now
        for second in range(int(seconds) + 1):
            if not line.pipe.is_closed:
                rig.way.now = began + second
                line.connection.expire(rig.way.now)
        found = copy(line.pipe)
        await line.end()
        return found

    return asyncio.run(waiting())


@pytest.mark.parametrize("sent", [b"G", post(b"a")[:30], post(b"a")[:-1], long(b"a")[:-1], post(b"a") + b"POST"])
def test_a_request_that_is_not_whole_in_time_is_given_up_and_not_before(rig, sent):
    assert not expired(rig, sent, seconds=SECONDS).is_closed
    given_up = expired(rig, sent, seconds=SECONDS + 1)
    assert given_up.is_closed
    assert given_up.written.endswith(b'{"error":"request: not whole after 5 s, expected it to be"}')
    assert given_up.written.count(b"HTTP/1.1 408") == 1
    assert rig.meter.refusals()[408] > 0


@pytest.mark.parametrize("sent", [b"", post(b"a"), long(b"a")])
def test_an_idle_connection_is_closed_without_a_word(rig, sent):
    assert not expired(rig, sent, seconds=IDLE_SECONDS).is_closed
    closed = expired(rig, sent, seconds=IDLE_SECONDS + 1)
    assert closed.is_closed
    assert closed.written == rig.fed(sent)


def test_who_takes_no_answer_is_cut_off_and_who_takes_it_slowly_is_not(rig):
    assert not expired(rig, post(b"a"), seconds=SECONDS, unsent=9).is_aborted
    assert expired(rig, post(b"a"), seconds=SECONDS + 1, unsent=9).is_aborted

    async def taking() -> bool:
        line = Line(rig)
        await line.feed(post(b"a"))
        for second in range(40):
            line.pipe.unsent = 1_000 - second
            rig.way.now += 1
            line.connection.expire(rig.way.now)
        return line.pipe.is_aborted

    assert not asyncio.run(taking())


async def held_up(rig: Rig, *parts: bytes) -> tuple[Line, bytes]:
    """A connection whose caller took nothing while these came, a minute went by, and then took all."""
    line = Line(rig)
    line.connection.pause_writing()
    assert await line.feed(*parts) == b""
    rig.way.now += IDLE_SECONDS + 1
    line.connection.resume_writing()
    await turns()
    return line, line.pipe.written


def test_while_nothing_is_taken_nothing_more_is_written(rig):
    async def holding() -> None:
        line, heard = await held_up(rig, post(b"a") + post(b"b"), post(b"c"))
        places = [heard.index(b'"id":"%c"' % name) for name in b"abc"]
        assert places == sorted(places)
        line.connection.expire(rig.way.now)
        assert not line.pipe.is_closed  # it has been idle since the answer, not since the request
        await line.end()

    asyncio.run(holding())


def test_after_a_refused_head_only_what_came_before_it_is_answered(rig):
    async def holding() -> None:
        endless = b"GET / HTTP/1.1\r\nx: " + b"y" * 65_536
        line, heard = await held_up(rig, post(b"a"), endless, b"\r\n\r\n" + post(b"b"))
        assert heard.count(b"HTTP/1.1") == heard.count(b'"id":"a"') == 1
        assert line.pipe.is_closed
        await line.end()

    asyncio.run(holding())


def test_what_was_asked_is_answered_before_a_server_that_stops_closes(rig):
    async def stopping() -> Pipe:
        line = Line(rig)
        line.connection.data_received(post(b"a"))
        line.connection.shutdown()
        found = copy(line.pipe)
        await line.end()
        return found

    stopped = asyncio.run(stopping())
    assert b'"id":"a"' in stopped.written
    assert stopped.is_closed


def test_one_connection_too_many_is_told_so():
    rig = Rig(most_connections=1)

    async def two() -> tuple[Line, Line]:
        return Line(rig), Line(rig)

    first, second = asyncio.run(two())
    assert not first.pipe.is_closed
    assert second.pipe.is_closed
    assert second.pipe.written.startswith(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n")
    assert rig.meter.refusals() == {503: 1}
    rig.close()


def test_a_fault_in_one_answer_is_that_ones_alone(rig, caplog, monkeypatch):
    read = rig.endpoint.read

    def faulty(headers: Any, body: bytes, *, version: Any) -> Incoming:
        incoming = read(headers, body, version=version)
        if b"unread" in body:
            raise RuntimeError("a fault")
        return incoming._replace(write=lambda _: 1 / 0) if b"unwritten" in body else incoming

    monkeypatch.setattr(rig.endpoint, "read", faulty)
    heard = rig.fed(post(b"a") + post(b"unread") + post(b"unwritten") + post(b"b"))
    assert [part[:3] for part in heard.split(b"HTTP/1.1 ")[1:]] == [b"200", b"500", b"500", b"200"]
    assert b"internal error (RuntimeError); the server's log has the details" in heard
    assert [record.message for record in caplog.records] == ["a request failed", "an answer could not be written"]


def test_what_follows_a_refused_head_is_not_looked_at(rig):
    heard = rig.fed(post(b"a"), b"GET / HTTP/1.1\r\nx: " + b"y" * 65_536, post(b"b"))
    assert [part[:3] for part in heard.split(b"HTTP/1.1 ")[1:]] == [b"200", b"431"]
