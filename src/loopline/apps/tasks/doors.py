"""The way of files to a loop and back: over HTTP when a server holds its folder, else through its routes in here."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from loopline.apps.cli.door import ADDRESS, PATIENCE_SECONDS, USUAL_ADDRESS, read
from loopline.apps.http.server import application
from loopline.apps.wiring import hold, open_house
from loopline.errors import Conflict, NotFound, Unavailable
from loopline.records.settings import Settings

EXPORT, IMPORT, INTERFACE = "/api/tasks/export", "/api/tasks/import", "/api/tasks/interface"
TRIES: Final = 5
"""While another import runs."""
REST_SECONDS: Final = 2.0


class Door:
    """The routes of files, behind an HTTP client."""

    def __init__(self, client: httpx.AsyncClient, *, runner: asyncio.Runner) -> None:
        self._client, self._runner = client, runner

    def get(self, path: str) -> Any:
        """What the loop says. Raises LooplineError with its sentence when it refuses."""
        return read(self._runner.run(self._client.get(path)))

    def give(self, content: bytes, *, params: Mapping[str, str | list[str]]) -> dict[str, Any]:
        """What became of these rows, a JSON list. Raises LooplineError when none of them is taken."""
        told: dict[str, Any] = read(self._runner.run(self._given(content, params)))
        return told

    def fetch(self, params: Mapping[str, str], *, keep: Callable[[bytes], object]) -> int:
        """Hand the file on, piece by piece; how many bytes it has. Raises LooplineError when it is refused."""
        return self._runner.run(self._fetched(params, keep))

    async def _given(self, content: bytes, params: Mapping[str, str | list[str]]) -> httpx.Response:
        headers = {"content-type": "application/json"}
        for _ in range(TRIES):
            answer = await self._client.post(IMPORT, content=content, params=dict(params), headers=headers)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            await asyncio.sleep(REST_SECONDS)
        return answer

    async def _fetched(self, params: Mapping[str, str], keep: Callable[[bytes], object]) -> int:
        size = 0
        async with self._client.stream("GET", EXPORT, params=dict(params)) as answer:
            if not answer.is_success:
                await answer.aread()
                read(answer)
            async for piece in _pieces(answer):
                keep(piece)
                size += len(piece)
        return size


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    async for piece in answer.aiter_bytes():
        yield piece


@contextmanager
def open_door(settings: Settings, *, root: Path) -> Iterator[Door]:
    """The door of the loop in the folder ``root``: its server's, or its routes in this process while no server runs.

    Raises NotFound when the folder has no token, Unavailable when it cannot be used or its server does not answer.
    """
    with ExitStack() as held:
        try:
            held.enter_context(hold(root))
        except Conflict:  # a server holds it
            client, where = _there(root)
        else:
            client, where = _here(settings, root=root), "this process"
        runner = held.enter_context(asyncio.Runner())
        held.callback(lambda: runner.run(client.aclose()))
        try:
            yield Door(client, runner=runner)
        except httpx.TransportError as error:
            reason = f"it holds {root} but does not answer at {where}"
            remedy = "it may be starting or stopping: run this again, nothing is stored twice"
            raise Unavailable("loop", reason=reason, remedy=remedy) from error


def _there(root: Path) -> tuple[httpx.AsyncClient, str]:
    address = (root / ADDRESS).read_text().strip() if (root / ADDRESS).is_file() else USUAL_ADDRESS
    try:
        headers = {"authorization": f"Bearer {(root / 'token').read_text().strip()}"}
    except FileNotFoundError:
        raise NotFound("loop", str(root)) from None
    client = httpx.AsyncClient(base_url=address, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False)
    return client, address


def _here(settings: Settings, *, root: Path) -> httpx.AsyncClient:
    house = open_house(settings, root=root)
    transport = httpx.ASGITransport(app=application(house))
    headers = {"authorization": f"Bearer {house.token}"}
    return httpx.AsyncClient(transport=transport, base_url=USUAL_ADDRESS, headers=headers)
