"""The routes of people's work over a house in memory, asked by whoever a test says."""

import asyncio
from typing import Any

import httpx
from litestar import Litestar

from loopline.apps.access import ROLES
from loopline.apps.http.answers import answer_routes
from loopline.apps.http.bulk import bulk_routes
from loopline.apps.http.caller import CALLER, TOKEN, Caller
from loopline.apps.http.errors import HANDLERS
from loopline.apps.http.guideline_reading import guideline_reading_routes
from loopline.apps.http.me import me_routes
from loopline.apps.http.showing import Showing
from loopline.apps.http.task_input import input_routes
from loopline.apps.http.view_script import view_script_route
from loopline.records.people import Role, User
from loopline.testing import factories as make
from loopline.testing.rooms import Rooms


def person(name: str, *roles: Role, **changes: Any) -> Caller:
    """Somebody who signed in."""
    roles = roles or ("annotator",)
    user = User(loop=make.LOOP, name=name, roles=roles, made_at=make.NOW, **changes)
    return Caller(name, frozenset().union(*(ROLES[role] for role in roles)), user)


class Desk:
    """Asks as the installation's token, unless told otherwise."""

    def __init__(self, house: Rooms) -> None:
        showing = Showing(house)
        self.house = house
        self._app = Litestar(
            [
                *answer_routes(house, showing=showing),
                *bulk_routes(house, showing=showing),
                *me_routes(house),
                *input_routes(house),
                *guideline_reading_routes(house),
                view_script_route(house),
            ],
            exception_handlers=HANDLERS,
            logging_config=None,
        )

    def ask(self, method: str, path: str, *, caller: Caller = TOKEN, **request: Any) -> httpx.Response:
        """The answer to one request of this caller."""

        async def behind_the_door(scope: Any, receive: Any, send: Any) -> None:
            await self._app({**scope, CALLER: caller}, receive, send)

        async def whole() -> httpx.Response:
            transport = httpx.ASGITransport(app=behind_the_door)
            async with httpx.AsyncClient(transport=transport, base_url="http://loop") as client:
                return await client.request(method, path, **request)

        return asyncio.run(whole())

    def post(self, path: str, caller: Caller = TOKEN, /, **body: Any) -> Any:
        """The JSON of an answer that must be a good one."""
        answer = self.ask("POST", path, caller=caller, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, path: str, caller: Caller = TOKEN, /, **body: Any) -> tuple[int, str]:
        """Status and sentence of an answer that must not be a good one."""
        answer = self.ask("POST", path, caller=caller, json=body)
        assert answer.status_code >= 400, answer.text
        return answer.status_code, str(answer.json()["error"])

    def publish(self, *tasks: Any, cycle: int = 1, records: tuple[Any, ...] = ()) -> None:
        """An open batch of these tasks."""
        opened = make.cycle(cycle, phase="published")
        self.house.ledger.commit(make.entry(f"published-{cycle}", opened, *records, tasks=tasks))
