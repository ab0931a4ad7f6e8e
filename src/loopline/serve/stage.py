"""Serve: questions in, answers out, from the version that the traffic split names."""

from collections.abc import Sequence
from functools import partial
from threading import Lock, Thread
from time import perf_counter_ns

from loopline.ports.clock import Clock
from loopline.ports.counters import Counters
from loopline.ports.engine import Shelf
from loopline.records.ids import VersionName
from loopline.records.model import ModelVersion
from loopline.records.rollout import TrafficSplit
from loopline.records.settings import Settings
from loopline.serve.asking import Answers, Clocks, ask, settle
from loopline.serve.patience import Look, is_due, looked
from loopline.serve.question import Question, Record
from loopline.serve.shadow import Shadow
from loopline.serve.table import EMPTY, Loaded, holding, released, survey, unseen
from loopline.serve.verification import verified


class Gateway:
    """Answers questions while versions come and go: one immutable table decides, swapped by a single assignment."""

    def __init__(self, settings: Settings, *, clock: Clock, counters: Counters, record: Record | None) -> None:
        self._settings, self._clock, self._swapping = settings, clock, Lock()
        self.table, self._look, self._held = EMPTY, Look(), frozenset[VersionName]()
        self.refusals: dict[VersionName, str] = {}  # versions that the newest split names and that get no traffic: why
        self._ask = partial(ask, clocks=Clocks(clock.now, perf_counter_ns), record=record)
        self._shadow = Shadow(self._ask, drop=partial(counters.add, "shadow_dropped"))
        self._thread = Thread(target=self._shadow.run, name="shadow", daemon=True)
        self._thread.start()

    def answer(self, questions: Sequence[Question]) -> Answers:
        """For each question its answer, whole and from one version, or why there is none; in order."""
        table = self.table
        settled = settle(table, questions, ask=self._ask)
        for one, question in zip(settled, questions, strict=True):
            if one.is_incumbents and (challenger := unseen(table)):
                self._shadow.offer(challenger, question=question)
        return [one.result for one in settled]

    def refresh(self, shelf: Shelf) -> bool:
        """Load, verify and warm what the newest split needs, then swap; whether it did. No news is cheap."""
        splits = shelf.ledger.all(TrafficSplit, self._settings.name)
        newest, now = max(splits, key=lambda split: split.revision, default=None), self._clock.now()
        if newest is None or not is_due(self._look, revision=newest.revision, now=now):
            return False
        found = survey(newest, load=partial(self._load, shelf=shelf))
        self._look = looked(self._look, revision=newest.revision, is_settled=found.is_settled, now=now)
        with self._swapping:
            before, self.table, self.refusals = self.table, found.after(self.table, held=self._held), found.refusals
        return self.table != before

    def hold(self, name: VersionName, *, shelf: Shelf) -> None:
        """Have a version loaded beside those of the split, to be asked by its name."""
        loaded = self._load(name, shelf=shelf)
        with self._swapping:
            self.table, self._held = holding(self.table, loaded), self._held | {name}

    def release(self, name: VersionName) -> None:
        """Let go of a version. Raises NotFound, or Conflict when the split names it."""
        with self._swapping:
            self.table, self._held = released(self.table, name), self._held - {name}

    def close(self, *, patience: float = 5.0) -> None:
        """Finish the shadow answers that wait, and stop; what a challenger has not scored by then is counted."""
        self._shadow.close(self._thread.join, patience=patience)

    def _load(self, name: VersionName, *, shelf: Shelf) -> Loaded:
        version = shelf.ledger.get(ModelVersion, name, loop=self._settings.name)
        if (held := self.table.loaded.get(name)) and held.version == version:
            return held
        predictor, checks = shelf.load(version)
        loaded = Loaded.of(version, predictor.observe, keep=self._settings.capture.keep)
        return verified(loaded, checks=checks, signature=self._settings.signature, timer=perf_counter_ns)
