"""Hidden known tasks: which ones are out, when a person meets one, and how they do."""

import math
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from scipy.special import betainc

from loopline.records.dataset import LabelledRow
from loopline.records.ids import LoopName
from loopline.records.task import Standing, Task

FIRST = 100
"""Answers during which a person is still getting known."""
FIRST_SHARE = 0.2
LEAST_SHARE = 0.02
FEWEST_ROWS = 20
"""Gold rows that a cycle publishes at least, where there are so many."""
WINDOW = 200
"""A person is judged by their latest answers of which something is known, so many of them."""
SURE = 0.95
"""Posterior probability of being below the norm at which a person is paused."""
FEWEST_SEEN = 8
"""Such answers before anyone is paused."""


def shares(first: int, count: int, *, settled: float) -> NDArray[np.float64]:
    """The probability that each of a person's answers number ``first`` .. ``first + count - 1`` is gold: (count,).

    >>> shares(98, 4, settled=0.05).tolist()
    [0.2, 0.2, 0.05, 0.05]
    """
    settled = max(LEAST_SHARE, settled)
    return np.where(np.arange(first, first + count) < FIRST, max(FIRST_SHARE, settled), settled)


def slots(annotator: str, *, first: int, count: int, settled: float, secret: bytes) -> NDArray[np.bool_]:
    """Whether each of a person's answers from number ``first`` on is a gold one: (count,), fixed by a keyed hash.

    A slot is gold when its 32 bits of the BLAKE3 stream of the name, keyed by the secret, fall below the share. The
    same answer number is the same slot however often it is asked for, so claiming again, in large batches or small,
    neither adds gold nor avoids it; and without the secret nobody can tell the next one.
    """
    stream = blake3(annotator.encode(), key=blake3(secret).digest()).digest(length=4 * count, seek=4 * first)
    return np.frombuffer(stream, dtype="<u4") < shares(first, count, settled=settled) * 2.0**32


def mixed(work: Sequence[Task], gold: Sequence[Task], is_gold: Sequence[bool]) -> tuple[Task, ...]:
    """Work and gold in the order of the slots; ends where a slot needs work and none is left.

    Gold does not outlast the work that hides it. A gold slot without gold left takes work.
    """
    waiting, hidden, served = list(work), list(gold), list[Task]()
    for slot in is_gold:
        source = hidden if slot and hidden else waiting
        if not source:
            break
        served.append(source.pop(0))
    return tuple(served)


def rotation(rows: Sequence[LabelledRow], *, cycle: int, tasks: int, settled: float) -> tuple[LabelledRow, ...]:
    """The gold rows that a cycle publishes: as many as one person needs who answers all its tasks.

    That is the sum of their gold shares, at least 20, at most all rows; equal inputs count once. Rows stand in the
    order of a hash of their inputs, and each cycle goes on in the ring where an equally large one before it ended.
    """
    digests = {blake3(row.inputs).digest(): row for row in reversed(rows)}
    ring = [digests[key] for key in sorted(digests)]
    needed = max(FEWEST_ROWS, math.ceil(float(shares(0, tasks, settled=settled).sum())))
    if needed >= len(ring):
        return tuple(ring)
    start = (cycle * needed) % len(ring)
    return tuple((ring + ring)[start : start + needed])


class Weight(NamedTuple):
    """What a person's answers of which something is known say about their accuracy."""

    accuracy: float
    """Posterior mean, in (0, 1)."""
    below_norm: float
    """Posterior probability that the accuracy lies below the norm, in [0, 1]."""


def weigh(right: int, seen: int, *, norm: float) -> Weight:
    """The Beta posterior of an accuracy after ``right`` of ``seen`` answers, from the flat prior Beta(1, 1).

    Accuracy = (right + 1) / (seen + 2); below norm = I_norm(right + 1, seen - right + 1), the regularised incomplete
    beta function.

    >>> weigh(14, 24, norm=0.8)
    Weight(accuracy=0.5769230769230769, below_norm=0.9944...)
    """
    below = float(betainc(right + 1, seen - right + 1, norm))
    return Weight(accuracy=(right + 1) / (seen + 2), below_norm=below)


def standing(
    annotator: str,
    gold: Sequence[bool],
    *,
    peers: Sequence[bool] = (),
    loop: LoopName,
    norm: float,
    since: datetime | None = None,
) -> Standing:
    """How one person stands after these answers, each right or wrong: to gold, and where the others are sure.

    Paused once eight were seen and the accuracy lies below the norm with posterior probability 0.95. The rule looks
    after every one, so its error rates are larger than 0.05 close to the norm. Simulated with norm
    0.8, a person is paused within 60 gold answers with probability 0.00 at accuracy 0.95, 0.02 at 0.90, 0.11 at 0.85,
    0.28 at 0.80, 0.82 at 0.70 and 0.96 at 0.64. In a batch of 250 tasks that three of five people answer at least, the
    others of accuracy 0.90, a person answers 123 on which the others are sure, beside 8 of gold: paused by gold alone
    with probability 0.00, 0.02, 0.02, 0.02, 0.11 and 0.20, by both with 0.00, 0.02, 0.08, 0.29, 0.96 and 1.00.
    """
    seen, right = len(gold) + len(peers), sum(gold) + sum(peers)
    weight = weigh(right, seen, norm=norm)
    is_paused = seen >= FEWEST_SEEN and weight.below_norm >= SURE
    sure = min(0.99, math.floor(weight.below_norm * 100) / 100)  # rounded down: no sentence claims more than is known
    beside = f" and {sum(peers)} of {len(peers)} on which the others are sure" if peers else ""
    said = (
        f"{sum(gold)} of {len(gold)} gold answers right{beside}, accuracy {weight.accuracy:.2f}; "
        f"{sure:.2f} sure it is below {norm:.2f}"
    )
    return Standing(
        annotator=annotator,
        loop=loop,
        state="paused" if is_paused else "active",
        gold_seen=len(gold),
        gold_right=sum(gold),
        peers_seen=len(peers),
        peers_right=sum(peers),
        accuracy=weight.accuracy,
        below_norm=weight.below_norm,
        reason=f"paused: {said}" if is_paused else said,
        since=since,
    )
