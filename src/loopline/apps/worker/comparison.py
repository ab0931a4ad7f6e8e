"""The two small models that tell whether choosing beats chance, trained once the challenger is safe in its folder.

Each is a run of its own, in a folder beside that of the run it belongs to and in a process of its own: whatever the
trainer does there, the challenger is not touched. The folder is kept by the same protocol, so that a launcher answers
for it as for any run; its last report holds what is known of it: ``labels``, ``shared``, ``seconds``.
"""

import subprocess
import sys
import traceback
from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from blake3 import blake3

from loopline.adapters.subprocess.folder import Ending, Report, RunFolder, folder_name, overtime
from loopline.apps.worker.dataset import Dataset, dataset_of
from loopline.records.model import RunSpec
from loopline.train.arms import KINDS, arm_id, arm_spec, divided

LEAST_SECONDS = 60.0
"""Each model is given as long as the challenger took, and no less than this: starting Python takes some of it."""
_GRACE_SECONDS = 2
"""Between the limit that a small run keeps by itself, and its end by force."""


class Allowance(NamedTuple):
    """Wall time, in seconds."""

    taken: float
    """By the challenger."""
    left: float
    """Of what the run may take."""

    @property
    def for_one(self) -> float:
        """What one of the two models may take."""
        return min(max(self.taken, LEAST_SECONDS), self.left - _GRACE_SECONDS)


def compare(spec: RunSpec, *, folder: RunFolder, allowance: Allowance) -> None:
    """Train both models and leave them, or the reasons why there are none, beside the run. Never raises an error."""
    places = [RunFolder(folder.path.parent / folder_name(arm_id(spec.id, kind))) for kind in KINDS]
    try:
        for place in places:
            place.path.mkdir(exist_ok=True)
        _train_both(spec, places=places, allowance=allowance)
    except Exception as error:
        traceback.print_exc()
        _give_up(places, reason=f"comparing failed: {type(error).__name__}: {error}".strip())


def _train_both(spec: RunSpec, *, places: Sequence[RunFolder], allowance: Allowance) -> None:
    began = monotonic()
    dataset = dataset_of(spec)
    table = _table(dataset, spec)
    arms = divided(
        table["content"].to_pylist(),
        cycle=dataset.cycle,
        stratum=dataset.stratum,
        after=spec.compare_after,
        seed=spec.seed,
    )
    facts = {"labels": float(len(arms.chosen)), "shared": float(len(arms.shared))}
    for place in places:
        place.report(Report(metrics=facts))
    if arms.shortage:
        _give_up(places, reason=arms.shortage)
        return
    for kind, place in zip(KINDS, places, strict=True):
        file = place.path / "dataset.parquet"
        is_learned = np.isin(np.arange(table.num_rows), arms.rows_of(kind))
        pq.write_table(table.filter(pa.array(is_learned)), file)
        seconds = int(allowance._replace(left=allowance.left - (monotonic() - began)).for_one)
        place.order(arm_spec(spec, kind, dataset_file=str(file), seconds=seconds))
        taken = _train(place, seconds=seconds)
        place.report(Report(metrics=facts | {"seconds": taken}))
        if place.result() is None:
            _give_up(places, reason="the other model was not trained")
            return


def _table(dataset: Dataset, spec: RunSpec) -> pa.Table:
    """The dataset as its file holds it."""
    inputs = [spec.signature.encode(row) for row in dataset.rows]
    known = dataset.to_arrow().select(["label", "weight", "sample", "cycle", "stratum"])
    contents = [blake3(row).hexdigest() for row in inputs]
    return known.add_column(0, "inputs", pa.array(inputs, pa.binary())).add_column(1, "content", pa.array(contents))


def _train(place: RunFolder, *, seconds: int) -> float:
    """Wall time of the run in this folder; whatever it does, the folder holds its result or the reason for none."""
    began = monotonic()
    if seconds < 1:
        place.conclude(Ending(phase="failed", reason="no time was left for it"))
        return 0.0
    # Without -P, the files beside the trainer would come before the libraries of the same name.
    command = [sys.executable, "-P", "-u", "-m", "loopline.apps.worker", str(place.path)]
    try:
        with place.log.open("ab") as log:
            done = subprocess.run(  # noqa: S603  our own interpreter and module
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=seconds + _GRACE_SECONDS, check=False
            )
        if place.result() is None:
            place.conclude(Ending(phase="failed", reason=f"its process ended with code {done.returncode}"))
    except subprocess.TimeoutExpired:
        place.conclude(overtime(seconds))
    return monotonic() - began


def _give_up(places: Sequence[RunFolder], *, reason: str) -> None:
    """Whatever was made or concluded before stays."""
    for place in places:
        if place.result() is None:
            place.conclude(Ending(phase="failed", reason=reason))
