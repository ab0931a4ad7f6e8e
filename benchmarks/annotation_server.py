"""How many people one ``loopline up`` serves at once, and whether a kill -9 costs any of their work.

Simulated annotators over HTTP on keep-alive connections, in processes of their own, against a real ``loopline up``
(``serve.model = "elsewhere"``, SQLite, one server process). The batch is published through the ledger before the start,
as the controller publishes one: chosen tasks that want two answers, and gold. Each person claims ``--count``
tasks, answers them one request at a time under an idempotency key, claims again, and repeats whatever was not
acknowledged. Halfway the whole server is killed with SIGKILL and started again. Every twentieth person leaves once with
tasks in hand until the lease has run out and answers them then. At the end the state is read and held against what the
people were told.

``per_second``: acknowledged claims and submissions a second of the time in which the server was up, everybody asking
without a pause; ``p50_ms``, ``p99_ms``: of the same requests, which then wait for each other; ``paced_*``: of people
who ask every ``--pace`` seconds. ``floor_per_second``: GET /healthz by the same client on as many connections.

``double_assignments``: cases of the same person twice on one content, that is tasks handed to somebody after they had
the acknowledgement of an answer to the same content, or two standing answers of theirs to it (``twice``); plus, over
all tasks but gold, the standing answers beyond the two wanted that no late answer explains (``beyond_wanted``; reviews
may want fewer, never more). An answer is late when it was stored after the lease of the last claim that handed out its
task had run out, by the time at which that claim was sent. ``lost``: acknowledged answers that are not stored as they
were given. ``doubled``: stored answers nobody gave, and answers beyond the first of one person to one task.

The last line is one JSON object.
"""

import argparse
import json
import multiprocessing
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rig.annotators import LABELS, Order, Reply, Told, run
from rig.processes import PATIENCE_SECONDS, Family, end_in_order, free_port
from rig.product import token

from loopline.adapters.sql.answers import SqlAnswerBook
from loopline.adapters.sql.database import open_database
from loopline.apps.config import load_settings
from loopline.apps.wiring import FOLDER, open_house
from loopline.records.cycle import Cycle
from loopline.records.ids import CommandId, LoopName, PredictionId, TaskId
from loopline.records.lineage import Entry
from loopline.records.task import Annotation, Task
from loopline.testing.factories import digest

NAME = LoopName("bench")
LEASE_SECONDS = 15
GOLD_ROWS = 400
WANTED = 2
START_SECONDS, FLOOR_SECONDS, PACED_SECONDS = 0.5, 4.0, 10.0
LOOP = f"""\
[loop]
name = "{NAME}"
labels = ["negative", "neutral", "positive"]
input = "text"
[serve]
model = "elsewhere"
[annotate]
lease = "{LEASE_SECONDS}s"
overlap = {{ min = {WANTED}, max = {WANTED} }}
gold = 0.05
gold_file = "gold.jsonl"
"""


class Outage(NamedTuple):
    """When the server was killed, and when it answered again."""

    since: float
    until: float


def label_of(number: int) -> str:
    """What everybody says about it, so that nobody is paused."""
    return LABELS[number % len(LABELS)]


def text_of(kind: str, number: int) -> str:
    """One comment."""
    return f"the {kind} comment {number}, no longer than what people write below a film: it is {label_of(number)}"


def published(folder: Path, *, tasks: int) -> tuple[Task, ...]:
    """A batch in the ledger of a new loop."""
    (folder / "loop.toml").write_text(LOOP)
    known = ({"text": text_of("gold", number), "label": label_of(number)} for number in range(GOLD_ROWS))
    (folder / "gold.jsonl").write_text("".join(json.dumps(row) + "\n" for row in known))
    house = open_house(load_settings(folder / "loop.toml"), root=folder / FOLDER)
    now, signature = datetime.now(UTC), house.settings.signature
    kinds = [("chosen", n) for n in range(tasks)] + [("gold", n) for n in range(GOLD_ROWS)]
    batch = tuple(
        Task(
            id=TaskId(f"{kind}-{number:06d}"), loop=NAME, cycle=1, sample=PredictionId(f"p-{kind}-{number}"),
            content=digest(row := signature.encode(text_of(kind, number))),
            stratum=kind, inputs=row, wanted=WANTED if kind == "chosen" else 1,
            gold=label_of(number) if kind == "gold" else "",
        )
        for kind, number in kinds
    )  # fmt: skip
    cycle = Cycle(
        loop=NAME, number=1, phase="published", opened_at=now, closed_at=None, after=0, until=0, budget=tasks,
        explore=0.0, seed=1, reason="the benchmark", outcome="", outcome_reason="", published_at=now,
    )  # fmt: skip
    house.ledger.commit(Entry(id=CommandId("publish"), records=(cycle,), tasks=batch))
    return batch


def started(folder: Path, port: int) -> Family:
    """``loopline up`` on the folder, once it answers."""
    order = [sys.executable, "-m", "loopline", "up", str(folder / "loop.toml"), "--port", str(port)]
    family = Family(order, folder=folder, environment={}, port=port)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline and family.process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                if answer.status == 200:
                    return family
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    family.stop()
    raise RuntimeError(f"no server answers:\n{family.log_tail()}")


def killed(family: Family) -> tuple[Family, Outage]:
    """The server anew, after a SIGKILL of all its processes."""
    since = time.time()
    family.signal(signal.SIGKILL)
    family.process.wait()
    family.stop()
    return started(family.folder, family.port), Outage(since, time.time())


class Crowd:
    """Processes of annotators, at work as soon as all of them have started."""

    def __init__(self, orders: Sequence[Order]) -> None:
        context = multiprocessing.get_context("spawn")
        self._ends, self._processes = [], []
        for _ in orders:
            here, there = context.Pipe()
            self._processes.append(context.Process(target=run, args=(there,)))
            self._processes[-1].start()
            there.close()
            self._ends.append(here)
        for end in self._ends:
            end.recv()
        self.begin = time.time() + START_SECONDS
        for order, end in zip(orders, self._ends, strict=True):
            span = {"begin": self.begin, "until": self.begin + order.until}
            end.send(order._replace(**span, absence=(self.begin + order.absence[0], order.absence[1])))

    def told(self) -> list[Told]:
        """What each of them was told, once they are done. Raises EOFError when one failed."""
        found = [end.recv() for end in self._ends]
        for process in self._processes:
            process.join()
        return found

    def end(self) -> None:
        for process in self._processes:
            process.kill()


def orders(asked: argparse.Namespace, family: Family, *, seconds: float, **changes: Any) -> list[Order]:
    """The people dealt out to so many processes; times from when they begin."""
    names = [f"person-{number}" for number in range(asked.people)]
    plain: dict[str, Any] = {
        "port": family.port, "token": token(family.folder), "count": asked.count, "pace": 0.0,
        "begin": 0.0, "until": seconds, "absence": (seconds / 4, 0.0),
    }  # fmt: skip
    return [Order(names=tuple(names[part :: asked.processes]), **plain | changes) for part in range(asked.processes)]


def milliseconds(replies: Sequence[Reply], *, share: float) -> float:
    return round(float(np.quantile([reply.got - reply.sent for reply in replies], share)) * 1e3, 2)


def good(told: Sequence[Told], *kinds: str) -> list[Reply]:
    return [reply for one in told for reply in one.replies if reply.status == 200 and reply.kind in kinds]


def rate(replies: Sequence[Reply], *, outage: Outage | None = None) -> float:
    """Good answers a second of the time in which the server was up."""
    first, last = min(reply.sent for reply in replies), max(reply.got for reply in replies)
    away = outage.until - outage.since if outage else 0.0
    return round(len(replies) / (last - first - away), 1)


def late(told: Sequence[Told], stored: dict[str, Annotation]) -> Counter[str]:
    """Answers by task that were stored after their lease had run out."""
    claimed: dict[tuple[str, str], float] = {}
    for one in told:
        for person, sent, _, tasks in one.handed:
            claimed |= {(person, task): max(sent, claimed.get((person, task), 0.0)) for task in tasks}
    lease = timedelta(seconds=LEASE_SECONDS)
    ends = {place: datetime.fromtimestamp(sent, UTC) + lease for place, sent in claimed.items()}
    return Counter(a.task for a in stored.values() if a.at >= ends.get((a.annotator, a.task), a.at))


def audited(folder: Path, batch: Sequence[Task], told: Sequence[Told]) -> dict[str, int]:
    """What the state says, held against what the people were told."""
    book = SqlAnswerBook(open_database(f"sqlite:///{folder / FOLDER / 'state.db'}"))
    given = {answer.id: answer for answer in book.given(NAME, cycle=1)}
    lost = sum(
        name not in given or (given[name].task, given[name].annotator, given[name].label) != tuple(row[:3])
        for name, *row in (row for one in told for row in one.stored)
    )
    sent = set[str]().union(*(one.sent for one in told))
    content = {task.id: task.content for task in batch}
    pairs = Counter((answer.annotator, answer.task) for answer in given.values())
    twice = Counter((answer.annotator, content[answer.task]) for answer in given.values())
    answers, excused = Counter(answer.task for answer in given.values()), late(told, given)
    over = {task.id: answers[task.id] - WANTED - excused[task.id] for task in batch if task.stratum != "gold"}
    again = sum(count - 1 for count in twice.values()) + handed_again(told, content)
    return {
        "acknowledged": len({row[0] for one in told for row in one.stored}),
        "stored": len(given),
        "late": sum(excused.values()),
        "twice": again,
        "beyond_wanted": (beyond := sum(count for count in over.values() if count > 0)),
        "double_assignments": again + beyond,
        "lost": lost,
        "doubled": len(given.keys() - sent) + sum(count - 1 for count in pairs.values()),
    }


def handed_again(told: Sequence[Told], content: dict[TaskId, str]) -> int:
    """Tasks that a person was handed though the answer to the same content had been acknowledged to them before."""
    known: dict[str, dict[str, float]] = defaultdict(dict)
    for one in told:
        for _, task, person, _, at in one.stored:
            known[person][content[TaskId(task)]] = at
    return sum(
        known[person].get(content[TaskId(task)], sent) < sent
        for one in told
        for person, sent, _, tasks in one.handed
        for task in tasks
    )


def flat_out(asked: argparse.Namespace, family: Family) -> tuple[list[Told], Family, Outage, float]:
    """Everybody at once without a pause, the server killed halfway; and its processor time until then."""
    plan = orders(asked, family, seconds=asked.seconds)
    plan = [one._replace(absence=(one.absence[0], LEASE_SECONDS + 2.0)) for one in plan]
    crowd = Crowd(plan)
    try:
        time.sleep(crowd.begin - time.time())
        before = family.cpu_seconds()
        time.sleep(max(0.0, crowd.begin + asked.seconds / 2 - time.time()))
        cpu = family.cpu_seconds() - before
        family, outage = killed(family)
        print(f"killed, and up again after {outage.until - outage.since:.1f} s", flush=True)
        return crowd.told(), family, outage, cpu
    finally:
        crowd.end()


def measured(asked: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One run, from an empty folder to the audit."""
    began = time.monotonic()
    batch = published(folder, tasks=asked.tasks)
    print(f"{len(batch)} tasks published in {time.monotonic() - began:.1f} s", flush=True)
    family = started(folder, free_port())
    try:
        floor = good(Crowd(orders(asked, family, seconds=FLOOR_SECONDS, path="/healthz")).told(), "knock")
        paced = Crowd(orders(asked, family, seconds=PACED_SECONDS, pace=asked.pace)).told()
        told, family, outage, cpu = flat_out(asked, family)
    finally:
        family.stop()
    slow, fast = good(paced, "claim", "submit"), good(told, "claim", "submit")
    whole = sum(reply.got < outage.since for reply in fast)
    return {
        "people": asked.people,
        "tasks": asked.tasks,
        "per_second": rate(fast, outage=outage),
        "p50_ms": milliseconds(fast, share=0.5),
        "p99_ms": milliseconds(fast, share=0.99),
        "claim_p99_ms": milliseconds(good(told, "claim"), share=0.99),
        "paced_per_second": rate(slow),
        "paced_p50_ms": milliseconds(slow, share=0.5),
        "paced_p99_ms": milliseconds(slow, share=0.99),
        "floor_per_second": rate(floor),
        "floor_p99_ms": milliseconds(floor, share=0.99),
        "server_cpu_us": round(cpu / whole * 1e6),
        "client_cpu_us": round(sum(one.cpu_seconds for one in told) / len(fast) * 1e6),
        "outage_seconds": round(outage.until - outage.since, 2),
        "repeated": sum(one.repeated for one in told),
        **audited(folder, batch, [*paced, *told]),
    }


def main() -> None:
    """Read the arguments, measure, tell."""
    end_in_order()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--tasks", type=int, default=100_000, help="chosen ones; each wants two answers")
    parser.add_argument("--count", type=int, default=5, help="tasks in a claim")
    parser.add_argument("--seconds", type=float, default=60.0, help="of everybody at once, the outage included")
    parser.add_argument("--pace", type=float, default=2.0, help="seconds between one person's requests, when paced")
    parser.add_argument("--processes", type=int, default=2, help="that the annotators are dealt out to")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loopline-annotators-") as folder:
        found = measured(asked, Path(folder))
    print(json.dumps(found))
    if found["double_assignments"] or found["lost"] or found["doubled"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
