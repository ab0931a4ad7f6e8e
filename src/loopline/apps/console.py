"""The controller as people may ask it: what is due, why a thing is so, and whether every thing has a maker."""

from collections.abc import Sequence

from loopline.apps.wiring import House
from loopline.errors import NotFound
from loopline.orchestrate.awaited import awaited
from loopline.orchestrate.lineage import Step, makers_of, named, orphans, why
from loopline.orchestrate.runner import Runner
from loopline.orchestrate.selecting import imagined, replayed
from loopline.records.command import Command, Situation
from loopline.records.ids import PredictionId
from loopline.records.keys import KINDS, entity_of
from loopline.records.label import LabelBatch
from loopline.records.selection import Selection


class Console:
    """Answers from the stored state; its ``tick`` does what is due."""

    def __init__(self, house: House, runner: Runner) -> None:
        self._house, self._runner = house, runner

    @property
    def installation(self) -> House:
        """The ports that it acts on."""
        return self._house

    def situation(self) -> Situation:
        """The stored state, as ``decide`` sees it."""
        return self._runner.situation()

    def awaited(self, situation: Situation) -> str:
        """One sentence: what is due or awaited in it, and why."""
        return awaited(situation, self._house.clock.now())

    def tick(self) -> Sequence[Command]:
        """Do all that is due now, until nothing more is."""
        return self._runner.settle()

    def why(self, entity: str) -> Step:
        """The tree behind a prediction id, a version, a dataset, a cycle, or any ``kind:id``. Raises NotFound."""
        activities = self._house.ledger.activities(self._house.settings.name)
        if name := named(entity, makers_of(activities)):
            return why(name, activities)
        return self._of_prediction(entity.removeprefix("prediction:"))

    def orphans(self) -> tuple[str, ...]:
        """Stored things without a maker; empty when the lineage is complete."""
        ledger, loop = self._house.ledger, self._house.settings.name
        kinds = (kind for kind, name in KINDS.items() if name not in ("measurement", "cadence", "standing"))
        stored = [entity_of(record) for kind in kinds for record in ledger.all(kind, loop)]
        return orphans(stored, ledger.activities(loop))

    def imagine(self, cycle: int, *, strategy: str = "", budget: int = 0) -> tuple[Selection, Selection]:
        """The stored selection of a cycle, and what another strategy or budget would have given. Raises NotFound."""
        return imagined(self._house, cycle, strategy=strategy, budget=budget)

    def replay(self, cycle: int, *, threads: int = 0, shards: int = 0) -> tuple[Selection, Selection]:
        """The stored selection of a cycle, and what its window gives again, read by so many in so many pieces.

        0: as a cycle reads it. Raises NotFound.
        """
        return replayed(self._house.read_by(threads=threads, shards=shards), cycle)

    def _of_prediction(self, name: str) -> Step:
        try:
            found = self._house.log.find(PredictionId(name))
        except NotFound:
            known = ("a prediction id", "a version (v2)", "a dataset (c1)", "cycle-1", "kind:id")
            raise NotFound("thing", name, known=known) from None
        ledger, loop = self._house.ledger, self._house.settings.name
        activities = ledger.activities(loop)
        sources = [why(f"model:{found.model}", activities)]
        if found.role == "reserve":
            sealed = f"{found.model} answered as {found.arm}; sealed in the reserve, so that nothing more is told"
            return Step(f"prediction:{found.id}", sealed, "Predict", found.at.isoformat(), tuple(sources))
        for selection in ledger.all(Selection, loop):
            if any(one.content == found.content for one in selection.candidates):
                asked = f"asked people about it: {selection.reason}"
                sources.append(Step(entity_of(selection), asked, "Select", "", ()))
        for batch in ledger.all(LabelBatch, loop):
            for label in batch.labels:
                if label.content == found.content and label.stratum != "reserve":
                    said = f"labelled {label.label} by {', '.join(label.annotators)}"
                    sources.append(Step(entity_of(batch), said, "Aggregate", "", ()))
        act = f"{found.model} answered {found.label or found.failure!r} as {found.arm}; role {found.role}"
        return Step(f"prediction:{found.id}", act, "Predict", found.at.isoformat(), tuple(sources))
