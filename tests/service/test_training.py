"""Training as the loop does it: a dataset from the store, a real process, a verified version back in the store."""

import os
import re
import signal
import subprocess
import sys
import time

import msgspec
import numpy as np
import pytest

from loopline.adapters.files.objects import FileObjects
from loopline.adapters.onnx.engine import OnnxEngine
from loopline.adapters.sklearn.engine import SklearnEngine
from loopline.adapters.subprocess.folder import RunFolder, folder_name
from loopline.adapters.subprocess.launcher import SubprocessLauncher
from loopline.dataset.stage import import_base
from loopline.errors import InvalidRecord
from loopline.records.ids import VersionName
from loopline.records.settings import TrainSettings
from loopline.testing.factories import NOW, SIGNATURE, cycle, labelled_row, settings
from loopline.train.stage import collect, plan

pytestmark = pytest.mark.service

TRAINER = """
import time
from pathlib import Path
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

def train(dataset, run):
    texts, labels = dataset.to_numpy()
    while Path("wait").exists():  # found beside the trainer: a run starts in its folder
        run.progress(1, 3)
        time.sleep(0.05)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10.0))
    model.fit(texts, labels, logisticregression__sample_weight=dataset.weights)
    run.progress(3, 3, accuracy=float((model.predict(texts) == labels).mean()), drawn=float(np.random.random()))
    return model
"""
WORDS = {"positive": "good fine lovely", "neutral": "table chair window", "negative": "bad awful poor"}


class Engines:
    def load(self, artifact, *, engine, signature):
        found = {"onnx": OnnxEngine(), "sklearn": SklearnEngine()}[engine]
        return found.load(artifact, engine=engine, signature=signature)


class Loop:
    def __init__(self, home):
        self.home = home
        (home / "train.py").write_text(TRAINER)
        rows = [
            labelled_row(f"r{i}{word}", f"{word} thing {i}", label=label)
            for label, words in WORDS.items()
            for word in words.split()
            for i in range(20)
        ]
        self.settings = settings(folder=str(home), train=TrainSettings(run="train.py:train", seconds=300))
        self.objects = FileObjects(home / "state" / "objects")
        self.dataset, _ = import_base(rows, anchor=[], settings=self.settings, objects=self.objects, now=NOW)

    def launcher(self):
        return SubprocessLauncher(self.home / "state" / "runs")

    def plan(self, *, attempt=1):
        return plan(
            cycle(1, seed=11), dataset=self.dataset, objects=self.objects, settings=self.settings, attempt=attempt
        )

    def collect(self, spec):
        return collect(
            spec,
            launcher=self.launcher(),
            objects=self.objects,
            engine=Engines(),
            name=VersionName("v2"),
            dataset=self.dataset,
            now=NOW,
        )

    def folder(self, spec):
        return RunFolder(self.home / "state" / "runs" / folder_name(spec.id))

    def settled(self, spec):
        return until(lambda: (state := self.launcher().poll(spec.id)).phase != "running" and state)


@pytest.fixture
def loop(tmp_path):
    home = tmp_path / "a loop"
    home.mkdir()
    return Loop(home)


def until(condition):
    for _ in range(1_200):
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError("did not come about")


def test_a_dataset_becomes_a_verified_version_and_the_same_orders_give_the_same_model(loop):
    versions = []
    for attempt in (1, 2):
        spec = loop.plan(attempt=attempt)
        loop.launcher().submit(spec)
        state = loop.settled(spec)
        assert (state.phase, state.done, state.total) == ("succeeded", 3, 3), state.log_tail
        versions.append(loop.collect(spec))
    one, other = versions
    assert one.metrics["accuracy"] > 0.95
    assert one.metrics == other.metrics  # numpy's global generator is seeded too
    assert (one.checks, one.code, one.dataset) == (other.checks, other.code, loop.dataset.id)
    assert one.conversion.startswith("converted to ONNX: largest difference")
    assert one.conversion.endswith("0 of 224 labels differ")  # 180 rows, 22 awkward texts, and 22 rows with one inside
    assert (one.engine, one.artifact) == ("onnx", other.artifact)
    model = Engines().load(loop.objects.get(one.artifact), engine=one.engine, signature=SIGNATURE)
    np.testing.assert_array_equal(model.predict(["lovely thing", "awful thing"]).argmax(axis=1), [2, 0])


def test_training_goes_on_when_its_parent_is_killed_and_is_collected_by_another(loop):
    (loop.home / "wait").write_text("")
    spec = loop.plan()
    program = (
        "import os, sys, msgspec; from pathlib import Path;"
        "from loopline.adapters.subprocess.launcher import SubprocessLauncher;"
        "from loopline.records.model import RunSpec;"
        "SubprocessLauncher(Path(sys.argv[1])).submit(msgspec.json.decode(sys.argv[2], type=RunSpec));"
        "os.kill(os.getpid(), 9)"
    )
    runs = loop.home / "state" / "runs"
    parent = subprocess.run([sys.executable, "-c", program, runs, msgspec.json.encode(spec)], check=False)
    assert parent.returncode == -signal.SIGKILL
    until(lambda: loop.launcher().poll(spec.id).done == 1)
    loop.launcher().submit(spec)  # the controller that comes back says it again
    (loop.home / "wait").unlink()
    assert loop.settled(spec).phase == "succeeded"
    assert loop.collect(spec).run == spec.id


def test_a_trainer_that_is_killed_vanishes_and_the_next_attempt_succeeds(loop):
    (loop.home / "wait").write_text("")
    spec = loop.plan()
    loop.launcher().submit(spec)
    until(lambda: loop.launcher().poll(spec.id).done == 1)
    os.kill(loop.folder(spec).owner().pid, signal.SIGKILL)
    assert loop.settled(spec).phase == "vanished"
    (loop.home / "wait").unlink()
    again = loop.plan(attempt=2)
    loop.launcher().submit(again)
    assert loop.settled(again).phase == "succeeded"
    assert loop.collect(again).name == "v2"


def test_a_model_file_changed_after_the_run_is_refused(loop):
    spec = loop.plan()
    loop.launcher().submit(spec)
    assert loop.settled(spec).phase == "succeeded"
    checks = loop.folder(spec).path / "checks.json"
    checks.write_bytes(checks.read_bytes().replace(b"0.9", b"0.8", 1))
    found = "check 0 differs by 0.1 from what the packager saw, 0 of 16 labels different, expected at most 1e-06"
    with pytest.raises(InvalidRecord, match=f"^model of run sentiment/run/1/1: {re.escape(found)}"):
        loop.collect(spec)
