"""The way to a loop: over HTTP when a server holds its folder, else in this process, by the very same routes."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from loopline.errors import Conflict, LooplineError, Unavailable
from loopline.records.settings import Settings

ADDRESS = "address"
"""File in the loop's folder with the running server's address, ``http://127.0.0.1:8686``."""
USUAL_ADDRESS = "http://127.0.0.1:8686"
PATIENCE_SECONDS = 120.0


class Request(NamedTuple):
    """One call of the control API."""

    method: str
    path: str
    params: dict[str, str]


def ask(settings: Settings, request: Request, *, root: Path) -> Any:
    """The JSON answer of the loop whose folder is ``root``.

    Raises LooplineError with the loop's own sentence when it refuses, Unavailable when it does not answer.
    """
    from loopline.apps.wiring import hold

    with ExitStack() as held:
        try:
            held.enter_context(hold(root))
        except Conflict:  # a server holds it; what goes wrong inside is told as it is
            return _there(request, root=root)
        return asyncio.run(_here(settings, request, root=root))


async def _here(settings: Settings, request: Request, *, root: Path) -> Any:
    from loopline.apps.http.server import application
    from loopline.apps.wiring import open_house

    house = open_house(settings, root=root)
    headers = {"authorization": f"Bearer {house.token}"}
    transport = httpx.ASGITransport(app=application(house))
    async with httpx.AsyncClient(transport=transport, base_url=USUAL_ADDRESS, headers=headers) as client:
        return read(await client.request(request.method, request.path, params=request.params))


def _there(request: Request, *, root: Path) -> Any:
    address = (root / ADDRESS).read_text().strip() if (root / ADDRESS).is_file() else USUAL_ADDRESS
    headers = {"authorization": f"Bearer {(root / 'token').read_text().strip()}"}
    try:
        with httpx.Client(base_url=address, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False) as client:
            return read(client.request(request.method, request.path, params=request.params))
    except httpx.TransportError as error:
        reason = f"it holds {root} but does not answer at {address}"
        raise Unavailable("loop", reason=reason, remedy="it may be starting or stopping: try again") from error


def read(answer: httpx.Response) -> Any:
    """What an answer holds; a refusal becomes an error with the loop's own sentence."""
    body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    if answer.is_success:
        return body
    raise LooplineError(str(body.get("error", f"the loop answered {answer.status_code}")))
