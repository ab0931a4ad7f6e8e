"""The control plane and the pages as one ASGI application, put together from their routes."""

from typing import NamedTuple

from litestar import Litestar
from litestar.datastructures import CacheControlHeader
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.router import Router
from litestar.static_files import create_static_files_router

from loopline import __version__
from loopline.apps.access import Keys
from loopline.apps.http.answers import answer_routes
from loopline.apps.http.errors import HANDLERS
from loopline.apps.http.identity import Identity
from loopline.apps.http.keys import key_routes
from loopline.apps.http.meter import Meter
from loopline.apps.http.metrics import Readings, metrics_route
from loopline.apps.http.objects import object_route
from loopline.apps.http.queries import query_routes
from loopline.apps.http.resources import health_routes, resource_routes
from loopline.apps.http.seal import seal_routes
from loopline.apps.http.selections import selection_routes
from loopline.apps.http.trouble import Troubles, no_troubles
from loopline.apps.http.views import Console, House
from loopline.apps.web.pages import cycle_routes, overview_routes
from loopline.apps.web.query import query_page_routes
from loopline.apps.web.render import STATIC
from loopline.apps.web.shelves import data_routes, model_routes, signal_routes
from loopline.apps.web.signing import signing_routes
from loopline.apps.web.what_if import what_if_routes

MOST_BYTES = 1 << 20
"""Of one request body, 1 MiB."""
A_YEAR = 31_536_000


class Doors(NamedTuple):
    """What the endpoint beside it tells the control plane; without an endpoint, nothing."""

    keys: Keys | None = None
    meter: Meter | None = None
    readings: Readings | None = None
    troubles: Troubles = no_troubles
    """What goes wrong in the endpoint now, a line each."""


ALONE = Doors()


def make_control(house: House, console: Console, *, doors: Doors = ALONE) -> Litestar:
    """The application behind the door: it trusts its caller, so serve it through ``dispatch.make_dispatch`` only."""
    identity, troubles = Identity(token=house.token, secret=house.secret), doors.troubles
    keys = doors.keys or Keys(house.ledger, loop=house.settings.name)
    return Litestar(
        route_handlers=[
            *health_routes(house),
            *answer_routes(house),
            *seal_routes(house),
            *resource_routes(house, console, troubles=troubles),
            *overview_routes(house, console, troubles=troubles),
            *selection_routes(house, console),
            *cycle_routes(house),
            *what_if_routes(house, console),
            *data_routes(house),
            *model_routes(house),
            *signal_routes(house),
            *signing_routes(identity, loop=house.settings.name),
            *key_routes(house, keys=keys),
            *query_routes(house),
            *query_page_routes(house.settings.name),
            metrics_route(doors.meter or Meter(), readings=doors.readings),
            object_route(house.objects, secret=house.secret, clock=house.clock),
            _static(),
        ],
        exception_handlers=HANDLERS,
        request_max_body_size=MOST_BYTES,
        openapi_config=OpenAPIConfig(
            title="Loopline", version=__version__, path="/api/schema", render_plugins=[JsonRenderPlugin()]
        ),
        logging_config=None,
    )


def _static() -> Router:
    """The built files; their addresses change with their content, so browsers keep them."""
    keep = CacheControlHeader(max_age=A_YEAR, immutable=True, private=True)
    return create_static_files_router(path="/static", directories=[STATIC], cache_control=keep)
