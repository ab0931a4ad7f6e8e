"""Does one version fail more often than another? Evidence that stays valid however often one looks.

The safe 2x2 test of Turner, Ly, Grunwald (2021), arXiv 2106.02693, bets on pairs of failure rates against the null
that one of them is no greater; its product form needs the answers block by block, in fixed proportions. What we keep
is the totals, and the proportions change with every canary step. So the bet here is their Beta prior on both rates,
and it is held against the *most likely* member of the null, as in universal inference (Wasserman, Ramdas,
Balakrishnan 2020, PNAS, arXiv 1912.11436): a function of the totals alone, never larger than the bet's martingale
against the true member of the null, hence an e-process under any order, any split, and any number of looks.
"""

import math
from typing import NamedTuple

from scipy.special import betaln, xlog1py, xlogy

PRIOR = (0.5, 5.0)
"""Beta prior of either failure rate: failures are rare, mean 9 %. It moves the power only, never the validity."""


class Failures(NamedTuple):
    """What one arm did."""

    answers: int
    """Requests it was asked, failed ones included."""
    failed: int


def log_evidence(control: Failures, trial: Failures) -> float:
    """The log e-value against "the trial fails no more often than the control"; above 0 speaks for "more often".

    ``log E = log of the Beta-binomial likelihood of both arms - log max over {trial rate <= control rate}``. Under the
    null, ``P(log E ever reaches log(1 / alpha)) <= alpha``.

    >>> log_evidence(Failures(900, 9), Failures(100, 1)) < 0 < log_evidence(Failures(900, 9), Failures(100, 12))
    True
    """
    bet = _bet(control) + _bet(trial)
    if control.answers == 0 or trial.answers == 0 or _rate(trial) <= _rate(control):
        return bet - _best(control) - _best(trial)
    both = Failures(control.answers + trial.answers, control.failed + trial.failed)
    return bet - _best(both)


def log_bar(alpha: float) -> float:
    """The log evidence that the null reaches with probability at most alpha: ``log(1 / alpha)``.

    >>> round(log_bar(0.05), 3)
    2.996
    """
    return -math.log(alpha)


def _rate(arm: Failures) -> float:
    return arm.failed / arm.answers


def _bet(arm: Failures) -> float:
    a, b = PRIOR
    return float(betaln(a + arm.failed, b + arm.answers - arm.failed) - betaln(a, b))


def _best(arm: Failures) -> float:
    """The log-likelihood at the arm's own rate."""
    if arm.answers == 0:
        return 0.0
    return float(xlogy(arm.failed, _rate(arm)) + xlog1py(arm.answers - arm.failed, -_rate(arm)))
