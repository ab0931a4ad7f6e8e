"""The random part of a selection: who is drawn, at what odds at that moment, and with what chance at all.

The design, on a pool of N distinct samples of which the first C stand in an order of preference, the **candidates**;
the others are the **tail**. Each of ``steps`` steps tosses a coin:

- *audit* (chance ``explore``): the next sample of the audit order, a uniform random order of the whole pool.
- *chosen*: the next sample of the clock order. Each sample's clock rings after an exponential time of rate ``weight``
  (Gumbel-top-k); the tail shares one weight. A candidate whose stratum was chosen ``cap`` times is passed over.

A sample that the other order gave before counts for both and gives no new row: so the two orders do not know of each
other, and the audit is a uniform draw without replacement whatever was chosen. A pool of at most ``steps`` samples is
taken whole. Coins, orders and clocks are hashes of the seed and of the step or the content: neither the order in which
the pool lies nor anything but the candidates' order of preference changes what is drawn.

Source: Kool, van Hoof, Welling (2019), "Stochastic beams and where to find them", ICML (Gumbel-top-k);
Kirsch et al. (2023), "Stochastic batch acquisition", TMLR, arXiv 2106.12059 (softrank).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr

from loopline.errors import InvalidRecord
from loopline.select.keys import Keys, exponential, hashed, least, salts, uniform

Flags = NDArray[np.bool_]
Indices = NDArray[np.int64]
Numbers = NDArray[np.float64]

REPLAYS, FEWEST = 512, 32
"""Most and fewest simulated draws behind a probability."""
WORK = 4_000_000
"""Clocks simulated in all: long shortlists get fewer replays, and need fewer, since the last clock hardly varies."""
LEAST = 1e-300
"""Least weight: however sharp the ranks, everyone's clock rings some time."""


class Design(NamedTuple):
    """What is fixed before the draw."""

    weights: Numbers
    """(C,) positive: the rate of each candidate's clock, in order of preference."""
    strata: Indices
    """(C,) the stratum of each, any numbers."""
    cap: int
    """Most chosen of one stratum, at least 1. The tail has no strata."""
    tail: int
    """Samples of the pool that are no candidate; N is C + tail."""
    tail_weight: float
    """Positive: the rate of each of their clocks; 0 where there are none."""
    steps: int
    explore: float
    """Chance of each step to be the audit's, in [0, 1]."""


class Drawn(NamedTuple):
    """What the draw gave. Arrays share their axis, the m <= steps distinct samples in the order drawn."""

    content: Keys
    """(m,) content keys."""
    is_audit: Flags
    """(m,) drawn by the audit, and maybe by the choice too."""
    is_both: Flags
    """(m,) drawn by both."""
    proposal: Numbers
    """(m,) in (0, 1]: the chance, given all that was drawn before and that something new was, that it was this one."""
    audits: int
    """Steps that were the audit's."""


def softrank(candidates: int, *, tail: int, sharpness: float) -> tuple[Numbers, float]:
    """The weight ``rank ** -sharpness`` of each candidate, and one weight for the tail.

    The tail's is the mean of ``rank ** -sharpness`` over the ranks beyond the candidates, by the midpoint rule.

    >>> weights, beyond = softrank(4, tail=2, sharpness=2.0)
    >>> weights.tolist(), round(beyond, 3), round((1 / 25 + 1 / 36) / 2, 3)
    ([1.0, 0.25, 0.1111111111111111, 0.0625], 0.034, 0.034)
    """
    weights = np.maximum(np.arange(1, candidates + 1, dtype=np.float64) ** -sharpness, LEAST)
    if tail == 0:
        return weights, 0.0
    low, high = candidates + 0.5, candidates + tail + 0.5
    if sharpness == 1.0:
        return weights, float(np.log(high / low) / tail)
    mass = (high ** (1.0 - sharpness) - low ** (1.0 - sharpness)) / (1.0 - sharpness)
    return weights, float(max(mass / tail, LEAST))


def draw(design: Design, *, candidates: Keys, pool: Keys, seed: int) -> Drawn:
    """One run of the design.

    candidates: (C,) content keys in order of preference; pool: (N,) distinct content keys, those of the candidates
    among them; seed: not negative. Beside the pool it takes memory for a stride of it and for C + 2 steps samples.
    Raises InvalidRecord for a pool of another size than the design's.

    >>> keys = np.arange(1, 9, dtype=np.uint64)
    >>> weights, beyond = softrank(4, tail=4, sharpness=4.0)
    >>> design = Design(weights, np.arange(4), cap=1, tail=4, tail_weight=beyond, steps=3, explore=0.1)
    >>> drawn = draw(design, candidates=keys[:4], pool=keys, seed=1)
    >>> drawn.content.tolist(), drawn.is_audit.tolist(), drawn.audits
    ([1, 5, 2], [False, True, False], 1)
    """
    if len(pool) != len(candidates) + design.tail:
        sizes = f"{len(candidates):,} candidates and a tail of {design.tail:,}"
        raise InvalidRecord("draw", found=f"a pool of {len(pool):,} samples", expected=f"as many as {sizes}")
    tossing, auditing, ringing = salts(seed, 3)
    is_audit = uniform(hashed(np.arange(design.steps, dtype=np.uint64), tossing)) <= design.explore
    audited = least(pool, auditing, int(is_audit.sum()))
    field = _field(design, candidates=candidates, pool=pool, audited=audited, salt=ringing)
    chosen = _chosen(design, field, most=design.steps - int(is_audit.sum()))
    when = _when(design, field, is_audit=is_audit, audited=audited, chosen=chosen)
    first = np.minimum(when.audit, when.choice)
    order = np.lexsort((field.clock, first))  # what no step drew comes last, the earlier clock first
    proposal = _proposals(design, field, when=when, is_audit=is_audit)
    if len(pool) <= design.steps:
        proposal[order] = 1.0 / np.arange(len(pool), 0, -1)
    else:
        order = order[: np.count_nonzero(first < design.steps)]
    return Drawn(
        content=field.content[order],
        is_audit=when.audit[order] < design.steps,
        is_both=np.maximum(when.audit, when.choice)[order] < design.steps,
        proposal=proposal[order],
        audits=len(audited),
    )


class _Field(NamedTuple):
    """The samples that a draw may touch, on one axis: candidates, the first of the tail, audit rows beyond both."""

    content: Keys
    weight: Numbers
    stratum: Indices
    """Dense, from 0; -1 in the tail."""
    clock: Numbers


class _When(NamedTuple):
    """At which step, on the axis of the field; ``steps`` stands for never."""

    audit: Indices
    choice: Indices
    until: Indices
    """The last step at which the choice could have drawn it."""


def _field(design: Design, *, candidates: Keys, pool: Keys, audited: Keys, salt: np.uint64) -> _Field:
    earliest = least(pool, salt, design.steps + len(candidates))  # at most C of them are candidates
    tail = earliest[~np.isin(earliest, candidates)][: design.steps]
    known = np.concatenate([candidates, tail])
    beyond = audited[~np.isin(audited, known)]
    content = np.concatenate([known, beyond])
    more = len(content) - len(candidates)
    weight = np.concatenate([design.weights, np.full(more, design.tail_weight)])
    stratum = np.concatenate([np.unique(design.strata, return_inverse=True)[1], np.full(more, -1)])
    return _Field(content, weight, stratum, exponential(hashed(content, salt)) / weight)


def _chosen(design: Design, field: _Field, *, most: int) -> Indices:
    """The first of the clock order, those passed over left out."""
    arrivals = np.lexsort((field.content, field.clock))
    place = _places(field.stratum[arrivals])
    return arrivals[(place < design.cap) | (field.stratum[arrivals] < 0)][:most]


def _places(strata: Indices) -> Indices:
    """How many of the same stratum stand before each.

    >>> _places(np.array([5, 7, 5, 5, 7])).tolist()
    [0, 0, 1, 2, 1]
    """
    order = np.argsort(strata, kind="stable")
    ordered = strata[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    place = np.empty(len(strata), np.int64)
    place[order] = np.arange(len(strata)) - np.repeat(starts, np.diff(starts, append=len(strata)))
    return place


def _when(design: Design, field: _Field, *, is_audit: Flags, audited: Keys, chosen: Indices) -> _When:
    audit, choice = (np.full(len(field.content), design.steps) for _ in range(2))
    sorter = np.argsort(field.content)
    rows = sorter[np.searchsorted(field.content, audited, sorter=sorter)]
    audit[rows] = np.flatnonzero(is_audit)[: len(rows)]
    choice[chosen] = np.flatnonzero(~is_audit)[: len(chosen)]
    full = np.full(int(field.stratum.max(initial=-1)) + 2, design.steps)  # the last is the tail's, which -1 finds
    strata = field.stratum[chosen]
    last = chosen[(_places(strata) == design.cap - 1) & (strata >= 0)]
    full[field.stratum[last]] = choice[last]
    return _When(audit, choice, np.minimum(choice, full[field.stratum]))


def _proposals(design: Design, field: _Field, *, when: _When, is_audit: Flags) -> Numbers:
    """The chance of each drawn sample at its step, given the steps before and that it gave a new one.

    A step gives sample i, not drawn before, with chance ``explore / (N - a) + (1 - explore) w_i / W``: a audit steps
    before it, W the weight of all that the choice can still take, be it drawn by the audit or not, and w_i counted
    only while i is among them. This over its sum over all samples not drawn before.
    """
    n, first = len(design.weights) + design.tail, np.minimum(when.audit, when.choice)
    unseen = (n - len(field.content)) * design.tail_weight
    takeable = _still(when.until, weight=field.weight, rest=unseen, steps=design.steps)
    new = _still(np.minimum(when.until, first), weight=field.weight, rest=unseen, steps=design.steps)
    undrawn = n - np.concatenate([[0], np.cumsum(np.bincount(first, minlength=design.steps + 1))[:-1]])
    left = np.maximum(n - np.concatenate([[0], np.cumsum(is_audit)]), 1)  # 0 left: nothing is new, and none is asked
    by_audit = design.explore / left
    by_weight = np.divide(1.0 - design.explore, takeable, out=np.zeros_like(takeable), where=takeable > 0.0)
    given = by_audit[first] + np.where(when.until >= first, field.weight * by_weight[first], 0.0)
    return np.asarray(given / np.maximum(by_audit * undrawn + by_weight * new, np.finfo(np.float64).tiny)[first])


def _still(until: Indices, *, weight: Numbers, rest: float, steps: int) -> Numbers:
    """(steps + 1,) the weight that stays at least until each step: sums from the end, so that nothing cancels."""
    leaving = np.bincount(until, weights=weight, minlength=steps + 1).astype(np.float64)
    leaving[-1] += rest
    return np.asarray(np.cumsum(leaving[::-1])[::-1])


def probabilities(design: Design, rng: np.random.Generator) -> tuple[Numbers, float]:
    """The chance of each candidate to be drawn at all, (C,) in (0, 1], and that of a sample of the tail.

    ``1 - E[(1 - a / N)(1 - p)]`` over the number a of audit steps, p the chance to be chosen in the other steps.
    Exact where all weigh alike and no cap can bind, and where everything is taken. Otherwise by simulation with the
    own clock integrated out: given all other clocks, sample i is chosen if its own rings before T_i, with chance
    ``1 - exp(-w_i T_i)``. T_i is the earlier of two: when cap others of its stratum have rung, and when k others that
    were not passed over have. Unbiased; relative error about ``1 / sqrt(k * replays)``.
    Source: Blackwell (1947), "Conditional expectation and unbiased sequential estimation", Ann. Math. Stat.

    >>> design = Design(np.ones(2), np.zeros(2, np.int64), cap=2, tail=2, tail_weight=1.0, steps=2, explore=0.0)
    >>> shares, beyond = probabilities(design, np.random.default_rng(0))
    >>> shares.tolist(), beyond
    ([0.5, 0.5], 0.5)
    """
    count, steps, explore = len(design.weights), design.steps, design.explore
    n = count + design.tail
    if n <= steps:
        return np.ones(count), 1.0
    sizes = np.unique(design.strata, return_counts=True)[1]
    if _is_even(design) and sizes.max(initial=0) <= design.cap:
        share = steps / n - steps * (steps - 1) * explore * (1.0 - explore) / n**2
        return np.full(count, share), share
    replays = int(np.clip(WORK // (count + steps), FEWEST, REPLAYS))
    total, beyond = np.zeros(count), 0.0
    evenly = (np.arange(replays) + rng.random(replays)) / replays  # binomial numbers, one from each part of their range
    for audits in np.searchsorted(bdtr(np.arange(steps + 1), steps, explore), evenly).tolist():
        chosen, chosen_beyond = _replay(design, rng, wanted=steps - audits)
        total += audits / n + (1.0 - audits / n) * chosen
        beyond += audits / n + (1.0 - audits / n) * chosen_beyond
    return total / replays, beyond / replays


def _is_even(design: Design) -> bool:
    weights = np.append(design.weights, design.tail_weight) if design.tail else design.weights
    return bool(np.ptp(weights) == 0.0)


def _replay(design: Design, rng: np.random.Generator, *, wanted: int) -> tuple[Numbers, float]:
    """The chance to be chosen given the other clocks, of each candidate and of a sample of the tail on average."""
    strata = np.unique(design.strata, return_inverse=True)[1]
    clocks = rng.standard_exponential(len(strata)) / design.weights
    tail = _first_of_tail(design, rng, count=wanted + 1)
    arrivals = np.argsort(clocks)
    place = np.empty(len(strata), np.int64)
    place[arrivals] = _places(strata[arrivals])
    filtered = np.sort(np.concatenate([clocks[place < design.cap], tail, [np.inf, np.inf]]))
    last = filtered[min(wanted, len(filtered) - 1) - 1] if wanted else 0.0
    following = filtered[min(wanted, len(filtered) - 1)]
    fills, spills = (np.full(len(strata) + 1, np.inf) for _ in range(2))  # by stratum: its cap-th clock, and the next
    fills[strata[place == design.cap - 1]] = clocks[place == design.cap - 1]
    spills[strata[place == design.cap]] = clocks[place == design.cap]
    wins = (clocks <= last) & (place < design.cap)  # a winner's own clock is not among the others
    rings_before = np.where(wins, np.minimum(spills[strata], following), np.minimum(fills[strata], last))
    won = np.count_nonzero(tail <= last) / max(design.tail, 1)
    sooner, later = -np.expm1(-design.tail_weight * np.array([last, following])) if design.tail else (0.0, 0.0)
    return -np.expm1(-design.weights * rings_before), float(won * later + (1.0 - won) * sooner)


def _first_of_tail(design: Design, rng: np.random.Generator, *, count: int) -> Numbers:
    """The earliest clocks of the tail, ascending: after the j-th of n equal clocks the gap is of rate n - j.

    Source: Renyi (1953), "On the theory of order statistics", Acta Math. Acad. Sci. Hung.
    """
    gaps = rng.standard_exponential(min(count, design.tail)) / (design.tail - np.arange(min(count, design.tail)))
    return np.asarray(np.cumsum(gaps) / (design.tail_weight or 1.0))
