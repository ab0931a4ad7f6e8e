"""Serve: an inference request in, predictions out, from the version that the traffic split names."""

from collections.abc import Callable, Sequence
from functools import partial
from queue import Full, Queue
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
from loopline.records.prediction import Arm, Prediction, Role
from loopline.records.rollout import TrafficSplit
from loopline.records.settings import Settings
from loopline.records.signature import Row
from loopline.serve.answer import Circumstance, answered, failed
from loopline.serve.outcome import outcome, told
from loopline.serve.sample import Sample, route_key, samples
from loopline.serve.table import Loaded, Table, attempts, unseen, wanted, without
from loopline.serve.verification import checks_in, prediction_of, verified

SHADOW_REQUESTS = 256
"""Requests that may wait for their shadow answer; one that finds no room is not scored, and counted."""


class Gateway:
    """Answers requests while versions come and go beneath it.

    All that decides an answer stands in one immutable table, read once a request and replaced by one assignment:
    a request sees the old split or the new one, never a mixture. ``role`` says what a group's samples may be used
    for; ``record`` takes what no caller waits for: failures and shadow answers.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        counters: Counters,
        role: Callable[[str], Role],
        record: Callable[[Prediction], None],
    ) -> None:
        self._settings, self._clock, self._counters = settings, clock, counters
        self._role, self._record = role, record
        self._table = Table(split=None, loaded={})
        self.refusals: dict[VersionName, str] = {}
        """Versions that the newest split names and that get no traffic, each with the reason."""
        self._settled = -1
        self._unseen: Queue[tuple[Loaded, tuple[Sample, ...]] | None] = Queue(SHADOW_REQUESTS)
        self._thread = Thread(target=self._score_unseen, name="shadow", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Whether a version is live."""
        return self._table.split is not None

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """The versions that are loaded, verified and warm, the incumbent first."""
        return tuple(loaded.version for loaded in self._table.loaded.values())

    def answer(
        self, rows: Sequence[Row], *, request: str, group: str = "", version: VersionName | None = None
    ) -> tuple[Prediction, ...]:
        """One prediction a row, all from one version; a failing canary is recorded and the incumbent asked instead.

        Raises NotFound when the named version is not loaded, Unavailable when no version answers.
        """
        table = self._table
        asked = samples(rows, request=request, group=group, signature=self._settings.signature, role=self._role)
        reason = ""
        for loaded, arm in attempts(table, key=route_key(asked), named=version):
            predictions = self._ask(loaded, arm=arm, asked=asked)
            if not predictions[0].failure:
                if arm == "incumbent" and not reason:
                    self._score_later(unseen(table), asked=asked)
                return predictions
            for prediction in predictions:
                self._record(prediction)
            reason = f"version {loaded.version.name} failed: {predictions[0].failure}"
        raise Unavailable("model", reason=reason, remedy="the failure is on record; try again or ask another version")

    def refresh(self, ledger: Ledger, *, objects: ObjectStore, engine: Engine) -> bool:
        """Follow the newest split: load, verify and warm what it needs, then swap. Whether the table changed.

        A version that does not verify gets no traffic, and ``refusals`` says why; when it is the incumbent, the old
        table stays. What was only unavailable is tried again next time. Nothing new costs one look: call it often.
        """
        splits = ledger.all(TrafficSplit, self._settings.name)
        split = max(splits, key=lambda split: split.revision, default=None)
        if split is None or split.revision == self._settled:
            return False
        loaded: dict[VersionName, Loaded] = {}
        refusals: dict[VersionName, str] = {}
        is_settled = True
        for name in wanted(split):
            made = outcome(partial(self._load, name, ledger=ledger, objects=objects, engine=engine))
            if isinstance(made, Exception):
                refusals[name] = told(made)
                is_settled = is_settled and not isinstance(made, Unavailable)
            else:
                loaded[name] = made
        self._settled = split.revision if is_settled else -1
        self.refusals = refusals
        before = self._table
        if split.incumbent in loaded:
            self._table = Table(split=without(split, refused=frozenset(refusals)), loaded=loaded)
        return self._table != before

    def close(self) -> None:
        """Finish the shadow answers that wait, and stop."""
        self._unseen.put(None)
        self._thread.join()

    def _load(self, name: VersionName, *, ledger: Ledger, objects: ObjectStore, engine: Engine) -> Loaded:
        version = ledger.get(ModelVersion, name, loop=self._settings.name)
        held = self._table.loaded.get(name)
        if held is not None and held.version == version:
            return held
        predictor = engine.load(objects.get(version.artifact), engine=version.engine, signature=version.signature)
        checks = checks_in(objects.get(version.checks), signature=version.signature)
        return verified(Loaded(version, predictor.predict), checks=checks, signature=self._settings.signature)

    def _ask(self, loaded: Loaded, *, arm: Arm, asked: tuple[Sample, ...]) -> tuple[Prediction, ...]:
        version, started = loaded.version, perf_counter_ns()
        p = outcome(partial(prediction_of, loaded, rows=[sample.row for sample in asked]))
        elapsed = (perf_counter_ns() - started) // 1_000
        under = Circumstance(version=version, arm=arm, at=self._clock.now(), latency_us=elapsed)
        if isinstance(p, Exception):
            return failed(asked, reason=told(p), under=under)
        return answered(asked, p=p, under=under)

    def _score_later(self, loaded: Loaded | None, *, asked: tuple[Sample, ...]) -> None:
        if loaded is not None:
            try:
                self._unseen.put_nowait((loaded, asked))
            except Full:
                self._counters.add("shadow_dropped", len(asked))

    def _score_unseen(self) -> None:
        while (work := self._unseen.get()) is not None:
            for prediction in self._ask(work[0], arm="shadow", asked=work[1]):
                self._record(prediction)
