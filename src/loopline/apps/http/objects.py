"""``/objects/{digest}``: the bytes of one object for whoever has a link that we signed, and for nobody else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from loopline.adapters.files.objects import is_valid_link
from loopline.apps.http.errors import answer
from loopline.ports.clock import Clock
from loopline.ports.object_store import ObjectStore
from loopline.records.ids import Digest

CHUNK_BYTES: Final = 1 << 18


def object_route(objects: ObjectStore, *, secret: bytes, clock: Clock) -> HTTPRouteHandler:
    """The route. Its links carry their own proof, so that it needs neither token nor cookie."""

    @get("/objects/{digest:str}", sync_to_thread=True, include_in_schema=False)
    def stream(
        request: Request[Any, Any, Any],
        digest: FromPath[str],
        until: FromQuery[str] = "",
        signature: FromQuery[str] = "",
    ) -> Response[Any]:
        """The object's bytes, to be saved and never shown."""
        now = clock.now().timestamp()
        name = Digest(digest)
        if not is_valid_link(name, until=until, signature=signature, secret=secret, now=now):
            text = "link: expired, changed or not ours, expected one as we signed it; ask for a new one"
            return answer(request, 403, text)
        path = Path(objects.path(name))
        headers = {
            "content-type": "application/octet-stream",
            "content-length": str(path.stat().st_size),
            "content-disposition": f'attachment; filename="{name}"',
        }
        return Stream(_chunks(path), headers=headers)

    return stream


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
