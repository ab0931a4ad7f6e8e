"""The rows of the two small models that tell whether choosing beats chance.

Both hold the rows that the loop had before: the imported ones and all labels up to some cycle. To these come, of every
later cycle, equally many audit labels (uniformly random) and chosen ones. So both kinds have the same age, the same
pool and the same selecting model behind them, and neither profits from a world that has moved on. Where a cycle has
more of one kind, a keyed hash of the content draws which of them count: no score and no order has a say in it.

A sample that both the audit and the choice drew is an audit label. Chance picked it, so the chosen ones that remain are
as good as all of them.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from blake3 import blake3
from msgspec import structs
from numpy.typing import NDArray

from loopline.records.comparison import Arm, Kind, Trial
from loopline.records.ids import RunId
from loopline.records.model import RunSpec, RunState

KINDS: Final[tuple[Kind, ...]] = ("chosen", "random")
LEAST_LABELS = 20
"""Of each kind: two models that fewer labels set apart are too alike to be told apart."""

Places = NDArray[np.intp]


class Arms(NamedTuple):
    """Places of rows in the dataset, each ascending."""

    shared: Places
    """(m,): in both."""
    chosen: Places
    """(n,)."""
    random: Places
    """(n,): as many as chosen."""

    def rows_of(self, kind: Kind) -> Places:
        """What the model of this kind learns, in the order of the dataset."""
        return np.sort(np.concatenate([self.shared, self.chosen if kind == "chosen" else self.random]))

    @property
    def shortage(self) -> str:
        """What keeps the two from being compared, in words; empty when nothing does."""
        if len(self.chosen) >= LEAST_LABELS:
            return ""
        return f"{len(self.chosen)} of {LEAST_LABELS} labels of each kind so far"


def divided(
    content: Sequence[str], *, cycle: NDArray[np.int64], stratum: NDArray[np.str_], after: int, seed: int
) -> Arms:
    """Who learns what. All of shape (rows,); ``content``: digests; labels of cycles later than ``after`` are compared.

    Depends on the contents, not on the order of the rows.

    >>> cycle, stratum = np.array([0, 1, 1, 1, 2]), np.array(["imported", "chosen", "audit", "chosen", "chosen"])
    >>> arms = divided(list("abcde"), cycle=cycle, stratum=stratum, after=0, seed=1)
    >>> arms.shared.tolist(), arms.random.tolist(), len(arms.chosen)  # cycle 2 has no audit label to set against
    ([0], [2], 1)
    """
    fresh = (cycle > after) & np.isin(stratum, ("chosen", "audit"))
    drawn = np.array([int.from_bytes(blake3(f"{seed}/{one}".encode()).digest(8)) for one in content], dtype=np.uint64)
    kinds: dict[str, list[Places]] = {"chosen": [], "audit": []}
    for number in np.unique(cycle[fresh]):
        of = {kind: np.flatnonzero(fresh & (cycle == number) & (stratum == kind)) for kind in kinds}
        n = min(map(len, of.values()))
        for kind, places in of.items():
            kinds[kind].append(places[np.argsort(drawn[places], kind="stable")[:n]])
    chosen, random = (_ascending(found) for found in kinds.values())
    return Arms(np.flatnonzero(~fresh), chosen, random)


def arm_id(run: RunId, kind: Kind) -> RunId:
    """The run that trains a small model beside another run.

    >>> arm_id(RunId("sentiment/run/3/1"), "random")
    'sentiment/run/3/1/random'
    """
    return RunId(f"{run}/{kind}")


def arm_spec(spec: RunSpec, kind: Kind, *, dataset_file: str, seconds: int) -> RunSpec:
    """Its orders: the trainer, the seed and the memory of the run that it is beside, and rows of its own.

    Nothing serves it, so it is not converted.
    """
    return structs.replace(
        spec, id=arm_id(spec.id, kind), dataset_file=dataset_file, dataset_parts=(), seconds=seconds,
        convert="never", compare_after=-1,
    )  # fmt: skip


def untried(spec: RunSpec) -> Trial:
    """The trial of a run that left nothing to compare."""
    reason = "the run left no models to compare"
    if spec.compare_after < 0:
        reason = "nothing was to be compared, or [select] compare is false"
    return Trial(after=spec.compare_after, labels=0, shared=0, reason=reason)


def trial_of(spec: RunSpec, *, states: Mapping[Kind, RunState], arms: Sequence[Arm]) -> Trial:
    """What the runs beside ``spec`` came to: both arms, or none and the first reason."""
    facts = states["chosen"].metrics
    labels = int(facts.get("labels", 0))
    lost = {kind: state.reason for kind, state in states.items() if state.phase != "succeeded"}
    told = [reason if labels < LEAST_LABELS else f"with {kind} labels, {reason}" for kind, reason in lost.items()]
    return Trial(
        after=spec.compare_after,
        labels=labels,
        shared=int(facts.get("shared", 0)),
        arms=() if told else tuple(arms),
        reason=told[0] if told else "",
        seconds=sum(state.metrics.get("seconds", 0.0) for state in states.values()),
    )


def _ascending(found: Sequence[Places]) -> Places:
    return np.sort(np.concatenate([np.empty(0, np.intp), *found]))
