"""The recipe: a window of the log in, a Selection out."""

import numpy as np
from numpy.typing import NDArray

from loopline.ports.prediction_log import Pool, PoolRows
from loopline.records.cycle import Cycle
from loopline.records.ids import Digest, PredictionId, VersionName
from loopline.records.selection import Candidate, Draw, Selection
from loopline.records.settings import Settings
from loopline.select.batch import Pooled, sentence, shares
from loopline.select.duplicates import THRESHOLD, exact
from loopline.select.embedding import embed, embedding_of
from loopline.select.informativeness import strategy_of
from loopline.select.probability import Design, audit_probability, chosen_probabilities, draw, softrank
from loopline.select.ranking import rank


def select(
    cycle: Cycle, *, pool: Pool, taken: frozenset[str], model: VersionName, settings: Settings
) -> Selection:  # fmt: skip
    """The batch of the cycle: at most ``cycle.budget`` distinct samples of the window, none of them taken before.

    Duplicates are folded first; a row scored by ``model`` stands before one scored by another version, then the
    earlier before the later. Chance is seeded by ``cycle.seed``: the same snapshot gives the same bytes, whatever the
    order of the rows. Raises NotFound for an unknown strategy.
    """
    strategy = strategy_of(settings.select.strategy)
    embedding = embedding_of(settings.signature)
    found = pool.rows(after=cycle.after, until=cycle.until)
    rows = _only(found, np.array([content not in taken for content in found.content], np.bool_))
    stands, copies = exact(rows.content, np.argsort(np.lexsort((rows.id, rows.position, rows.model != model))))
    samples = _only(rows, stands)
    scores = strategy.score(samples.probabilities, samples.margin.astype(np.float64))
    ranking = rank(
        strategy.urgency(scores),
        wanted=max(1, cycle.budget),
        is_diverse=strategy.is_diverse,
        embed=lambda at: embed(samples.inputs[at].tolist(), settings.signature),
        threshold=THRESHOLD[embedding],
    )
    multiplicity = np.bincount(ranking.owner, weights=copies, minlength=len(copies)).astype(np.int64)
    sizes = shares(budget=cycle.budget, explore=cycle.explore, available=len(ranking.order))
    weights = softrank(np.arange(1, len(ranking.order) + 1), sharpness=strategy.sharpness)
    design = Design(weights, audit=sizes.audit, chosen=sizes.chosen)
    drawing, replaying = np.random.default_rng(cycle.seed).spawn(2)
    drawn = draw(design, drawing)
    by_chance = chosen_probabilities(design, replaying) if sizes.chosen else weights
    draws: list[tuple[Draw, int, float]] = [("audit", int(at), audit_probability(design)) for at in drawn.audit]
    draws += [("chosen", int(at), float(by_chance[at])) for at in drawn.chosen]
    candidates = tuple(
        Candidate(
            prediction=PredictionId(samples.id[ranking.order[at]]),
            content=Digest(samples.content[ranking.order[at]]),
            draw=how,
            order=order,
            score=float(scores[ranking.order[at]]),
            probability=probability,
            multiplicity=int(multiplicity[ranking.order[at]]),
            predicted=str(samples.label[ranking.order[at]]),
        )
        for order, (how, at, probability) in enumerate(draws)
    )
    pooled = Pooled(found=len(found.id), rows=len(rows.id), distinct=len(ranking.order))
    window = (cycle.after, cycle.until)
    return Selection(
        id=cycle.id, loop=cycle.loop, cycle=cycle.number, strategy=strategy.name, embedding=embedding,
        seed=cycle.seed, model=model, after=cycle.after, until=cycle.until, pool_rows=pooled.rows,
        pool_distinct=pooled.distinct, candidates=candidates,
        reason=sentence(sizes, pooled=pooled, strategy=strategy.name, window=window, budget=cycle.budget),
    )  # fmt: skip


def _only(rows: PoolRows, at: NDArray[np.bool_] | NDArray[np.int64]) -> PoolRows:
    return PoolRows._make(column[at] for column in rows)
