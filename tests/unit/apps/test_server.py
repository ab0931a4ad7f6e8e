"""What ``loopline up`` refuses before it serves, and how its log tells failures."""

import asyncio
import logging
import time
from datetime import UTC, datetime

import httpx
import pytest
import uvicorn

from loopline.apps.http import server
from loopline.apps.http.server import in_one_line, require_same_contract
from loopline.apps.recorder.words import read_orders
from loopline.errors import Conflict, NotFound
from loopline.ports.ledger import Ledger
from loopline.records.ids import VersionName
from loopline.records.settings import CaptureSettings
from loopline.records.signature import Signature
from loopline.testing import factories as make
from loopline.testing.judgements import split
from loopline.testing.rooms import rooms


@pytest.fixture
def ledger() -> Ledger:
    """Of a loop whose live version is v1."""
    found = rooms(now=datetime(2026, 1, 5, tzinfo=UTC)).ledger
    found.commit(make.entry("first", make.model_version(), split()))
    return found


def test_changed_labels_are_refused_with_both_contracts(ledger):
    asked = make.settings(signature=Signature(input="text", labels=("negative", "positive")))
    with pytest.raises(Conflict) as caught:
        require_same_contract(ledger, asked)
    assert str(caught.value) == (
        "loop.toml: asks for text with labels [negative, positive], expected text with labels "
        "[negative, neutral, positive], which the live version v1 was made for; put them back, or start a new folder"
    )


def test_a_changed_width_is_refused_too(ledger):
    asked = make.settings(signature=Signature(input="tabular", width=3, labels=make.SIGNATURE.labels))
    with pytest.raises(Conflict, match="asks for tabular of width 3 with labels"):
        require_same_contract(ledger, asked)


def test_the_newest_split_tells_which_version_is_live(ledger):
    labels = Signature(input="text", labels=("no", "yes"))
    newest = split(9, incumbent=VersionName("v2"))
    ledger.commit(make.entry("second", make.model_version("v2", signature=labels), newest))
    require_same_contract(ledger, make.settings(signature=labels))


def test_the_same_contract_and_a_loop_without_a_live_version_are_served(ledger):
    require_same_contract(ledger, make.settings())
    require_same_contract(rooms(now=datetime(2026, 1, 5, tzinfo=UTC)).ledger, make.settings())


def logged(error: Exception) -> logging.LogRecord:
    with pytest.raises(type(error)) as caught:
        raise error
    failed = (type(error), caught.value, caught.tb)
    record = logging.LogRecord("loopline.runner", logging.ERROR, __file__, 1, "%s: try 1: %s", ("cut", error), failed)
    assert in_one_line(record)
    return record


def test_a_failure_that_explains_itself_is_one_line_of_warning():
    told = logging.Formatter("%(levelname)s %(message)s").format(logged(NotFound("trainer", "fit")))
    assert told == "WARNING cut: try 1: no trainer 'fit'"
    long = logged(Conflict("run", found="failed\nTraceback", expected="a model"))
    assert logging.Formatter("%(message)s").format(long) == "cut: try 1: run: failed"


def test_an_unexpected_failure_keeps_its_traceback():
    record = logged(ZeroDivisionError("division by zero"))
    assert record.levelno == logging.ERROR
    assert "Traceback" in logging.Formatter("%(message)s").format(record)


@pytest.mark.slow
def test_what_loop_toml_says_of_capture_is_what_the_recorder_is_told(tmp_path, monkeypatch):
    ran = []

    class Stopped(uvicorn.Server):
        def run(self, sockets=None):
            ran.append(sockets)

    monkeypatch.setattr(server.uvicorn, "Server", Stopped)
    monkeypatch.setattr(server, "_log_to_stderr", lambda: None)
    asked = make.settings(capture=CaptureSettings(sample=0.5, reserve=0.25))
    server.serve(asked, root=tmp_path / ".loopline", host="127.0.0.1", port=0)
    assert len(ran) == 1
    assert read_orders(tmp_path / ".loopline").settings == asked


@pytest.mark.slow
def test_a_server_that_records_nothing_says_so_in_its_log_and_in_its_status(tmp_path, monkeypatch, caplog):
    told = []

    class Asked(uvicorn.Server):
        def run(self, sockets=None):
            shown = {"authorization": f"Bearer {(tmp_path / 'token').read_text().strip()}"}
            told.append(asyncio.run(self.status(shown)))
            deadline = time.monotonic() + 10
            while not warnings() and time.monotonic() < deadline:
                time.sleep(0.01)

        async def status(self, shown):
            transport = httpx.ASGITransport(app=self.config.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return (await client.get("/api/status", headers=shown)).json()["troubles"]

    def warnings():
        return [record.getMessage() for record in caplog.records if record.name == "loopline.server"]

    sentence = (
        "LOOPLINE_CAPTURE: off: nothing that is answered is recorded, and the loop learns nothing from it, expected it "
        "not to be set; unset it and start again"
    )
    monkeypatch.setenv("LOOPLINE_CAPTURE", "off")
    monkeypatch.setattr(server.uvicorn, "Server", Asked)
    monkeypatch.setattr(server, "_log_to_stderr", lambda: None)
    server.serve(make.settings(), root=tmp_path, host="127.0.0.1", port=0)
    assert told == [[sentence]]
    assert warnings() == [sentence]
