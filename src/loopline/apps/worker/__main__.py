"""The process that trains: reads its orders from a run folder, leaves a model or a reason there."""

import os
import random
import sys
import traceback
from pathlib import Path
from time import monotonic

from msgspec import structs

from loopline.adapters.subprocess.folder import CHECKS, MODEL, Ending, RunFolder, write_whole
from loopline.adapters.subprocess.process import identify
from loopline.apps.worker.limits import Deadline, limit_memory
from loopline.errors import LooplineError
from loopline.records.model import RunResult, RunSpec

_NOT_OURS = 3
"""Exit code of a process that found its run given to another, or given up."""
_RESERVED_SECONDS = 5
"""Of a run's time, for what follows the conversion and the comparison: neither may make a good model late."""


def main(arguments: list[str]) -> int:
    """Train once. 0: there is a result; 1: there is a reason; 3: the run belongs to someone else."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m loopline.apps.worker RUN_FOLDER\n")
        return 2
    began = monotonic()
    folder = RunFolder(Path(arguments[0]).absolute())
    me = identify(os.getpid())
    if me is None or folder.claim(me) != me:
        return _NOT_OURS
    spec = _absolute(folder.spec())
    limit_memory(spec)
    deadline = Deadline(spec, folder=folder)
    try:
        result = train(spec, folder=folder)
    except BaseException as error:
        traceback.print_exc()
        deadline.lift()
        folder.conclude(Ending(phase="failed", reason=_told(error, spec)))
        return 1
    _compare(spec, folder=folder, taken=monotonic() - began)
    deadline.lift()
    folder.finish(result)
    return 0


def _absolute(spec: RunSpec) -> RunSpec:
    """The orders with whole paths: a trainer, or we for its sake, may change the folder that we stand in."""
    file, *parts, folder = (str(Path(p).absolute()) for p in (spec.dataset_file, *spec.dataset_parts, spec.folder))
    return structs.replace(spec, dataset_file=file, dataset_parts=tuple(parts), folder=folder)


def _compare(spec: RunSpec, *, folder: RunFolder, taken: float) -> None:
    if spec.compare_after < 0:
        return
    from loopline.apps.worker.comparison import Allowance, compare

    compare(spec, folder=folder, allowance=Allowance(taken, spec.seconds - taken - _RESERVED_SECONDS))


def train(spec: RunSpec, *, folder: RunFolder) -> RunResult:
    """Call the user's function and package what it returns; model and checks are in the folder afterwards."""
    import numpy as np

    began = monotonic()

    from loopline.apps.worker.conversion import SECONDS
    from loopline.apps.worker.dataset import dataset_of
    from loopline.apps.worker.entry import load_entry
    from loopline.apps.worker.packing import Wish, checks_of, fastest, pack
    from loopline.apps.worker.run import Run

    dataset = dataset_of(spec)
    home = Path(spec.folder)
    os.chdir(home)  # a trainer finds its own files beside it
    entry = load_entry(spec.entry, folder=home)
    run = Run(spec, folder=folder)
    random.seed(spec.seed)
    np.random.seed(spec.seed)
    native = pack(entry.train(dataset, run), signature=spec.signature, entry=spec.entry)
    left = spec.seconds - (monotonic() - began) - _RESERVED_SECONDS
    wish = Wish(frozenset(spec.extras), spec.convert)
    packed = fastest(native, signature=spec.signature, rows=dataset.rows, wish=wish, seconds=min(left, SECONDS))
    write_whole(folder.path / MODEL, packed.artifact)
    write_whole(folder.path / CHECKS, checks_of(packed, rows=dataset.rows, signature=spec.signature))
    return RunResult(
        engine=packed.engine,
        artifact_file=MODEL,
        checks_file=CHECKS,
        code=entry.code,
        metrics=run.metrics,
        conversion=packed.conversion,
    )


def _told(error: BaseException, spec: RunSpec) -> str:
    if isinstance(error, MemoryError) and spec.memory_mb:
        return f"ran out of its memory limit of {spec.memory_mb} MB"
    if isinstance(error, LooplineError):
        return str(error)
    said = str(error).strip()
    return f"{spec.entry} raised {type(error).__name__}" + (f": {said.splitlines()[0]}" if said else "")


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that the trainer left behind do not keep a finished run alive
