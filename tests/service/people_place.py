"""The whole application over a house in memory with one user of each role, and the browsers that talk to it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
from argon2 import PasswordHasher

from loopline.apps.access import ALL, ROLES, Keys
from loopline.apps.http.control import Doors, make_control
from loopline.apps.http.dispatch import Lodge, make_dispatch
from loopline.apps.http.identity import Identity
from loopline.apps.http.meter import Meter
from loopline.apps.http.reception import Reception
from loopline.apps.passwords import Passwords
from loopline.apps.people import Actor, Change
from loopline.records.people import Act, User
from loopline.records.settings import PeopleSettings
from loopline.testing import factories as make
from loopline.testing.rooms import Rooms, StoredConsole, rooms

BASE = "http://127.0.0.1:8686"
PAGE = {"accept": "text/html"}
OURS = {"origin": BASE}
GOOD = "correct horse battery"
OWNER = Actor("token", ALL, is_owner=True)
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
NO_PROXY = PeopleSettings()
HASHED = QUICK.hashed(GOOD)


async def inference(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inference"})


@dataclass
class Place:
    """A house with users named for their roles; ``another`` is a second process at the same house."""

    people: PeopleSettings = NO_PROXY
    house: Rooms = field(init=False)

    def __post_init__(self) -> None:
        settings = msgspec.structs.replace(make.settings(), people=self.people)
        self.house = rooms(now=make.NOW, settings=settings)
        self.open()
        for role in ROLES:
            user = User(loop=make.LOOP, name=role, roles=(role,), password=HASHED, made_at=make.NOW)
            self.reception.users.add(user, by=OWNER)

    def open(self) -> None:
        """A new process at this house."""
        self.meter, self.keys = Meter(), Keys(self.house.ledger, loop=make.LOOP)
        identity = Identity(token=self.house.token, secret=self.house.secret)
        self.reception = Reception(self.house, identity=identity, meter=self.meter)
        self.reception.passwords = QUICK
        doors = Doors(keys=self.keys, meter=self.meter, people=self.reception)
        self.app = make_dispatch(
            control=make_control(self.house, StoredConsole(self.house), doors=doors),
            inference=inference,
            identity=identity,
            lodge=Lodge(keys=self.keys, meter=self.meter, people=self.reception),
        )

    def browser(self, role: str = "", *, address: str = "192.0.2.1") -> "Browser":
        """A browser at this address, signed in as the user named for the role."""
        browser = Browser(self, address)
        if role:
            assert browser.sign_in(role).status_code == 303
        return browser

    def program(self, shown: str = "") -> "Browser":
        """A program that shows the token, or this key."""
        return Browser(self, "192.0.2.1", {"authorization": f"Bearer {shown or self.house.token}"})

    def change(self, name: str, **changes: Any) -> User:
        return self.reception.users.change(name, Change(**changes), by=OWNER, at=make.NOW)

    def acts(self, *, newest: int = 99) -> tuple[Act, ...]:
        """The audit log, oldest first."""
        return self.house.audit.read(make.LOOP, newest=newest)[::-1]

    def told(self) -> list[tuple[str, str, str, str]]:
        """The audit log, briefly: who, act, about, outcome."""
        return [(act.actor, act.act, act.subject, act.outcome) for act in self.acts()]


class Browser:
    """Keeps cookies, and sends what a browser sends."""

    def __init__(self, place: Place, address: str, headers: Any = None) -> None:
        self.place, self.address, self.headers = place, address, headers or {}
        self.cookies = httpx.Cookies()

    def ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        return asyncio.run(self._ask(method, path, **request))

    def get(self, path: str, **request: Any) -> httpx.Response:
        return self.ask("GET", path, headers=PAGE | request.pop("headers", {}), **request)

    def post(self, path: str, **request: Any) -> httpx.Response:
        return self.ask("POST", path, headers=OURS | request.pop("headers", {}), **request)

    def sign_in(self, name: str, password: str = GOOD, *, next: str = "/", **headers: str) -> httpx.Response:  # noqa: A002  the form's own name
        form = {"name": name, "password": password, "next": next}
        return self.post("/sign-in", data=form, headers=PAGE | headers)

    async def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.place.app, client=(self.address, 4711))
        async with httpx.AsyncClient(transport=transport, base_url=BASE, cookies=self.cookies) as client:
            headers = httpx.Headers(self.headers)
            for name, value in request.pop("headers", {}).items():
                headers[name] = value
            answer = await client.request(method, path, headers=headers, **request)
            self.cookies = client.cookies
            return answer
