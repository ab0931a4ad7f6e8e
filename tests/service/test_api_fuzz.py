"""The control API under schemathesis, over a loop that runs: whatever is sent, it answers as its description says."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from tests.service.live import Loop, up, write_loop

from loopline.apps.config import load_settings
from loopline.apps.wiring import open_house
from loopline.testing import factories as make

pytestmark = pytest.mark.service

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "ignored_auth", "unsupported_method",
)  # fmt: skip
KNOWN = """\
[parameters]
"path.number" = 1
"path.task" = "t0"
"""
"""Names of things that are there: what is made up is mostly unknown, and goes no further."""
SECONDS = 600
"""After which the test gives up: it takes a tenth of it."""
OPEN = {"/healthz", "/readyz"}


def seed(folder: Path) -> None:
    """A batch that people are labelling: tasks of every stratum, an answer, and the guideline."""
    house = open_house(load_settings(folder / "loop.toml"), root=folder / ".loopline")
    strata = ("chosen", "audit", "reserve", "gold", "relabel")
    tasks = tuple(
        make.task(f"t{place}", f"text {place}", stratum=stratum, gold="positive" if stratum == "gold" else "")
        for place, stratum in enumerate(strata)
    )
    house.ledger.commit(make.entry("seed", make.cycle(1, phase="published"), tasks=tasks))
    house.queue.submit((make.annotation(task="t1"),), loop=house.settings.name)
    house.log.close()


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("fuzzed") / "loop"
    write_loop(folder)
    seed(folder)
    with up(folder) as running:
        yield running


def test_whatever_is_sent_the_api_answers_as_its_description_says(loop: Loop, tmp_path: Path) -> None:
    program = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert program, "install what testing needs: pip install -c constraints.txt -e .[dev]"
    (tmp_path / "schemathesis.toml").write_text(KNOWN)
    address = f"http://127.0.0.1:{loop.port}/api/schema/openapi.json"
    shown = ["-H", f"Authorization: Bearer {loop.token}"]
    asked = ["--phases", "examples,coverage,fuzzing", "-n", "2", "--checks", ",".join(CHECKS)]
    fixed = ["--generation-deterministic", "--no-shrink", "--no-color", "--continue-on-failure"]
    done = subprocess.run(
        [program, "run", address, *shown, *asked, *fixed],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr + loop.said.read_text()[-2_000:]
    assert "Traceback" not in loop.said.read_text()


def test_nothing_opens_to_who_shows_nothing_or_something_wrong_or_too_little(loop: Loop) -> None:
    made = httpx.post(
        f"http://127.0.0.1:{loop.port}/api/keys",
        json={"name": "a client", "scopes": ["predict"]},
        headers={"authorization": f"Bearer {loop.token}"},
    )
    assert made.status_code == 201, made.text
    key = next(value for value in made.json().values() if isinstance(value, str) and value.count("_") == 2)
    shown = {"": 401, "Bearer wrong": 401, f"Bearer {key}": 403}
    document = httpx.get(f"http://127.0.0.1:{loop.port}/api/schema/openapi.json", headers=loop_token(loop)).json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=f"http://127.0.0.1:{loop.port}")
    told: list[tuple[str, str, int]] = []
    with httpx.Client() as client:
        for operation in schema.get_all_operations():
            if operation.ok().path not in OPEN:
                _ask(operation.ok(), client, shown, told)
    wrong = [one for one in told if one[2] != shown[one[1]]]
    assert not wrong, wrong[:10]
    assert len({path for path, _, _ in told}) > 30


def loop_token(loop: Loop) -> dict[str, str]:
    return {"authorization": f"Bearer {loop.token}"}


def _ask(operation: Any, client: httpx.Client, shown: dict[str, int], told: list[tuple[str, str, int]]) -> None:
    """Send what the description allows, with each of these headers."""

    @given(case=operation.as_strategy())
    @settings(
        max_examples=2, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def send(case: Any) -> None:
        for header in shown:
            answer = case.call(headers={"authorization": header} if header else {})
            told.append((f"{operation.method} {operation.path}", header, answer.status_code))

    send()
