"""The wheel, away from the checkout: its pages are inside, and the demo runs from it."""

import json
import os
import socket
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.service]

DEMO_SECONDS = 900


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("loopline-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a clean environment that holds the wheel and its pinned requirements."""
    home = tmp_path_factory.mktemp("clean") / "venv"
    venv.create(home, with_pip=True)
    pip = (home / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--constraint", ROOT / "constraints.txt", wheel, cwd=home)
    return home / "bin"


def run(*words: str | Path, cwd: Path, seconds: int = 600) -> str:
    """What the command printed; what it complained of is shown when it fails."""
    alone = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        [*map(str, words)], cwd=cwd, env=alone, capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, f"{words} left with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_pages_are_inside(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    static = [name for name in names if name.startswith("loopline/apps/web/static/")]
    assert [name for name in static if name.endswith(".js")]
    assert [name for name in static if name.endswith(".css")]
    templates = {path.name for path in (ROOT / "src/loopline/apps/web/templates").rglob("*") if path.is_file()}
    assert templates
    assert templates <= {Path(name).name for name in names if name.startswith("loopline/apps/web/templates/")}


def test_every_module_and_table_of_the_checkout_is_inside(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    source = ROOT / "src"
    here = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    assert here <= names
    assert not [name for name in names if name.endswith((".ts", ".map")) or "node_modules" in name]


def test_it_answers_outside_the_checkout(installed, tmp_path):
    assert run(installed / "loopline", "version", cwd=tmp_path).startswith("loopline ")
    where = run(installed / "python", "-c", "import loopline; print(loopline.__file__)", cwd=tmp_path)
    assert not where.startswith(str(ROOT))


def test_the_demo_runs_from_it(installed, tmp_path):
    result = tmp_path / "result.json"
    options = ("--once", "--offline", "--json", result, "--dir", tmp_path / "demo", "--port", str(free_port()))
    run(installed / "loopline", "demo", *options, cwd=tmp_path, seconds=DEMO_SECONDS)
    report = json.loads(result.read_text())
    assert report["dataset"]
    assert report["cycles"] == 3
    assert report["lineage_complete"] is True
    assert report["predictions_answered"] == report["records_stored"] + report["drops"]
