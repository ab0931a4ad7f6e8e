"""The way to a loop: over HTTP when a server holds its folder, else in this process, by the very same routes."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from loopline.errors import Conflict, LooplineError, NotFound, Unavailable
from loopline.records.settings import Settings

ADDRESS = "address"
"""File in the loop's folder with the running server's address, ``http://127.0.0.1:8686``."""
USUAL_ADDRESS = "http://127.0.0.1:8686"
PATIENCE_SECONDS = 120.0
OURS = {"loopline-from": "console"}
"""Tells the audit log that the token was shown by the command line."""


class Request(NamedTuple):
    """One call of the control API."""

    method: str
    path: str
    params: dict[str, str] | None = None
    body: Any = None
    """Sent as JSON."""


def ask(settings: Settings, request: Request, *, root: Path) -> Any:
    """The JSON answer of the loop whose folder is ``root``. Raises as ``reach`` does."""
    return read(reach(settings, request, root=root))


def reach(settings: Settings, request: Request, *, root: Path) -> httpx.Response:
    """The answer of the loop whose folder is ``root``, as it came.

    Raises LooplineError with the loop's own sentence when it refuses, Unavailable when it does not answer.
    """
    from loopline.apps.wiring import hold

    with ExitStack() as held:
        try:
            held.enter_context(hold(root))
        except Conflict:  # a server holds it; what goes wrong inside is told as it is
            return reach_server(request, root=root)
        return asyncio.run(_here(settings, request, root=root))


def is_served(root: Path) -> bool:
    """Whether a process holds the folder."""
    from loopline.apps.wiring import hold

    try:
        with hold(root):
            return False
    except Conflict:
        return True


def reach_server(request: Request, *, root: Path) -> httpx.Response:
    """The answer of the running server. Raises as ``reach`` does, and NotFound when the folder has no token."""
    address = (root / ADDRESS).read_text().strip() if (root / ADDRESS).is_file() else USUAL_ADDRESS
    try:
        headers = {"authorization": f"Bearer {(root / 'token').read_text().strip()}", **OURS}
    except FileNotFoundError:
        raise NotFound("loop", str(root)) from None
    try:
        with httpx.Client(base_url=address, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False) as client:
            return _welcome(client.send(_sent(client, request)))
    except httpx.TransportError as error:
        reason = f"it holds {root} but does not answer at {address}"
        raise Unavailable("loop", reason=reason, remedy="it may be starting or stopping: try again") from error


async def _here(settings: Settings, request: Request, *, root: Path) -> httpx.Response:
    from loopline.apps.http.server import application
    from loopline.apps.wiring import open_house

    house = open_house(settings, root=root)
    headers = {"authorization": f"Bearer {house.token}", **OURS}
    transport = httpx.ASGITransport(app=application(house))
    async with httpx.AsyncClient(transport=transport, base_url=USUAL_ADDRESS, headers=headers) as client:
        return _welcome(await client.send(_sent(client, request)))


def _sent(client: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
    return client.build_request(request.method, request.path, params=request.params, json=request.body)


def read(answer: httpx.Response) -> Any:
    """What an answer holds; a refusal becomes an error with the loop's own sentence."""
    return _held(_welcome(answer))


def _welcome(answer: httpx.Response) -> httpx.Response:
    """The answer, unless it is a refusal."""
    if answer.is_success:
        return answer
    raise LooplineError(str(_held(answer).get("error", f"the loop answered {answer.status_code}")))


def _held(answer: httpx.Response) -> Any:
    return answer.json() if "json" in answer.headers.get("content-type", "") else {}
