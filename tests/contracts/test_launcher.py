import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopline.adapters.memory.launcher import Finished, MemoryLauncher
from loopline.adapters.subprocess.folder import Ending, RunFolder, folder_name
from loopline.adapters.subprocess.launcher import SubprocessLauncher
from loopline.adapters.subprocess.process import identify, standing
from loopline.errors import NotFound, Unavailable
from loopline.ports.launcher import Package
from loopline.records.ids import RunId
from loopline.records.model import Checks, RunResult
from loopline.records.signature import Signature
from loopline.testing.factories import digest, run_spec
from loopline.testing.launcher import LauncherContract

SIGNATURE = Signature(input="tabular", width=2, labels=("low", "high"))

TRAINER = """
import os, subprocess, sys, time

def succeed(dataset, run):
    from sklearn.linear_model import LogisticRegression
    x, y = dataset.to_numpy()
    run.progress(1, 2, rows=len(dataset))
    print("half way", flush=True)
    run.progress(2, 2, loss=0.5)
    return LogisticRegression().fit(x, y)

def fail(dataset, run):
    print("about to fail")
    raise ValueError("the milk was spilled")

def hang(dataset, run):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (run.folder / "child").write_text(str(child.pid))
    time.sleep(600)

def leave(dataset, run):
    sys.exit("enough")

def die(dataset, run):
    os.kill(os.getpid(), 9)

def greedy(dataset, run):
    return bytearray(1 << 34)

def odd(dataset, run):
    return {"a": 1}

def stubborn(dataset, run):
    import signal
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        time.sleep(1)
"""


@pytest.fixture
def home(tmp_path):
    """A folder with a space in its name, as people have them."""
    home = tmp_path / "my loop"
    home.mkdir()
    (home / "train.py").write_text(TRAINER)
    x = np.random.default_rng(0).normal(size=(60, 2)).round(3)
    inputs = [SIGNATURE.encode(tuple(map(float, row))) for row in x]
    columns = {
        "inputs": pa.array(inputs, pa.binary()),
        "content": [digest(row) for row in inputs],
        "label": ["high" if row[0] > 0 else "low" for row in x],
        "weight": [1.0] * 60,
        "sample": [f"p{i}" for i in range(60)],
        "cycle": [0] * 60,
        "stratum": ["base"] * 60,
    }
    pq.write_table(pa.table(columns), home / "c0.parquet")
    return home


def ordered(home: Path, id: str, act: str, **changes):  # noqa: A002
    changes = {"seconds": 300, **changes}
    return run_spec(
        id,
        signature=SIGNATURE,
        dataset_file=str(home / "c0.parquet"),
        folder=str(home),
        entry=f"train.py:{act}",
        **changes,
    )


@pytest.mark.service
class TestSubprocessLauncher(LauncherContract):
    @pytest.fixture(autouse=True)
    def _home(self, home):
        self.home = home
        self.root = home / "state" / "runs"
        yield
        launcher = self.make()
        for folder in self.root.glob("*"):
            launcher.cancel(RunFolder(folder).spec().id) if (folder / "spec.json").exists() else None

    def make(self):
        return SubprocessLauncher(self.root)

    def spec(self, id, act):  # noqa: A002
        return ordered(self.home, id, act)

    def run(self, act, **changes):
        launcher, spec = self.make(), ordered(self.home, f"s/run/1/{act}", act, **changes)
        launcher.submit(spec)
        return launcher, spec, RunFolder(self.root / folder_name(spec.id))

    def test_progress_and_log_are_seen_and_the_model_repeats_its_checks(self):
        from loopline.adapters.onnx.engine import OnnxEngine

        launcher, spec, _ = self.run("succeed")
        state = self.settled(launcher, spec.id)
        assert (state.done, state.total, state.metrics) == (2, 2, {"rows": 60.0, "loss": 0.5})
        assert "half way" in state.log_tail
        result, package = launcher.result(spec.id), launcher.package(spec.id)
        assert Path(result.artifact_file).read_bytes() == package.model
        checks = msgspec.json.decode(package.checks, type=Checks)
        assert len(checks.rows) == 16
        assert result.conversion.startswith("converted to ONNX: ")
        model = OnnxEngine().load(package.model, engine=result.engine, signature=SIGNATURE)
        np.testing.assert_allclose(model.predict(checks.rows), checks.probabilities, atol=1e-7)
        assert result.code == digest(TRAINER.encode())

    def test_the_log_tail_holds_the_traceback(self):
        launcher, spec, _ = self.run("fail")
        state = self.settled(launcher, spec.id)
        assert state.reason == "train.py:fail raised ValueError: the milk was spilled"
        assert state.log_tail.startswith("about to fail")
        assert state.log_tail.endswith("ValueError: the milk was spilled")

    @pytest.mark.parametrize(
        ("act", "reason"),
        [
            ("leave", "train.py:leave raised SystemExit: enough"),
            (
                "odd",
                "train.py:odd: returned an object of type dict, expected a fitted scikit-learn classifier "
                "(predict_proba and classes_), an ONNX model, or its bytes",
            ),
            ("nowhere", "no function in train.py 'nowhere'; known: "),
        ],
    )
    def test_what_went_wrong_is_said_in_words(self, act, reason):
        launcher, spec, _ = self.run(act)
        state = self.settled(launcher, spec.id)
        assert state.phase == "failed"
        assert state.reason.startswith(reason)

    def test_a_run_that_asks_for_too_much_memory_fails_alone(self):
        launcher, spec, _ = self.run("greedy", memory_mb=4_096)
        state = self.settled(launcher, spec.id)
        assert (state.phase, state.reason) == ("failed", "ran out of its memory limit of 4096 MB")

    def test_a_killed_trainer_has_vanished_for_every_launcher(self):
        launcher, spec, _ = self.run("die")
        state = self.settled(launcher, spec.id)
        assert state.phase == "vanished"
        assert state.reason == "its process is gone and left no result (killed by signal 9)"
        assert self.make().poll(spec.id) == state

    def test_time_up_ends_the_whole_group_when_polled(self):
        launcher, spec, folder = self.run("hang", seconds=3)
        state = self.settled(launcher, spec.id)
        assert (state.phase, state.reason) == ("failed", "ran longer than its limit of 3 s")
        self.assert_dead(folder)

    def test_time_up_ends_the_run_when_nobody_polls(self):
        _, spec, folder = self.run("stubborn", seconds=2)
        owner = folder.owner()
        until(lambda: standing(owner) != "alive")
        assert folder.ending() == Ending(phase="failed", reason="ran longer than its limit of 2 s")
        assert self.make().poll(spec.id).phase == "failed"

    def test_cancelling_kills_what_the_run_started(self):
        launcher, spec, folder = self.run("hang")
        until((folder.path / "child").exists)
        launcher.cancel(spec.id)
        self.assert_dead(folder)

    def assert_dead(self, folder):
        owner = folder.owner()
        assert standing(owner) == "gone"
        child = folder.path / "child"
        if child.exists():
            pid = int(child.read_text())
            until(lambda: (found := identify(pid)) is None or standing(found) != "alive")

    def test_a_run_outlives_the_process_that_submitted_it(self):
        spec = ordered(self.home, "s/run/1/1", "hang")
        program = (
            "import sys, msgspec; from pathlib import Path;"
            "from loopline.adapters.subprocess.launcher import SubprocessLauncher;"
            "from loopline.records.model import RunSpec;"
            "SubprocessLauncher(Path(sys.argv[1])).submit(msgspec.json.decode(sys.argv[2], type=RunSpec));"
            "import os; os.kill(os.getpid(), 9)"
        )
        died = subprocess.run([sys.executable, "-c", program, self.root, msgspec.json.encode(spec)], check=False)
        assert died.returncode == -signal.SIGKILL
        launcher, folder = self.make(), RunFolder(self.root / folder_name(spec.id))
        assert launcher.poll(spec.id).phase == "running"
        os.kill(folder.owner().pid, signal.SIGKILL)
        state = self.settled(launcher, spec.id)
        assert (state.phase, state.reason) == ("vanished", "its process is gone and left no result")

    def test_a_launcher_that_died_before_the_start_leaves_a_run_that_never_began_and_never_will(self):
        spec = self.spec("s/run/1/1", "succeed")
        folder = RunFolder(self.root / folder_name(spec.id))
        folder.path.mkdir(parents=True)
        folder.order(spec)
        launcher = self.make()
        launcher.submit(spec)
        state = launcher.poll(spec.id)
        assert (state.phase, state.reason) == ("vanished", "never started: its launcher died first")
        late = subprocess.run([sys.executable, "-m", "loopline.apps.worker", folder.path], check=False)
        assert late.returncode == 3
        assert launcher.poll(spec.id) == state

    def test_a_pid_given_to_another_process_is_not_taken_for_the_run(self):
        spec = self.spec("s/run/1/1", "succeed")
        folder = RunFolder(self.root / folder_name(spec.id))
        folder.path.mkdir(parents=True)
        folder.order(spec)
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as stranger:
            now = identify(stranger.pid)
            folder.claim(msgspec.structs.replace(now, ticks=now.ticks - 1))
            assert self.make().poll(spec.id).phase == "vanished"
            self.make().cancel(spec.id)
            assert standing(now) == "alive"
            stranger.kill()

    def test_a_cut_progress_line_is_passed_over(self):
        launcher, spec, folder = self.run("succeed")
        self.settled(launcher, spec.id)
        with (folder.path / "progress.jsonl").open("ab") as file:
            file.write(b'{"done": 3, "tot')
        assert launcher.poll(spec.id).done == 2

    def test_a_root_that_cannot_be_written_is_said(self):
        (self.home / "file").write_text("")
        with pytest.raises(Unavailable, match=r"^run s/run/1/1: .*; look at "):
            SubprocessLauncher(self.home / "file" / "runs").submit(self.spec("s/run/1/1", "succeed"))

    def test_descriptors_of_the_parent_are_not_inherited(self, tmp_path):
        held = (tmp_path / "lock").open("w")
        os.set_inheritable(held.fileno(), True)
        with held:
            launcher, spec, folder = self.run("hang")
            until((folder.path / "child").exists)
            open_files = {str(link.readlink()) for link in Path(f"/proc/{folder.owner().pid}/fd").iterdir()}
            launcher.cancel(spec.id)
        assert str(tmp_path / "lock") not in open_files


def until(condition):
    for _ in range(1_200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("did not come about")


@pytest.mark.parametrize(
    "act", ["order(run_spec(entry='x' * 2_000))", "conclude(Ending(phase='failed', reason='x' * 2_000))"]
)
def test_a_full_disk_is_not_filled_further_by_every_retry(tmp_path, act):
    program = (
        "import resource, sys; from pathlib import Path;"
        "from loopline.adapters.subprocess.folder import Ending, RunFolder;"
        "from loopline.testing.factories import run_spec;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000));"
        f"RunFolder(Path(sys.argv[1])).{act}"
    )
    for _ in range(2):
        failed = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
        assert failed.stderr.endswith("File too large\n")
    assert list(tmp_path.iterdir()) == []


def test_run_ids_become_safe_and_different_folder_names():
    names = [folder_name(RunId(id)) for id in ("a/b", "a%2Fb", "..", ".", "ä b", "x" * 400, "x" * 401)]  # noqa: A001
    assert len(set(names)) == len(names)
    assert all("/" not in name and not name.startswith(".") and len(name.encode()) < 200 for name in names)


def decide(spec):
    if spec.entry.endswith("hang"):
        return None
    if spec.entry.endswith("fail"):
        return "the milk was spilled"
    result = RunResult(
        engine="sklearn", artifact_file="model", checks_file="checks.json", code=digest(b"code"), metrics={"rows": 60.0}
    )
    return Finished(result, Package(b"model", b"checks"))


class TestMemoryLauncher(LauncherContract):
    @pytest.fixture(autouse=True)
    def _launcher(self):
        self.launcher = MemoryLauncher(decide)

    def make(self):
        return self.launcher

    def spec(self, id, act):  # noqa: A002
        return run_spec(id, entry=f"train.py:{act}")

    def test_a_run_goes_on_until_the_function_decides(self):
        fates = [None, None, "spilled"]
        launcher, spec = MemoryLauncher(lambda spec: fates.pop(0)), run_spec()
        launcher.submit(spec)
        assert [launcher.poll(spec.id).phase for _ in range(4)] == ["running", "running", "failed", "failed"]
        with pytest.raises(NotFound):
            launcher.poll(RunId("other"))
