"""The overview, annotation, lineage and cycle pages: each gathers its records and fills in one template."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from litestar import MediaType, Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter

from loopline.apps.accuracy import accuracy_table
from loopline.apps.http.archive import Archive
from loopline.apps.http.resources import asked, detail_of, explained, steps
from loopline.apps.http.trouble import Troubles
from loopline.apps.http.views import Console, House
from loopline.apps.reserve import opened
from loopline.apps.web.effort import Effort, effort_of
from loopline.apps.web.failure import is_first, next_try
from loopline.apps.web.overview import overview_of
from loopline.apps.web.render import page, text
from loopline.apps.web.what_if import offered
from loopline.apps.web.words import first_line
from loopline.errors import NotFound
from loopline.records.label import Label, LabelBatch
from loopline.records.selection import Candidate, Selection
from loopline.records.task import Task

PAGE_ROWS = 50
FIRST_ROWS = 12
"""Rows of a long list shown on the page of its cycle; the rest has a page of its own."""
Html = Response[Any]
LeafNumber = Annotated[int, QueryParameter(name="page")]


class Leaf(NamedTuple):
    """One page of a long list."""

    number: int
    pages: int
    first: int
    """Place of its first row in the whole list, from 0."""
    total: int


def overview_routes(house: House, console: Console, *, troubles: Troubles) -> list[HTTPRouteHandler]:
    """The overview, and the part of it that the browser asks for every second."""
    settings, loop = house.settings, house.settings.name
    counted: dict[str, Effort] = {}

    @get("/", sync_to_thread=True, include_in_schema=False)
    def overview() -> Html:
        """The loop now."""
        view = overview_of(house, console, troubles=troubles(), counted=counted)
        return page("overview.html", here="overview", loop_name=loop, view=view, settings=settings)

    @get("/overview/live", sync_to_thread=True, include_in_schema=False)
    def live(request: Request[Any, Any, Any]) -> Html:
        """The moving parts of the overview; 304 while nothing moved."""
        view = overview_of(house, console, troubles=troubles(), counted=counted)
        body = text("overview_live.html", view=view, settings=settings)
        tag = f'"{hashlib.sha256(body.encode()).hexdigest()[:24]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(None, status_code=304, headers={"etag": tag})
        return Response(body, media_type=MediaType.HTML, headers={"etag": tag})

    @get("/annotate", sync_to_thread=True, include_in_schema=False)
    def annotate() -> Html:
        """The place where people label."""
        return page("annotate.html", here="annotate", loop_name=loop, settings=settings)

    @get("/why", sync_to_thread=True, include_in_schema=False)
    def why(id: FromQuery[str] = "") -> Html:  # noqa: A002  the query's own name
        """Where a thing came from."""
        if not id.strip():
            return page("why.html", here="", loop_name=loop, asked="", tree=None, missing="")
        told = {act: first_line(said) for act, said in Archive(house).told.items()}
        try:
            tree, missing = steps(explained(console, asked(id)), told=told), ""
        except NotFound as error:
            tree, missing = None, str(error)
        status = 200 if tree else 404
        return page("why.html", status=status, here="", loop_name=loop, asked=id.strip(), tree=tree, missing=missing)

    return [overview, live, annotate, why]


def cycle_routes(house: House) -> list[HTTPRouteHandler]:
    """Cycles: the list, one of them, and its two long lists."""
    loop = house.settings.name

    @get("/cycles", sync_to_thread=True, include_in_schema=False)
    def cycles() -> Html:
        """All cycles."""
        archive = Archive(house)
        sizes = {batch.cycle: len(batch.labels) for batch in archive.batches}
        verdicts = {verdict.cycle: verdict for verdict in archive.verdicts}
        made = {model.cycle: model.name for model in archive.models}
        return page(
            "cycles.html",
            here="cycles",
            loop_name=loop,
            cycles=archive.cycles,
            sizes=sizes,
            verdicts=verdicts,
            made=made,
        )

    @get("/cycles/{number:int}", sync_to_thread=True, include_in_schema=False)
    def cycle(number: FromPath[int]) -> Html:
        """One cycle."""
        archive = Archive(house)
        detail, answers = detail_of(archive, number), house.book.answers(loop, cycle=number)
        whole = archive.labels_of(number)
        return page(
            "cycle.html",
            here="cycles",
            loop_name=loop,
            it=detail,
            is_first=is_first(archive, detail.cycle),
            next_try=next_try(archive, detail.cycle, now=house.clock.now()),
            effort=effort_of(whole, detail.selection) if whole else None,
            standings=archive.standings,
            given=Counter(annotation.annotator for annotation in answers.annotations),
            inputs=_inputs(detail.labels, answers.tasks),
            said=_said(detail.selection),
            most=FIRST_ROWS,
            labels=detail.labels.labels[:FIRST_ROWS] if detail.labels else (),
            candidates=detail.selection.candidates[:FIRST_ROWS] if detail.selection else (),
            strategies=offered(detail.selection.strategy if detail.selection else ""),
        )

    @get("/cycles/{number:int}/selection", sync_to_thread=True, include_in_schema=False)
    def selection(number: FromPath[int], leaf_number: LeafNumber = 1) -> Html:
        """Everything that was chosen."""
        archive = Archive(house)
        found, answers = archive.selection_of(number), house.book.answers(loop, cycle=number)
        rows: Sequence[Candidate] = found.candidates if found else ()
        leaf = _leaf(len(rows), leaf_number)
        return page(
            "selection.html",
            here="cycles",
            loop_name=loop,
            number=number,
            leaf=leaf,
            candidates=rows[leaf.first : leaf.first + PAGE_ROWS],
            inputs=_inputs(archive.labels_of(number), answers.tasks),
        )

    @get("/cycles/{number:int}/labels", sync_to_thread=True, include_in_schema=False)
    def labels(number: FromPath[int], leaf_number: LeafNumber = 1) -> Html:
        """Everything that was labelled."""
        archive = Archive(house)
        found = opened(archive.labels_of(number))
        rows: Sequence[Label] = found.labels if found else ()
        leaf = _leaf(len(rows), leaf_number)
        return page(
            "labels.html",
            here="cycles",
            loop_name=loop,
            number=number,
            leaf=leaf,
            labels=rows[leaf.first : leaf.first + PAGE_ROWS],
            said=_said(archive.selection_of(number)),
        )

    @get("/accuracy", sync_to_thread=True, include_in_schema=False)
    def accuracy() -> Html:
        """How often the live model was right."""
        return page("accuracy.html", here="accuracy", loop_name=loop, table=accuracy_table(house.ledger, loop))

    return [cycles, cycle, selection, labels, accuracy]


def _inputs(batch: LabelBatch | None, tasks: Sequence[Task]) -> dict[str, bytes]:
    """Sample -> its row, for the samples that people were asked about."""
    inputs: dict[str, bytes] = {label.sample: label.inputs for label in batch.labels} if batch else {}
    return inputs | {task.sample: task.inputs for task in tasks}


def _said(selection: Selection | None) -> dict[str, str]:
    """Sample -> what the live model had said."""
    return {candidate.prediction: candidate.predicted for candidate in selection.candidates} if selection else {}


def _leaf(total: int, number: int) -> Leaf:
    pages = max(1, -(-total // PAGE_ROWS))
    within = min(max(1, number), pages)
    return Leaf(within, pages, (within - 1) * PAGE_ROWS, total)
