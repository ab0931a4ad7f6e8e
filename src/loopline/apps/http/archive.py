"""What is stored about one loop, read when a page asks for it and kept while that page is made."""

from collections.abc import Sequence
from functools import cached_property
from typing import TypeVar

from loopline.apps.http.views import House
from loopline.errors import NotFound
from loopline.records.cycle import Cycle
from loopline.records.dataset import DatasetVersion
from loopline.records.evaluation import Verdict
from loopline.records.label import LabelBatch
from loopline.records.lineage import Event
from loopline.records.model import ModelVersion, RunSpec, RunState
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.selection import Selection
from loopline.records.signal import Measurement, Signal
from loopline.records.task import Standing

R = TypeVar("R")
M = TypeVar("M", Selection, LabelBatch)

EVENTS = 200
"""How many of the latest events the pages look at."""


class Archive:
    """The stored records of one loop, newest first where people read them."""

    def __init__(self, house: House) -> None:
        self._ledger, self._launcher = house.ledger, house.launcher
        self.loop = house.settings.name

    @cached_property
    def cycles(self) -> tuple[Cycle, ...]:
        """Newest first."""
        return tuple(sorted(self._ledger.all(Cycle, self.loop), key=lambda cycle: -cycle.number))

    @cached_property
    def models(self) -> tuple[ModelVersion, ...]:
        """Newest first."""
        return self._ledger.all(ModelVersion, self.loop)[::-1]

    @cached_property
    def datasets(self) -> tuple[DatasetVersion, ...]:
        """Newest first."""
        return self._ledger.all(DatasetVersion, self.loop)[::-1]

    @cached_property
    def batches(self) -> tuple[LabelBatch, ...]:
        """Oldest first."""
        return tuple(sorted(self._ledger.all(LabelBatch, self.loop), key=lambda batch: batch.cycle))

    @cached_property
    def selections(self) -> tuple[Selection, ...]:
        """Oldest first."""
        return tuple(sorted(self._ledger.all(Selection, self.loop), key=lambda selection: selection.cycle))

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Oldest first."""
        return tuple(
            sorted(self._ledger.all(Verdict, self.loop), key=lambda verdict: (verdict.cycle, verdict.decision))
        )

    @cached_property
    def rollouts(self) -> tuple[Rollout, ...]:
        """Oldest first."""
        return self._ledger.all(Rollout, self.loop)

    @cached_property
    def splits(self) -> tuple[TrafficSplit, ...]:
        """Who answered, oldest first; empty before the first version was live."""
        return tuple(sorted(self._ledger.all(TrafficSplit, self.loop), key=lambda split: split.revision))

    @property
    def split(self) -> TrafficSplit | None:
        """Who answers now; None before the first version is live."""
        return self.splits[-1] if self.splits else None

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """Raised ones first, then the newest first."""
        found = self._ledger.all(Signal, self.loop)[::-1]
        return tuple(sorted(found, key=lambda signal: signal.state != "raised"))

    @cached_property
    def measurements(self) -> tuple[Measurement, ...]:
        """Where each detector stands now."""
        return self._ledger.all(Measurement, self.loop)

    @cached_property
    def standings(self) -> tuple[Standing, ...]:
        """By name."""
        return tuple(sorted(self._ledger.all(Standing, self.loop), key=lambda standing: standing.annotator))

    @cached_property
    def runs(self) -> tuple[RunSpec, ...]:
        """Oldest first."""
        return self._ledger.all(RunSpec, self.loop)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """The latest, newest first."""
        return self._ledger.events(self.loop, newest=EVENTS)

    @property
    def told(self) -> dict[str, str]:
        """Act -> its sentence, of the latest events."""
        return {event.subject: event.text for event in self.events}

    def cycle(self, number: int) -> Cycle:
        """The cycle with this number. Raises NotFound."""
        return _find("cycle", str(number), self.cycles, [str(cycle.number) for cycle in self.cycles])

    def model(self, name: str) -> ModelVersion:
        """The version with this name. Raises NotFound."""
        return _find("model", name, self.models, [model.name for model in self.models])

    def dataset(self, name: str) -> DatasetVersion:
        """The dataset with this name. Raises NotFound."""
        return _find("dataset", name, self.datasets, [dataset.name for dataset in self.datasets])

    def signal(self, name: str) -> Signal:
        """The signal with this id. Raises NotFound."""
        return _find("signal", name, self.signals, [signal.id for signal in self.signals])

    def selection_of(self, cycle: int) -> Selection | None:
        """What was chosen in the cycle of this number; None before that. Raises NotFound for an unknown cycle."""
        return _made_in(self.cycle(cycle), self.selections)

    def labels_of(self, cycle: int) -> LabelBatch | None:
        """What was labelled in the cycle of this number; None before that. Raises NotFound for an unknown cycle."""
        return _made_in(self.cycle(cycle), self.batches)

    def run_of(self, cycle: int) -> RunState | None:
        """How the last training run of a cycle stands; None before one was started."""
        specs = [spec for spec in self.runs if spec.cycle == cycle]
        if not specs:
            return None
        try:
            return self._launcher.poll(specs[-1].id)
        except NotFound:  # the run folder was cleared away; the ledger still knows that it ran
            return None


def _find(kind: str, name: str, records: Sequence[R], names: Sequence[str]) -> R:
    for record, known in zip(records, names, strict=True):
        if known == name:
            return record
    raise NotFound(kind, name, known=tuple(names))


def _made_in(cycle: Cycle, records: Sequence[M]) -> M | None:
    return next((record for record in records if record.cycle == cycle.number), None)
