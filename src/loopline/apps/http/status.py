"""The whole loop as one JSON object: what ``loopline status`` prints and other programs poll."""

from datetime import datetime

import msgspec

from loopline.apps.http.archive import Archive
from loopline.apps.http.stages import StageState, stages_of
from loopline.apps.http.views import Console, House
from loopline.records.cycle import Cadence, Cycle
from loopline.records.rollout import TrafficSplit
from loopline.records.signal import Signal
from loopline.records.task import Progress


class VersionLine(msgspec.Struct, frozen=True, kw_only=True):
    """One model version, briefly."""

    name: str
    cycle: int
    at: datetime
    share: float
    """Of live answers, in [0, 1]."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The loop now."""

    loop: str
    input: str
    labels: tuple[str, ...]
    awaited: str
    """What is due or awaited, and why."""
    troubles: tuple[str, ...]
    """What goes wrong in the endpoint: the thing, the reason, and what happens meanwhile."""
    split: TrafficSplit | None
    cycle: Cycle | None
    """The latest one, open or closed."""
    counts: dict[str, int]
    """Totals of the gateway: ``answered``, ``stored``, ``repeated``, ``dropped``, ..."""
    progress: Progress | None
    signals: tuple[Signal, ...]
    """Those now raised."""
    cadence: Cadence | None
    versions: tuple[VersionLine, ...]
    """Newest first."""
    position: int
    """Of the last row in the log."""
    stages: tuple[StageState, ...]


def read_status(house: House, console: Console, *, troubles: tuple[str, ...] = ()) -> Status:
    """The loop now, from stored state."""
    archive, situation, counts = Archive(house), console.situation(), house.counters.read()
    split = situation.split
    part = split.basis_points / 10_000 if split and split.challenger else 0.0
    share = {split.challenger: part, split.incumbent: 1.0 - part} if split else {}
    return Status(
        loop=house.settings.name,
        input=house.settings.signature.input,
        labels=house.settings.signature.labels,
        awaited=console.awaited(situation),
        troubles=troubles,
        split=split,
        cycle=situation.cycle,
        counts=counts,
        progress=situation.progress,
        signals=situation.signals,
        cadence=situation.cadence,
        versions=tuple(
            VersionLine(name=model.name, cycle=model.cycle, at=model.at, share=share.get(model.name, 0.0))
            for model in archive.models
        ),
        position=situation.end,
        stages=stages_of(archive, situation, counts),
    )
