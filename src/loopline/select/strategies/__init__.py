"""Ways to choose what people are asked about, by versioned name: one file each."""

from collections.abc import Mapping

from loopline.errors import NotFound
from loopline.ports.strategy import Strategy
from loopline.select.strategies import (
    badge,
    chance,
    cluster_margin,
    committee,
    entropy,
    facility_location,
    k_center,
    least_confidence,
    margin,
    random_diverse,
    typical_first,
    uncertainty_herding,
)

BUILT_IN: Mapping[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        badge.STRATEGY,
        cluster_margin.STRATEGY,
        *committee.STRATEGIES,
        entropy.STRATEGY,
        facility_location.STRATEGY,
        k_center.STRATEGY,
        least_confidence.STRATEGY,
        margin.STRATEGY,
        random_diverse.STRATEGY,
        chance.STRATEGY,
        typical_first.STRATEGY,
        uncertainty_herding.STRATEGY,
    )
}
"""Every strategy that comes with Loopline. ``cluster-margin.v1`` is the default of ``loop.toml``."""


def strategy_of(name: str) -> Strategy:
    """The built-in strategy of this name; raises NotFound, which lists the known ones.

    >>> strategy_of("margin.v1").sign
    1
    """
    if name not in BUILT_IN:
        raise NotFound("strategy", name, known=tuple(sorted(BUILT_IN)))
    return BUILT_IN[name]
