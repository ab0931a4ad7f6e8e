"""One pool, read by threads, by Daft, and by Daft on Ray: whoever reads it, the same is found and the same chosen.

Daft and Ray live in an environment of their own, made once and kept: Daft asks for an older Arrow than Loopline is
tested with.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.service.pool_reader import opened
from tests.service.test_object_store_s3 import Server

from loopline.adapters.spool import parquet
from loopline.testing.factories import NOW, later, prediction

pytestmark = [pytest.mark.service, pytest.mark.slow]
HERE, TREE = Path(__file__).parent, Path(__file__).parents[2]
WANTED = ("daft==0.7.26", "ray[client]==2.60.0", "pytest")
OTHERWISE = ("pyarrow", "tqdm")
"""What Daft wants in versions other than the constraints'."""
TRIES, HUNG = 4, 240
ENOUGH = {"ROWS": 12_000, "SEALED": 11_000, "SEGMENT": 2_200, "GROUP": 500}
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
"""A cluster answers only those who know its token."""
RAY |= {"PYTHONPATH": str(TREE / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
"""This tree, in an environment that holds what it needs and is every tree's."""


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of an environment with Daft and Ray beside Loopline."""
    needed = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted = [*WANTED, *needed, (TREE / "constraints.txt").read_text()]
    mark = hashlib.sha256(" ".join((sys.version, *wanted)).encode()).hexdigest()[:8]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loopline-bench"
    folder = cache / f"fleets-{mark}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        lines = (TREE / "constraints.txt").read_text().splitlines()
        kept = [line for line in lines if line.partition("==")[0] not in OTHERWISE]
        (folder / "constraints.txt").write_text("\n".join(kept))
        command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "-c", folder / "constraints.txt"]
        done = subprocess.run([*command, *needed, *WANTED], check=False, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"Daft and Ray cannot be installed: {done.stderr.splitlines()[-1]}")
        (folder / "complete").touch()
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    pytest.importorskip("moto", reason="the S3 server moto is not installed")
    running = Server(tmp_path_factory.mktemp("s3"))
    yield running
    running.stop()


@pytest.fixture(scope="module", params=["folder", "s3://loop/pool"])
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, server: Server
) -> Iterator["Place"]:
    """A log of some segments and a hot tail, in a folder or in a bucket."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in server.environment.items():
            patch.setenv(name, value)
        patch.setattr(parquet, "GROUP_ROWS", ENOUGH["GROUP"])
        found = Place(tmp_path_factory.mktemp("pool"), request.param)
        found.fill()
        yield found


class Place:
    """Where the log lies, and who reads it."""

    def __init__(self, root: Path, store: str) -> None:
        self.root, self.store = root, store

    def fill(self) -> None:
        log, rng = opened(self.root, store=self.store), np.random.default_rng(5)
        for start in range(0, ENOUGH["ROWS"], ENOUGH["SEGMENT"]):
            log.append([row(number, rng) for number in range(start, min(start + ENOUGH["SEGMENT"], ENOUGH["ROWS"]))])
            if log.end() <= ENOUGH["SEALED"]:
                log.seal(now=NOW, rows=ENOUGH["SEGMENT"])
        assert log.waiting() == (ENOUGH["SEALED"] + 1, ENOUGH["ROWS"] - ENOUGH["SEALED"])
        log.close()

    def read(self, python: Path, fleet: str, *shards: int) -> list[dict[str, object]]:
        """What a fleet finds when the sealed rows are cut into so many shards."""
        if self.store != "folder":
            shutil.rmtree(self.root / "copies", ignore_errors=True)
        command = [python, HERE / "pool_reader.py", self.root, self.store, fleet, *map(str, shards)]
        with short_folder() as folder:
            env = os.environ | RAY | {"RAY_TMPDIR": str(folder)}
            for _ in range(TRIES):
                done = subprocess.run(command, check=False, capture_output=True, text=True, env=env, timeout=HUNG)
                if "does not answer" not in done.stderr:  # on a busy machine a cluster may need more than Ray waits for
                    break
        if fleet.startswith("ray://") and "does not answer" in done.stderr:
            pytest.skip("Ray's client server does not start on this machine")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def row(number: int, rng: np.random.Generator) -> object:
    sample = int(rng.zipf(1.4)) % 9_000
    p = rng.dirichlet([1.0, 1.0, 1.0])
    return prediction(
        f"p{number:05}",
        f"a sentence about {sample % 83} and {sample % 89} things, number {sample}",
        probabilities=tuple(p.tolist()),
        model="v2" if number % 4 == 0 else "v1",
        role="reserve" if sample % 20 == 3 and number % 2 else "loop",
        at=later(number % 700),
        segment=f"city {sample % 5}",
        members=rng.dirichlet([1.0, 1.0, 1.0], size=4).astype("<f4").tobytes() if number % 3 else b"",
    )


@contextlib.contextmanager
def short_folder() -> Iterator[Path]:
    """A folder whose path leaves room for the sockets that Ray makes in it."""
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


@contextlib.contextmanager
def cluster(python: Path) -> Iterator[str]:
    """The address of a Ray cluster in processes of its own."""
    ports = [free_port() for _ in range(2)]
    options = ["--head", "--block", "--include-dashboard=false", "--num-cpus=2", "--disable-usage-stats"]
    with short_folder() as folder:
        options += [f"--port={ports[0]}", f"--ray-client-server-port={ports[1]}", f"--temp-dir={folder}"]
        command = [python.with_name("ray"), "start", *options]
        running = subprocess.Popen(command, env=os.environ | RAY, start_new_session=True, stdout=subprocess.DEVNULL)
        try:
            wait_for(ports[1], running)
            yield f"ray://127.0.0.1:{ports[1]}"
        finally:
            running.terminate()  # it ends what it started
            running.wait(timeout=60)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, running: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and running.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise AssertionError("the Ray cluster does not answer")


@pytest.mark.parametrize("address", ["", "ray"])
def test_daft_keeps_the_contract_of_fleets(python: Path, address: str) -> None:
    command = [python, "-m", "pytest", "-q", "--noconftest", "-c", os.devnull, "-p", "no:cacheprovider"]
    with short_folder() as folder:
        env = os.environ | RAY | {"FLEET": address, "RAY_TMPDIR": str(folder)}
        done = subprocess.run(
            [*command, HERE / "fleet_contracts.py"], check=False, capture_output=True, text=True, env=env, timeout=HUNG
        )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_is_found_and_chosen_whoever_reads_and_however_it_is_cut(python: Path, place: Place) -> None:
    here = Path(sys.executable)
    expected = place.read(here, "threads-1", 0, 1, 4, 16)
    assert len(expected) == 4
    for each in expected[1:]:
        assert (each["together"], each["ids"]) == (expected[0]["together"], expected[0]["ids"])
    assert len(set(expected[0]["ids"])) == 60
    assert len(expected[3]["each"]) > len(expected[0]["each"])
    assert place.read(here, "threads-2", 0, 16) == [expected[0], expected[3]]
    assert place.read(python, "daft", 0, 1, 4, 16) == expected
    assert place.read(python, "ray", 0, 1, 4, 16) == expected


def test_a_cluster_elsewhere_finds_the_same(python: Path, place: Place) -> None:
    expected = place.read(Path(sys.executable), "threads-2", 0, 4)
    with cluster(python) as address:
        assert place.read(python, address, 0, 4) == expected


def test_a_cluster_that_does_not_answer_is_unavailable(python: Path) -> None:
    program = "from loopline.adapters.daft.fleet import DaftFleet; next(DaftFleet('ray://127.0.0.1:9').map(abs, [1]))"
    done = subprocess.run([python, "-c", program], check=False, capture_output=True, text=True, env=os.environ | RAY)
    assert "Unavailable: launcher: the Ray cluster at ray://127.0.0.1:9 does not answer" in done.stderr


BOTH_TIMES = """
import sys
from loopline.adapters.daft.fleet import DaftFleet
from loopline.errors import Unavailable

fleet = DaftFleet(sys.argv[1])
print(list(fleet.map(abs, [-1])), flush=True)
input()
for _ in range(2):
    try:
        print(list(fleet.map(abs, [-1])), flush=True)
    except Unavailable as error:
        print(error, flush=True)
"""


@contextlib.contextmanager
def started(command: list[str | Path]) -> Iterator[subprocess.Popen[str]]:
    """A program with pipes to it, which ends with the test however that ends."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=os.environ | RAY) as running:
        try:
            yield running
        finally:
            running.kill()


def test_a_cluster_that_is_lost_between_two_passes_is_unavailable_and_no_other_is_begun(python: Path) -> None:
    with contextlib.ExitStack() as held:
        with cluster(python) as address:
            running = held.enter_context(started([python, "-c", BOTH_TIMES, address]))
            assert running.stdout is not None
            if not (first := running.stdout.readline()):
                pytest.skip("Ray's client server does not start on this machine")
            assert first == "[1]\n"
        said, _ = running.communicate("\n", timeout=200)
    sentence = f"launcher: the Ray cluster at {address} was lost; see that it runs, then start this program again"
    assert said.splitlines() == [sentence, sentence]
