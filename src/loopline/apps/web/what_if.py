"""The page that holds a cycle's batch against another way to choose, and against chance."""

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from loopline.apps import imagining
from loopline.apps.http.archive import Archive
from loopline.apps.http.errors import headers_of, status_of
from loopline.apps.http.views import Console, House
from loopline.apps.strategies import known
from loopline.apps.web.render import page
from loopline.errors import LooplineError
from loopline.select.strategies import BUILT_IN


def what_if_routes(house: House, console: Console) -> list[HTTPRouteHandler]:
    """What if: one page, which writes nothing."""
    loop = house.settings.name

    @get("/cycles/{number:int}/what-if", sync_to_thread=True, include_in_schema=False)
    def what_if(
        number: FromPath[int], strategy: FromQuery[str] = "", budget: FromQuery[int | None] = None
    ) -> Response[Any]:
        """What the cycle would have asked about; a refusal is told above the form, to be mended there."""
        stored = Archive(house).selection_of(number)
        offer = offered(stored.strategy if stored else "")
        found, status, problem, headers = None, 200, "", {}
        try:
            found = imagining.what_if(house, console, number, strategy=strategy, budget=budget)
        except LooplineError as error:
            status, problem = status_of(error), str(error)
            headers = {name.decode(): value.decode() for name, value in headers_of(error)}
        answer = page(
            "what_if.html",
            status=status,
            here="cycles",
            loop_name=loop,
            number=number,
            stored=stored,
            it=found,
            problem=problem,
            most=imagining.SHOWN,
            strategies=offer,
            asked=strategy if strategy in offer or not stored else stored.strategy,
        )
        answer.headers.update(headers)
        return answer

    return [what_if]


def offered(chosen: str) -> list[str]:
    """The strategies that a form offers, sorted: the built-in ones, those of installed packages, and the chosen one."""
    try:
        names = known()
    except LooplineError:  # a package that brings a wrong name must not hide the page of a cycle
        names = tuple(BUILT_IN)
    return sorted({*names, chosen} - {""})
