"""What each decision on the reserve may spend of the error that the whole ledger is allowed."""

import math

from loopline.errors import InvalidRecord


def spend(alpha: float, *, decision: int) -> float:
    """The alpha of the k-th decision: ``alpha * 6 / (pi^2 k^2)``.

    The shares sum to ``alpha`` over all decisions ever made, so that however many challengers are tried on the same
    reserve, the chance of ever promoting one that is worse than the margin allows stays at most ``alpha`` (union bound;
    it holds whatever the earlier decisions were, and however challengers were built from them).

    >>> round(spend(0.05, decision=1), 4), round(spend(0.05, decision=2), 4)
    (0.0304, 0.0076)
    """
    if decision < 1:
        raise InvalidRecord("ledger", found=f"decision {decision}", expected="1 or more")
    return alpha * 6 / (math.pi**2 * decision**2)
