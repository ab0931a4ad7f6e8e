"""The whole application over a house in memory, as the tests of its doors, its API and its pages talk to it."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from loopline.apps.http.control import Doors, make_control
from loopline.apps.http.dispatch import Lodge, make_dispatch
from loopline.apps.http.identity import Identity
from loopline.apps.http.reception import Reception
from loopline.testing import story
from loopline.testing.rooms import Rooms, StoredConsole, rooms

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
BASE = "http://127.0.0.1:8686"
BEARER = {"authorization": "Bearer the-token"}
Talk = Callable[[httpx.AsyncClient], Coroutine[Any, Any, Any]]
Ask = Callable[..., httpx.Response]


async def inference(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"inference"})


def told() -> Rooms:
    house = rooms(now=NOW)
    story.tell(house.ledger, now=NOW, objects=house.objects)
    house.log.append(story.predictions(now=NOW))
    return house


def talker(house: Rooms) -> Callable[[Talk], Any]:
    """Holds a conversation with the whole application over this house."""
    people = Reception(house, identity=Identity(token=house.token, secret=house.secret))
    control = make_control(house, StoredConsole(house), doors=Doors(people=people))
    app = make_dispatch(control=control, inference=inference, identity=people.identity, lodge=Lodge(people=people))

    def run(conversation: Talk) -> Any:
        async def whole() -> Any:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
                return await conversation(client)

        return asyncio.run(whole())

    return run


def asker(talk: Callable[[Talk], Any]) -> Ask:
    def ask(method: str, path: str, **request: Any) -> httpx.Response:
        headers = {**BEARER, **request.pop("headers", {})}
        answer: httpx.Response = talk(lambda client: client.request(method, path, headers=headers, **request))
        return answer

    return ask


@pytest.fixture(scope="session")
def house() -> Rooms:
    """One house for all tests that only look."""
    return told()


@pytest.fixture(scope="session")
def talk(house: Rooms) -> Callable[[Talk], Any]:
    return talker(house)


@pytest.fixture(scope="session")
def ask(talk: Callable[[Talk], Any]) -> Ask:
    return asker(talk)


@pytest.fixture
def own() -> Rooms:
    """A house of its own, for a test that changes something."""
    return told()


@pytest.fixture
def work(own: Rooms) -> Ask:
    return asker(talker(own))


@pytest.fixture
def empty() -> Rooms:
    return rooms(now=NOW)


@pytest.fixture
def look(empty: Rooms) -> Ask:
    """Asks the empty house."""
    return asker(talker(empty))
