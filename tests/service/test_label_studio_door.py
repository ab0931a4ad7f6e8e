"""``loopline tasks`` and its routes, beside a running server and without one."""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from tests.service.live import Loop, up, write_loop
from tests.service.test_api_fuzz import seed

from loopline.apps.cli.main import main

pytestmark = pytest.mark.service

WEBHOOK = {
    "action": "ANNOTATION_CREATED",
    "annotation": {
        "id": 91,
        "completed_by": 3,
        "result": [{"from_name": "label", "to_name": "input", "type": "choices", "value": {"choices": ["neutral"]}}],
    },
    "task": {"id": 1, "data": {"loopline_task": "t3"}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("bridged") / "loop"
    write_loop(folder)
    seed(folder)
    yield folder
    shutil.rmtree(folder)


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Tasks = Callable[..., Done]


@pytest.fixture
def tasks(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Tasks:
    """Runs ``loopline tasks`` in the folder, as its program does."""
    monkeypatch.chdir(folder)

    def run(*words: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["loopline", "tasks", *words, "--loop", "loop.toml"])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return Done(int(left.value.code or 0), said.out, said.err)

    return run


def test_without_a_server_tasks_go_out_and_answers_come_in(folder: Path, tasks: Tasks) -> None:
    done = tasks("export", "--for", "labelling", "--to", "open.json")
    assert done.returncode == 0, done.stderr
    told = json.loads((folder / "open.json").read_bytes())
    assert [task["data"]["loopline_task"] for task in told] == ["t0", "t2", "t3", "t4"]  # t1 is answered
    again = tasks("export", "--to", "open.json")
    assert (again.returncode, "something of that name" in again.stderr) == (2, True)
    lines = [
        {"task": "t0", "annotator": "ana", "label": "neutral"},
        {"task": "t9", "annotator": "bo", "label": "neutral"},
    ]
    (folder / "said.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    dry = tasks("import", "said.jsonl", "--dry-run")
    assert (dry.returncode, dry.stdout) == (
        1,
        "nothing was stored; it would have been: 2 read: 1 stored, 0 repeated, 1 bad\n",
    )
    wet = tasks("import", "said.jsonl", "--json")
    assert json.loads(wet.stdout) == {
        "read": 2, "stored": 1, "corrected": 0, "passed": 0, "repeated": 0, "bad": 1, "is_dry": False,
    }  # fmt: skip
    assert wet.stderr == "said.jsonl line 2: no task 't9'\n"
    (folder / "new.csv").write_text('text,id\n"a new, odd one",n1\n')
    assert tasks("import", "--new", "new.csv").stdout == "1 read: 1 stored, 0 repeated, 0 bad\n"
    shown = tasks("interface").stdout
    assert 'toName="input" choice="single"' in shown


def test_beside_a_server_the_same_commands_and_routes_do_the_same(folder: Path, tasks: Tasks) -> None:
    with up(folder) as loop:
        done = tasks("import", "said.jsonl", "new.csv")
        assert done.stdout.startswith("3 read: 0 stored, 1 repeated, 2 bad")
        assert "new.csv line 2: fields text, id, expected task, annotator and label" in done.stderr
        out = tasks("export", "--what", "annotations", "--format", "csv")
        assert "import/" in out.stdout, out.stderr
        _over_http(loop)


def _over_http(loop: Loop) -> None:
    base, shown = f"http://127.0.0.1:{loop.port}", {"authorization": f"Bearer {loop.token}"}
    with httpx.Client(base_url=base, headers=shown, timeout=60, trust_env=False) as client:
        for stored in (1, 0):
            told = client.post("/api/tasks/import", json=WEBHOOK, params={"people": ["3=chidi", "4=dara"]}).json()
            assert (told["stored"], told["repeated"], told["errors"]) == (stored, 1 - stored, [])
        answers = client.get("/api/tasks/export", params={"what": "annotations"}).text.splitlines()
        assert [one["annotator"] for one in map(json.loads, answers) if one["id"] == "label-studio/91"] == ["chidi"]
        refused: tuple[tuple[int, dict[str, Any], str], ...] = (
            (400, {"content": b"x", "headers": {"content-type": "text/plain"}}, "Content-Type: 'text/plain'"),
            (
                400,
                {"content": b"[", "headers": {"content-type": "application/json"}},
                "expected a list of JSON objects",
            ),
            (400, {"json": [], "headers": {"content-encoding": "gzip"}}, "Content-Encoding: 'gzip', expected none"),
            (400, {"json": [], "params": {"people": "ana"}}, "people: 'ana'"),
            (400, {"json": [], "params": {"source": ""}}, "source: ''"),
            (413, {"content": bytes((16 << 20) + 1), "headers": {"content-type": "text/csv"}}, "a body over 16 MiB"),
        )
        for status, request, sentence in refused:
            answer = client.post("/api/tasks/import", **request)
            assert (answer.status_code, sentence in answer.json()["error"]) == (status, True), answer.text
        for scope, status in (("read", 403), ("annotate", 403), ("lead", 200)):
            key = client.post("/api/keys", json={"name": scope, "scopes": [scope]}).json()
            bearer = {"authorization": f"Bearer {next(one for one in key.values() if str(one).count('_') == 2)}"}
            assert client.get("/api/tasks/export", headers=bearer).status_code == status
            assert client.post("/api/tasks/import", json=[], headers=bearer).status_code == status
