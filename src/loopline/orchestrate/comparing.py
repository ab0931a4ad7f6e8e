"""Chosen against random labels, for one house: which labels are compared, the comparison, and the strategy in use."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.evaluate.comparison import Predict, compare
from loopline.orchestrate import findings
from loopline.orchestrate.beating import Choice, choice, compared_after
from loopline.orchestrate.installation import Installation
from loopline.records.comparison import StrategyComparison
from loopline.records.cycle import Cycle
from loopline.records.ids import Digest
from loopline.records.model import EngineName, ModelVersion, RunSpec
from loopline.records.selection import Selection
from loopline.records.signal import Signal
from loopline.records.signature import Row
from loopline.train import stage as train


def strategy_in_use(house: Installation) -> Choice:
    """The strategy that the next selection uses, and why."""
    loop = house.settings.name
    signals = house.ledger.all(Signal, loop)
    return choice(house.ledger.all(StrategyComparison, loop), signals=signals, settings=house.settings)


def labels_after(house: Installation, cycle: Cycle) -> int:
    """The last cycle whose labels are not compared in this one; -1: none are, as in a cycle that chose nothing."""
    mine = _selection(house, cycle)
    if mine is None:
        return -1
    loop = house.settings.name
    before, comparisons = house.ledger.all(Selection, loop), house.ledger.all(StrategyComparison, loop)
    return compared_after(mine, before=before, comparisons=comparisons)


def compared(house: Installation, cycle: Cycle) -> StrategyComparison | None:
    """What the small models of the cycle's training run say on the fresh reserve; None in a cycle that chose nothing.

    Raises Unavailable while the store or the runs are away.
    """
    loop, mine = house.settings.name, _selection(house, cycle)
    spec = next((s for s in reversed(house.ledger.all(RunSpec, loop)) if s.cycle == cycle.number), None)
    if mine is None or spec is None:
        return None

    return compare(
        cycle,
        trial=train.trial(spec, launcher=house.launcher, objects=house.objects),
        strategy=mine.strategy,
        before=_trained_in(house, spec.compare_after),
        fresh=findings.judging(house),
        load=partial(_load, house),
        settings=house.settings,
        now=house.clock.now(),
    )


def _load(house: Installation, artifact: Digest, engine: EngineName) -> Predict:
    """What a small model says; whatever it raises becomes an error of ours, which the comparison tells of."""
    found = house.engine.load(house.objects.get(artifact), engine=engine, signature=house.settings.signature)

    def predict(rows: Sequence[Row]) -> NDArray[np.float32]:
        try:
            return found.predict(rows)
        except Exception as error:  # the Predictor port promises no family of errors
            said = f"{type(error).__name__}: {error}"
            raise InvalidRecord(f"model {artifact[:12]}", found=said, expected="probabilities") from error

    return predict


def _selection(house: Installation, cycle: Cycle) -> Selection | None:
    found = (s for s in house.ledger.all(Selection, house.settings.name) if s.cycle == cycle.number)
    return next(found, None)


def _trained_in(house: Installation, cycle: int) -> ModelVersion | None:
    """The version that was trained on what the loop held after this cycle; one brought from outside is none."""
    models = house.ledger.all(ModelVersion, house.settings.name)
    return next((m for m in models if m.cycle == cycle and m.dataset is not None), None)
