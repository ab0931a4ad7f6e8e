"""``/static/views/NAME.js``: the script of an installed view, which is in its package and not among the built files."""

from typing import Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from loopline.apps.http.views import House
from loopline.apps.views import SCRIPTS, Guarded
from loopline.errors import NotFound

KEPT: Final = "private, max-age=31536000, immutable"
"""Its address changes with its content."""


def view_script_route(house: House) -> HTTPRouteHandler:
    """The route."""
    view = house.view
    script = view.drawing if isinstance(view, Guarded) else b""
    name = view.address.partition("?")[0].removeprefix(SCRIPTS) if isinstance(view, Guarded) else ""

    @get(f"{SCRIPTS}{{file:str}}", sync_to_thread=False, include_in_schema=False)
    def drawing(file: FromPath[str]) -> Response[bytes]:
        """The ES module that draws what the installed view shows."""
        if not script or file != name:
            raise NotFound("script", file, known=(name,) if script else ())
        return Response(script, media_type="text/javascript", headers={"cache-control": KEPT})

    return drawing
