"""The doors for what others served: good lines are kept and durable, bad ones named, whatever comes in."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from msgspec import structs

from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.frames import MemoryFrames
from loopline.adapters.memory.log import MemoryLog
from loopline.adapters.memory.objects import MemoryObjects
from loopline.adapters.memory.outcomes import MemoryOutcomes
from loopline.apps.http.reporting import endpoint, make_reporting
from loopline.apps.recorder.opening import recording_rules
from loopline.capture.stage import Capture, Recorder
from loopline.records.outcome import Outcome
from loopline.records.settings import ServeSettings, Settings
from loopline.records.signature import Signature
from loopline.testing.factories import LABELS, LOOP, NOW, SIGNATURE, settings

PREDICTIONS, OUTCOMES = "/v1/predictions", "/v1/outcomes"
P = [0.125, 0.25, 0.625]
TABLE = Signature(input="tabular", width=2, labels=("a", "b"))
IMAGE = Signature(input="image", labels=("a", "b"))


def good(**changes: Any) -> dict[str, Any]:
    line = {"id": "p1", "model": "v1", "text": "so good", "probabilities": P} | changes
    return {name: value for name, value in line.items() if value is not None}


class Doors:
    """The doors over memory, with or without somebody who records."""

    def __init__(self, *, size: int = 1 << 20, is_recorded: bool = True, **changes: Any) -> None:
        self.settings: Settings = settings(**changes)
        self.log, self.counters, self.outcomes = MemoryLog(), MemoryCounters(), MemoryOutcomes()
        self.queue = MemoryFrames(size=size)
        capture = Capture(self.queue, counters=self.counters)
        self.recorder = self.record() if is_recorded else None
        parts = {"settings": self.settings, "outcomes": self.outcomes, "now": lambda: NOW, "body_bytes": 100_000}
        self.application = make_reporting(capture, **parts)

    def record(self) -> Recorder:
        rules = recording_rules(self.settings, secret=b"secret")
        parts = {"log": self.log, "objects": MemoryObjects(), "counters": self.counters}
        return Recorder(self.queue, **parts, rules=rules)

    def post(self, path: str, content: Any, **headers: str) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.ask("POST", path, content=body, headers={n.replace("_", "-"): v for n, v in headers.items()})

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def conversation() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.application)
            async with httpx.AsyncClient(transport=transport, base_url="http://loop") as client:
                return await client.request(method, path, **request)

        return asyncio.run(conversation())

    def close(self) -> None:
        if self.recorder:
            self.recorder.close()


@pytest.fixture
def doors() -> Iterator[Doors]:
    made = Doors()
    yield made
    made.close()


def lines(*objects: Any) -> bytes:
    return b"\n".join(json.dumps(each).encode() for each in objects)


def test_a_prediction_is_in_the_log_when_it_is_acknowledged(doors):
    at = NOW.timestamp() - 60
    more = {"group": "ana", "segment": "web", "arm": "canary", "latency_ms": 1.5}
    more["trace"] = "0af7651916cd43dd8448eb211c80319c"
    vectors = {"embedding": [0.5, -1.0], "members": [P, [0.5, 0.25, 0.25]], "signature": SIGNATURE.digest}
    answer = doors.post(PREDICTIONS, good(at=at, label="positive", **more, **vectors))
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1})
    stored = doors.log.find("p1")
    assert (stored.loop, stored.model, stored.arm, stored.artifact, stored.reason) == (LOOP, "v1", "canary", "", "")
    assert (stored.inputs, stored.probabilities, stored.label) == (b'"so good"', tuple(P), "positive")
    assert (stored.at.timestamp(), stored.latency_us, stored.trace) == (at, 1_500, more["trace"])
    assert (stored.group, stored.segment, stored.signature) == ("ana", "web", SIGNATURE.digest)
    assert np.frombuffer(stored.embedding, "<f4").tolist() == [0.5, -1.0]


def test_what_is_left_out_has_a_sensible_meaning(doors):
    answer = doors.post(PREDICTIONS, good(id=None, probabilities=dict(zip(LABELS[::-1], P[::-1], strict=True))))
    (line, name), *_ = answer.json()["ids"].items()
    assert (line, name[14], len(name)) == ("1", "7", 36)
    stored = doors.log.find(name)
    assert (stored.at, stored.arm, stored.latency_us, stored.probabilities) == (NOW, "incumbent", 0, tuple(P))


def test_rows_of_a_table_and_images_come_too():
    table = Doors(signature=TABLE)
    assert table.post(PREDICTIONS, good(text=None, features=[1, 2.5], probabilities=[0.5, 0.5])).status_code == 200
    assert table.log.find("p1").inputs == b"[1.0,2.5]"
    table.close()
    image = Doors(signature=IMAGE)
    assert image.post(PREDICTIONS, good(text=None, image="R0lG", probabilities=[0.5, 0.5])).status_code == 200
    assert image.log.find("p1").inputs == b"GIF"
    image.close()


def test_a_failure_needs_no_answer_and_a_shadow_is_kept_beside(doors):
    reported = [
        good(failure="out of memory", probabilities=None),
        good(id="p2"),
        good(id="p2", model="v2", arm="shadow"),
    ]
    assert doors.post(PREDICTIONS, reported).json() == {"accepted": 3}
    failed = doors.log.find("p1~v1")
    assert (failed.failure, failed.probabilities, failed.label) == ("out of memory", (), "")
    assert (doors.log.find("p2").model, doors.log.find("p2~v2").arm) == ("v1", "shadow")


@pytest.mark.parametrize(
    ("body", "headers", "numbers"),
    [
        (lines(good(id="a")), {}, [1]),
        (b" \n" + json.dumps(good(id="a"), indent=1).encode() + b"\n", {}, [1]),
        (json.dumps([good(id="a"), good(id="b")], indent=1).encode(), {}, [1, 2]),
        (lines(good(id="a"), good(id="b")) + b"\n", {}, [1, 2]),
        (b"\n\r\n" + lines(good(id="a")) + b"\r\n\n" + lines(good(id="b")), {}, [1, 2]),
        (lines(good(id="a")), {"content_type": "application/x-ndjson; charset=utf-8"}, [1]),
        (gzip.compress(lines(good(id="a"), good(id="b"))), {"content_encoding": "gzip"}, [1, 2]),
        (zlib.compress(lines(good(id="a"))), {"content_encoding": "Deflate"}, [1]),
    ],
    ids=["object", "indented", "array", "lines", "gaps", "told", "gzip", "deflate"],
)
def test_an_object_an_array_and_lines_are_understood_told_or_not(doors, body, headers, numbers):
    assert doors.post(PREDICTIONS, body, **headers).json() == {"accepted": len(numbers)}
    assert doors.log.end() == len(numbers)


BAD = [
    (good(model=None), "no model, expected one"),
    (good(model=""), "an empty model, expected a version's name"),
    (good(model=5), "int at $.model, expected str"),
    (good(prob=1), "unknown field 'prob', expected of id, model, text, features"),
    (good(payload="https://x"), "unknown field 'payload', expected of id"),
    (good(probabilities=None, label="positive"), "label 'positive' without probabilities, expected one for each of"),
    (good(probabilities=None), "no probabilities, expected one for each of negative, neutral, positive"),
    (good(probabilities=[0.5, 0.5]), "probabilities with shape (1, 2), expected (1, 3)"),
    (good(probabilities=[0.5, 0.25, 0.125]), "probabilities with a sum of 0.875, expected 1"),
    (
        good(probabilities=[-0.5, 0.5, 1.0]),
        "probabilities with values from -0.5 to 1, expected probabilities in [0, 1]",
    ),
    (good(probabilities={"negative": 1.0}), "probabilities of negative, expected of negative, neutral, positive"),
    (good(probabilities=[0.5, "x", 0.5]), "str at $.probabilities[1], expected float"),
    (good(label="negative"), "label 'negative', expected 'positive', the most likely of its probabilities; leave"),
    (good(failure="broken"), "a failure with an answer, expected one of them"),
    (good(text=None), "no input, expected text, for text with labels [negative, neutral, positive]"),
    (good(text=None, features=[1.0]), "features, expected text"),
    (good(features=[1.0]), "text and features, expected text"),
    (good(arm="live"), "Invalid enum value 'live' - at `$.arm`, expected JSON as documented"),
    (good(at="2026-01-05T09:00:00"), "Expected `datetime` with a timezone component - at `$.at`"),
    (good(at=1_767_603_600_000), "at 1767603600000, expected RFC 3339, or seconds since 1970"),
    (good(at=-1), "at -1, expected RFC 3339"),
    (good(at=10**30), "at 1000000000000000000000000000000, expected RFC 3339"),
    (good(latency_us=1, latency_ms=1), "latency_us and latency_ms, expected one of them"),
    (good(latency_us=-1), "Expected `int` >= 0 - at `$.latency_us`"),
    (good(latency_ms=1e300), "a latency of "),
    (good(trace="00-0af7"), "trace '00-0af7', expected 32 small hex digits"),
    (good(signature="0" * 64), f"signature {'0' * 64}, expected {SIGNATURE.digest}, text with labels"),
    (good(id="x" * 257), "id of 257 characters, 'xxxxxxxxxxxxxxxxxxxx'..., expected at most 256 printable"),
    (good(id="a\u0000b"), "id of 3 characters"),
    (good(embedding=[1e39]), "embedding with numbers beyond float32, expected finite ones"),
    (good(members=[P, [0.5, 0.5]]), "members with shape (1, 2), expected (1, 3)"),
    ([1], "array, expected object"),
    ("text", "str, expected object"),
]


@pytest.mark.parametrize(("line", "sentence"), BAD, ids=[sentence[:40] for _, sentence in BAD])
def test_a_bad_line_is_named_with_what_was_found_and_expected(doors, line, sentence):
    answer = doors.post(PREDICTIONS, [good(), line])
    assert answer.status_code == 207
    said = answer.json()
    assert (said["accepted"], said["bad"], said["errors"][0]["line"]) == (1, 1, 2)
    assert said["errors"][0]["error"].startswith(f"line 2: {sentence}")
    alone = doors.post(PREDICTIONS, [line])
    assert alone.status_code == 400
    assert alone.json()["error"].startswith(f"no line can be taken; the first: line 1: {sentence}")
    assert doors.log.end() == 1


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"text": "\xff"}', "line 2: "),
        (b'{"text": "\\ud800"}', "line 2: "),
        (b'{"text": NaN}', "line 2: JSON is malformed"),
        (b'{"text": "x"', "line 2: Input data was truncated"),
    ],
)
def test_what_is_no_json_spoils_its_own_line_only(doors, body, sentence):
    answer = doors.post(PREDICTIONS, lines(good()) + b"\n" + body)
    assert (answer.status_code, answer.json()["accepted"]) == (207, 1)
    assert answer.json()["errors"][0]["error"].startswith(sentence)


@pytest.mark.parametrize("signature", [TABLE, IMAGE])
@pytest.mark.parametrize(
    "field", [{"features": [1.0]}, {"features": [1, None]}, {"image": "no base64!"}, {"text": "x"}]
)
def test_an_input_of_another_kind_or_width_is_a_bad_line(signature, field):
    doors = Doors(signature=signature)
    answer = doors.post(PREDICTIONS, {"model": "v1", "probabilities": [0.5, 0.5], **field})
    assert (answer.status_code, doors.log.end()) == (400, 0)
    doors.close()


def test_the_same_line_again_is_acknowledged_and_stored_once(doors):
    for _ in range(2):
        assert doors.post(PREDICTIONS, [good(), good(id="p2")]).json() == {"accepted": 2}
    assert doors.log.end() == 2
    counted = doors.counters.read()
    assert (counted["answered"], counted["stored"], counted["repeated"], counted["dropped"]) == (4, 2, 2, 0)


def test_more_lines_than_there_is_room_for_go_in_as_room_is_made():
    doors = Doors(size=2_000)
    many = [good(id=f"p{n}") for n in range(100)]
    assert doors.post(PREDICTIONS, many).json() == {"accepted": 100}
    assert doors.log.end() == 100
    doors.close()


def test_lines_that_find_no_room_are_refused_and_may_come_again(monkeypatch):
    monkeypatch.setattr(endpoint, "DURABLE_SECONDS", 0.05)
    doors = Doors(size=2_000, is_recorded=False)
    many = [good(id=f"p{n}") for n in range(100)]
    answer = doors.post(PREDICTIONS, many)
    taken = len(doors.queue)
    assert 0 < taken < 100
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["accepted"]) == (503, "1", 0)
    assert answer.json()["error"] == f"prediction log: no room for {100 - taken} of 100 predictions; try again in 1 s"
    assert "no room for 100 of 100" in doors.post(PREDICTIONS, many).json()["error"]
    doors.recorder = doors.record()
    monkeypatch.undo()
    while (answer := doors.post(PREDICTIONS, many)).status_code == 503:
        assert doors.recorder.is_alive
    assert (answer.json(), doors.log.end()) == ({"accepted": 100}, 100)
    doors.close()


def test_nothing_is_acknowledged_before_it_is_stored(monkeypatch):
    monkeypatch.setattr(endpoint, "DURABLE_SECONDS", 0.05)
    doors = Doors(is_recorded=False)
    answer = doors.post(PREDICTIONS, [good(), good(id="p2"), good(model="")])
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    said = answer.json()
    assert said["error"] == "prediction log: 2 of 3 predictions are not stored after 0.05 s; try again in 1 s"
    assert (said["accepted"], [bad["line"] for bad in said["errors"]]) == (0, [3])
    doors.recorder = doors.record()
    monkeypatch.undo()
    assert doors.post(PREDICTIONS, [good(), good(id="p2")]).json() == {"accepted": 2}
    assert doors.log.end() == 2
    doors.close()


def test_outcomes_are_kept_whether_or_not_the_prediction_is_known(doors):
    told = [
        {"prediction": "p1", "label": "positive", "at": "2026-01-05T10:00:00+01:00", "source": "support"},
        {"prediction": "p1", "label": "negative", "id": "o2"},
        {"prediction": "unknown", "label": "neutral", "at": 5},
    ]
    assert doors.post(OUTCOMES, lines(*told)).json() == {"accepted": 3}
    first, second = doors.outcomes.of(["p1"], loop=LOOP)
    assert first == Outcome(id="p1", prediction="p1", label="positive", at=NOW, source="support")
    assert (second.id, second.label, second.at) == ("o2", "negative", NOW)
    assert doors.post(OUTCOMES, told).json() == {"accepted": 3, "repeated": 3}


def test_a_clashing_outcome_keeps_no_good_one_back(doors):
    doors.post(OUTCOMES, {"prediction": "p5", "label": "negative"})
    told = [{"prediction": f"p{n}", "label": "positive"} for n in range(10)]
    told += [{"prediction": "p3", "label": "neutral"}, {"prediction": "p9", "label": "sad"}, {"prediction": "p9"}]
    answer = doors.post(OUTCOMES, told)
    said = answer.json()
    assert (answer.status_code, said["accepted"], said["bad"]) == (207, 9, 4)
    sentences = {bad["line"]: bad["error"] for bad in said["errors"]}
    assert list(sentences) == [6, 11, 12, 13]
    assert sentences[6].startswith("line 6: outcome p5: 'positive' of p5, expected what this id stands for; it is 'neg")
    assert sentences[12] == "line 12: label 'sad', expected one of negative, neutral, positive"
    assert sentences[13] == "line 13: no label, expected one"
    assert len(doors.outcomes.after(0, loop=LOOP, most=99)) == 10


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"prediction": "", "label": "positive"}, "an empty prediction, expected a prediction's id"),
        ({"prediction": "a\nb", "label": "positive"}, "prediction of 3 characters"),
        ({"prediction": "p", "label": "positive", "at": -5}, "at -5, expected RFC 3339"),
        ({"prediction": "p", "label": "positive", "was": 1}, "unknown field 'was', expected of prediction, label, at"),
    ],
)
def test_a_bad_outcome_is_named(doors, line, sentence):
    answer = doors.post(OUTCOMES, line)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["error"].startswith(f"line 1: {sentence}")


@pytest.mark.parametrize("path", [PREDICTIONS, OUTCOMES])
def test_requests_without_an_end_a_meaning_or_a_limit_are_refused(doors, path):
    bomb = gzip.compress(bytes(10_000_000))
    refused = [
        (doors.ask("GET", path), 405, "method: GET, expected POST"),
        (
            doors.post(path, b""),
            400,
            "request: nothing, expected a JSON object, an array of them, or one object a line",
        ),
        (doors.post(path, b"[]"), 400, "request: nothing, expected"),
        (doors.post(path, b"[1, "), 400, "request: "),
        (doors.post(path, b"[" * 10_000), 400, "request: maximum recursion depth exceeded"),
        (doors.post(path, b" " * 100_001), 413, "request: a body over 100,000 bytes"),
        (doors.post(path, bomb, content_encoding="gzip"), 413, "request: a body over 100,000 bytes"),
        (doors.post(path, b"x", content_encoding="gzip"), 400, "request body: "),
        (doors.post(path, b"x", content_encoding="br"), 400, "Content-Encoding: 'br', expected gzip, deflate or none"),
        (doors.post(path, [good()], loopline_loop="other"), 404, "no loop 'other'; known: sentiment"),
        (doors.post("/v1/other", [good()]), 404, "no path '/v1/other'; known: /v1/outcomes, /v1/predictions"),
    ]
    for answer, status, sentence in refused:
        assert (answer.status_code, answer.json()["error"][: len(sentence)]) == (status, sentence)
    assert doors.ask("GET", path).headers["allow"] == "POST"


def test_so_many_lines_are_read_and_so_many_bad_ones_named():
    doors = Doors(serve=ServeSettings(batch_rows=3_000))
    answer = doors.post(PREDICTIONS, b"{}\n" * 3_001)
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "request: 3,001 lines, expected at most 3,000; send it in parts",
    )
    assert "more than 3,000 lines" in doors.post(PREDICTIONS, b"{}\n{}" + b"\n" * 9_000).json()["error"]
    said = doors.post(PREDICTIONS, b"{}\n" * 3_000).json()
    assert (said["bad"], len(said["errors"]), said["errors"][-1]["line"]) == (3_000, 1_000, 1_000)
    doors.close()


def test_a_caller_who_leaves_or_never_ends_takes_nothing_along():
    doors = Doors(serve=structs.replace(ServeSettings(), timeout_seconds=0.05))
    scope = {"type": "http", "path": PREDICTIONS, "method": "POST", "headers": []}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def leaves() -> Any:
        return {"type": "http.disconnect"}

    asyncio.run(doors.application(scope, leaves, send))
    assert sent == []

    async def never_ends() -> Any:
        await asyncio.sleep(60)

    asyncio.run(doors.application(scope, never_ends, send))
    assert sent[0]["status"] == 408
    assert b"not whole after 0.05 s" in sent[1]["body"]
    doors.close()


def test_others_have_their_turn_while_many_lines_are_read(doors):
    async def conversation() -> int:
        transport = httpx.ASGITransport(app=doors.application)
        turns = 0

        async def others() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async with httpx.AsyncClient(transport=transport, base_url="http://loop") as client:
            waiting = asyncio.create_task(others())
            await client.post(PREDICTIONS, content=lines(*(good(id=f"p{n}", model="") for n in range(640))))
            waiting.cancel()
        return turns

    assert asyncio.run(conversation()) > 20
