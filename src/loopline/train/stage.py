"""DatasetVersion -> ModelVersion: order a run; later, take up what it left and hold it to its own numbers."""

from datetime import datetime

from loopline.errors import InvalidRecord, NotFound
from loopline.ports.engine import Engine
from loopline.ports.launcher import Launcher
from loopline.ports.object_store import ObjectStore
from loopline.records.comparison import Arm, Trial
from loopline.records.cycle import Cycle
from loopline.records.dataset import DatasetVersion
from loopline.records.ids import RunId, VersionName
from loopline.records.model import ModelVersion, RunSpec
from loopline.records.settings import Settings
from loopline.records.soundness import checks_in, require_replay
from loopline.train.arms import KINDS, arm_id, trial_of, untried


def plan(
    cycle: Cycle, *, dataset: DatasetVersion, objects: ObjectStore, settings: Settings, attempt: int,
    compare_after: int = -1,
) -> RunSpec:  # fmt: skip
    """The orders for the cycle's training run; the same cycle and attempt give the same run."""
    if not settings.train.run:
        raise InvalidRecord(
            "[train] run", found="empty", expected="'train.py:train'", remedy="name the function that trains your model"
        )
    if dataset.signature != settings.signature.digest:
        found = f"signature {dataset.signature[:12]}"
        raise InvalidRecord(f"dataset {dataset.name}", found=found, expected=settings.signature.digest[:12])
    return RunSpec(
        id=RunId(f"{cycle.loop}/run/{cycle.number}/{attempt}"), loop=cycle.loop, cycle=cycle.number,
        dataset=dataset.id, dataset_file=objects.path(dataset.id),
        dataset_parts=tuple(map(objects.path, dataset.parts or (dataset.file,))), signature=settings.signature,
        entry=settings.train.run, folder=settings.folder, seed=cycle.seed,
        memory_mb=settings.train.memory_mb, seconds=settings.train.seconds,
        extras=tuple(dict.fromkeys((*settings.capture.keep, *settings.serve.outputs))), convert=settings.serve.convert,
        compare_after=compare_after,
    )  # fmt: skip


def collect(  # noqa: PLR0913  stage recipes take their ports by name
    spec: RunSpec,
    *,
    launcher: Launcher,
    objects: ObjectStore,
    engine: Engine,
    name: VersionName,
    dataset: DatasetVersion,
    now: datetime,
) -> ModelVersion:
    """The challenger that the finished run made, verified: what serving would refuse is refused here.

    Loaded as serving loads it, it gives probabilities and repeats its own numbers. Raises InvalidRecord otherwise.
    """
    if dataset.id != spec.dataset:
        raise InvalidRecord(f"run {spec.id}", found=f"dataset {spec.dataset[:12]}", expected=f"{dataset.id[:12]}")
    result, package = launcher.result(spec.id), launcher.package(spec.id)
    checks = checks_in(package.checks, signature=spec.signature, thing=f"checks of run {spec.id}")
    predictor = engine.load(package.model, engine=result.engine, signature=spec.signature)
    require_replay(predictor.predict, checks, thing=f"model of run {spec.id}")
    return ModelVersion(
        name=name, loop=spec.loop, cycle=spec.cycle,
        artifact=objects.put(package.model), engine=result.engine, signature=spec.signature,
        checks=objects.put(package.checks), dataset=dataset.id, run=spec.id, code=result.code,
        at=now, metrics=result.metrics, conversion=result.conversion,
    )  # fmt: skip


def trial(spec: RunSpec, *, launcher: Launcher, objects: ObjectStore) -> Trial:
    """The two small models that the finished run left beside the challenger, or the sentence that says why not."""
    try:
        states = {kind: launcher.poll(arm_id(spec.id, kind)) for kind in KINDS}
    except NotFound:
        return untried(spec)
    return trial_of(spec, states=states, arms=[
        Arm(kind=kind, artifact=objects.put(launcher.package(state.id).model),
            engine=launcher.result(state.id).engine, seconds=state.metrics["seconds"])
        for kind, state in states.items() if state.phase == "succeeded"
    ])  # fmt: skip
