"""The inference endpoint, message by message: callers without end, callers who leave, models that are slow."""

import asyncio
import json
from collections.abc import Iterator
from threading import Event
from typing import Any

import httpx
import pytest

from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.memory.log import MemoryLog
from loopline.apps.http.inference import make_inference
from loopline.capture.stage import Capture
from loopline.records.rollout import TrafficSplit
from loopline.serve.stage import Gateway
from loopline.serve.table import Loaded, Table
from loopline.testing.factories import LOOP, NOW, SIGNATURE, model_version, settings

INFER = f"/v2/models/{LOOP}/infer"
GOOD = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"]}]}


class Endpoint:
    """An application whose live version counts words, over memory."""

    def __init__(self) -> None:
        self.counters, clock = MemoryCounters(), ManualClock(NOW)
        self.capture = Capture(MemoryLog(), counters=self.counters)
        parts = {"clock": clock, "counters": self.counters, "role": lambda _: "loop", "record": self.capture.offer}
        self.gateway = Gateway(settings(), **parts)
        model = MemoryEngine().load(linear({"good": (0.0, 0.0, 2.0)}), engine="sklearn", signature=SIGNATURE)
        self.serve(model.predict)
        self.application = make_inference(self.gateway, capture=self.capture, settings=settings())

    def serve(self, predict: Any) -> None:
        self.predict, split = predict, TrafficSplit(loop=LOOP, revision=1, incumbent="v1")
        self.gateway.table = Table(split=split, loaded={"v1": Loaded(model_version("v1"), predict)})

    def told(self, *messages: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
        """What is said to a caller who sends these messages, and how many of them were taken."""
        sent, waiting = list[dict[str, Any]](), list(messages)

        async def receive() -> dict[str, Any]:
            return waiting.pop(0)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.application({"type": "http", "method": "POST", "path": INFER, "headers": []}, receive, send))
        return sent, len(messages) - len(waiting)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    endpoint = Endpoint()
    yield endpoint
    endpoint.gateway.close()
    endpoint.capture.close()


def test_a_body_without_end_is_refused_as_soon_as_it_is_over_the_limit(endpoint):
    piece = {"type": "http.request", "body": bytes(1 << 20), "more_body": True}
    sent, taken = endpoint.told(*[piece] * 100, piece | {"more_body": False})
    assert (sent[0]["status"], taken) == (413, 9)


def test_a_caller_who_leaves_before_the_end_of_the_request_is_not_answered(endpoint):
    whole = {"type": "http.request", "body": json.dumps(GOOD).encode(), "more_body": True}
    sent, _ = endpoint.told(whole, {"type": "http.disconnect"})
    assert (sent, endpoint.counters.read()["answered"]) == ([], 0)


def test_a_slow_model_holds_up_neither_health_nor_other_requests(endpoint):
    go, quick = Event(), endpoint.predict

    def slow(rows: object) -> object:
        assert go.wait(5)
        return quick(rows)

    endpoint.serve(slow)

    async def meanwhile() -> tuple[int, bool, int]:
        transport = httpx.ASGITransport(app=endpoint.application)
        async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as client:
            asking = asyncio.create_task(client.post(INFER, json=GOOD))
            await asyncio.sleep(0.1)
            live = await client.get("/v2/health/live")
            is_held = not asking.done()
            go.set()
            return live.status_code, is_held, (await asking).status_code

    assert asyncio.run(meanwhile()) == (200, True, 200)
