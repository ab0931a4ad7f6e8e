"""The overview: all that its template writes down, gathered once."""

from typing import NamedTuple

from loopline.apps.http.archive import Archive
from loopline.apps.http.stages import StageState, failed_phase, stages_of
from loopline.apps.http.views import Console, House
from loopline.apps.web.beating import Beating, beating_of
from loopline.apps.web.chart import Chart, Point, chart_of, points_of
from loopline.apps.web.effort import Effort, effort_of, finding, total
from loopline.apps.web.picture import Picture, picture_of
from loopline.apps.web.words import shares
from loopline.records.command import Situation
from loopline.records.comparison import StrategyComparison
from loopline.records.lineage import Event
from loopline.records.model import ModelVersion

LATEST_EVENTS = 6
LATEST_CYCLES = 12
"""Cycles on the chart and in the tables; older ones have their own pages."""


class Live(NamedTuple):
    """A version that is loaded."""

    version: str
    share: float
    role: str
    model: ModelVersion | None


class Overview(NamedTuple):
    """The whole page."""

    awaited: str
    troubles: tuple[str, ...]
    """Of the endpoint, a line each."""
    situation: Situation
    counts: dict[str, int]
    stages: tuple[StageState, ...]
    picture: Picture
    live: tuple[Live, ...]
    points: tuple[Point, ...]
    is_mixed: bool
    """Whether some verdicts were given by another metric than the newest."""
    chart: Chart | None
    efforts: tuple[Effort, ...]
    whole: Effort
    finding: str
    beating: Beating
    events: tuple[Event, ...]


def overview_of(
    house: House, console: Console, *, troubles: tuple[str, ...] = (), counted: dict[str, Effort] | None = None
) -> Overview:
    """The overview from stored state; ``counted`` keeps the effort of each stored batch, which never changes."""
    archive, situation, counts = Archive(house), console.situation(), house.counters.read()
    stages = stages_of(archive, situation, counts)
    verdicts = archive.verdicts[-LATEST_CYCLES:]
    points = points_of(verdicts)
    efforts = _efforts(archive, {} if counted is None else counted)
    models = {str(model.name): model for model in archive.models}
    return Overview(
        awaited=console.awaited(situation),
        troubles=troubles,
        situation=situation,
        counts=counts,
        stages=stages,
        picture=picture_of(stages, situation, failed=failed_phase(archive, situation.cycle)),
        live=tuple(Live(name, part, role, models.get(name)) for name, part, role in shares(situation.split)),
        points=points,
        is_mixed=len({verdict.metric for verdict in verdicts}) > 1,
        chart=chart_of(points),
        efforts=efforts[-LATEST_CYCLES:],
        whole=total(efforts),
        finding=finding(total(efforts)),
        beating=beating_of(
            house.ledger.all(StrategyComparison, archive.loop),
            efforts=efforts,
            signals=archive.signals,
            settings=house.settings,
        ),
        events=archive.events[:LATEST_EVENTS],
    )


def _efforts(archive: Archive, counted: dict[str, Effort]) -> tuple[Effort, ...]:
    drawn = {selection.cycle: selection for selection in archive.selections}
    for batch in archive.batches:
        if batch.id not in counted:
            counted[batch.id] = effort_of(batch, drawn.get(batch.cycle))
    return tuple(counted[batch.id] for batch in archive.batches)
