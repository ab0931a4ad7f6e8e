"""The candidates of a selection: the most informative samples, near duplicates folded, each with its place in space."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.ports.columns import PoolRows, Sketch
from loopline.ports.strategy import Arrangement, Learned, Shortlist, Strategy
from loopline.records.signature import Signature
from loopline.select.duplicates import alike
from loopline.select.embedding import embed, embedding_of, unit
from loopline.select.sifting import Merged, copies, urgency_of

Indices = NDArray[np.int64]
Vectors = NDArray[np.float32]

PER_CLUSTER = 2
"""A batch may lean on a cluster for this many samples before more candidates are looked at."""
LONGEST = 100_000
"""Candidates beyond which a shortlist grows no further, unless the budget itself asks for more."""
SUM = 1e-3
"""How far the sum of probabilities may lie from 1."""
STRATA = ("segment", "predicted", "day", "hour")
_MICROSECONDS = {"day": 86_400_000_000, "hour": 3_600_000_000}


class Wish(NamedTuple):
    """What a shortlist is made for."""

    strategy: Strategy
    wanted: int
    """Samples of the batch, at least 1."""
    model: str
    """The version that selects."""
    signature: Signature
    quota_by: tuple[str, ...] = ()
    """What a stratum is: a combination of these."""
    quota_share: float = 1.0
    """Most of the batch that may come from one stratum."""
    learned: Callable[[], Learned] | None = None
    placing: Callable[[Sequence[bytes]], Vectors] | None = None
    """Canonical rows -> the vectors that the selecting version itself gives, (n, d); d = 0 where it gives none."""
    committee: Callable[[Sequence[bytes]], NDArray[np.float32]] | None = None
    """Canonical rows -> (n, members, classes), from the last kept versions; None: there are too few."""

    @property
    def cap(self) -> int:
        """Most chosen samples of one stratum, at least 1."""
        return max(1, int(self.wanted * self.quota_share + 0.5))


class Shortlisted(NamedTuple):
    """Candidates in the order in which they are wanted. Arrays share their first axis."""

    rows: PoolRows
    score: NDArray[np.float32]
    """NaN where there is none."""
    multiplicity: Indices
    cluster: Indices
    stratum: Indices
    folded: NDArray[np.uint64]
    """Content keys of samples that others stand for, ascending."""
    embedding: str
    """Which space measured diversity."""
    source: str
    """Where its informativeness came from, when not from the strategy's own column of the log; in words."""

    def is_enough(self, wish: Wish) -> bool:
        """Whether a batch as wished can be had from them."""
        of_each = np.unique(self.stratum, return_counts=True)[1]
        is_diverse = len(np.unique(self.cluster)) * PER_CLUSTER >= wish.wanted
        return is_diverse and int(np.minimum(of_each, wish.cap).sum()) >= wish.wanted


def shortlisted(
    sketches: Sequence[Sketch], pool: Merged, wish: Wish, *, size: int, rng: np.random.Generator
) -> Shortlisted:
    """The ``size`` most informative samples of the pool, near duplicates folded, in the order of the strategy.

    Of near duplicates the most informative stands, and counts the rows of all. Raises InvalidRecord when the strategy
    needs a committee and there is none to ask.
    """
    found = _informed(gathered(sketches, pool, size=size), pool.best[:size], pool.urgency[:size], wish)
    learned = wish.learned() if wish.learned and wish.strategy.needs_labelled else Learned((), ())
    count, name = len(found.key), embedding_of(wish.signature)
    vectors = embed([*found.rows.inputs, *learned.inputs], wish.signature)
    owner = alike(found.rows.inputs.tolist(), vectors[:count], wish.signature)
    stands = np.flatnonzero(owner == np.arange(count))
    if len(own := model_space(found.rows, model=wish.model)):
        learned, known = _placed(learned, wish, width=own.shape[1])
        name, vectors = f"embedding of {wish.model}", np.concatenate([own, known])
    classes = {label: number for number, label in enumerate(wish.signature.labels)}
    listed = Shortlist(
        urgency=found.urgency[stands],
        probabilities=found.rows.probabilities[stands],
        members=found.members[stands],
        vectors=vectors[stands],
        multiplicity=np.bincount(owner, copies(sketches, found.key), count).astype(np.int64)[stands],
        labelled=vectors[count:],
        labels=np.array([classes[label] for label in learned.labels], np.int64),
    )
    by = arranged(listed, wish, rng)
    rows = taken(found.rows, stands[by.order])
    return Shortlisted(
        rows=rows,
        score=_score(listed.urgency[by.order], wish.strategy),
        multiplicity=listed.multiplicity[by.order],
        cluster=by.cluster[by.order],
        stratum=strata(rows, by=wish.quota_by),
        folded=np.sort(found.key[owner != np.arange(count)]),
        embedding=name,
        source=found.source,
    )


def _placed(learned: Learned, wish: Wish, *, width: int) -> tuple[Learned, Vectors]:
    """The learned samples in the model's own space; none of them where it cannot place them there."""
    found = wish.placing(learned.inputs) if wish.placing and len(learned.inputs) else np.zeros((0, 0), np.float32)
    if found.shape != (len(learned.inputs), width) or not np.isfinite(found).all():
        return Learned((), ()), np.zeros((0, width), np.float32)
    return learned, unit(found.astype(np.float32))


class _Informed(NamedTuple):
    rows: PoolRows
    key: NDArray[np.uint64]
    urgency: NDArray[np.float32]
    members: NDArray[np.float32]
    source: str


def _informed(rows: PoolRows, key: NDArray[np.uint64], urgency: NDArray[np.float32], wish: Wish) -> _Informed:
    """The rows by urgency; by that of a committee which is asked now, when one is needed and the log holds none.

    Rows whose probabilities are no distribution come last, and count as even odds.
    """
    members, strategy = members_of(rows), wish.strategy
    p, classes = rows.probabilities, max(1, rows.probabilities.shape[1])
    is_sound = np.isclose(p.sum(axis=1), 1.0, atol=SUM) & (p >= 0.0).all(axis=1)  # NaN is neither
    if not strategy.needs_members or not len(key) or np.isfinite(urgency).any():
        urgency = np.where(is_sound, urgency, np.float32(np.inf))
        order = np.argsort(~is_sound, kind="stable")
        even = rows._replace(probabilities=np.where(is_sound[:, None], p, np.float32(1.0 / classes)))
        return _Informed(taken(even, order), key[order], urgency[order], members[order], "")
    if wish.committee is None:
        raise InvalidRecord(
            f"strategy {strategy.name}",
            found="no members in the log and fewer than two kept model versions",
            expected="a committee",
            remedy='write keep = ["embedding", "members"] under [capture] for a model that has members, '
            "or choose another strategy until a second version was promoted",
        )
    asked = wish.committee(rows.inputs.tolist())
    by_score = urgency_of(strategy.score(asked), sign=strategy.sign)
    order = np.argsort(by_score, kind="stable")
    source = f"the {asked.shape[1]} last kept versions as committee"
    return _Informed(taken(rows, order), key[order], by_score[order], asked[order], source)


def arranged(listed: Shortlist, wish: Wish, rng: np.random.Generator) -> Arrangement:
    """The shortlist in the order of the strategy. Raises InvalidRecord, naming it, when that is no order."""
    count, strategy = len(listed.urgency), wish.strategy
    each = np.arange(count)
    if strategy.arrange is None or not count:
        return Arrangement(order=each, cluster=each)
    found = strategy.arrange(listed, wish.wanted, rng)
    if not np.array_equal(np.sort(found.order), each) or found.cluster.shape != (count,):
        raise InvalidRecord(
            f"strategy {strategy.name}",
            found=f"an order of {len(found.order):,} with {len(np.unique(found.order)):,} distinct candidates",
            expected=f"each of {count:,} candidates once, and a cluster for each",
            remedy="mend the strategy or choose another",
        )
    return found


def gathered(sketches: Sequence[Sketch], pool: Merged, *, size: int) -> PoolRows:
    """The rows of the ``size`` best samples, best first."""
    piece, row = pool.piece[:size], pool.row[:size]
    by_piece = np.argsort(piece, kind="stable")
    parts = [taken(sketches[at].rows, row[by_piece][piece[by_piece] == at]) for at in np.unique(piece)]
    joined = PoolRows._make(np.concatenate(columns) for columns in zip(*parts, strict=True)) if parts else EMPTY
    return taken(joined, np.argsort(by_piece, kind="stable"))


def taken(rows: PoolRows, at: Indices | NDArray[np.intp]) -> PoolRows:
    """The rows at these places, in this order."""
    return PoolRows._make(column[at] for column in rows)


def members_of(rows: PoolRows) -> NDArray[np.float32]:
    """(n, members, classes); NaN in rows that hold another number than most, no members where most hold none."""
    count, classes = rows.probabilities.shape
    sizes = np.array([len(row) for row in rows.members], np.int64)
    usual = int(np.bincount(sizes).argmax()) if count else 0
    if not classes or usual % classes:
        usual = 0
    found = np.full((count, usual), np.nan, np.float32)
    for at in np.flatnonzero(sizes == usual):
        found[at] = rows.members[at]
    return found.reshape(count, usual // max(classes, 1), classes)


def model_space(rows: PoolRows, *, model: str) -> Vectors:
    """The unit vectors that the model itself gave, (n, d); (0, 0) unless every row has one, all of this version.

    Vectors of two versions lie in two spaces, and a row without one lies nowhere: then inputs are compared instead.
    """
    sizes = {len(row) for row in rows.embedding}
    if len(sizes) != 1 or sizes == {0} or set(rows.model.tolist()) != {model}:
        return np.zeros((0, 0), np.float32)
    vectors = np.stack(rows.embedding.tolist()).astype(np.float32)
    return unit(vectors) if np.isfinite(vectors).all() else np.zeros((0, 0), np.float32)


def strata(rows: PoolRows, *, by: Sequence[str]) -> Indices:
    """The stratum of each row, (n,): one number for each combination of what ``by`` names of ``STRATA``."""
    keys = [
        rows.at_us // _MICROSECONDS[name]
        if name in _MICROSECONDS
        else np.unique((rows.segment if name == "segment" else rows.label).astype(str), return_inverse=True)[1]
        for name in by
    ]
    together = np.stack([np.zeros(len(rows.id), np.int64), *keys], axis=1)
    return np.asarray(np.unique(together, axis=0, return_inverse=True)[1].reshape(-1), np.int64)


def _score(urgency: NDArray[np.float32], strategy: Strategy) -> NDArray[np.float32]:
    is_known = np.isfinite(urgency) & bool(strategy.reads)
    return np.where(is_known, urgency * np.float32(strategy.sign), np.float32(np.nan))


_NONE = np.empty(0, object)
EMPTY = PoolRows(
    position=np.empty(0, np.int64), id=_NONE, content=_NONE, inputs=_NONE, model=_NONE, label=_NONE, segment=_NONE,
    at_us=np.empty(0, np.int64), probabilities=np.empty((0, 0), np.float32), margin=np.empty(0, np.float32),
    members=_NONE, embedding=_NONE,
)  # fmt: skip
"""No rows."""
