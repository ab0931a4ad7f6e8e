"""The client: two lines to use, nothing that raises, and every call in the account."""

import os
import signal
import subprocess
import sys
import threading
from array import array
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import loopline_client
import numpy as np
import pytest
from loopline_client import Capture
from loopline_client.lines import new_id


def law(log: Capture) -> bool:
    counts = log.counts
    settled = counts.sent + counts.refused + counts.dropped
    return min(counts) >= 0 and counts.accepted == settled + counts.waiting


def test_two_lines_are_enough(ear):
    log = Capture(ear.url, loop="router", version="2026-11-20", token="secret")
    name = log("so good", proba=[0.25, 0.75])
    assert log.flush()
    ((path, headers, lines),) = ear.heard
    assert path == "/v1/predictions"
    assert {"authorization": "Bearer secret", "loopline-loop": "router"}.items() <= headers.items()
    line = lines[0]
    assert (line["id"], line["model"], line["text"], line["probabilities"]) == (
        name,
        "2026-11-20",
        "so good",
        [0.25, 0.75],
    )
    assert log.counts == (1, 1, 0, 0, 0)
    assert log.close()


def test_every_field_goes_with_it(ear):
    at = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    more = {"group": "ana", "segment": "web", "latency_ms": 1.5, "arm": "canary", "version": "v2", "trace": "0" * 32}
    with Capture(ear.url, loop="router", version="v1", token="") as log:
        assert log([1, 2.5], proba={"a": 0.5, "b": 0.5}, id="p1", at=at, embedding=np.ones(2), **more) == "p1"
        log("x", failure="out of memory", at=5)
    first, second = ear.lines
    assert first == {
        "id": "p1",
        "model": "v2",
        "at": at.timestamp(),
        "probabilities": {"a": 0.5, "b": 0.5},
        "group": "ana",
        "segment": "web",
        "latency_ms": 1.5,
        "arm": "canary",
        "embedding": [1.0, 1.0],
        "trace": "0" * 32,
        "features": [1, 2.5],
    }
    assert (second["failure"], second["at"], second["text"]) == ("out of memory", 5.0, "x")
    assert "authorization" not in ear.heard[0][1]


@pytest.mark.parametrize(
    "x",
    [
        [1.0, 2.0],
        (1.0, 2.0),
        np.array([1.0, 2.0]),
        np.array([[1.0, 2.0]], dtype=np.float32),
        [np.float64(1.0), np.int64(2)],
        array("d", [1.0, 2.0]),
    ],
    ids=["list", "tuple", "array", "a table of one row", "scalars", "array.array"],
)
def test_numbers_come_in_many_forms(ear, x):
    with Capture(ear.url, loop="router", version="v1") as log:
        log(x, proba=np.array([[0.25, 0.75]]))
    assert [(line["features"], line["probabilities"]) for line in ear.lines] == [([1.0, 2.0], [0.25, 0.75])]


def test_an_array_may_change_once_it_was_given(ear):
    row = np.array([1.0, 2.0])
    with Capture(ear.url, loop="router", version="v1") as log:
        log(row, proba=[0.5, 0.5])
        row[:] = 9.0
    assert ear.lines[0]["features"] == [1.0, 2.0]


class Broken:
    def tolist(self) -> Any:
        raise RuntimeError("not today")

    def __str__(self) -> str:
        raise RuntimeError("no name")


class Endless:
    def __iter__(self) -> Any:
        return count()


RECURSIVE: list[Any] = []
RECURSIVE.append(RECURSIVE)


@pytest.mark.parametrize(
    ("call", "trouble"),
    [
        (lambda log: log(object(), proba=[1.0]), "TypeError: float() argument must be"),
        (lambda log: log([float("nan")], proba=[1.0]), "ValueError: Out of range float values"),
        (lambda log: log("x", proba=[float("nan"), 0.5]), "ValueError: Out of range float values"),
        (lambda log: log("x", proba=0.5), "TypeError: proba: float, expected one probability a class"),
        (lambda log: log(0.5, proba=[1.0]), "TypeError: input: float, expected a text"),
        (lambda log: log([[1, 2], [3, 4]], proba=[1.0]), "ValueError: 2 rows, expected one; call once for each"),
        (lambda log: log(Broken(), proba=[1.0]), "RuntimeError: not today"),
        (lambda log: log("x", proba=[1.0], id=Broken()), "RuntimeError: no name"),
        (lambda log: log(Endless(), proba=[1.0]), "TypeError: float() argument must be"),
        (lambda log: log(RECURSIVE, proba=[1.0]), "RecursionError: maximum recursion depth exceeded"),
        (lambda log: log("x", proba=[1.0], at="yesterday"), "ValueError: could not convert string to float"),
        (lambda log: log.outcome(Broken(), "a"), "RuntimeError: no name"),
    ],
)
def test_nothing_that_is_given_makes_it_raise(deaf, call, trouble):
    log = Capture(deaf, loop="router", version="v1")
    call(log)
    assert log.trouble.startswith(trouble)
    assert log.counts == (1, 0, 0, 1, 0)
    assert log.close(timeout=0)


@pytest.mark.parametrize("url", ["", "nonsense", "http://", "ftp://host", "http://[::1", "http://host:port"])
def test_a_wrong_address_is_told_and_raises_nothing(url):
    log = Capture(url, loop="router", version="v1")
    log("x", proba=[1.0])
    assert not log.flush(timeout=0.2)
    assert "Error: " in log.trouble
    assert not log.close(timeout=0)
    assert log.counts == (1, 0, 1, 0, 0)


def test_outcomes_come_after_the_predictions_they_are_about(ear):
    with Capture(ear.url, loop="router", version="v1") as log:
        log.outcome("p1", "positive", source="support", at=5)
        log("x", proba=[1.0], id="p1")
        log.outcome("p1", "negative", key="second", at=6)
    assert [path for path, _, _ in ear.heard] == ["/v1/predictions", "/v1/outcomes"]
    assert ear.heard[1][2] == [
        {"prediction": "p1", "label": "positive", "at": 5.0, "source": "support"},
        {"prediction": "p1", "label": "negative", "at": 6.0, "id": "second"},
    ]
    assert log.counts.sent == 3


def test_what_is_sent_again_has_the_same_id(ear):
    ear.answers = [lambda _: (503, {"retry-after": "0"}, {"error": "no room"}), lambda _: (500, {}, {})]
    with Capture(ear.url, loop="router", version="v1") as log:
        names = [log("x", proba=[1.0]) for _ in range(3)]
    assert [[line["id"] for line in lines] for _, _, lines in ear.heard] == [names] * 3
    assert log.counts == (3, 3, 0, 0, 0)
    assert log.trouble == ""


def test_bad_lines_are_counted_and_named_and_good_ones_kept(ear):
    bad = {"accepted": 1, "bad": 1, "errors": [{"line": 2, "error": "line 2: label 'x', expected 'y'"}]}
    ear.answers = [lambda _: (207, {}, bad), lambda _: (400, {}, {"accepted": 0, "bad": 1, "errors": []})]
    log = Capture(ear.url, loop="router", version="v1")
    for wave in (2, 1, 1):
        for _ in range(wave):
            log("x", proba=[1.0])
        assert log.flush()
    assert log.counts == (4, 2, 0, 2, 0)
    assert log.trouble == "line 2: label 'x', expected 'y'"
    assert not ear.answers
    log.close()


def test_a_batch_that_is_too_large_goes_in_parts(ear):
    def choosy(lines: Any) -> Any:
        ear.answers.append(choosy)
        if any(line["text"] == "huge" for line in lines):
            return 413, {}, {"error": "too large"}
        return ear.all_taken(lines)

    ear.answers = [choosy]
    log = Capture(ear.url, loop="router", version="v1")
    names = [log("huge" if n == 3 else "small", proba=[1.0]) for n in range(8)]
    assert log.flush()
    assert set(ear.taken) == {*names} - {names[3]}
    assert log.counts == (8, 7, 0, 1, 0)
    assert log.trouble == "the server answered 413: too large"
    log.close()


@pytest.mark.slow
def test_an_answer_that_does_not_add_up_settles_nothing(ear):
    ear.answers = [
        lambda _: (200, {}, {"accepted": 0}),
        lambda _: (200, {}, {}),
        lambda _: (200, {}, {"accepted": "1"}),
    ]
    with Capture(ear.url, loop="router", version="v1") as log:
        log("x", proba=[1.0])
    assert log.counts == (1, 1, 0, 0, 0)
    assert len(ear.heard) == 4


@pytest.mark.slow
def test_a_shut_door_is_knocked_at_again(ear):
    refusals = [(401, "no token"), (403, "not yours"), (404, "no such loop"), (302, "elsewhere")]
    ear.answers = [lambda _, s=status, e=error: (s, {"location": "/"}, {"error": e}) for status, error in refusals]
    log = Capture(ear.url, loop="router", version="v1")
    log("x", proba=[1.0])
    assert log.flush(timeout=30)
    assert len(ear.heard) == 5
    log.close()


def test_memory_is_bounded_while_nobody_listens(deaf):
    log = Capture(deaf, loop="router", version="v1", queue_lines=100, queue_bytes=10_000)
    for _ in range(1_000):
        log("x" * 1_000, proba=[1.0])
    counts = log.counts
    assert counts.accepted == 1_000
    assert counts.waiting == 8  # of about 1,150 bytes each
    assert counts.dropped == 992
    assert not log.close(timeout=0)
    assert log.counts == (1_000, 0, 1_000, 0, 0)


def test_lines_are_bounded_too(deaf):
    log = Capture(deaf, loop="router", version="v1", queue_lines=100)
    for _ in range(250):
        log("x", proba=[1.0])
    assert (log.counts.waiting, log.counts.dropped) == (100, 150)
    log.close(timeout=0)


def test_a_closed_client_takes_nothing_and_says_so(ear):
    log = Capture(ear.url, loop="router", version="v1")
    assert log.close()
    assert len(log("x", proba=[1.0])) == 36
    assert log.counts == (1, 0, 1, 0, 0)
    assert not log.close()
    assert ear.heard == []


def test_many_threads_lose_nothing_and_double_nothing(ear):
    log = Capture(ear.url, loop="router", version="v1")
    given: list[str] = []

    def call() -> None:
        given.extend(log("x", proba=[1.0]) for _ in range(500))

    threads = [Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.flush(timeout=30)
    assert sorted(line["id"] for line in ear.lines) == sorted(given)
    assert log.counts == (4_000, 4_000, 0, 0, 0)
    assert len(ear.heard) < 100
    log.close()


def test_a_forked_child_sends_its_own_and_its_parents_are_sent_once(ear, deaf):
    log = Capture(deaf, loop="router", version="v1")
    log("the parent's", proba=[1.0], id="parent")
    log._door = Capture(ear.url, loop="router", version="v1")._door  # the child finds the server
    child = os.fork()
    if child == 0:
        before = log.counts
        log("the child's", proba=[1.0], id="child")
        os._exit(0 if before == (0, 0, 0, 0, 0) and log.flush(timeout=10) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [line["id"] for line in ear.lines] == ["child"]
    assert log.counts.accepted == 1
    log.close(timeout=0)


def test_a_call_in_a_signal_that_interrupts_a_call_comes_back(deaf):
    log = Capture(deaf, loop="router", version="v1")
    before = signal.signal(signal.SIGUSR1, lambda *_: log("from the signal", proba=[1.0]))
    try:
        with log._waiting._lock:  # as if the signal came while a call was in it
            os.kill(os.getpid(), signal.SIGUSR1)
            sys.getswitchinterval()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert log.counts == (1, 0, 1, 0, 0)
    log.close(timeout=0)


def test_the_callers_random_numbers_stay_the_same(ear):
    import random

    random.seed(7)
    expected = random.random()
    random.seed(7)
    ear.answers = [lambda _: (503, {}, {})]
    with Capture(ear.url, loop="router", version="v1") as log:
        log("x", proba=[1.0])
    assert random.random() == expected


def test_the_token_may_stand_in_the_environment(ear, monkeypatch):
    monkeypatch.setenv("LOOPLINE_TOKEN", "from the environment")
    with Capture(ear.url, loop="router", version="v1") as log:
        log("x", proba=[1.0])
    assert ear.heard[0][1]["authorization"] == "Bearer from the environment"


def test_ids_sort_by_time():
    names = [new_id() for _ in range(1_000)]
    assert len(set(names)) == 1_000
    assert [name[:13] for name in names] == sorted(name[:13] for name in names)
    assert all(name[14] == "7" and name[19] in "89ab" for name in names)


def test_a_program_that_ends_without_a_word_sends_what_waits(ear):
    program = "import sys; sys.path.insert(0, sys.argv[1]); from loopline_client import Capture; "
    program += "log = Capture(sys.argv[2], loop='r', version='v1'); [log('x', proba=[1.0]) for _ in range(10)]"
    source = str(Path(loopline_client.__file__).parents[1])
    subprocess.run([sys.executable, "-c", program, source, ear.url], check=True)
    assert len(ear.taken) == 10


@pytest.mark.parametrize("spool", [False, True])
def test_a_system_that_gives_no_thread_at_first_upsets_neither_caller_nor_account(ear, tmp_path, monkeypatch, spool):
    real, refusals = threading.Thread.start, [False, True, True] if spool else [True, True]

    def start(thread):
        if thread.name == "loopline-client" and refusals and refusals.pop(0):
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    log = Capture(ear.url, loop="router", version="v1", spool=str(tmp_path) if spool else None)
    for number in range(50):
        log("x", proba=[1.0], id=str(number))
        assert law(log)
        assert log.counts.dropped == 0
    assert log.close(timeout=30)
    assert log.counts == (50, 50, 0, 0, 0)
    assert sorted(int(line["id"]) for line in ear.lines) == list(range(50))
