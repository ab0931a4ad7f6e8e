"""challenger -> Verdict: both models score the sealed rows now, and the gate compares them pair by pair."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loopline.evaluate.admission import admit
from loopline.evaluate.gate import LEAST_ROWS, Part, Rule, compare_anchor, compare_fresh, conclude
from loopline.evaluate.leakage import Sample, anchor_samples, fresh_samples, objections
from loopline.evaluate.ledger import spend
from loopline.evaluate.scores import joined, truth_of
from loopline.ports.engine import Engine
from loopline.ports.object_store import ObjectStore
from loopline.records.cycle import Cycle
from loopline.records.dataset import LabelledRow
from loopline.records.evaluation import Verdict
from loopline.records.label import Label
from loopline.records.leak import Leakage
from loopline.records.model import ModelVersion
from loopline.records.settings import Settings

_CHUNK = 512


def judge(  # noqa: PLR0913  stage recipes take their ports by name
    cycle: Cycle,
    *,
    challenger: ModelVersion,
    incumbent: ModelVersion,
    decision: int,
    anchor: Sequence[LabelledRow],
    fresh: Sequence[Label],
    trained_on: frozenset[str],
    leakage: Leakage | None,
    engine: Engine,
    objects: ObjectStore,
    settings: Settings,
) -> Verdict:
    """The verdict on the challenger at the ledger's ``decision``-th decision, with its evidence.

    ``leakage``: what was found between its training rows and these reserve rows; a leak, or none looked for, fails.
    """
    admit(challenger, incumbent=incumbent, fresh=fresh, metric=settings.gate.metric)
    rule = Rule(settings.gate.metric, settings.gate.margin, spend(settings.gate.alpha, decision=decision))
    sealed, fixed = fresh_samples(fresh), anchor_samples(anchor)
    samples = (*sealed, *fixed)
    leaks = objections(samples, trained_on=trained_on, leakage=leakage)
    generator = np.random.default_rng(cycle.seed)
    whole = Part(
        incumbent=_scored(incumbent, samples, engine=engine, objects=objects),
        challenger=_scored(challenger, samples, engine=engine, objects=objects),
        truth=truth_of(samples, labels=incumbent.signature.labels),
    )

    def part(rows: slice) -> Part:
        return Part._make(column[rows] for column in whole)

    comparisons = [compare_fresh(part(slice(len(sealed))), rule=rule, generator=generator)]
    if fixed:
        comparisons.append(compare_anchor(part(slice(len(sealed), None)), rule=rule, generator=generator))
    outcome, reason = conclude(comparisons, leaks=leaks)
    return Verdict(
        id=cycle.id, loop=cycle.loop, cycle=cycle.number,
        challenger=challenger.name, incumbent=incumbent.name,
        metric=rule.metric, margin=rule.margin, decision=decision,
        alpha=rule.alpha if len(sealed) >= LEAST_ROWS else 0.0,
        comparisons=tuple(comparisons), leaks=leakage.sealed if leakage else 0, outcome=outcome, reason=reason,
        pairs=leakage.pairs if leakage else (),
    )  # fmt: skip


def _scored(
    version: ModelVersion, samples: Sequence[Sample], *, engine: Engine, objects: ObjectStore
) -> NDArray[np.float64]:
    model = engine.load(objects.get(version.artifact), engine=version.engine, signature=version.signature)
    rows = [version.signature.decode(sample.inputs) for sample in samples]
    chunks = [model.predict(rows[start : start + _CHUNK]) for start in range(0, len(rows), _CHUNK)]
    return joined(chunks, thing=f"model {version.name}", rows=len(rows), classes=len(version.signature.labels))
