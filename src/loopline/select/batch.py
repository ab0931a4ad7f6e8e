"""A draw becomes a batch: the design it follows, the candidates it took, and the sentence that says so."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.errors import Unavailable
from loopline.ports.columns import PoolRows, Reads
from loopline.ports.strategy import Strategy
from loopline.records.ids import Digest, PredictionId
from loopline.records.selection import Candidate
from loopline.select.draw import Design, Drawn, softrank
from loopline.select.growing import Grown
from loopline.select.shortlist import Shortlisted, Wish, members_of, taken
from loopline.select.sifting import copies, keys_of, packed, urgency_of

Numbers = NDArray[np.float64]


def design_of(listed: Shortlisted, *, samples: int, steps: int, explore: float, wish: Wish) -> Design:
    """The design of a draw over ``samples``, of which the shortlist holds the first: weights by rank.

    The samples beyond it share alike what ``rank ** -sharpness`` gives to their ranks.
    """
    tail = samples - len(listed.rows.id)
    weights, beyond = softrank(len(listed.rows.id), tail=tail, sharpness=wish.strategy.sharpness)
    return Design(
        weights=weights,
        strata=listed.stratum,
        cap=wish.cap if wish.quota_by else len(weights) + 1,
        tail=tail,
        tail_weight=beyond,
        steps=steps,
        explore=explore,
    )


class Chances(NamedTuple):
    """Inclusion probabilities: of each candidate, and of every other sample alike."""

    candidates: Numbers
    tail: float


def candidates_of(
    drawn: Drawn, found: Grown, *, others: PoolRows, chances: Chances, wish: Wish
) -> tuple[Candidate, ...]:  # fmt: skip
    """What was drawn, in order; ``others``: rows of what was drawn beyond the shortlist.

    Raises Unavailable when the log has lost one of them since it was surveyed.
    """
    listed, scores = found.listed, scores_of(others, wish.strategy)
    held, groups = copies(found.sketches, keys_of(others.content)), groups_of(listed)
    places = {int(key): at for at, key in enumerate(keys_of(listed.rows.content))}
    beyond = dict(_standing(others, scores, found, wish))
    if gone := len(set(drawn.content.tolist()) - {*places, *beyond}):
        reason = f"{gone:,} samples that were drawn are there no more: deleted, or found damaged, meanwhile"
        raise Unavailable("prediction log", reason=reason, remedy="select again: the pool is without them then")

    def one(order: int, key: int) -> Candidate:
        at, is_listed = (places[key], True) if key in places else (beyond[key], False)
        rows = listed.rows if is_listed else others
        score = float(listed.score[at] if is_listed else scores[at]) if wish.strategy.reads else np.nan
        return Candidate(
            prediction=PredictionId(rows.id[at]),
            content=Digest(rows.content[at]),
            draw="audit" if drawn.is_audit[order] else "chosen",
            order=order,
            score=score if np.isfinite(score) else None,
            probability=float(chances.candidates[at]) if is_listed else chances.tail,
            multiplicity=int(listed.multiplicity[at] if is_listed else held[at]),
            predicted=str(rows.label[at]),
            position=int(rows.position[at]),
            proposal=float(drawn.proposal[order]),
            segment=str(rows.segment[at]),
            is_both=bool(drawn.is_both[order]),
            cluster=int(groups[at]) if is_listed and not drawn.is_audit[order] else -1,
        )

    return tuple(one(order, int(key)) for order, key in enumerate(drawn.content))


def scores_of(rows: PoolRows, strategy: Strategy) -> NDArray[np.float32]:
    """The score of each row, (n,), as the kernel makes it: of members those of one shape together."""
    sizes = np.array([len(row) if strategy.reads == "members" else 0 for row in rows.members], np.int64)
    found = np.empty(len(sizes), np.float32)
    for size in np.unique(sizes):
        at = np.flatnonzero(sizes == size)
        found[at] = strategy.score(value_of(taken(rows, at), strategy.reads))
    return found


def value_of(rows: PoolRows, reads: Reads) -> NDArray[np.float32]:
    """The column that a strategy reads, of whole rows: as the log's column holds it, or from the probabilities.

    >>> from loopline.select.shortlist import EMPTY
    >>> two = EMPTY._replace(probabilities=np.array([[0.25, 0.75]], np.float32))
    >>> value_of(two, "top").tolist()
    [0.75]
    """
    p = rows.probabilities.astype(np.float64)
    match reads:
        case "margin":
            return rows.margin
        case "members":
            return members_of(rows)
        case "top":
            return np.asarray(p.max(axis=1, initial=0.0), np.float32)
        case "entropy":
            return np.asarray(-(p * np.log(np.where(p > 0.0, p, 1.0))).sum(axis=1), np.float32)
        case "":
            return np.zeros(len(p), np.float32)


def _standing(rows: PoolRows, scores: NDArray[np.float32], found: Grown, wish: Wish) -> Iterator[tuple[int, int]]:
    """(content key, place) of the row that stands for each sample: of several, the one of least key comes last."""
    urgency = urgency_of(scores, sign=wish.strategy.sign)
    keys = packed(urgency, is_current=np.asarray(rows.model == found.first, np.bool_))
    order = np.lexsort((rows.position, keys))[::-1]
    return zip(keys_of(rows.content[order]).tolist(), order.tolist(), strict=True)


def clusters_of(drawn: Drawn, listed: Shortlisted) -> int:
    """How many clusters the chosen samples lie in; 0 where each candidate is a cluster of its own."""
    of = dict(zip(keys_of(listed.rows.content).tolist(), groups_of(listed).tolist(), strict=True))
    chosen = drawn.content[~drawn.is_audit | drawn.is_both]
    return len({of[key] for key in chosen.tolist() if key in of} - {-1})


def groups_of(listed: Shortlisted) -> NDArray[np.int64]:
    """(n,) the cluster of each of the shortlist; -1 for all where each is a cluster of its own."""
    is_grouped = len(np.unique(listed.cluster)) < len(listed.cluster)
    return listed.cluster if is_grouped else np.full(len(listed.cluster), -1, np.int64)


def sentence(drawn: Drawn, found: Grown, *, samples: int, wish: Wish, window: tuple[int, int], budget: int) -> str:
    """What was chosen from what, and how, in words."""
    pool, strategy = found.pool, wish.strategy.name
    of = f"{samples:,} distinct samples ({pool.rows:,} rows)"
    after, until = window
    if not pool.found:
        return f"nothing to select: the log holds no eligible row in ({after:,}, {until:,}]"
    if not pool.rows:
        taken = "were labelled, selected or sealed before"
        return f"nothing to select: all {pool.found:,} rows in ({after:,}, {until:,}] {taken}"
    if budget <= 0:
        return f"nothing selected: the budget is {budget}; {of} were eligible"
    audit = int(drawn.is_audit.sum())
    chosen = len(drawn.content) - audit
    if samples <= budget:
        return f"all {of}, since the budget is {budget:,}: {chosen:,} as chosen and {audit:,} as audit"
    told = (f"{chosen:,} of {of} by {strategy} and {audit:,} at random", *_remarks(drawn, found, wish))
    return "; ".join(told)


def _remarks(drawn: Drawn, found: Grown, wish: Wish) -> Iterator[str]:
    """What else there is to say of a draw."""
    if both := int(drawn.is_both.sum()):
        yield f"{both:,} of these by both, so that {len(drawn.content):,} samples are asked about"
    if wish.strategy.arrange:
        yield f"shortlist of {len(found.listed.rows.id):,}, likeness by {found.listed.embedding}"
    if found.listed.source:
        yield f"informativeness by {found.listed.source}"
    if not found.first:
        yield f"rows of all versions alike, as {wish.model} has answered too few"
    if full := wish.wanted - len(drawn.content) - int(drawn.is_both.sum()):
        yield f"{full:,} fewer than the budget, as strata were full"
    if unscored := unscored_of(found.listed, wish):
        yield f"{unscored:,} of the shortlist have no score and come last"


def unscored_of(listed: Shortlisted, wish: Wish) -> int:
    """Candidates without a usable score, where the strategy asks for one."""
    return int(np.isnan(listed.score).sum()) if wish.strategy.reads else 0
