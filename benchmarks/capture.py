"""What remembering costs the server that answers, what it holds when nobody stores, and what a kill takes along.

Three parts, each with ``loopline up`` as a user starts it, ONNX, JSON, and ``wrk`` on 32 connections:

- cost, one row a request: two servers, one with capture on, one with it off, are loaded in turn, in pairs whose order
  alternates; both rest before each load. ``throughput_cost`` is one minus the median ratio of answers a second,
  ``p99_cost`` the median ratio of the 99th percentile of latency less one, ``server_cpu_cost`` the same of the
  processor time that the answering process itself takes; each with a 95 % bootstrap interval over the pairs.
- stall, 16 rows a request, so that the ring fills: the recorder is stopped (SIGSTOP) for a minute under load. Every
  answer must be good. ``bounded_mb`` is what the server's own memory grew by at most, and the ring file.
- kill: under load, and with clients that write down each id they were answered with, the server is killed (-9), then a
  second one together with its recorder; after the next start ``unaccounted`` is what answered - stored - repeated -
  dropped - sampled_out leaves, and every id that a client saw that is neither stored nor among the dropped.

Linux only; the last line is one JSON object.
"""

import argparse
import http.client
import json
import os
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from rig import product
from rig.load import MISSING, Load, is_installed, loaded, script
from rig.processes import Family, end_in_order
from rig.statistics import Middle, median_ratio
from rig.subjects import tensor
from rig.workload import Workload

RING = Path(".loopline", "log", "ring")
CLIENTS = 4
LOOK_SECONDS = 0.5
STORING_SECONDS = 120.0
"""How long what waits may take to be stored once the load is over."""


@contextmanager
def served(workload: Workload, *, off: bool = False, folder: Path | None = None) -> Iterator[Family]:
    """A loop that serves the model, in a folder of its own unless it has one."""
    with tempfile.TemporaryDirectory(prefix="loopline-bench-") as fresh:
        place = folder or Path(fresh)
        if not (place / "loop.toml").exists():
            workload.write(place)
            product.write_loop(place, model="model.onnx")
        family = product.start(place, environment={"LOOPLINE_CAPTURE": "off"} if off else {})
        try:
            yield family
        finally:
            family.stop()


def asked(family: Family, workload: Workload, *, size: int = 1) -> str:
    """The load for this server, so many rows a request."""
    ask = tensor("probabilities")
    bodies = [ask(rows) for rows in workload.asked(size=size)]
    return script(product.INFER, bodies=bodies, headers=product.headers(family.folder))


def cost(workload: Workload, *, pairs: int, seconds: float) -> dict[str, Any]:
    """Capture on against capture off."""
    runs: dict[str, list[tuple[Load, float]]] = {"on": [], "off": []}
    with served(workload) as on, served(workload, off=True) as off:
        servers = {"on": on, "off": off}
        for family in servers.values():
            loaded(family.port, asked(family, workload), seconds=seconds).asserted()
        for pair in range(pairs):
            for name in ("on", "off") if pair % 2 == 0 else ("off", "on"):
                family = servers[name]
                for each in servers.values():
                    each.settle()
                family.cpu_seconds()
                before = family.own_cpu_seconds()
                load = loaded(family.port, asked(family, workload), seconds=seconds).asserted()
                family.cpu_seconds()
                runs[name].append((load, (family.own_cpu_seconds() - before) / load.answers * 1e6))
                told = f"{load.rps:8.0f} rps  p99 {load.p99_ms:6.2f} ms  server cpu {runs[name][-1][1]:6.1f} us"
                print(f"pair {pair + 1:2}  capture {name:3}  {told}", flush=True)

    def ratio(read: Any) -> Middle:
        return median_ratio([read(run) for run in runs["on"]], [read(run) for run in runs["off"]])

    rps, p99, cpu = ratio(lambda run: run[0].rps), ratio(lambda run: run[0].p99_ms), ratio(lambda run: run[1])
    return {
        "throughput_cost": round(1 - rps.value, 4),
        "throughput_cost_interval": [round(1 - rps.high, 4), round(1 - rps.low, 4)],
        "p99_cost": round(p99.value - 1, 4),
        "p99_cost_interval": [round(p99.low - 1, 4), round(p99.high - 1, 4)],
        "server_cpu_cost": round(cpu.value - 1, 4),
        "server_cpu_cost_interval": [round(cpu.low - 1, 4), round(cpu.high - 1, 4)],
        "pairs": pairs,
    }


def stall(workload: Workload, *, seconds: float) -> dict[str, Any]:
    """A minute in which nothing is stored."""
    with served(workload) as family:
        lua = asked(family, workload, size=16)
        loaded(family.port, lua, seconds=3).asserted()
        family.settle()
        before, loads, grown = family.anonymous_mb(), [], 0.0
        load = Thread(target=lambda: loads.append(loaded(family.port, lua, seconds=seconds)))
        held = product.hold_recorder(family)
        assert held, f"no recorder to stop among {family.members()}"
        load.start()
        while load.is_alive():
            load.join(LOOK_SECONDS)
            product.hold_recorder(family)
            grown = max(grown, family.anonymous_mb() - before)
        ring = (family.folder / RING).stat().st_blocks * 512 / 1e6
        answered = loads[0].asserted()
        print(
            f"stalled for {seconds:.0f} s: {answered.rps:.0f} rps, grown by {grown:.1f} MB, ring {ring:.1f} MB",
            flush=True,
        )
        product.free_recorder(family)
        family.settle(seconds=STORING_SECONDS)
        family.stop()
        totals = account(family.folder)["totals"]
        assert totals["dropped"] > 0, "nothing was dropped: the ring did not fill"
    return {
        "bounded_mb": round(grown + ring, 1),
        "stalled_rps": round(answered.rps),
        "stalled_p99_ms": round(answered.p99_ms, 2),
        "stalled_dropped": totals["dropped"],
        "stalled_unaccounted": unaccounted(totals),
    }


def kill(workload: Workload) -> dict[str, Any]:
    """Two lives that end by kill -9, and a third that takes stock."""
    seen: list[str] = []
    with tempfile.TemporaryDirectory(prefix="loopline-bench-") as fresh:
        folder = Path(fresh)
        for life, victims in enumerate(("server", "server and recorder")):
            with served(workload, folder=folder) as family:
                end(family, workload, life=life, is_whole=victims != "server", seen=seen)
                print(f"killed {victims}: {len(seen)} answers with ids so far", flush=True)
        with served(workload, folder=folder) as family:
            family.settle(seconds=STORING_SECONDS)
        found = account(folder)
    totals, held = found["totals"], found["ids"]
    missing = len(set(seen) - held)
    assert len(held) == totals["stored"], f"{len(held)} distinct ids are held, {totals['stored']} rows stored"
    return {
        "unaccounted": abs(unaccounted(totals)) + max(0, missing - totals["dropped"]),
        "killed_answers": totals["answered"],
        "killed_dropped": totals["dropped"],
        "client_ids": len(seen),
        "client_ids_missing": missing,
    }


def end(family: Family, workload: Workload, *, life: int, is_whole: bool, seen: list[str]) -> None:
    """Load the server for some seconds, then kill it, and wait until its recorder has done what it does."""
    stop = Event()
    clients = [Thread(target=talk, args=(family, workload, f"client-{life}-{n}", seen, stop)) for n in range(CLIENTS)]
    load = Thread(target=lambda: loaded(family.port, asked(family, workload), seconds=5))
    for thread in (*clients, load):
        thread.start()
    time.sleep(3)
    family.signal(signal.SIGKILL, naming="" if is_whole else "loopline up")
    for thread in (*clients, load):
        thread.join()
    deadline = time.monotonic() + STORING_SECONDS
    while family.members() and time.monotonic() < deadline:
        family.process.poll()
        time.sleep(0.1)
    assert not family.members(), f"still alive: {family.members()}"


def talk(family: Family, workload: Workload, name: str, seen: list[str], stop: Event) -> None:
    """Ask until the server is gone; write down each id that was answered."""
    ask, rows = tensor("probabilities"), workload.asked(size=1)
    connection = http.client.HTTPConnection("127.0.0.1", family.port, timeout=10)
    headers = {"Content-Type": "application/json", **product.headers(family.folder)}
    number = 0
    with suppress(OSError, http.client.HTTPException):
        while not stop.is_set():
            body = json.loads(ask(rows[number % len(rows)])) | {"id": f"{name}-{number}"}
            connection.request("POST", product.INFER, json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status == 200, content
            seen.append(json.loads(content)["id"])
            number += 1
    connection.close()


def account(folder: Path) -> dict[str, Any]:
    """The totals, and every id that is stored, as the stopped loop's files tell them."""
    from loopline.apps.config import load_settings
    from loopline.apps.wiring import FOLDER, open_house

    house = open_house(load_settings(folder / "loop.toml"), root=folder / FOLDER)
    try:
        return {
            "totals": house.counters.read(),
            "ids": set(house.log.scores(after=0, until=house.log.end()).id.tolist()),
        }
    finally:
        house.log.close()


def unaccounted(totals: dict[str, int]) -> int:
    """Answers without a fate."""
    return totals["answered"] - sum(totals[fate] for fate in ("stored", "repeated", "dropped", "sampled_out"))


def report(*, pairs: int, seconds: float, stalled: float) -> dict[str, Any]:
    """The whole benchmark."""
    if not is_installed():
        return {"benchmark": "capture", "skipped": MISSING}
    workload = Workload()
    found = cost(workload, pairs=pairs, seconds=seconds)
    found |= stall(workload, seconds=stalled) | kill(workload)
    return {"benchmark": "capture", **found, "cores": os.cpu_count()}


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--pairs", type=int, default=10)
    options.add_argument("--seconds", type=float, default=3.0)
    options.add_argument("--stalled", type=float, default=60.0)
    given = options.parse_args()
    end_in_order()
    print(json.dumps(report(pairs=given.pairs, seconds=given.seconds, stalled=given.stalled)))
