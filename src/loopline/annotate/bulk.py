"""A whole cluster answered at once: which of its tasks are answered one by one first, and what that proves."""

import math
from collections.abc import Sequence

from blake3 import blake3

from loopline.records.ids import TaskId

LEAST, SHARE = 5, 0.10
"""The sample is a tenth of the cluster, five tasks at least."""
DOUBT = 0.05


def sampled(tasks: Sequence[TaskId], *, key: bytes) -> tuple[TaskId, ...]:
    """The tasks that are answered one by one: max(5, 10 %) of them, by a hash under ``key``; in the order of ids.

    The hash knows nothing of the content, so this is a uniform draw; the same tasks give the same sample again.

    >>> len(sampled([TaskId(f"t{n}") for n in range(80)], key=b"any")), sampled([TaskId("t1")], key=b"any")
    (8, ('t1',))
    """
    wanted = min(len(tasks), max(LEAST, math.ceil(SHARE * len(tasks))))
    seal = blake3(key).digest()
    order = sorted(tasks, key=lambda task: (blake3(task.encode(), key=seal).digest(), task))
    return tuple(sorted(order[:wanted]))


def most_others(tasks: int, sample: int) -> int:
    """The upper 95 % bound of how many of the rest differ, after a uniform sample of which none did.

    The largest K for which a sample of n out of N tasks, K of them different, shows none of the K with a chance of 5 %
    or more: the hypergeometric C(N - K, n) / C(N, n). For a large N, K / N comes to 1 - 0.05 ** (1 / n): five right of
    five say only that fewer than 46 % differ, 29 of 29 that fewer than 10 % do. So it guards against a cluster of
    another label, not against the odd one in it: that is left to overlap and to adjudication.
    Source: Louis, 1981, The American Statistician 35(3), "Confidence intervals for a binomial parameter after
    observing no successes"; exact here, without replacement.

    >>> most_others(10, 5), most_others(5, 5), round(most_others(100_000, 29) / 100_000, 3)
    (3, 0, 0.098)
    """
    others, chance = 0, 1.0
    while others < tasks - sample:
        chance *= (tasks - sample - others) / (tasks - others)
        if chance < DOUBT:
            break
        others += 1
    return others
