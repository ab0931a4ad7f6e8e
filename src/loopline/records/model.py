"""Model versions and the runs that made them."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.records.ids import Digest, LoopName, RunId, VersionName
from loopline.records.signature import JsonRow, Signature

EngineName = Literal["sklearn", "onnx", "python", "remote"]
"""What loads the artefact: scikit-learn through skops, ONNX Runtime, a ``module:factory``, an inference server."""


class ModelVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A packaged model: a challenger until promoted."""

    name: VersionName
    loop: LoopName
    cycle: int
    artifact: Digest
    engine: EngineName
    signature: Signature
    checks: Digest
    """Verification rows: inputs with the probabilities that the packager saw, replayed before any traffic."""
    dataset: Digest | None
    """None when it was registered from outside."""
    run: RunId | None
    code: Digest | None
    """Hash of the training code."""
    at: datetime
    metrics: dict[str, float]
    """What the trainer reported."""
    conversion: str = ""
    """How the artefact came about, in words: converted to ONNX with what difference, or served natively and why."""


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a training run needs; equal specs may share a result."""

    id: RunId
    loop: LoopName
    cycle: int
    dataset: Digest
    dataset_file: str
    """Path of the version's manifest, readable by the run; without ``dataset_parts``, of one Parquet file."""
    signature: Signature
    entry: str
    """``train.py:train``, resolved against ``folder``, or ``package.module:function``."""
    folder: str
    seed: int
    memory_mb: int
    """Address space granted to the run; 0: no limit."""
    seconds: int
    """Wall time granted to the run."""
    extras: tuple[str, ...] = ()
    """What serving wants beside the distribution; packaging keeps it."""
    convert: str = "auto"
    """As ``[serve] convert``."""
    compare_after: int = -1
    """Labels of later cycles are compared, chosen against random, by two small models beside the run; -1: none are."""
    dataset_parts: tuple[str, ...] = ()
    """Paths of the version's parts, in the order of its manifest, which says what each of them must be."""


RunPhase = Literal["running", "succeeded", "failed", "vanished"]
"""``failed``: the trainer ended badly, again would too; ``vanished``: its process is gone without a word, try again."""


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """How a run stands, as the launcher sees it."""

    id: RunId
    phase: RunPhase
    done: int
    total: int
    metrics: dict[str, float]
    reason: str
    """For a failed run: what happened, in words."""
    log_tail: str
    """The last lines it printed."""


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a finished run left in its folder."""

    engine: EngineName
    artifact_file: str
    checks_file: str
    code: Digest
    metrics: dict[str, float]
    conversion: str = ""
    """How the artefact came about, in words."""


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """Rows with the probabilities that the packaged model gave them; stored as JSON under ``ModelVersion.checks``."""

    rows: tuple[JsonRow, ...]
    """As ``Signature.spelled`` writes them."""
    probabilities: tuple[tuple[float, ...], ...]
    """One tuple a row, one number a class, in the order of the signature's labels."""
