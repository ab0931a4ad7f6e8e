"""What pages and the API read of the house, and that both tell the same."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from litestar.testing import TestClient

from loopline.adapters.memory.launcher import MemoryLauncher
from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.log import MemoryLog
from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.apps.http.control import make_control
from loopline.ports.prediction_log import Scores
from loopline.ports.task_queue import Answers
from loopline.records.ids import LoopName, RunId
from loopline.records.model import RunState
from loopline.testing import factories as make
from loopline.testing import story
from loopline.testing.rooms import Rooms, StoredConsole, rooms

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class ReadBook(MemoryTaskQueue):
    """An answer book that knows how often it was read."""

    read = 0

    def answers(self, loop: LoopName, *, cycle: int) -> Answers:
        self.read += 1
        return super().answers(loop, cycle=cycle)


class AskedLauncher(MemoryLauncher):
    """A launcher that knows how often it was asked."""

    asked = 0

    def poll(self, run: RunId) -> RunState:
        self.asked += 1
        return super().poll(run)


class ReadLog(MemoryLog):
    """A log that knows how often its scores were read."""

    read = 0

    def scores(self, *, after: int, until: int) -> Scores:
        self.read += 1
        return super().scores(after=after, until=until)


@pytest.fixture
def own() -> Rooms:
    """The house of the story, each room of which knows how often it was asked."""
    ledger, log, launcher = MemoryLedger(), ReadLog(), AskedLauncher(lambda _: None)
    book = ReadBook(ledger.state)
    house = replace(rooms(now=NOW), ledger=ledger, log=log, launcher=launcher, book=book, queue=book)
    story.tell(ledger, now=NOW)
    log.append(story.predictions(now=NOW))
    return house


def fetched(house: Rooms, path: str) -> str:
    with TestClient(make_control(house, StoredConsole(house))) as client:
        answer = client.get(path)
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("path", ["/cycles/2", "/cycles/2/selection"])
def test_a_cycles_page_reads_what_people_said_once(own, path):
    fetched(own, path)
    assert own.book.read == 1


@pytest.mark.parametrize("path", ["/cycles/2/selection", "/cycles/2/labels"])
def test_a_list_of_samples_does_not_ask_after_the_training_run(own, path):
    fetched(own, path)
    assert own.launcher.asked == 0


@pytest.mark.parametrize(
    ("path", "times"), [("/", 1), ("/api/status", 1), ("/models", 0), ("/models/v2", 0), ("/models/v3", 0)]
)
def test_a_page_looks_at_a_rollout_once_or_not_at_all(own, path, times):
    on_trial = make.rollout(id="cycle-3", cycle=3, state="canary", challenger="v4", incumbent="v3", since_position=0)
    own.ledger.commit(make.entry("on trial", on_trial))
    fetched(own, path)
    assert own.log.read == times


def test_the_page_tells_how_a_cycle_ended_as_the_api_does(own):
    closed = make.cycle(4, phase="closed", outcome="failed", outcome_reason="no rows\nTraceback: line 12")
    began = make.activity("sentiment/cycle/4", kind="OpenCycle", cycle=4, used=(), generated=("cycle:cycle-4",))
    opened = make.event("o", subject="sentiment/cycle/4", text="2,000 rows are new")
    ended = make.event("c", subject="sentiment/cycle-4/close", text="cycle 4 failed: no rows\nTraceback: line 12")
    own.ledger.commit(make.entry("ended", closed, activity=began, events=(opened, ended)))
    page = fetched(own, "/why?id=cycle-4")
    assert '<p class="told">2,000 rows are new</p><p class="told">cycle 4 failed: no rows</p>' in page
    assert "Traceback" not in page
    assert "2,000 rows are new\\ncycle 4 failed: no rows" in fetched(own, "/api/why?id=cycle-4")
