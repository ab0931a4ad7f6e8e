"""One call of the control API as it is: over HTTP when a server holds the folder, else in this process."""

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from loopline.apps.cli.door import ADDRESS, PATIENCE_SECONDS, USUAL_ADDRESS
from loopline.errors import Conflict, LooplineError, NotFound, Unavailable
from loopline.records.settings import Settings


class Call(NamedTuple):
    """What is asked: a GET without a body, a POST with one."""

    path: str
    params: dict[str, str] | None = None
    body: Any = None


def reach(settings: Settings, call: Call, *, root: Path) -> httpx.Response:
    """The answer of the loop whose folder is ``root``.

    Raises LooplineError with the loop's own sentence when it refuses, Unavailable when it does not answer.
    """
    from loopline.apps.wiring import hold

    with ExitStack() as held:
        try:
            held.enter_context(hold(root))
        except Conflict:  # a server holds it; what goes wrong inside is told as it is
            return reach_server(call, root=root)
        return asyncio.run(_here(settings, call, root=root))


def is_served(root: Path) -> bool:
    """Whether a process holds the folder."""
    from loopline.apps.wiring import hold

    try:
        with hold(root):
            return False
    except Conflict:
        return True


def reach_server(call: Call, *, root: Path) -> httpx.Response:
    """The answer of the running server. Raises as ``reach`` does."""
    try:
        address = (root / ADDRESS).read_text().strip() if (root / ADDRESS).is_file() else USUAL_ADDRESS
        headers = {"authorization": f"Bearer {(root / 'token').read_text().strip()}"}
    except FileNotFoundError:
        raise NotFound("loop", str(root)) from None
    try:
        with httpx.Client(base_url=address, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False) as client:
            return _welcome(client.send(_request(client, call)))
    except httpx.TransportError as error:
        reason = f"it holds {root} but does not answer at {address}"
        raise Unavailable("loop", reason=reason, remedy="it may be starting or stopping: try again") from error


async def _here(settings: Settings, call: Call, *, root: Path) -> httpx.Response:
    from loopline.apps.http.server import application
    from loopline.apps.wiring import open_house

    house = open_house(settings, root=root)
    headers = {"authorization": f"Bearer {house.token}"}
    transport = httpx.ASGITransport(app=application(house))
    async with httpx.AsyncClient(transport=transport, base_url=USUAL_ADDRESS, headers=headers) as client:
        return _welcome(await client.send(_request(client, call)))


def _request(client: httpx.Client | httpx.AsyncClient, call: Call) -> httpx.Request:
    method = "GET" if call.body is None else "POST"
    return client.build_request(method, call.path, params=call.params, json=call.body)


def _welcome(answer: httpx.Response) -> httpx.Response:
    """The answer, unless it is a refusal: then an error with the loop's own sentence."""
    if answer.is_success:
        return answer
    body = answer.json() if "json" in answer.headers.get("content-type", "") else {}
    raise LooplineError(str(body.get("error", f"the loop answered {answer.status_code}")))
