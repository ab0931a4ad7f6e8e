"""The short way to the models on a real server, in raw bytes: order, limits, refusals, and versions that change."""

import gzip
import random
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest
from tests.service.live import INFER, Wire, asks, content, get, post, until
from tests.service.place import SLOW, Place, Served, serving

from loopline.apps.http import shortway
from loopline.testing.factories import LOOP

pytestmark = pytest.mark.service

LONG = f"{INFER}/"
"""The same question, spelled so that it takes the long way."""
MANY = ["good"] * 9
GREEDY_MB = 64
"""What a caller may cost who never reads: what the system buffers is not counted, what we do is."""


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with serving(Place()) as served:
        yield served


@pytest.fixture
def wire(served: Served) -> Iterator[Wire]:
    with served.wire() as wire:
        yield wire


def id_of(answer):
    return answer.told.get("id", answer.status)


def test_two_requests_in_one_packet_get_their_answers_in_order(served, wire):
    before = len(served.place.long)
    wire.send(asks("a") + asks("b", "bad"))
    first, second = wire.answer(), wire.answer()
    assert (id_of(first), id_of(second)) == ("a", "b")
    assert first.told["outputs"][1]["data"] == ["positive"]
    assert second.told["outputs"][1]["data"] == ["negative"]
    assert len(served.place.long) == before


REQUESTS = {
    "short": (asks, 200),
    "many rows": (lambda name: asks(name, *MANY), 200),
    "slow model": (lambda name: asks(name, path=SLOW), 200),
    "spelled long": (lambda name: asks(name, path=LONG), 200),
    "metadata": (lambda name: get("/v2"), 200),
    "control": (lambda name: get("/api/status"), 200),
    "no json": (lambda name: post(INFER, b"{"), 400),
    "wrong token": (lambda name: post(INFER, content("good"), token="wrong"), 401),
    "no token": (lambda name: post(INFER, content("good"), token=""), 401),
    "chunked": (lambda name: post(INFER, b"5\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (
        content("good", id=name)[:5], len(content("good", id=name)) - 5, content("good", id=name)[5:]
    ), "Transfer-Encoding: chunked", length=False), 200),
    "over 64 KiB": (lambda name: asks(name, "good " * 15_000), 200),
    "packed": (lambda name: post(INFER, gzip.compress(content("good", id=name)), "Content-Encoding: gzip"), 200),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_any_requests_pipelined_in_any_pieces_are_answered_in_order(wire, seed):
    draw = random.Random(seed)
    kinds = [draw.choice(list(REQUESTS)) for _ in range(60)]
    whole = b"".join(REQUESTS[kind][0](f"r{number}") for number, kind in enumerate(kinds))
    cuts = sorted(draw.randrange(len(whole)) for _ in range(draw.choice([0, 10, 300])))
    parts = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    sending = Thread(target=wire.send, args=parts)
    sending.start()
    for number, kind in enumerate(kinds):
        answer = wire.answer()
        assert answer.status == REQUESTS[kind][1], kind
        if answer.status == 200 and kind not in {"metadata", "control"}:
            assert id_of(answer) == f"r{number}"
    sending.join()


def test_a_request_that_comes_byte_by_byte_is_answered(served, wire):
    before = len(served.place.long)
    whole = asks("a")
    assert id_of(wire.ask(*(whole[i : i + 1] for i in range(len(whole))))) == "a"
    assert len(served.place.long) == before


def bare(answer):
    """Without what differs from one request to the next."""
    return answer.status, {name: value for name, value in answer.headers.items() if name != "date"}, answer.body


WRONG = {
    "not json": (b"{", ()),
    "too deep": (b"[" * 60_000, ()),
    "no UTF-8": (b'{"inputs": [{"name": "\xff"}]}', ()),
    "half a surrogate": (content("good").replace(b"good", b"\\ud800"), ()),
    "NaN": (content("good").replace(b'"good"', b"NaN"), ()),
    "too many rows": (content(*["good"] * 3_000), ()),
    "large id": (content("good", id="x" * 2_000), ()),
    "unknown version": (content("good"), ("Loopline-Version: v9",)),
    "empty": (b"", ()),
    "unknown packing": (content("good"), ("Content-Encoding: br",)),
    "bomb": (gzip.compress(bytes(2 << 20)), ("Content-Encoding: gzip",)),
    "odd length": (content("good"), ("Inference-Header-Content-Length: x",)),
    "other host": (content("good"), ("Host: evil.example",)),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_told_alike_on_both_ways(wire, wrong):
    body, lines = WRONG[wrong]
    assert bare(wire.ask(post(INFER, body, *lines))) == bare(wire.ask(post(LONG, body, *lines)))
    assert id_of(wire.ask(asks("next"))) == "next"


BINARY = {"name": "probabilities", "parameters": {"binary_data": True}}


@pytest.mark.parametrize("path", [INFER, f"/v2/models/{LOOP}/versions/v2/infer"])
@pytest.mark.parametrize("more", [{}, {"outputs": [{"name": "entropy"}, {"name": "label"}]}, {"outputs": [BINARY]}])
def test_an_answer_is_the_same_to_the_byte_on_both_ways(served, wire, path, more):
    before, body = len(served.place.long), content("good", "bad film", id="same", **more)
    short = wire.ask(post(path, body))
    assert len(served.place.long) == before
    assert bare(short) == bare(wire.ask(post(f"{path}/", body)))
    assert len(served.place.long) == before + 1
    assert short.status == 200


def test_only_the_end_of_the_path_names_the_act(wire):
    answer = wire.ask(asks("a", path=f"/v2/models/{LOOP}/versions/v1Xinfer"))
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


def test_refusals_of_keys_are_the_same_on_both_ways(served, wire):
    place = served.place
    revoked, read, seldom = "lk_" + "0" * 12 + "_" + "0" * 64, place.key("read"), place.key("predict", per_second=0.01)
    for token, status in ((revoked, 401), ("lk_short", 401), ("wrong", 401), (read, 403), (place.key("capture"), 403)):
        short, long = (bare(wire.ask(asks("a", path=path, token=token))) for path in (INFER, LONG))
        assert short == long
        assert short[0] == status
        assert ("www-authenticate" in short[1]) == (status in {401, 403})
    assert wire.ask(asks("a", token=seldom)).status == 200
    short, long = (wire.ask(asks("a", path=path, token=seldom)) for path in (INFER, LONG))
    assert short.status == long.status == 429
    assert short.told == long.told
    assert 0 < int(short.headers["retry-after"]) <= 100


def test_a_large_batch_of_a_limited_key_is_counted_once(served, wire):
    before, key = len(served.place.long), served.place.key("predict", per_second=0.01)
    assert wire.ask(asks("a", *MANY, token=key)).status == 200
    assert served.place.long[before:] == [INFER]
    assert wire.ask(asks("a", token=key)).status == 429


@pytest.mark.parametrize("size", [shortway.SHORT_BYTES, shortway.SHORT_BYTES + 1])
def test_a_long_body_takes_the_long_way_and_is_answered_alike(served, wire, size):
    before, bare_size = len(served.place.long), len(content("", id="a"))
    answer = wire.ask(asks("a", "x" * (size - bare_size)))
    assert (answer.status, id_of(answer)) == (200, "a")
    assert len(served.place.long) == before + (size > shortway.SHORT_BYTES)


@pytest.mark.parametrize("path", [INFER, LONG])
def test_who_wants_the_connection_closed_is_told_that_it_is(served, path):
    for version, line in (("1.1", "Connection: close"), ("1.0", "X: y"), ("1.0", "Connection: keep-alive")):
        with served.wire() as wire:
            answer = wire.ask(asks("a", path=path).replace(b"HTTP/1.1\r\n", f"HTTP/{version}\r\n{line}\r\n".encode()))
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert wire.is_closed()


def test_who_waits_to_be_told_to_continue_is_told(wire):
    whole = asks("a").replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    head, _, body = whole.partition(b"\r\n\r\n")
    assert wire.ask(head + b"\r\n\r\n").status == 100
    assert id_of(wire.ask(body)) == "a"


def test_a_head_without_end_is_refused(served):
    for start in (b"GET /", b"POST " + INFER.encode() + b" HTTP/1.1\r\nX-Long: ", b"\r\n"):
        with served.wire() as wire:
            wire.send(start)
            filling = Thread(target=fill, args=(wire, b"\n" if start == b"\r\n" else b"x", 300_000))
            filling.start()
            assert wire.answer().status == 431
            filling.join()
            assert wire.is_closed()


def fill(wire, byte, size):
    try:
        for _ in range(size // 1_000):
            wire.send(byte * 1_000)
    except OSError:
        pass  # it has heard enough


GARBAGE = [
    b"\x00\x01\x02\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_refused_after_what_was_asked_before_it_is_answered(served, garbage):
    with served.wire() as wire:
        wire.send(asks("short") + garbage)
        assert id_of(wire.answer()) == "short"
        refused = wire.answer()
        assert (refused.status, refused.headers["connection"]) == (400, "close")
        assert set(refused.told) == {"error"}
        assert wire.is_closed()
    served.place.gate.clear()
    with served.wire() as wire:
        wire.send(asks("slow", path=SLOW) + garbage)
        served.place.gate.set()
        assert id_of(wire.answer()) == "slow"
        assert wire.is_closed()
    with served.wire() as wire:
        assert id_of(wire.ask(asks("next"))) == "next"


def test_a_refusal_of_the_next_request_never_passes_for_the_answer_to_the_last(served):
    bad = post(LONG, b"zz\r\n", "Transfer-Encoding: chunked", length=False)
    served.place.gate.clear()
    with served.wire() as wire:
        wire.send(asks("slow", path=SLOW) + asks("second", path=SLOW) + bad)
        served.place.gate.set()
        assert [id_of(wire.answer()), id_of(wire.answer())] == ["slow", "second"]
        assert wire.is_closed()
    with served.wire() as wire:
        refused = wire.ask(post(LONG, b"zz\r\n", "Transfer-Encoding: chunked", length=False))
        assert refused.status == 400
        assert wire.is_closed()


HALVES = {
    "in the head": asks("a")[:9],
    "in the body": asks("a")[:-9],
    "on the long way": asks("a", path=LONG)[:-9],
    "from the short way to the long": asks("a", "x" * 90_000)[:-9],
}


@pytest.mark.parametrize("sent", HALVES.values(), ids=HALVES)
def test_a_request_that_never_gets_whole_is_given_up(sent):
    with serving(Place(seconds=1)) as served, served.wire() as wire:
        refused = wire.ask(sent)
        assert (refused.status, refused.headers["connection"]) == (408, "close")
        assert refused.told["error"] == "request: not whole after 1 s, expected it to be"
        assert wire.is_closed()


def test_a_request_that_was_refused_before_it_was_whole_gets_no_second_answer():
    whole = post(LONG, b"x" * 2_000_000, token="")
    with serving(Place(seconds=1)) as served, served.wire() as wire:
        assert wire.ask(whole[:1_000]).status == 401
        assert wire.is_closed()


def test_a_half_request_behind_a_slow_one_does_not_take_its_answer():
    with serving(Place(seconds=1)) as served, served.wire() as wire:
        served.place.gate.clear()
        wire.send(asks("slow", path=SLOW) + asks("half", path=LONG)[:-9])
        time.sleep(2.5)  # two looks around later
        served.place.gate.set()
        assert id_of(wire.answer()) == "slow"
        assert wire.answer().status == 408
        assert wire.is_closed()


def test_a_connection_without_a_request_is_closed():
    with serving(Place(), idle_seconds=1) as served, ExitStack() as stack:
        parts = (b"", b"\r\n", asks("a"), asks("a", path=LONG))
        wires = [stack.enter_context(served.wire()) for _ in parts]
        for wire, sent in zip(wires, parts, strict=True):
            wire.send(sent)
        for wire, sent in zip(wires, parts, strict=True):
            if len(sent) > 2:
                assert id_of(wire.answer()) == "a"
            assert wire.is_closed()


def test_one_connection_too_many_is_told_so_and_disturbs_nobody():
    with serving(Place(most_connections=3)) as served:
        wires = [served.wire() for _ in range(3)]
        assert [id_of(wire.ask(asks("a"))) for wire in wires] == ["a"] * 3
        with served.wire() as fourth:
            refused = fourth.answer()
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert refused.told["error"] == "connections: 3 are open; try again in 1 s"
            assert fourth.is_closed()
        assert [id_of(wire.ask(asks("b"))) for wire in wires] == ["b"] * 3
        wires.pop().socket.close()
        until(lambda: is_answered(served))
        for wire in wires:
            wire.socket.close()


def is_answered(served):
    with served.wire() as wire:
        return wire.ask(asks("again")).status == 200


@pytest.mark.parametrize("path", [INFER, SLOW])
def test_who_sends_and_never_reads_harms_nobody_and_is_cut_off(path, capfd):
    with serving(Place(seconds=2)) as served, served.wire(buffer=4_096) as greedy, served.wire() as other:
        greedy.socket.setblocking(False)
        sent, before = asks("greedy", path=path) * 100, resident_mb()

        def is_cut_off():
            assert id_of(other.ask(asks("other"))) == "other"
            try:
                greedy.socket.send(sent)
            except BlockingIOError:
                return False  # it is not heard any more
            except OSError:
                return True
            return False

        until(is_cut_off)
        assert resident_mb() - before < GREEDY_MB
        until(lambda: len(served.server.server_state.connections) == 1)
    assert "Traceback" not in capfd.readouterr().err


def resident_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1_024


def test_who_leaves_before_the_answer_leaves_nothing_behind(served, wire):
    for path in (INFER, LONG, SLOW):
        for _ in range(30):
            with served.wire() as leaving:
                leaving.send(asks("leaving", path=path))
    assert id_of(wire.ask(asks("stays"))) == "stays"
    until(lambda: len(served.server.server_state.connections) == 1)
    assert served.place.way.pending == []


def test_a_server_that_stops_answers_what_was_asked():
    place = Place()
    place.gate.clear()
    with serving(place) as served:
        waiting = [served.wire() for _ in range(3)]
        for wire in waiting:
            wire.send(asks("slow", path=SLOW) + asks("behind"))
        until(lambda: len(place.long) == 3)
        with served.wire() as idle:
            assert id_of(idle.ask(asks("a"))) == "a"
            served.stop()
            assert idle.is_closed()
        place.gate.set()
        for wire in waiting:
            assert [id_of(wire.answer()), id_of(wire.answer())] == ["slow", "behind"]
            assert wire.is_closed()
            wire.socket.close()


def test_a_change_of_version_under_load_loses_no_request(served):
    place, names = served.place, [[] for _ in range(32)]

    def ask(found):
        with served.wire() as wire:
            for turn in range(200_000):
                answer = wire.ask(asks(f"t{turn}"))
                assert answer.status == 200, answer.body
                found.append(answer.told["model_version"])
                if found.count("v2") >= 5:
                    return

    clients = [Thread(target=ask, args=(found,)) for found in names]
    for client in clients:
        client.start()
    until(lambda: all(names))
    place.route("v2")
    for client in clients:
        client.join()
    place.route("v1")
    for found in names:
        changed = found.index("v2")
        assert set(found[:changed]) == {"v1"}
        assert found[changed:] == ["v2"] * 5
