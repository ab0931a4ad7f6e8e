"""What a run does about its comparison before any small model is trained."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loopline.adapters.memory.objects import MemoryObjects
from loopline.adapters.subprocess.folder import RunFolder, folder_name
from loopline.adapters.subprocess.launcher import SubprocessLauncher
from loopline.apps.worker.comparison import LEAST_SECONDS, Allowance, compare
from loopline.testing.factories import SIGNATURE, digest, run_spec
from loopline.train.stage import trial


def ordered(home, *, audits=25):
    """The orders for a run over 50 imported rows, 60 chosen ones and so many audit ones."""
    n = 110 + audits
    inputs = [SIGNATURE.encode(f"text {i}") for i in range(n)]
    columns = {
        "inputs": pa.array(inputs, pa.binary()),
        "content": [digest(row) for row in inputs],
        "label": ["positive"] * n,
        "weight": np.ones(n),
        "sample": [f"p{i}" for i in range(n)],
        "cycle": [0] * 50 + [1] * (n - 50),
        "stratum": ["imported"] * 50 + ["chosen"] * 60 + ["audit"] * audits,
    }
    pq.write_table(pa.table(columns), home / "c1.parquet")
    return run_spec("s/run/1/1", dataset_file=str(home / "c1.parquet"), folder=str(home), compare_after=0)


def beside(home, spec):
    """The trial that the worker left beside a run that had a second to train."""
    folder = RunFolder(home / "runs" / folder_name(spec.id))
    folder.path.mkdir(parents=True)
    folder.order(spec)
    compare(spec, folder=folder, allowance=Allowance(1.0, 200.0))
    return trial(spec, launcher=SubprocessLauncher(home / "runs"), objects=MemoryObjects())


def test_too_few_labels_train_nothing(tmp_path):
    found = beside(tmp_path, ordered(tmp_path, audits=19))
    assert (found.reason, found.labels, found.seconds) == ("19 of 20 labels of each kind so far", 19, 0.0)
    assert not list((tmp_path / "runs").glob("*/model"))


def test_a_dataset_that_is_gone_is_a_sentence(tmp_path):
    spec = ordered(tmp_path)
    (tmp_path / "c1.parquet").unlink()
    found = beside(tmp_path, spec)
    assert found.reason.startswith("comparing failed: InvalidRecord: dataset file ")


@pytest.mark.parametrize(
    ("taken", "left", "seconds"), [(5.0, 1_000.0, LEAST_SECONDS), (900.0, 5_000.0, 900.0), (900.0, 102.0, 100.0)]
)
def test_one_small_model_takes_no_longer_than_the_challenger_or_a_minute_nor_than_the_run_has_left(
    taken, left, seconds
):
    assert Allowance(taken, left).for_one == seconds
