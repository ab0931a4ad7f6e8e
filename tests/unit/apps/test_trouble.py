"""What goes wrong in the endpoint, as its log, its status and its pages tell it."""

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from threading import Event
from typing import NamedTuple

import msgspec
import pytest

from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.memory.frames import MemoryFrames
from loopline.adapters.memory.log import MemoryLog
from loopline.apps.http.status import read_status
from loopline.apps.http.trouble import Troubles, Watch, troubles_of
from loopline.apps.recorder.opening import recording_rules
from loopline.apps.recorder.words import Word, sentences
from loopline.apps.web.overview import overview_of
from loopline.apps.web.render import text
from loopline.capture.stage import Capture, Recorder
from loopline.errors import InvalidRecord, Unavailable
from loopline.ports.engine import Shelf
from loopline.ports.prediction_log import Appended
from loopline.records.ids import VersionName
from loopline.records.model import Checks
from loopline.records.prediction import Prediction
from loopline.serve.stage import Gateway
from loopline.testing import factories as make
from loopline.testing.exchanges import exchange
from loopline.testing.rooms import Rooms, StoredConsole, rooms

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
MODEL = linear({"good": (-2.0, 0.0, 2.0)})
FULL = (
    "the log takes no predictions: disk full. It is tried again; answers wait in the ring, and those that find no "
    "room there are dropped and counted"
)


class Disk(MemoryLog):
    """A log in memory whose disk may be full, and that refuses the rows of one group."""

    def __init__(self) -> None:
        super().__init__()
        self.has_room = Event()
        self.has_room.set()

    def append(self, predictions: Sequence[Prediction]) -> Appended:
        if not self.has_room.is_set():
            raise Unavailable("prediction log", reason="disk full")
        if odd := [row.id for row in predictions if row.group == "odd"]:
            raise InvalidRecord("prediction log", found=odd[0], expected="none of group odd")
        return super().append(predictions)


class Endpoint(NamedTuple):
    """One gateway and one capture over a house in memory."""

    house: Rooms
    disk: Disk
    gateway: Gateway
    capture: Capture
    recorder: Recorder

    @property
    def troubles(self) -> Troubles:
        def recorders() -> tuple[str, ...]:
            return sentences(Word(ready=True, trouble=self.recorder.trouble, refusal=self.recorder.refusal))

        return lambda: troubles_of(self.gateway, recorders)

    def answered(self, name: str, **changes: object) -> None:
        self.capture.offer(exchange(name, **changes))

    def commit(self, name: str, *records: object) -> None:
        self.house.ledger.commit(make.entry(name, *records))
        self.gateway.refresh(Shelf(self.house.ledger, self.house.objects, MemoryEngine()))

    def version(self, name: str, *, checked: tuple[float, ...] = ()) -> object:
        """A stored version; ``checked``: what its trainer says that it answers, the truth unless told otherwise."""
        predictor = MemoryEngine().load(MODEL, engine="sklearn", signature=make.SIGNATURE)
        p = (checked or tuple(predictor.predict(("good",))[0].tolist()),)
        checks = self.house.objects.put(msgspec.json.encode(Checks(rows=("good",), probabilities=p)))
        return make.model_version(name, artifact=self.house.objects.put(MODEL), checks=checks)

    def await_troubles(self, count: int) -> tuple[str, ...]:
        for _ in range(500):
            if len(self.troubles()) == count:
                break
            Event().wait(0.01)
        return self.troubles()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    disk = Disk()
    house = rooms(now=NOW, log=disk)
    queue, rules = MemoryFrames(size=1 << 20), recording_rules(house.settings, secret=house.secret)
    recorder = Recorder(queue, log=disk, objects=house.objects, counters=house.counters, rules=rules)
    capture = Capture(queue, counters=house.counters)
    gateway = Gateway(house.settings, clock=house.clock, counters=house.counters, record=capture.offer)
    yield Endpoint(house, disk, gateway, capture, recorder)
    disk.has_room.set()
    gateway.close()
    recorder.close()


def test_nothing_is_said_while_nothing_is_wrong(endpoint):
    endpoint.commit("live", endpoint.version("v1"), make.split())
    endpoint.answered("p1")
    assert endpoint.troubles() == ()


def test_a_refused_challenger_is_told_with_the_reason_and_who_answers_meanwhile(endpoint):
    endpoint.commit("live", endpoint.version("v1"), make.split())
    lying = endpoint.version("v2", checked=(1.0, 0.0, 0.0))
    endpoint.commit("canary", lying, make.split(2, challenger=VersionName("v2"), basis_points=1_000))
    (said,) = endpoint.troubles()
    assert said.startswith("v2 is not loaded: check 0 differs by 0.")
    assert said.endswith(". v1 goes on answering; a rollout of v2 waits")


def test_before_a_version_is_live_nobody_answers_for_the_refused_one(endpoint):
    endpoint.commit("live", endpoint.version("v1", checked=(1.0, 0.0, 0.0)), make.split())
    (said,) = endpoint.troubles()
    assert said.endswith(". No version answers")


def test_a_full_disk_is_told_until_there_is_room_again(endpoint):
    endpoint.disk.has_room.clear()
    endpoint.answered("p1")
    assert endpoint.await_troubles(1) == (FULL,)
    endpoint.disk.has_room.set()
    assert endpoint.await_troubles(0) == ()


def test_a_row_that_the_log_refused_is_told(endpoint):
    endpoint.answered("p1", group="odd")
    assert endpoint.await_troubles(1) == (
        "the log refused an answer for good: p1, expected none of group odd. It is counted as dropped; the others are "
        "stored",
    )


def test_the_log_gets_one_line_when_a_trouble_comes_and_one_when_it_is_over(caplog):
    now: list[tuple[str, ...]] = [(), (FULL,), (FULL,), (FULL, "v2 is not loaded"), ("v2 is not loaded",), ()]
    looks = iter(now)
    watch = Watch(lambda: next(looks))
    with caplog.at_level(logging.INFO, logger="loopline.server"):
        for _ in now:
            watch.look()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", FULL),
        ("WARNING", "v2 is not loaded"),
        ("INFO", f"over: {FULL}"),
        ("INFO", "over: v2 is not loaded"),
    ]


def test_status_and_overview_show_every_trouble(endpoint):
    house, console = endpoint.house, StoredConsole(endpoint.house)
    endpoint.disk.has_room.clear()
    endpoint.answered("p1")
    troubles = endpoint.await_troubles(1)
    assert read_status(house, console, troubles=troubles).troubles == (FULL,)
    page = text("overview_live.html", view=overview_of(house, console, troubles=troubles), settings=house.settings)
    assert f'<p class="problem">T{FULL[1:]}.</p>' in page
