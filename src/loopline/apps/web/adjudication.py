"""The bench of adjudicators, and the list of what they found."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import QueryParameter, URLEncodedBody

from loopline.apps.adjudication import LONGEST_REASON, decisions, spelled, withdrawn
from loopline.apps.guideline import newest
from loopline.apps.http.answering import identified
from loopline.apps.http.caller import Caller, about, caller_of
from loopline.apps.http.errors import status_of
from loopline.apps.http.views import Console, House
from loopline.apps.web.guideline import samples_for
from loopline.apps.web.pages import PAGE_ROWS, Leaf
from loopline.apps.web.render import page
from loopline.errors import LooplineError
from loopline.records.ids import TaskId

Html = Response[Any]
AnyRequest = Request[Any, Any, Any]
LeafNumber = Annotated[int, QueryParameter(name="page")]


class TakenBack(msgspec.Struct, frozen=True, kw_only=True):
    """What the form under a decision sends."""

    task: str = ""
    reason: str = ""


def adjudication_page_routes(house: House, console: Console) -> list[HTTPRouteHandler]:
    """The bench, the list, and taking a decision back from there."""

    @get("/adjudicate", sync_to_thread=True, include_in_schema=False)
    def bench(request: AnyRequest) -> Html:
        """One sample in doubt at a time; the script asks for them."""
        user = caller_of(request).user
        return page(
            "adjudicate.html",
            here="adjudicate",
            loop_name=house.settings.name,
            guideline=newest(house),
            adjudicates=house.settings.annotate.adjudicate,
            signed_in=user.name if user else "",
            longest=LONGEST_REASON,
        )

    @get("/adjudicate/decisions", sync_to_thread=True, include_in_schema=False)
    def listed(request: AnyRequest, number: LeafNumber = 1) -> Html:
        """What was found, newest first."""
        return _list(house, console, caller_of(request), number=number)

    @post("/adjudicate/withdraw", sync_to_thread=True, include_in_schema=False)
    def withdraw(request: AnyRequest, data: URLEncodedBody[TakenBack]) -> Html:
        """Take a decision back; the list again, with the problem, when that cannot be."""
        about(request, data.task)
        try:
            task = TaskId(identified("task", data.task))
            withdrawn(console.installation, task, by=caller_of(request).name, reason=data.reason)
        except LooplineError as error:
            return _list(house, console, caller_of(request), number=1, problem=str(error), status=status_of(error))
        return Response(None, status_code=303, headers={"location": "/adjudicate/decisions"})

    return [bench, listed, withdraw]


def _list(house: House, console: Console, caller: Caller, *, number: int, problem: str = "", status: int = 200) -> Html:
    found = decisions(console.installation)
    pages = max(1, -(-len(found) // PAGE_ROWS))
    first = (min(max(number, 1), pages) - 1) * PAGE_ROWS
    rows = found[first : first + PAGE_ROWS]
    return page(
        "adjudicate_decisions.html",
        status=status,
        here="adjudicate",
        loop_name=house.settings.name,
        decisions=rows,
        samples=samples_for(house, rows, caller=caller),
        leaf=Leaf(first // PAGE_ROWS + 1, pages, first, len(found)),
        spelled=spelled,
        problem=problem,
        longest=LONGEST_REASON,
    )
