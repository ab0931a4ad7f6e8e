"""Serve: an inference request in, predictions out, from the version that the traffic split names."""

from collections.abc import Sequence
from functools import partial
from threading import Thread
from time import perf_counter_ns

from loopline.errors import Unavailable
from loopline.ports.clock import Clock
from loopline.ports.counters import Counters
from loopline.ports.engine import Engine
from loopline.ports.ledger import Ledger
from loopline.ports.object_store import ObjectStore
from loopline.records.ids import VersionName
from loopline.records.model import ModelVersion
from loopline.records.rollout import TrafficSplit
from loopline.records.settings import Settings
from loopline.records.signature import Row
from loopline.serve.asking import Answers, ask
from loopline.serve.patience import Look, is_due, looked
from loopline.serve.sample import RoleOf, samples
from loopline.serve.shadow import Record, Shadow
from loopline.serve.table import EMPTY, Loaded, attempts, survey, unseen
from loopline.serve.verification import verified


class Gateway:
    """Answers requests while versions come and go: one immutable table decides, swapped by a single assignment.

    ``role``: what a group's samples may be used for. ``record``: takes the failures and shadow answers.
    """

    def __init__(self, settings: Settings, *, clock: Clock, counters: Counters, role: RoleOf, record: Record) -> None:
        self._settings, self._role, self._record = settings, role, record
        self.table, self._look, self._clock = EMPTY, Look(), clock
        self.refusals: dict[VersionName, str] = {}
        """Versions that the newest split names and that get no traffic, each with the reason."""
        self._ask = partial(ask, now=clock.now, timer=perf_counter_ns)
        self._shadow = Shadow(self._ask, record=record, drop=partial(counters.add, "shadow_dropped"))
        self._thread = Thread(target=self._shadow.run, name="shadow", daemon=True)
        self._thread.start()

    def answer(self, rows: Sequence[Row], *, id: str, group: str, version: VersionName | None) -> Answers:  # noqa: A002
        """One prediction a row, from one version: the named, the routed, or the incumbent for a failing canary."""
        table, reason = self.table, ""
        asked = samples(rows, request=id, group=group, signature=self._settings.signature, role=self._role)
        for loaded, arm in attempts(table, key=asked[0].group, named=version):
            answers = self._ask(loaded, arm=arm, asked=asked)
            if not answers[0].failure:
                for challenger in unseen(table) if arm == "incumbent" and not reason else ():
                    self._shadow.offer(challenger, asked=asked)
                return answers
            for failure in answers:
                self._record(failure)
            reason = f"version {loaded.version.name} failed with {answers[0].failure}"
        raise Unavailable("model", reason=reason, remedy="the failure is on record; try again")

    def refresh(self, ledger: Ledger, *, objects: ObjectStore, engine: Engine) -> bool:
        """Load, verify and warm what the newest split needs, then swap; whether it did. No news is cheap."""
        newest = max(ledger.all(TrafficSplit, self._settings.name), key=lambda split: split.revision, default=None)
        if newest is None or not is_due(self._look, revision=newest.revision, now=self._clock.now()):
            return False
        found = survey(newest, load=partial(self._load, ledger=ledger, objects=objects, engine=engine))
        self._look = looked(self._look, revision=newest.revision, is_settled=found.is_settled, now=self._clock.now())
        before, self.table, self.refusals = self.table, found.table or self.table, found.refusals
        return self.table != before

    def close(self, *, patience: float = 5.0) -> None:
        """Finish the shadow answers that wait, and stop; what a challenger has not scored by then is counted."""
        if self._shadow.end(patience=patience):
            self._thread.join(timeout=patience)
        self._shadow.abandon()

    def _load(self, name: VersionName, *, ledger: Ledger, objects: ObjectStore, engine: Engine) -> Loaded:
        version = ledger.get(ModelVersion, name, loop=self._settings.name)
        if (held := self.table.loaded.get(name)) and held.version == version:
            return held
        predictor = engine.load(objects.get(version.artifact), engine=version.engine, signature=version.signature)
        checks, signature = objects.get(version.checks), self._settings.signature
        return verified(Loaded(version, predictor.predict), checks=checks, signature=signature)
