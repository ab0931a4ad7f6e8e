"""What the gateway holds at one moment: the split and the loaded versions; replaced whole, never changed."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.errors import Conflict, InvalidRecord, NotFound, Unavailable
from loopline.records.ids import VersionName
from loopline.records.model import ModelVersion
from loopline.records.prediction import Arm
from loopline.records.rollout import TrafficSplit
from loopline.records.signature import Row
from loopline.serve.outcome import outcome, told
from loopline.serve.routing import is_challengers


class Loaded(NamedTuple):
    """A version that was verified and is warm."""

    version: ModelVersion
    predict: Callable[[Sequence[Row]], NDArray[np.float32]]


class Table(NamedTuple):
    """Who answers now. A version that the split gives any traffic, seen or unseen, is loaded."""

    split: TrafficSplit | None
    """None before the first version is live."""
    loaded: Mapping[VersionName, Loaded]

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """The versions that are loaded, verified and warm, the incumbent first."""
        return tuple(one.version for one in self.loaded.values())


EMPTY = Table(split=None, loaded={})


class Survey(NamedTuple):
    """What became of the versions that a split names."""

    table: Table | None
    """None when the incumbent itself was refused."""
    refusals: dict[VersionName, str]
    """Why each version that is missing from the table is missing."""
    is_settled: bool
    """Whether looking again would find the same: each version is loaded, or breaks a rule."""


def survey(split: TrafficSplit, *, load: Callable[[VersionName], Loaded]) -> Survey:
    """The table that the split leads to, once each version that it names is loaded, or refused for a reason."""
    made = {name: outcome(partial(load, name)) for name in wanted(split)}
    loaded = {name: found for name, found in made.items() if isinstance(found, Loaded)}
    refused = {name: found for name, found in made.items() if isinstance(found, Exception)}
    if split.challenger in refused:  # the incumbent answers its share
        split = msgspec.structs.replace(split, challenger=None, basis_points=0, shadow=False)
    return Survey(
        table=Table(split=split, loaded=loaded) if split.incumbent in loaded else None,
        refusals={name: told(error) for name, error in refused.items()},
        is_settled=all(isinstance(error, InvalidRecord | Conflict) for error in refused.values()),
    )


def wanted(split: TrafficSplit) -> tuple[VersionName, ...]:
    """The versions that the split needs loaded: the incumbent first, each once.

    >>> wanted(TrafficSplit(loop="s", revision=2, incumbent="v1", challenger="v2", keep=("v0", "v1")))
    ('v1', 'v2', 'v0')
    """
    names = (split.incumbent, *((split.challenger,) if split.challenger else ()), *split.keep)
    return tuple(dict.fromkeys(names))


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


def unseen(table: Table) -> tuple[Loaded, ...]:
    """The version, or none, that also scores in the shadow what the incumbent answers."""
    if table.split is None or table.split.challenger is None or not table.split.shadow:
        return ()
    return (table.loaded[table.split.challenger],)
