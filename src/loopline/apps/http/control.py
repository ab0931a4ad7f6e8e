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
from loopline.apps.agreement import Agreements
from loopline.apps.http.adjudication import adjudication_routes
from loopline.apps.http.answers import answer_routes
from loopline.apps.http.bulk import bulk_routes
from loopline.apps.http.describing import components, describe
from loopline.apps.http.errors import HANDLERS
from loopline.apps.http.guideline import guideline_routes
from loopline.apps.http.guideline_reading import guideline_reading_routes
from loopline.apps.http.identity import Identity
from loopline.apps.http.keys import key_routes
from loopline.apps.http.me import me_routes
from loopline.apps.http.meter import Meter
from loopline.apps.http.metrics import Readings, metrics_route
from loopline.apps.http.objects import object_route
from loopline.apps.http.oversight import audit_routes, user_routes
from loopline.apps.http.people import people_routes
from loopline.apps.http.queries import query_routes
from loopline.apps.http.reception import Reception
from loopline.apps.http.resources import health_routes, resource_routes
from loopline.apps.http.seal import seal_routes
from loopline.apps.http.selections import selection_routes
from loopline.apps.http.showing import Showing
from loopline.apps.http.task_input import input_routes
from loopline.apps.http.tasks import task_file_routes
from loopline.apps.http.trouble import Troubles, no_troubles
from loopline.apps.http.view_script import view_script_route
from loopline.apps.http.views import Console, House
from loopline.apps.peers import Peers
from loopline.apps.supervision import Supervision
from loopline.apps.web.adjudication import adjudication_page_routes
from loopline.apps.web.guideline import guideline_page_routes
from loopline.apps.web.oversight import people_page_routes
from loopline.apps.web.pages import cycle_routes, overview_routes
from loopline.apps.web.people import people_pages
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
    people: Reception | None = None
    readings: Readings | None = None
    troubles: Troubles = no_troubles
    """What goes wrong in the endpoint now, a line each."""


ALONE = Doors()


def make_control(house: House, console: Console, *, doors: Doors = ALONE) -> Litestar:
    """The application behind the door: it trusts its caller, so serve it through ``dispatch.make_dispatch`` only."""
    troubles = doors.troubles
    people = doors.people or Reception(house, identity=Identity(token=house.token, secret=house.secret))
    keys, showing = doors.keys or Keys(house.ledger, loop=house.settings.name), Showing(house)
    supervision, agreements = Supervision(console.installation, peers=Peers(house)), Agreements(house)
    return Litestar(
        route_handlers=[
            *health_routes(house),
            *answer_routes(house, showing=showing),
            *bulk_routes(house, showing=showing),
            *me_routes(house),
            *input_routes(house),
            *guideline_reading_routes(house),
            view_script_route(house),
            *task_file_routes(house),
            *seal_routes(house),
            *resource_routes(house, console, troubles=troubles),
            *overview_routes(house, console, troubles=troubles),
            *selection_routes(house, console),
            *cycle_routes(house),
            *what_if_routes(house, console),
            *data_routes(house),
            *model_routes(house),
            *signal_routes(house),
            *adjudication_routes(house, console, showing=showing),
            *adjudication_page_routes(house, console),
            *people_routes(supervision, agreements),
            *people_pages(house, supervision, agreements),
            *guideline_routes(house),
            *guideline_page_routes(house),
            *signing_routes(people, loop=house.settings.name),
            *user_routes(people),
            *audit_routes(house),
            *people_page_routes(house, people),
            *key_routes(house, keys=keys),
            *query_routes(house),
            *query_page_routes(house.settings.name),
            metrics_route(doors.meter or Meter(), readings=doors.readings),
            object_route(house.objects, secret=house.secret, clock=house.clock),
            _static(),
        ],
        on_app_init=[describe],
        exception_handlers=HANDLERS,
        request_max_body_size=MOST_BYTES,
        openapi_config=OpenAPIConfig(
            title="Loopline",
            version=__version__,
            path="/api/schema",
            render_plugins=[JsonRenderPlugin()],
            components=components(),
        ),
        logging_config=None,
    )


def _static() -> Router:
    """The built files; their addresses change with their content, so browsers keep them."""
    keep = CacheControlHeader(max_age=A_YEAR, immutable=True, private=True)
    return create_static_files_router(path="/static", directories=[STATIC], cache_control=keep)
