"""The page on which people ask the prediction log."""

from typing import Any

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from loopline.adapters.duckdb.questions import QUESTIONS, SCHEMA
from loopline.apps.web.render import page

Html = Response[Any]


def query_page_routes(loop: str) -> list[HTTPRouteHandler]:
    """One page; the query stands in its address (``?q=``), and the browser asks the API."""

    @get("/query", sync_to_thread=False, include_in_schema=False)
    def query() -> Html:
        """An editor, ready questions, the views and their columns, and a place for the answer."""
        return page("query.html", here="query", loop_name=loop, questions=QUESTIONS, views=SCHEMA)

    return [query]
