"""The gate: may this challenger take traffic? Arrays in; comparisons, an outcome and its sentence out.

- **fresh** (the rolling reserve) decides. Non-inferiority, paired: pass when the one-sided lower bound of challenger
  minus incumbent lies above ``-margin``, fail when the upper bound lies below it, otherwise inconclusive. For accuracy
  both bounds are exact, so a challenger that is worse by more than the margin passes with probability <= alpha.
- **anchor** (the fixed reserve) guards: fail when the upper bound lies below ``-margin``, inconclusive when the
  observed difference does. A guard can only take a pass away, never give one, so that the chance of a false promotion
  stays the alpha that the fresh part spends; the anchor costs power, not alpha.
- A leaked row fails the verdict, whatever the numbers say.

The verdict is the worst of its parts: fail before inconclusive before pass.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.evaluate.bootstrap import bca_bounds, resamples_for
from loopline.evaluate.mcnemar import lower_bound, upper_bound
from loopline.evaluate.metrics import METRICS, is_right, measure
from loopline.evaluate.power import power_of_accuracy, power_of_mean
from loopline.records.evaluation import Comparison, Outcome

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LEAST_ROWS = 30
"""Below this the fresh part says nothing."""
LEAST_DIFFERING = 10
"""Rows on which the models must differ before a bootstrap, which knows only rows it has seen, is believed."""


class Rule(NamedTuple):
    """What is compared, and how strictly."""

    metric: str
    """A key of ``METRICS``."""
    margin: float
    alpha: float
    """What this decision may spend."""


class Part(NamedTuple):
    """One part of the reserve, scored by both models. p: (n, classes), rows sum to 1; truth: (n,) class indices."""

    incumbent: Floats
    challenger: Floats
    truth: Ints


class Evidence(NamedTuple):
    """The paired comparison in numbers."""

    n: int
    incumbent: float
    challenger: float
    difference: float
    lower: float
    upper: float
    power: float
    doubt: str
    """Why the bounds decide nothing; empty when they do."""


def compare_fresh(part: Part, *, rule: Rule, generator: np.random.Generator) -> Comparison:
    """The part that decides: pass only when the challenger is shown to be no worse than the margin."""
    seen = weigh(part, rule=rule, generator=generator)
    if seen.n < LEAST_ROWS:
        few = f"fresh has {seen.n} labelled rows, at least {LEAST_ROWS} are needed" if seen.n else "no fresh rows"
        return _comparison("fresh", seen, outcome="inconclusive", reason=few)
    if seen.doubt:
        return _comparison("fresh", seen, outcome="inconclusive", reason=f"fresh: {seen.doubt} (n = {seen.n:,})")
    shown = f"fresh {seen.challenger:.3f} against {seen.incumbent:.3f}, {_gap(seen.difference, rule)}"
    tail = f"n = {seen.n:,}, alpha {rule.alpha:.3g}"
    if seen.lower > -rule.margin:
        better = ", better" if seen.lower > 0 else ""
        reason = f"{shown}{better} (lower bound {_signed(seen.lower, rule)}, {tail})"
        return _comparison("fresh", seen, outcome="pass", reason=reason)
    limit = f"limit {_signed(-rule.margin, rule)}"
    if seen.upper < -rule.margin:
        reason = f"{shown} (upper bound {_signed(seen.upper, rule)}, {limit}, {tail})"
        return _comparison("fresh", seen, outcome="fail", reason=reason)
    span = f"bounds {_signed(seen.lower, rule)} to {_signed(seen.upper, rule)}, {limit}, {tail}"
    reason = f"{shown} ({span}; an equal model passes {seen.power:.0%} of the time; "
    reason += "more labelled reserve rows or a wider margin would decide)"
    return _comparison("fresh", seen, outcome="inconclusive", reason=reason)


def compare_anchor(part: Part, *, rule: Rule, generator: np.random.Generator) -> Comparison:
    """The guard: takes a pass away when the challenger looks worse than the margin on the fixed rows."""
    seen = weigh(part, rule=rule, generator=generator)
    tail = f"n = {seen.n:,}, limit {_signed(-rule.margin, rule)}"
    outcome: Outcome = "pass"
    if seen.upper < -rule.margin and not seen.doubt:
        outcome, tail = "fail", f"upper bound {_signed(seen.upper, rule)}, {tail}"
    elif seen.difference < -rule.margin:
        outcome = "inconclusive"
    return _comparison("anchor", seen, outcome=outcome, reason=f"anchor {_gap(seen.difference, rule)} ({tail})")


def conclude(comparisons: Sequence[Comparison], *, leaks: Sequence[str]) -> tuple[Outcome, str]:
    """The worst outcome among the parts, and one sentence with the numbers of all; a leak fails and is named first."""
    outcomes = {one.outcome for one in comparisons} | ({"fail"} if leaks else set())
    outcome: Outcome = next((worst for worst in ("fail", "inconclusive") if worst in outcomes), "pass")
    return outcome, f"{outcome}: " + "; ".join([*leaks, *(one.reason for one in comparisons)])


def weigh(part: Part, *, rule: Rule, generator: np.random.Generator) -> Evidence:
    """Both models on the same rows: exact bounds for accuracy, BCa bootstrap for any other metric."""
    if len(part.truth) == 0:
        return Evidence(0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, "no rows")
    if rule.metric == "accuracy":
        return _weigh_accuracy(part, rule=rule)
    return _weigh_resampled(part, rule=rule, generator=generator)


def _weigh_accuracy(part: Part, *, rule: Rule) -> Evidence:
    n = len(part.truth)
    challenger, incumbent = is_right(part.challenger, part.truth), is_right(part.incumbent, part.truth)
    gains, losses = int((challenger & ~incumbent).sum()), int((incumbent & ~challenger).sum())
    # One row in twice as many is the least disagreement that n rows can tell from none.
    discordance = max(gains + losses, 0.5) / n
    return Evidence(
        n=n,
        incumbent=float(incumbent.mean()),
        challenger=float(challenger.mean()),
        difference=(gains - losses) / n,
        lower=lower_bound(gains, losses, n=n, alpha=rule.alpha),
        upper=upper_bound(gains, losses, n=n, alpha=rule.alpha),
        power=power_of_accuracy(n, alpha=rule.alpha, margin=rule.margin, discordance=discordance),
        doubt="",
    )


def _weigh_resampled(part: Part, *, rule: Rule, generator: np.random.Generator) -> Evidence:
    contributions, finish = METRICS[rule.metric]
    mine, theirs = contributions(part.challenger, part.truth), contributions(part.incumbent, part.truth)
    numbers, resamples = mine.shape[1], resamples_for(rule.alpha)
    bounds = bca_bounds(
        np.concatenate([mine, theirs], axis=1),
        statistic=lambda sums: finish(sums[..., :numbers]) - finish(sums[..., numbers:]),
        alpha=rule.alpha,
        resamples=resamples,
        generator=generator,
    )
    differing = int((mine != theirs).any(axis=1).sum())
    doubt = ""
    if differing < LEAST_DIFFERING:
        doubt = f"the models differ on {differing} rows, a bootstrap needs {LEAST_DIFFERING}"
    elif rule.alpha * resamples < 5:
        doubt = f"alpha {rule.alpha:.2g} is too small for a bootstrap of {resamples:,}"
    challenger, incumbent = (measure(rule.metric, p, part.truth) for p in (part.challenger, part.incumbent))
    power = power_of_mean(bounds.standard_error, alpha=rule.alpha, margin=rule.margin)
    difference = challenger - incumbent
    return Evidence(len(part.truth), incumbent, challenger, difference, bounds.lower, bounds.upper, power, doubt)


def _comparison(name: str, seen: Evidence, *, outcome: Outcome, reason: str) -> Comparison:
    numbers = {field: value for field, value in seen._asdict().items() if field != "doubt"}
    return Comparison(part=name, outcome=outcome, reason=reason, **numbers)


def _signed(value: float, rule: Rule) -> str:
    """In points (hundredths) for shares, in nats for the logarithmic score."""
    return f"{value:+.3f}" if rule.metric == "log_score" else f"{100 * value:+.1f}"


def _gap(value: float, rule: Rule) -> str:
    return f"{_signed(value, rule)} {'nats' if rule.metric == 'log_score' else 'points'}"
