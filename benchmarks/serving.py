"""What one answer costs: Loopline with capture on, its rivals, and the least that any Python server can do.

The same model and rows for all; one worker each; 32 keep-alive connections of one ``wrk`` thread; JSON with one row a
request, and again with 16. Every server is started fresh in every round, alone; its answers to all 64 requests of a
first pass must equal scikit-learn's within 1e-5; then it is warmed up and loaded. A request that gets no good answer
ends the benchmark. ``cpu_us`` is user and system time of the server and all its children, our recorder included, until
they are at rest again, for each answer; the numbers are medians over the rounds. Of servers that can be set up in
several ways the cheapest is taken, found by a short run of each. Linux only; the last line is one JSON object.

``ours_sklearn`` and ``mlserver`` run the same engine, scikit-learn itself; the floor runs ours, ONNX Runtime. Nobody
writes an access log; metrics stay on where a server has them, as ours do. ``mlserver`` is what its own requirements
install, at its best setting; ``mlserver_tuned`` is given httptools besides, and goes without metrics and gzip.
LitServe and BentoML are always given uvloop and httptools.
"""

import argparse
import http.client
import json
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from rig.environments import VERSIONS, Absent
from rig.load import MISSING, Load, is_installed, loaded, script
from rig.processes import PATIENCE_SECONDS, Family, end_in_order
from rig.subjects import Subject, subjects
from rig.workload import Workload

SIZES = (1, 16)
LARGEST_DIFFERENCE = 1e-5
TRIAL_SECONDS = 3
WARM_SECONDS = 2


class Measured(NamedTuple):
    """One server under one load."""

    cpu_us: float
    children_us: float
    """The part of it that other processes than the one that was started took: workers, our recorder."""
    load: Load


def checked(family: Family, subject: Subject, workload: Workload, *, size: int) -> None:
    """Every request once; raises AssertionError unless each answer is scikit-learn's."""
    headers = {"Content-Type": "application/json", **subject.headers(family.folder)}
    connection = http.client.HTTPConnection("127.0.0.1", family.port, timeout=30)
    for rows in workload.asked(size=size):
        connection.request("POST", subject.path, subject.ask(rows), headers)
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, f"{subject.name} answers {answer.status}: {content[:300]!r}"
        found = np.array(subject.read(json.loads(content)), float).reshape(size, 2)
        difference = float(abs(found - workload.expected(rows)).max())
        assert difference <= LARGEST_DIFFERENCE, f"{subject.name} is off by {difference:.2g}"
    connection.close()


def wait_for_model(family: Family, subject: Subject, workload: Workload) -> None:
    """Until the first request is answered: some servers listen before their model is loaded."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return checked(family, subject, workload, size=1)
        except (OSError, http.client.HTTPException, AssertionError):
            if family.process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def measured(family: Family, subject: Subject, workload: Workload, *, size: int, seconds: float) -> Measured:
    """What it takes under load, from rest to rest."""
    bodies = [subject.ask(rows) for rows in workload.asked(size=size)]
    lua = script(subject.path, bodies=bodies, headers=subject.headers(family.folder))
    family.settle()
    before, own_before = family.cpu_seconds(), family.own_cpu_seconds()
    load = loaded(family.port, lua, seconds=seconds).asserted()
    family.settle()
    whole, own = family.cpu_seconds() - before, family.own_cpu_seconds() - own_before
    return Measured(whole / load.answers * 1e6, (whole - own) / load.answers * 1e6, load)


def trial(subject: Subject, workload: Workload, *, root: Path, seconds: float, sizes: Sequence[int]) -> list[Measured]:
    """One life of one server: started, checked, warmed up, measured with each size, stopped."""
    folder = root / f"{subject.name}-{subject.variant.replace(' ', '-').replace(':', '-')}"
    if not folder.exists():
        folder.mkdir()
        workload.write(folder)
    family = subject.start(folder)
    found = []
    try:
        wait_for_model(family, subject, workload)
        for size in sizes:
            checked(family, subject, workload, size=size)
            measured(family, subject, workload, size=size, seconds=WARM_SECONDS)
            found.append(measured(family, subject, workload, size=size, seconds=seconds))
            told = f"cpu {found[-1].cpu_us:8.1f} us  {found[-1].load.rps:9.0f} rps  p99 {found[-1].load.p99_ms:7.2f} ms"
            print(f"{subject.name:13} {subject.variant:20} {size:3} rows  {told}", flush=True)
    except (AssertionError, OSError) as error:
        raise RuntimeError(f"{error}\n{family.log_tail()}") from error
    finally:
        family.stop()
    return found


def chosen(field: list[Subject], workload: Workload, *, root: Path) -> tuple[list[Subject], dict[str, str]]:
    """Of each server its cheapest setting, and why others are absent."""
    taken, absent = [], {}
    for name in dict.fromkeys(subject.name for subject in field):
        settings = [subject for subject in field if subject.name == name]
        costs: dict[float, Subject] = {}
        for subject in settings:
            try:
                run = trial(subject, workload, root=root, seconds=TRIAL_SECONDS, sizes=(1,))
                costs[run[0].cpu_us] = subject
            except (Absent, RuntimeError) as error:
                print(f"{name} ({subject.variant}) is left out: {error}", flush=True)
                lines = [line for line in str(error).splitlines() if line.strip()]
                absent[f"{name} ({subject.variant})"] = ": ".join(dict.fromkeys((lines[0], lines[-1])))
        if costs:
            taken.append(costs[min(costs)])
        shutil.rmtree(root / name, ignore_errors=True)
    return taken, absent


def rounds(field: list[Subject], workload: Workload, *, root: Path, count: int, seconds: float) -> dict[str, Any]:
    """Name -> size -> what was measured in each round; the order turns by one place a round."""
    found: dict[str, Any] = {subject.name: {size: [] for size in SIZES} for subject in field}
    for turn in range(count):
        print(f"round {turn + 1} of {count}", flush=True)
        for place in range(len(field)):
            subject = field[(place + turn) % len(field)]
            run = trial(subject, workload, root=root, seconds=seconds, sizes=SIZES)
            for size, one in zip(SIZES, run, strict=True):
                found[subject.name][size].append(one)
    return found


def table(found: dict[str, Any], names: list[str], *, size: int) -> dict[str, Any]:
    """The medians by key and name; None where nothing could be measured."""

    def middle(read: Any, digits: int) -> dict[str, float | None]:
        runs = {name: [read(one) for one in found[name][size]] if name in found else [] for name in names}
        return {name: round(median(values), digits) if values else None for name, values in runs.items()}

    return {
        "cpu_us": middle(lambda one: one.cpu_us, 1),
        "cpu_us_of_children": middle(lambda one: one.children_us, 1),
        "rps": middle(lambda one: one.load.rps, 0),
        "p99_ms": middle(lambda one: one.load.p99_ms, 2),
    }


def ratio(costs: dict[str, float | None], theirs: str, ours: str) -> float | None:
    """How many times theirs is ours."""
    over, under = costs[theirs], costs[ours]
    return round(over / under, 2) if over and under else None


def ratios(costs: dict[str, float | None]) -> dict[str, float | None]:
    """What the table comes to."""
    return {
        "ratio_cpu_vs_mlserver": ratio(costs, "mlserver", "ours"),
        "ratio_cpu_vs_mlserver_tuned": ratio(costs, "mlserver_tuned", "ours"),
        "ratio_cpu_vs_litserve": ratio(costs, "litserve", "ours"),
        "ratio_cpu_vs_bentoml": ratio(costs, "bentoml", "ours"),
        "ratio_cpu_same_engine_vs_mlserver": ratio(costs, "mlserver", "ours_sklearn"),
        "ratio_cpu_floor": ratio(costs, "ours", "floor"),
    }


def report(*, count: int, seconds: float, only: set[str]) -> dict[str, Any]:
    """The whole benchmark."""
    if not is_installed():
        return {"benchmark": "serving", "skipped": MISSING}
    workload = Workload()
    field = [subject for subject in subjects() if not only or subject.name in only]
    names = list(dict.fromkeys(subject.name for subject in subjects()))
    with tempfile.TemporaryDirectory(prefix="loopline-bench-") as folder:
        taken, absent = chosen(field, workload, root=Path(folder))
        found = rounds(taken, workload, root=Path(folder), count=count, seconds=seconds)
    one_row = table(found, names, size=1)
    spread = {
        name: [round(min(costs), 1), round(max(costs), 1)]
        for name, runs in found.items()
        if (costs := [one.cpu_us for one in runs[1]])
    }
    return {
        "benchmark": "serving",
        **one_row,
        **ratios(one_row["cpu_us"]),
        "rows_16": (wide := table(found, names, size=16)) | ratios(wide["cpu_us"]),
        "cpu_us_range": spread,
        "settings": {subject.name: subject.variant for subject in taken},
        "absent": absent,
        "versions": {name: VERSIONS[name][0] for name in ("mlserver", "litserve", "bentoml")},
        "rounds": count,
        "seconds": seconds,
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=5.0)
    options.add_argument("--only", nargs="*", default=[], help="names of the servers to measure")
    asked = options.parse_args()
    end_in_order()
    print(json.dumps(report(count=asked.rounds, seconds=asked.seconds, only=set(asked.only))))
