"""The small runs beside a training run: what they learn, and that the challenger never pays for them."""

import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopline.adapters.memory.objects import MemoryObjects
from loopline.adapters.subprocess.folder import RunFolder, folder_name
from loopline.adapters.subprocess.launcher import SubprocessLauncher
from loopline.apps.worker.comparison import Allowance, compare
from loopline.apps.worker.dataset import read_dataset
from loopline.records.signature import Signature
from loopline.testing.factories import digest, run_spec
from loopline.train.arms import arm_id
from loopline.train.stage import trial

pytestmark = pytest.mark.service
SIGNATURE = Signature(input="tabular", width=2, labels=("low", "high"))
TRAINER = """
import os, time

def train(dataset, run):
    from sklearn.linear_model import LogisticRegression
    x, y = dataset.to_numpy()
    assert set(dataset.stratum) <= {"imported", "chosen", "audit"}
    return LogisticRegression().fit(x, y)

def whole_only(dataset, run):
    if len(dataset) < 100:
        raise ValueError("too few for me")
    return train(dataset, run)

def whole_or_die(dataset, run):
    if len(dataset) < 100:
        os.kill(os.getpid(), 9)
    return train(dataset, run)

def whole_or_never(dataset, run):
    if len(dataset) < 100:
        time.sleep(600)
    return train(dataset, run)
"""


def ordered(home, act="train", *, audits=25, **changes):
    """The orders for a run over 50 imported rows, 60 chosen ones and so many audit ones."""
    n = 110 + audits
    x = np.random.default_rng(0).normal(size=(n, 2)).round(3)
    inputs = sorted(SIGNATURE.encode(tuple(map(float, row))) for row in x)
    columns = {
        "inputs": pa.array(inputs, pa.binary()),
        "content": [digest(row) for row in inputs],
        "label": ["high" if SIGNATURE.decode(row)[0] > 0 else "low" for row in inputs],
        "weight": np.linspace(1, 2, n),
        "sample": [f"p{i}" for i in range(n)],
        "cycle": [0] * 50 + [1] * (n - 50),
        "stratum": ["imported"] * 50 + ["chosen"] * 60 + ["audit"] * audits,
    }
    pq.write_table(pa.table(columns), home / "c1.parquet")
    (home / "train.py").write_text(TRAINER)
    told = {"seconds": 300, "compare_after": 0, "entry": f"train.py:{act}"} | changes
    return run_spec(
        "s/run/1/1", signature=SIGNATURE, dataset_file=str(home / "c1.parquet"), folder=str(home), **told
    )  # fmt: skip


def beside(home, spec, *, taken=1.0, left=200.0):
    """The trial that the worker left after a challenger of a second."""
    folder = RunFolder(home / "runs" / folder_name(spec.id))
    folder.path.mkdir(parents=True)
    folder.order(spec)
    compare(spec, folder=folder, allowance=Allowance(taken, left))
    return trial(spec, launcher=SubprocessLauncher(home / "runs"), objects=MemoryObjects())


def learned(home, spec, kind):
    path = home / "runs" / folder_name(arm_id(spec.id, kind)) / "dataset.parquet"
    return read_dataset(path, signature=SIGNATURE)


def test_both_learn_what_they_should_and_come_back(tmp_path):
    spec = ordered(tmp_path)
    found = beside(tmp_path, spec)
    assert (found.reason, found.labels, found.shared) == ("", 25, 50)
    assert [arm.kind for arm in found.arms] == ["chosen", "random"]
    assert found.seconds == pytest.approx(sum(arm.seconds for arm in found.arms))
    whole = read_dataset(tmp_path / "c1.parquet", signature=SIGNATURE)
    for kind, stratum in (("chosen", "chosen"), ("random", "audit")):
        rows = learned(tmp_path, spec, kind)
        assert np.unique(rows.stratum, return_counts=True)[1].tolist() == [25, 50]
        assert set(rows.stratum) == {"imported", stratum}
        places = [whole.rows.index(row) for row in rows.rows]
        assert places == sorted(places)
        assert rows.weights.tolist() == whole.weights[places].tolist()
        assert rows.to_numpy()[1].tolist() == whole.to_numpy()[1][places].tolist()


@pytest.mark.parametrize(
    ("act", "left", "told"),
    [
        ("whole_only", 200.0, "with chosen labels, train.py:whole_only raised ValueError: too few for me"),
        ("whole_or_die", 200.0, "with chosen labels, its process ended with code -9"),
        ("whole_or_never", 6.0, "with chosen labels, ran longer than its limit of 3 s"),
        ("train", 2.5, "with chosen labels, no time was left for it"),
    ],
)
def test_a_trainer_that_cannot_learn_from_less_is_a_sentence(tmp_path, act, left, told):
    found = beside(tmp_path, ordered(tmp_path, act), left=left)
    assert (found.arms, found.reason) == ((), told)


def settled(launcher, run):
    for _ in range(1_200):
        if (state := launcher.poll(run)).phase != "running":
            return state
        time.sleep(0.05)
    raise AssertionError(f"{run} still runs")


@pytest.mark.parametrize(
    ("act", "told"), [("train", ""), ("whole_or_die", "with chosen labels, its process ended with code -9")]
)
def test_the_challenger_of_a_real_run_is_there_whatever_becomes_of_the_comparison(tmp_path, act, told):
    launcher, spec = SubprocessLauncher(tmp_path / "runs"), ordered(tmp_path, act, convert="never")
    launcher.submit(spec)
    assert settled(launcher, spec.id).phase == "succeeded"
    assert launcher.package(spec.id).model
    assert trial(spec, launcher=launcher, objects=MemoryObjects()).reason == told


def test_a_comparison_that_never_ends_is_cut_off_before_the_run_is(tmp_path):
    launcher, spec = (
        SubprocessLauncher(tmp_path / "runs"),
        ordered(tmp_path, "whole_or_never", seconds=20, convert="never"),
    )
    launcher.submit(spec)
    assert settled(launcher, spec.id).phase == "succeeded"
    found = trial(spec, launcher=launcher, objects=MemoryObjects())
    assert found.reason.startswith("with chosen labels, ")
