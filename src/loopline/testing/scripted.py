"""A whole loop in memory, moved by hand: send texts, answer tasks, tick, and look at what it did.

Its world knows two vocabularies. Texts of the old one are what the first version learned; texts of the new one
are drift: the version is unsure of them until people have labelled some. Its models count words.
"""

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec
import numpy as np
from msgspec import structs

from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.memory.launcher import Fate, Finished, MemoryLauncher
from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.log import MemoryLog
from loopline.adapters.memory.manifest import MemoryManifest
from loopline.adapters.memory.objects import MemoryObjects
from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.adapters.memory.roles import MemoryRoles
from loopline.adapters.memory.work import MemoryWorkLog
from loopline.annotate import stage as annotate
from loopline.annotate.questions import BUILT_IN
from loopline.capture.completing import Completing, Rules
from loopline.dataset import stage as dataset
from loopline.orchestrate.installation import Installation
from loopline.orchestrate.runner import Runner
from loopline.ports.engine import Shelf
from loopline.ports.launcher import Package
from loopline.records.command import Command
from loopline.records.cycle import Cycle
from loopline.records.dataset import DatasetVersion, LabelledRow
from loopline.records.exchange import Turn
from loopline.records.model import Checks, RunResult, RunSpec
from loopline.records.settings import Settings
from loopline.records.task import Annotation, Claim, Task
from loopline.select.strategies import strategy_of
from loopline.serve.grouping import group_of
from loopline.serve.informativeness import entropy, margin
from loopline.serve.question import Question
from loopline.serve.stage import Gateway
from loopline.testing.factories import LABELS, NOW, SIGNATURE, digest
from loopline.testing.vocabulary import text_of, truth_of
from loopline.train.arms import KINDS, arm_spec, divided

SECRET = b"scripted"


class ScriptedLoop:
    """One loop over memory adapters; time stands still until a tick moves it by a second."""

    def __init__(self, settings: Settings, *, base: int = 400, anchor: int = 120, gold: int = 60) -> None:
        self.objects, self.ledger, self.log = MemoryObjects(), MemoryLedger(), MemoryLog()
        self.clock, self.launcher = ManualClock(NOW), MemoryLauncher(self._train)
        queue = MemoryTaskQueue(self.ledger.state)
        rows = [_row(f"b{i}", text_of(i, is_new=False)) for i in range(base + anchor + gold)]
        self.house = Installation(
            settings=settings,
            clock=self.clock,
            log=self.log,
            manifest=MemoryManifest(),
            ledger=self.ledger,
            roles=MemoryRoles(self.ledger.state),
            queue=queue,
            book=queue,
            work=MemoryWorkLog(self.ledger.state),
            objects=self.objects,
            launcher=self.launcher,
            engine=MemoryEngine(),
            base=lambda: rows[:base],
            anchor=lambda: rows[base : base + anchor],
            gold=lambda: rows[base + anchor :],
            strategy=strategy_of,
            question=BUILT_IN[settings.annotate.question],
            actor="scripted",
        )
        self.runner = Runner(self.house)
        self.fate: str = ""
        """Why the next training runs fail; empty: they succeed."""
        self.sent = 0
        self._said: deque[Turn] = deque()
        self._gateway = Gateway(
            settings,
            clock=self.clock,
            counters=MemoryCounters(),
            record=self._said.append,
        )
        self._completing = Completing(
            Rules(
                settings, SECRET, lambda row, content: group_of(row, content=content), lambda p: (margin(p), entropy(p))
            )
        )

    def tick(self, times: int = 1) -> list[Command]:
        """Let the controller look, a second later each time; what it did."""
        done: list[Command] = []
        for _ in range(times):
            self.clock.advance(1)
            done += self.runner.tick()
            self._gateway.refresh(Shelf(self.ledger, self.objects, self.house.engine))
            self._log_answers()
        return done

    def send(self, texts: Sequence[str]) -> None:
        """Ask for one prediction a text, in order, and log the answers."""
        for text in texts:
            self.sent += 1
            self._gateway.answer([Question(id=f"r{self.sent:06d}", rows=(text,))])
        self._log_answers()

    def answer(self, people: Mapping[str, float]) -> int:
        """Let each person answer ten tasks, right with their probability; how many answers were given."""
        return sum(self._answered(name, accuracy) for name, accuracy in sorted(people.items()))

    def cycles(self) -> tuple[Cycle, ...]:
        """Every cycle, oldest first."""
        return self.ledger.all(Cycle, self.house.settings.name)

    def close(self) -> None:
        """Stop the gateway's thread."""
        self._gateway.close()

    def _log_answers(self) -> None:
        """Log what was answered so far, shadow answers included."""
        said = [one for _ in range(len(self._said)) for one in self._said.popleft().exchanges()]
        self.log.append(self._completing.batch(said, put=self.objects.put).predictions)

    def _answered(self, name: str, accuracy: float) -> int:
        settings, now = self.house.settings, self.clock.now()
        wish = Claim(annotator=name, count=10, strata=frozenset(), seconds=settings.annotate.lease_seconds)
        tasks = annotate.claim(
            wish, queue=self.house.queue, book=self.house.book, settings=settings, now=now, secret=SECRET
        )
        said = [_annotation(task, name, accuracy) for task in tasks]
        late = [structs.replace(one, at=now + timedelta(milliseconds=i)) for i, one in enumerate(said)]
        return self.house.queue.submit(late, loop=settings.name)

    def _train(self, spec: RunSpec) -> Fate:
        if self.fate:
            return self.fate
        versions = self.ledger.all(DatasetVersion, spec.loop)
        version = next(version for version in versions if version.id == spec.dataset)
        rows = dataset.rows_of(version, objects=self.objects)
        facts: dict[str, float] = {}
        if (kind := spec.id.rpartition("/")[2]) in KINDS:
            arms = divided(
                rows["content"].to_pylist(), cycle=rows["cycle"].to_numpy(),
                stratum=np.array(rows["stratum"].to_pylist()), after=int(spec.dataset_file), seed=spec.seed,
            )  # fmt: skip
            if arms.shortage:
                return arms.shortage
            facts = {"labels": len(arms.chosen), "shared": len(arms.shared), "seconds": 1.0}
            rows = rows.take(arms.rows_of("chosen" if kind == "chosen" else "random"))
        elif spec.compare_after >= 0:
            for one in KINDS:
                self.launcher.submit(arm_spec(spec, one, dataset_file=str(spec.compare_after), seconds=60))
        texts = [msgspec.json.decode(inputs, type=str) for inputs in rows["inputs"].to_pylist()]
        model = linear(_weights(texts, rows["label"].to_pylist()))
        predictor = MemoryEngine().load(model, engine="sklearn", signature=SIGNATURE)
        p = predictor.predict(texts[:5])
        checks = Checks(rows=tuple(texts[:5]), probabilities=tuple(tuple(map(float, row)) for row in p))
        result = RunResult(
            engine="sklearn", artifact_file="model", checks_file="checks", code=digest(b"words"), metrics=facts
        )
        return Finished(result, Package(model=model, checks=msgspec.json.encode(checks)))


def _row(name: str, text: str) -> LabelledRow:
    return LabelledRow(id=name, inputs=SIGNATURE.encode(text), label=truth_of(text))


def _annotation(task: Task, name: str, accuracy: float) -> Annotation:
    """An answer that is right with the person's probability, always the same for the same task and person."""
    truth = truth_of(str(SIGNATURE.decode(task.inputs)))
    chance = np.random.default_rng(list(f"{task.id}/{name}".encode()))
    wrong = [label for label in LABELS if label != truth]
    label = truth if chance.random() < accuracy else wrong[int(chance.integers(len(wrong)))]
    return Annotation(id=f"{task.id}-{name}", task=task.id, annotator=name, label=label, at=NOW, seconds=1.0)


def _weights(texts: Sequence[str], labels: Sequence[str]) -> dict[str, list[float]]:
    """Log-odds of each word by class, smoothed: naive Bayes without the prior."""
    counts = {label: Counter[str]() for label in LABELS}
    for text, label in zip(texts, labels, strict=True):
        counts[label].update(text.split())
    words = sorted({word for counter in counts.values() for word in counter})
    return {word: [math.log(counts[label][word] + 0.5) for label in LABELS] for word in words}
