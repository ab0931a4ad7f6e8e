"""What the gateway holds at one moment: the split and the loaded versions; replaced whole, never changed."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.errors import NotFound, Unavailable
from loopline.records.ids import VersionName
from loopline.records.model import ModelVersion
from loopline.records.prediction import Arm
from loopline.records.rollout import TrafficSplit
from loopline.records.signature import Row
from loopline.serve.routing import is_challengers

Predict = Callable[[Sequence[Row]], NDArray[np.float32]]


class Loaded(NamedTuple):
    """A version that was verified and is warm."""

    version: ModelVersion
    predict: Predict


class Table(NamedTuple):
    """Who answers now. Every version that the split names is loaded, or the split does not name it."""

    split: TrafficSplit | None
    """None before the first version is live."""
    loaded: Mapping[VersionName, Loaded]


def wanted(split: TrafficSplit) -> tuple[VersionName, ...]:
    """The versions that the split needs loaded: the incumbent first, each once.

    >>> wanted(TrafficSplit(loop="s", revision=2, incumbent="v1", challenger="v2", keep=("v0", "v1")))
    ('v1', 'v2', 'v0')
    """
    names = (split.incumbent, *((split.challenger,) if split.challenger else ()), *split.keep)
    return tuple(dict.fromkeys(names))


def without(split: TrafficSplit, *, refused: frozenset[str]) -> TrafficSplit:
    """The split with a refused challenger left out: the incumbent answers its share."""
    if split.challenger is None or split.challenger not in refused:
        return split
    return msgspec.structs.replace(split, challenger=None, basis_points=0, shadow=False)


def attempts(table: Table, *, key: str, named: VersionName | None) -> tuple[tuple[Loaded, Arm], ...]:
    """Who is asked, in order: the version named or routed to; after a canary, the incumbent should it fail.

    Raises NotFound for a named version that is not loaded, Unavailable before the first version is live.
    """
    if named is not None:
        if named not in table.loaded:
            raise NotFound("loaded version", named, known=tuple(sorted(table.loaded)))
        return ((table.loaded[named], "direct"),)
    if table.split is None:
        raise Unavailable("model", reason="no version is live yet", remedy="ask again when /v2/health/ready says so")
    incumbent: tuple[Loaded, Arm] = (table.loaded[table.split.incumbent], "incumbent")
    if table.split.challenger is not None and is_challengers(key, split=table.split):
        return ((table.loaded[table.split.challenger], "canary"), incumbent)
    return (incumbent,)


def unseen(table: Table) -> Loaded | None:
    """The version that also scores, in the shadow, what the incumbent answers; None when there is none."""
    if table.split is None or table.split.challenger is None or not table.split.shadow:
        return None
    return table.loaded[table.split.challenger]
