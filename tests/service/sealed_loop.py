"""A loop over a real house whose sealed samples can be told by a word, after people have labelled some of them."""

import asyncio
import base64
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import count, islice
from pathlib import Path
from typing import Any

import httpx
from blake3 import blake3

from loopline.adapters.memory.clock import ManualClock
from loopline.apps.http.server import application
from loopline.apps.wiring import FOLDER, House, open_house
from loopline.capture.reserve import Sealing
from loopline.ports.prediction_log import ReserveRow
from loopline.records.label import Label, LabelBatch
from loopline.records.outcome import Outcome
from loopline.records.settings import (
    AnnotateSettings,
    CadenceSettings,
    CaptureSettings,
    GateSettings,
    MonitorSettings,
    RolloutSettings,
    SelectSettings,
    Settings,
    TrainSettings,
)
from loopline.records.task import Task
from loopline.serve.grouping import group_of
from loopline.testing.factories import LOOP, SIGNATURE, settings
from loopline.testing.scripted import SECRET, ScriptedLoop
from loopline.testing.vocabulary import text_of

BASE = "http://127.0.0.1:8686"
WORD, OPEN = "zanzibar", "ordinary"
"""In every text that is sealed, and in no other; in the others."""
SHARE = 0.3
PEOPLE = {"ana": 0.95, "bo": 0.95}
TOML = f"""\
[loop]
name = "{LOOP}"
labels = ["negative", "neutral", "positive"]
input = "text"
[serve]
model = "elsewhere"
[capture]
reserve = {SHARE}
"""
"""What the command line needs to find the loop."""


class SealedLoop(ScriptedLoop):
    """A scripted loop whose log, objects, state, queue and roles are those that ``loopline up`` would open."""

    def __init__(self, folder: Path) -> None:
        super().__init__(_settings(folder))
        self.folder = folder
        (folder / "loop.toml").write_text(TOML)
        (folder / "train.py").write_text(TRAIN)
        scripted, real = self.house, open_house(self.house.settings, root=folder / FOLDER)
        self.house: House = replace(
            real,
            base=scripted.base,
            anchor=scripted.anchor,
            gold=scripted.gold,
            clock=self.clock,
            launcher=self.launcher,
            engine=scripted.engine,
        )
        self.log, self.ledger, self.objects = real.log, real.ledger, real.objects
        self.runner = type(self.runner)(self.house)
        self.said: list[str] = []
        """Lines of the program's log."""

    @cached_property
    def sealed(self) -> tuple[ReserveRow, ...]:
        """Every sealed row, near copies among them."""
        return self.house.log.sealed(after=0, until=self.house.log.end())

    @cached_property
    def labelled(self) -> tuple[Label, ...]:
        """The labels of sealed rows."""
        batches = self.ledger.all(LabelBatch, LOOP)
        return tuple(label for batch in batches for label in batch.labels if label.stratum == "reserve")

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Every task."""
        cycles = [cycle.number for cycle in self.cycles()]
        return tuple(task for number in cycles for task in self.house.book.answers(LOOP, cycle=number).tasks)

    @cached_property
    def secrets(self) -> tuple[str, ...]:
        """What must come out nowhere, in small letters: the word, ids, digests, and the bytes as JSON spells them."""
        found = {WORD}
        for row in self.sealed:
            found |= {row.id, row.content, base64.b64encode(row.inputs).decode()}
        found |= {blake3(row.inputs).hexdigest() for row in self.house.anchor()}
        return tuple(sorted(one.casefold() for one in found))

    def tells(self, text: str, *, asked: str = "") -> list[str]:
        """The secrets in a text; what the asker said themselves is none."""
        for own in filter(None, (asked, asked.partition(":")[2])):
            text = text.replace(own, "")
        heard = text.casefold()
        return [secret for secret in self.secrets if secret in heard][:3]


def texts(first: int, *, is_new: bool) -> Iterator[str]:
    """Distinct texts without end, each with the word of its side of the seal; a third of them sealed."""
    sealing = Sealing(SECRET, share=SHARE)
    for number in count(first):
        for word, side in ((WORD, "reserve"), (OPEN, "loop")):
            text = f"{text_of(number, is_new=is_new)} {word}"
            if sealing.role(group_of(text, content=blake3(SIGNATURE.encode(text)).hexdigest())) == side:
                yield text
                if side == "reserve" and number % 5 == 0:
                    yield f"{text} !"  # a near copy, which is on the same side


@contextmanager
def lived(folder: Path) -> Iterator[SealedLoop]:
    """A loop in its second turn: the first batch is labelled and learned, half of the log is sealed into segments."""
    loop = SealedLoop(folder)
    listener = _Listener(loop.said)
    logging.getLogger("loopline").addHandler(listener)
    try:
        loop.tick(8)
        old, new = texts(10_000, is_new=False), texts(0, is_new=True)
        loop.send(list(islice(old, 300)))
        loop.tick(2)
        loop.send(list(islice(new, 600)))
        loop.tick(3)
        for _ in range(240):
            if len(loop.cycles()) > 2 and loop.cycles()[2].phase == "published":
                break
            loop.send(list(islice(new, 12)))
            if len(loop.cycles()) < 3:
                loop.answer(PEOPLE)
            loop.tick()
        else:
            raise AssertionError(f"the cycle stands at {loop.cycles()[-1]}; {loop.said[-3:]}")
        clock = loop.clock
        assert isinstance(clock, ManualClock)
        loop.house.log.seal(now=clock.now(), rows=loop.house.log.end() // 2)
        _report(loop)
        yield loop
    finally:
        logging.getLogger("loopline").removeHandler(listener)
        loop.close()
        loop.house.log.close()


def _report(loop: SealedLoop) -> None:
    """Tell what became of some open rows, and of every sealed one."""
    now, log = loop.clock.now(), loop.house.log
    known = log.rows(after=0, until=log.end()).id[:9].tolist()
    told = [Outcome(id=f"o-{name}", prediction=name, label="neutral", at=now) for name in known]
    told += [Outcome(id=f"o-{row.id}", prediction=row.id, label=WORD, at=now) for row in loop.sealed]
    loop.house.outcomes.record(told, loop=LOOP)


Ask = Callable[..., httpx.Response]


def asker(loop: SealedLoop) -> Ask:
    """Asks the control plane over this loop, with the token that opens everything."""
    app, token = application(loop.house), {"authorization": f"Bearer {loop.house.token}"}

    def ask(method: str, path: str, **request: Any) -> httpx.Response:
        async def whole() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=token) as client:
                return await client.request(method, path, **request)

        return asyncio.run(whole())

    return ask


class _Listener(logging.Handler):
    def __init__(self, heard: list[str]) -> None:
        super().__init__()
        self._heard = heard

    def emit(self, record: logging.LogRecord) -> None:
        self._heard.append(self.format(record))


def _settings(folder: Path) -> Settings:
    return settings(
        folder=str(folder),
        capture=CaptureSettings(reserve=SHARE),
        select=SelectSettings(every_seconds=60, volume=2_000, budget=30, explore=0.1),
        annotate=AnnotateSettings(gold=0.1, gold_file="gold", norm=0.8),
        train=TrainSettings(run="train.py:train", base="base"),
        gate=GateSettings(margin=0.05, anchor_file="anchor"),
        rollout=RolloutSettings(shadow=30, canary=(20, 100), step_predictions=20),
        monitor=MonitorSettings(tick=50, reference=200),
        cadence=CadenceSettings(min_seconds=5, budget_max=30, explore_max=0.1),
    )


TRAIN = """\
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def train(dataset, run):
    print(dataset.to_arrow().to_pylist())
    return make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(*dataset.to_numpy())
"""
"""A trainer that says all that it is given."""
