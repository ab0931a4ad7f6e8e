"""Traffic and people against a stub of the real doors."""

import itertools
import json
import threading
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loopline.apps.demo import people, traffic
from loopline.apps.demo.door import Door, Refused
from loopline.apps.demo.people import answers_to, run_annotator
from loopline.apps.demo.traffic import NOVELTY, Send, request_of, run_traffic, sends, sent_so_far
from loopline.apps.demo.world import PEOPLE, Sample, World, answer, known_samples, write_world
from loopline.errors import NotFound, Unavailable

pytestmark = pytest.mark.service

LABELS = ("negative", "neutral", "positive")


@contextmanager
def stub(reply):
    """A server whose answers come from ``reply(path, document) -> (status, document)``."""

    class Stub(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answered = (401, {}) if self.headers["Authorization"] != "Bearer t" else reply(self.path, document)
            content = json.dumps(answered).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *said):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def samples(name, count):
    return tuple(
        Sample(id=f"{name}-{n}", row=f"{name} {n}", label=LABELS[n % 3], ratings=(LABELS[n % 3],) * 8)
        for n in range(count)
    )


@pytest.fixture
def world():
    return World(
        loop="sentiment",
        dataset="made up",
        before_name="old",
        after_name="new",
        input="text",
        width=0,
        labels=LABELS,
        base=(),
        anchor=(),
        gold=samples("gold", 5),
        before=samples("old", 30),
        after=samples("new", 400),
        measured_old=(),
        measured_new=(),
        asked_per_label=3,
        seed=7,
    )


@pytest.fixture
def folder(world, tmp_path):
    write_world(world, tmp_path / "demo" / "world.json")
    (tmp_path / ".loopline").mkdir()
    (tmp_path / ".loopline" / "token").write_text("t")
    return tmp_path


@pytest.fixture
def fast(monkeypatch):
    monkeypatch.setattr(traffic, "AFTER_PER_SECOND", 10_000)
    monkeypatch.setattr(traffic, "BEFORE_PER_SECOND", 10_000)
    monkeypatch.setattr(people, "THINKING_SECONDS", 0.0)


def test_the_old_world_comes_first_and_once(world):
    first = list(itertools.islice(sends(world), 30))
    assert tuple(send.sample for send in first) == world.before


def test_ids_are_the_same_again_and_never_shared(world):
    once = list(itertools.islice(sends(world), 2_000))
    assert once == list(itertools.islice(sends(world), 2_000))
    assert len({send.id for send in once}) == 2_000


def test_new_samples_appear_ever_more_rarely_and_some_repeat_often(world):
    later = list(itertools.islice(sends(world), 30, 630))
    distinct = len({send.sample.id for send in later})
    expected = sum(NOVELTY / (NOVELTY + n) for n in range(600))
    assert distinct == pytest.approx(min(expected, len(world.after)), rel=0.1)
    assert Counter(send.sample.id for send in later).most_common(1)[0][1] >= 4


def test_requests_speak_the_protocol(world):
    assert request_of(world.signature, Send("s-1", world.before[0])) == {
        "id": "s-1",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["old 0"]}],
    }


def test_every_request_arrives_although_the_server_fails_now_and_then(world, folder, fast):
    asked, answered = [], []

    def reply(path, document):
        asked.append(path)
        if len(asked) % 7 == 0:
            return 503, {"error": "starting"}
        answered.append(document["id"])
        if len(answered) == 100:
            (folder / "demo" / "stop").touch()
        return 200, {}

    with stub(reply) as url:
        count = run_traffic(folder, url=url)
    due = [send.id for send in itertools.islice(sends(world), count)]
    assert set(asked) == {"/v2/models/sentiment/infer"}
    assert count == sent_so_far(folder) >= 80
    assert set(due) <= set(answered)


def test_a_second_start_goes_on_where_the_journal_ends(world, folder, fast):
    (folder / "demo" / "traffic.json").write_text('{"answered": 40}')
    answered = []

    def reply(path, document):
        answered.append(document["id"])
        (folder / "demo" / "stop").touch()
        return 200, {}

    with stub(reply) as url:
        run_traffic(folder, url=url)
    assert min(answered) == "sentiment-0000040"


def test_a_refusal_is_not_asked_again():
    with stub(lambda path, document: (422, {"error": "shape [2], expected [1]"})) as url:
        door = Door(url, token="t")
        with pytest.raises(Refused, match=r'POST /x: 422: \{"error": "shape \[2\], expected \[1\]"\}'):
            door.post("/x", {})
        door.close()


def test_a_wrong_token_is_refused():
    with stub(lambda path, document: (200, {})) as url:
        door = Door(url, token="other")
        with pytest.raises(Refused, match="POST /x: 401"):
            door.post("/x", {})
        door.close()


def test_a_server_that_is_away_is_unavailable():
    with stub(lambda path, document: (200, {})) as url:
        pass
    with pytest.raises(Unavailable, match="server: ConnectionRefusedError"):
        Door(url, token="t").post("/x", {})


def text(row):
    return {"kind": "text", "text": row, "language": ""}


def test_answers_have_ids_of_their_own_and_quote_ratings(world):
    tasks = [{"id": f"t{n}", "view": text(world.after[n].row)} for n in range(3)]
    given = answers_to(tasks, annotator=PEOPLE[0], world=world, samples=known_samples(world))
    assert [one["id"] for one in given] == [f"t{n}-{PEOPLE[0]}" for n in range(3)]
    assert [one["label"] for one in given] == [answer(world, world.after[n], PEOPLE[0]) for n in range(3)]


def test_a_row_that_nobody_rated_is_named(world):
    with pytest.raises(NotFound, match="no rating of 'unheard'"):
        answers_to(
            [{"id": "t1", "view": text("unheard")}], annotator=PEOPLE[0], world=world, samples=known_samples(world)
        )


def test_an_annotator_answers_what_is_claimed_and_leaves_when_paused(world, folder, fast):
    waiting = [{"id": f"t{n}", "view": text(sample.row)} for n, sample in enumerate(world.after[:25])]
    sent, notes = [], []

    def reply(path, document):
        if path == "/api/claim":
            return 200, {
                "tasks": waiting[: document["count"]],
                "paused": "" if waiting else "3 of 9 gold answers right",
            }
        sent.extend(document["annotations"])
        del waiting[: len(document["annotations"])]
        return 200, {"accepted": len(document["annotations"])}

    with stub(reply) as url:
        run_annotator(PEOPLE[1], url=url, folder=folder, world=world, note=notes.append)
    assert [one["task"] for one in sent] == [f"t{n}" for n in range(25)]
    assert [note["id"] for note in notes[:-1]] == [one["id"] for one in sent]
    assert notes[-1] == {"annotator": PEOPLE[1], "paused": "3 of 9 gold answers right"}


def test_an_answer_that_was_not_acknowledged_is_given_again_under_its_id(world, folder, fast):
    task, sent = {"id": "t1", "view": text(world.after[0].row)}, []

    def reply(path, document):
        if path == "/api/claim":
            return 200, {"tasks": [] if len(sent) > 1 else [task], "paused": "done" if len(sent) > 1 else ""}
        sent.append(document["annotations"][0]["id"])
        return (503, {}) if len(sent) == 1 else (200, {"accepted": 0})

    with stub(reply) as url:
        run_annotator(PEOPLE[2], url=url, folder=folder, world=world, note=lambda line: None)
    assert sent == [f"t1-{PEOPLE[2]}"] * 2
