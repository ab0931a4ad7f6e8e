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
from loopline.apps.http import crew
from loopline.apps.http.crew import Crew
from loopline.apps.http.endpoint import Endpoint
from loopline.apps.http.inference import make_inference
from loopline.apps.http.meter import Meter
from loopline.records.exchange import Exchange, Turn
from loopline.records.rollout import TrafficSplit
from loopline.records.settings import CaptureSettings, ServeSettings
from loopline.serve.stage import Gateway
from loopline.serve.table import Loaded, Pace, Table
from loopline.testing.factories import LOOP, NOW, SIGNATURE, model_version, settings

INFER, PLAIN = f"/v2/models/{LOOP}/infer", f"/v1/predict/{LOOP}"
GOOD = {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["good"]}]}
QUICK = Pace(quick_rows=1_000, is_batched=True)


class Place:
    """An application whose live version counts words, over memory."""

    def __init__(self, *, timeout_seconds: float = 30.0) -> None:
        self.turns: list[Turn] = []
        capture = CaptureSettings(group_by="user", segment_by="channel")
        self.settings = settings(serve=ServeSettings(timeout_seconds=timeout_seconds), capture=capture)
        parts = {"clock": ManualClock(NOW), "counters": MemoryCounters(), "record": self.turns.append}
        self.gateway = Gateway(self.settings, **parts)
        self.model = MemoryEngine().load(linear({"good": (0.0, 0.0, 2.0)}), engine="sklearn", signature=SIGNATURE)
        self.serve(self.model.observe, QUICK)
        self.meter = Meter()
        self.endpoint = Endpoint(self.gateway, settings=self.settings, meter=self.meter)
        self.crew = Crew(self.endpoint.ask, seconds=self.settings.serve.timeout_seconds, workers=1)
        self.application = make_inference(self.endpoint, crew=self.crew, load=self.hold, unload=self.gateway.release)
        self.held: list[str] = []

    @property
    def recorded(self) -> list[Exchange]:
        return [exchange for turn in self.turns for exchange in turn.exchanges()]

    def hold(self, name: str) -> None:
        self.held.append(name)

    def serve(self, observe: Any, pace: Pace = Pace()) -> None:  # noqa: B008  a value
        version = Loaded.of(model_version("v1"), observe, keep=())._replace(pace=pace)
        split = TrafficSplit(loop=LOOP, revision=1, incumbent="v1")
        self.gateway.table = Table(split=split, loaded={"v1": version})

    def told(self, *messages: dict[str, Any]) -> tuple[list[dict[str, Any]], int]:
        """What is said to a caller who sends these messages, and how many of them were taken."""
        sent, waiting = list[dict[str, Any]](), list(messages)

        async def receive() -> dict[str, Any]:
            return waiting.pop(0)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.application({"type": "http", "method": "POST", "path": INFER, "headers": []}, receive, send))
        return sent, len(messages) - len(waiting)

    def talk(self, conversation: Any) -> Any:
        async def whole() -> Any:
            transport = httpx.ASGITransport(app=self.application)
            async with httpx.AsyncClient(transport=transport, base_url="http://endpoint") as client:
                return await conversation(client)

        return asyncio.run(whole())

    def post(self, path: str, **request: Any) -> httpx.Response:
        return self.talk(lambda client: client.post(path, **request))

    def close(self) -> None:
        self.gateway.close()
        self.crew.close()


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    yield place
    place.close()


def test_a_body_without_end_is_refused_as_soon_as_it_is_over_the_limit(place):
    piece = {"type": "http.request", "body": bytes(1 << 20), "more_body": True}
    sent, taken = place.told(*[piece] * 100, piece | {"more_body": False})
    assert (sent[0]["status"], taken) == (413, 9)


def test_a_caller_who_leaves_before_the_end_of_the_request_is_not_answered(place):
    whole = {"type": "http.request", "body": json.dumps(GOOD).encode(), "more_body": True}
    sent, _ = place.told(whole, {"type": "http.disconnect"})
    assert (sent, place.recorded) == ([], [])


class Slow:
    """A model that answers nothing before ``go`` is set, and tells which rows it was asked about together."""

    def __init__(self, place: Place) -> None:
        self.started, self.go, self.batches = Event(), Event(), list[tuple[str, ...]]()
        self.observe, self.crew = place.model.observe, place.crew

    def __call__(self, rows: Any, *, extras: frozenset[str]) -> object:
        self.batches.append(tuple(rows))
        self.started.set()
        assert self.go.wait(30)
        return self.observe(rows, extras=extras)


@pytest.fixture
def slow(place: Place) -> Iterator[Slow]:
    slow = Slow(place)
    place.serve(slow, Pace(quick_rows=0, is_batched=True))
    yield slow
    slow.go.set()


def asked(name: str) -> dict[str, Any]:
    return {"json": GOOD | {"id": name}}


async def held(client: httpx.AsyncClient, slow: Slow, *, body: dict[str, object]) -> tuple[int, bool, int]:
    """Health while the model is busy with a request, whether that still waits then, and its own status at last."""
    asking = asyncio.create_task(client.post(INFER, json=body))
    await asyncio.to_thread(slow.started.wait)
    live = await client.get("/v2/health/live")
    is_held = not asking.done()
    slow.go.set()
    return live.status_code, is_held, (await asking).status_code


def test_a_slow_model_holds_up_neither_health_nor_other_requests(place, slow):
    assert place.talk(lambda client: held(client, slow, body=GOOD)) == (200, True, 200)


async def crowd(client: httpx.AsyncClient, slow: Slow, *, most: int) -> list[httpx.Response]:
    """So many requests: one that the model is busy with, and the others, which wait behind it or were refused."""
    asking = [asyncio.create_task(client.post(INFER, **asked("0")))]
    await asyncio.to_thread(slow.started.wait)
    asking += [asyncio.create_task(client.post(INFER, **asked(str(number)))) for number in range(1, most)]
    while slow.crew.requests + sum(one.done() for one in asking) < most - 1:
        await asyncio.sleep(0.001)
    slow.go.set()
    return await asyncio.gather(*asking)


def test_what_queued_while_a_slow_model_was_busy_is_asked_together(place, slow):
    answers = place.talk(lambda client: crowd(client, slow, most=9))
    assert [answer.json()["id"] for answer in answers] == [str(number) for number in range(9)]
    assert [len(batch) for batch in slow.batches] == [1, 8]


def test_where_it_does_not_pay_each_request_is_asked_alone(place, slow):
    place.serve(slow, Pace(quick_rows=0, is_batched=False))
    place.talk(lambda client: crowd(client, slow, most=4))
    assert [len(batch) for batch in slow.batches] == [1, 1, 1, 1]


def test_when_too_many_wait_the_next_is_told_so_and_when_to_ask_again(place, slow, monkeypatch):
    monkeypatch.setattr(crew, "MOST_REQUESTS", 3)
    answers = place.talk(lambda client: crowd(client, slow, most=6))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 200, 503, 503]
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert busy.headers["retry-after"] == "1"
    assert busy.json() == {"error": "model: 3 requests with 3 rows wait; try again in 1 s"}
    assert place.meter.refusals() == {503: 2}


def test_few_requests_that_are_large_fill_the_line_too_until_they_are_taken(place, slow, monkeypatch):
    monkeypatch.setattr(crew, "MOST_BYTES", 2 * len("good"))
    answers = place.talk(lambda client: crowd(client, slow, most=5))
    assert sorted(answer.status_code for answer in answers) == [200, 200, 200, 503, 503]
    assert place.talk(lambda client: crowd(client, slow, most=2))[-1].status_code == 200


def test_a_model_that_never_answers_is_given_up_and_what_waited_behind_it_is_not_asked():
    async def both(client: httpx.AsyncClient) -> list[httpx.Response]:
        return await asyncio.gather(client.post(INFER, **asked("0")), client.post(INFER, **asked("1")))

    place = Place(timeout_seconds=0.5)
    slow = Slow(place)
    place.serve(slow, Pace(quick_rows=0, is_batched=True))
    answers = place.talk(both)
    slow.go.set()
    place.close()
    for answer in answers:
        assert answer.status_code == 503
        assert answer.json() == {"error": "model: no answer within 0.5 s; try again in 1 s"}


def test_a_text_that_takes_a_quick_model_long_holds_nobody_up(place, slow):
    place.serve(slow, QUICK)
    long = {"inputs": [GOOD["inputs"][0] | {"data": ["good " * 20_000]}]}
    assert place.talk(lambda client: held(client, slow, body=long)) == (200, True, 200)


def test_a_crew_that_is_told_to_end_asks_nothing_more():
    place = Place(timeout_seconds=3.0)
    slow = Slow(place)

    async def closing(client: httpx.AsyncClient) -> list[int]:
        asking = [asyncio.create_task(client.post(INFER, **asked(str(number)))) for number in range(3)]
        await asyncio.to_thread(slow.started.wait)
        while place.crew.requests < 2:
            await asyncio.sleep(0)
        place.crew.close()
        assert (place.crew.requests, place.crew.rows) == (0, 0)
        slow.go.set()
        return [answer.status_code for answer in await asyncio.gather(*asking)]

    place.serve(slow, Pace(quick_rows=0))
    assert place.talk(closing) == [200, 503, 503]
    assert len(slow.batches) == 1
    place.close()


def test_a_failing_model_is_a_fault_of_ours_and_not_worth_trying_again(place):
    place.serve(lambda rows, *, extras: 1 / 0, QUICK)
    answer = place.post(INFER, json=GOOD)
    assert (answer.status_code, "retry-after" in answer.headers) == (500, False)
    assert answer.json()["error"].startswith("model: version v1 failed with ZeroDivisionError")


def test_headers_name_the_key_the_version_and_the_trace(place):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"loopline-key": "ana", "loopline-version": "v1", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    assert place.post(INFER, json=GOOD, headers=headers).status_code == 200
    (exchange,) = place.recorded
    assert (exchange.group, exchange.arm, exchange.trace) == ("ana", "direct", trace)
    gone = place.post(INFER, json=GOOD, headers={"loopline-version": "v9"})
    assert (gone.status_code, gone.json()) == (404, {"error": "no loaded version 'v9'; known: v1"})


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ({}, ("", "")),
        ({"user": "ana", "channel": "web"}, ("ana", "web")),
        ({"channel": 7, "segment": "app"}, ("", "7")),
        ({"user": "ana", "channel": None}, ("ana", "")),
    ],
)
def test_parameters_that_the_settings_name_are_the_group_and_the_segment(place, parameters, found):
    assert place.post(INFER, json=GOOD | {"parameters": parameters}).status_code == 200
    assert [(exchange.group, exchange.segment) for exchange in place.recorded] == [found]


@pytest.mark.parametrize(
    "trace", ["", "00-xyz", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{'A' * 32}-00f067aa0ba902b7-01"]
)
def test_a_trace_that_is_none_is_not_kept(place, trace):
    place.post(INFER, json=GOOD, headers={"traceparent": trace})
    assert place.recorded[0].trace == ""


def test_plain_rows_are_answered_with_labels_and_probabilities(place):
    request = {"rows": ["good", "so"], "id": "r", "group": "ana", "segment": "web", "outputs": ["margin"]}
    answer = place.post(PLAIN, json=request).json()
    assert (answer["id"], answer["model"]) == ("r", "v1")
    first, second = answer["predictions"]
    assert (first["id"], first["label"], second["id"]) == ("r/0", "positive", "r/1")
    assert first["probabilities"]["positive"] == pytest.approx(0.787, abs=1e-3)
    assert first["margin"] == pytest.approx(0.680, abs=1e-3)
    (exchange,) = place.recorded
    assert (exchange.request, exchange.inputs) == ("r", ("good", "so"))
    assert (exchange.group, exchange.segment) == ("ana", "web")
    assert place.post(PLAIN, json={"row": "good"}).json()["predictions"][0]["label"] == "positive"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ({}, 'request: neither row nor rows, expected one of them, such as {"rows": ["so good", "so bad"]}'),
        ({"row": "a", "rows": ["b"]}, "request: both row and rows"),
        ({"rows": []}, "rows: 0 rows, expected 1 to 100,000"),
        ({"rows": ["a", 7]}, "row 1: 7, expected a text"),
        ({"row": "a", "outputs": ["logits"]}, "outputs: 'logits', expected probabilities or"),
        ({"row": "a", "colour": 1}, "request: Object contains unknown field `colour`"),
        (
            {"row": "a", "outputs": ["members"]},
            "outputs: members, which version v1 does not give, expected outputs that",
        ),
    ],
)
def test_bad_plain_requests_are_told_what_was_found_and_expected(place, request_, error):
    answer = place.post(PLAIN, json=request_)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(error)


def test_a_version_is_loaded_and_let_go_by_its_name(place):
    load = f"/v2/repository/models/{LOOP}/load"
    assert place.post(load, json={"parameters": {"version": "v3"}}).status_code == 200
    assert place.held == ["v3"]
    nameless = place.post(load, content=b"")
    assert nameless.status_code == 400
    assert nameless.json()["error"].startswith('request: no version, expected {"parameters": {"version": "v2"}}')
    busy = place.post(f"/v2/repository/models/{LOOP}/unload", json={"parameters": {"version": "v1"}})
    assert (busy.status_code, "named by the traffic split" in busy.text) == (409, True)


def test_configuration_and_statistics_are_told(place):
    place.post(INFER, json=GOOD)
    config = place.talk(lambda client: client.get(f"/v2/models/{LOOP}/config")).json()
    assert (config["name"], config["max_batch_size"]) == (LOOP, 100_000)
    for path in ("/v2/models/stats", f"/v2/models/{LOOP}/stats", f"/v2/models/{LOOP}/versions/v1/stats"):
        (one,) = place.talk(lambda client, path=path: client.get(path)).json()["model_stats"]
        assert (one["version"], one["inference_count"]) == ("v1", 1)
