"""Every route there is, and to whom it opens: nobody, keys of each scope, users of each role, the token.

A route that is not in ``route_table.ROUTES`` fails ``test_no_route_was_forgotten``: say here what it needs.
"""

import asyncio
import re
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import product
from types import SimpleNamespace
from urllib.parse import unquote

import pytest
from litestar import Litestar
from tests.unit.apps.route_table import FORM, KEYS, OPEN, PEOPLE, ROUTES, SIGNED_IN

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.apps.access import ALL, SCOPES, Keys, keep, mint
from loopline.apps.http.admission import need_of
from loopline.apps.http.caller import CALLER
from loopline.apps.http.control import make_control
from loopline.apps.http.dispatch import Lodge, make_dispatch
from loopline.apps.http.identity import Identity
from loopline.apps.http.meter import Meter
from loopline.apps.http.reception import Reception
from loopline.apps.http.targets import PATHS, target_of
from loopline.apps.people import Actor
from loopline.records.people import User
from loopline.testing import factories as make
from loopline.testing.rooms import StoredConsole, rooms

HERE = "127.0.0.1:8686"
OURS = {"origin": f"http://{HERE}"}
ORDER = ("annotator", "adjudicator", "lead", "engineer", "viewer")


def template(path):
    """The path with plain names for its parts: ``/a/{name:str}`` -> ``/a/{name}``."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def example(path):
    return re.sub(r"\{\w+\}", "1", path)


def of_a_key(method, path):
    """What a key needs where a browser needs to be somebody, or nothing."""
    need = ROUTES[method, path]
    return need if need not in (FORM, SIGNED_IN) else "read" if method == "GET" else "control"


def registered():
    house = rooms(now=datetime(2026, 1, 5, tzinfo=UTC))
    for route in make_control(house, StoredConsole(house)).routes:
        for method in getattr(route, "methods", {"GET"}) - {"OPTIONS"}:
            yield method, template(route.path)


def spoken():
    """Every path of the protocol, each with each of its endings."""
    for path in PATHS:
        parts = [part.split("|") for part in re.split(r"[][]", path)]
        choices = [part if place % 2 == 0 else ["", *part] for place, part in enumerate(parts)]
        for chosen in product(*choices):
            whole = "".join(chosen)
            yield target_of(example(whole)).method, whole


def nameless(routes):
    return {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in routes}


def test_no_route_was_forgotten():
    assert sorted(nameless([*registered(), *spoken()]) - nameless(ROUTES)) == []


def test_no_route_is_told_of_that_is_not_there():
    made_up = {("GET", "/v2/new"), ("POST", "/v1/new")}
    elsewhere = {("POST", "/v1/predictions"), ("POST", "/v1/outcomes")}
    assert sorted(nameless(ROUTES) - nameless([*registered(), *spoken()]) - made_up - elsewhere) == []


@pytest.mark.parametrize(
    ("path", "need"),
    [("/v2/models/infer", "metadata"), ("/v2/models/load", "metadata"), ("/v2/models/m/versions/infer", "metadata"),
     ("/v2/models/load/infer", "predict"), ("/v2/models/m/versions/load/infer/", "predict"),
     ("/v2/repository/models/infer/load", "control"), ("/v2/repository/models/m/unload//", "control")],
)  # fmt: skip
def test_a_model_may_have_any_name(path, need):
    assert need_of("GET", path) == need


class Door:
    """A door with a key of each scope and a user of each role; behind it everything answers 200 and tells who asks."""

    def __init__(self):
        ledger, self.meter = MemoryLedger(), Meter()
        house = rooms(now=make.NOW, ledger=ledger)
        identity = Identity(token="the-token", secret=b"secret")
        people = Reception(house, identity=identity, meter=self.meter)
        self.shown = {"nobody": {}, "token": {"authorization": "Bearer the-token"}}
        self.shown["the token's cookie"] = {"cookie": identity.issue().split(";")[0]}
        for scope in SCOPES:
            minted = mint(scope, loop=make.LOOP, scopes=(scope,), per_second=0, at=make.NOW)
            keep(minted.key, ledger=ledger)
            self.shown[scope] = {"authorization": f"Bearer {minted.shown}"}
        for role in PEOPLE[OPEN]:
            user = User(loop=make.LOOP, name=f"an {role}", roles=(role,), made_at=make.NOW)
            people.users.add(user, by=Actor("token", ALL, is_owner=True))
            self.shown[user.name] = {"cookie": people.sessions.begun(user, is_secure=False).split(";")[0]}
        lodge = Lodge(keys=Keys(ledger, loop=make.LOOP), meter=self.meter, people=people)
        self.app = make_dispatch(
            control=self.anyones, inference=self.anyones, reporting=self.anyones, identity=identity, lodge=lodge
        )

    async def anyones(self, scope, receive, send):
        """Says that the door let the request through, and as whom."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope[CALLER].name.encode()})

    def ask(self, method, path, holder, **headers):
        """Whoever holds this asks, as one of our own pages would."""
        told = {"host": HERE} | (OURS if "cookie" in self.shown[holder] else {}) | self.shown[holder] | headers
        return asyncio.run(self._asked(self.app, method, path, told))

    async def _asked(self, app, method, path, headers):
        status, body = 0, b""

        async def send(message):
            nonlocal status, body
            status, body = message.get("status", status), body + message.get("body", b"")

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        plain, _, query = path.partition("?")
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": unquote(plain), "raw_path": plain.encode(), "headers": lines,
                 "query_string": query.encode(), "client": ("192.0.2.1", 4711), "scheme": "http", "http_version": "1.1",
                 "server": ("127.0.0.1", 8686), "root_path": "", "asgi": {"version": "3.0"}, "state": {}}  # fmt: skip
        await app(scope, receive, send)
        return SimpleNamespace(status_code=status, text=body.decode())


@pytest.fixture(scope="module")
def door():
    return Door()


def error_of(answer):
    return re.sub(r'^\{"error":"(.*)"\}$', r"\1", answer.text)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_route_opens_to_the_scopes_that_it_names_and_to_no_other(door, method, path):
    need = of_a_key(method, path)
    for scope in SCOPES:
        answer = door.ask(method, example(path), scope)
        expected = 200 if scope in KEYS.get(need, {need}) else 403
        assert answer.status_code == expected, (scope, answer.text)
        if expected == 403:
            assert f"expected {'predict or read' if need == 'metadata' else need};" in error_of(answer)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_route_opens_to_the_roles_that_it_is_for_and_to_no_other(door, method, path):
    need = ROUTES[method, path]
    for role in PEOPLE[OPEN]:
        answer = door.ask(method, example(path), f"an {role}")
        expected = 200 if role in PEOPLE[need] else 403
        assert answer.status_code == expected, (role, answer.text)
        if expected == 403:
            takes = " or ".join(
                one for one in ("annotator", "adjudicator", "lead", "engineer", "viewer") if one in PEOPLE[need]
            )
            assert error_of(answer) == f"an {role}: is {role}, expected {takes}; ask who leads this loop"
        elif need not in (OPEN, FORM):
            assert answer.text == f"an {role}"


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_the_token_and_its_cookie_open_everything(door, method, path):
    for holder in ("token", "the token's cookie"):
        assert door.ask(method, example(path), holder).status_code == 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nothing_but_what_is_open_opens_to_whoever_shows_nothing(door, method, path):
    is_open = ROUTES[method, path] in (OPEN, FORM)
    assert door.ask(method, example(path), "nobody").status_code == (200 if is_open else 401)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_trailing_slash_changes_nothing(method, path):
    assert need_of(method, f"{example(path)}/") == need_of(method, example(path))


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_slashes_in_a_row_are_one_since_the_application_takes_them_so(method, path):
    if not lies_with_the_models(path):
        assert need_of(method, example(path).replace("/", "//")) == need_of(method, example(path))


ROUNDABOUT = [
    "//{}",
    "/{}//",
    "/./{}",
    "/x/../{}",
    "/%2e/{}",
    "/{}/.",
    "/{}/..",
    "/{};x",
    "/{}%00",
    "/{}?token=x",
    "/%2f{}",
    "/{}%2f",
]


@pytest.fixture(scope="module")
def inside():
    """The real application behind the door, and the paths that came through to it."""
    door, house = Door(), rooms(now=make.NOW)
    door.control = make_control(house, StoredConsole(house))
    return door


@pytest.mark.parametrize("way", ROUNDABOUT)
def test_no_spelling_of_a_path_takes_anybody_past_the_door(inside, way):
    """Whatever the door makes of a spelling, the application answers it with nothing that is closed."""
    control: Litestar = inside.control
    for (method, path), need in ROUTES.items():
        if need in (OPEN, FORM, SIGNED_IN) or lies_with_the_models(path):
            continue
        spelled = way.format(example(path).lstrip("/"))
        for role in ("annotator", "viewer"):
            if role in PEOPLE[need] or inside.ask(method, spelled, f"an {role}").status_code != HTTPStatus.OK:
                continue
            answer = asyncio.run(inside._asked(control, method, spelled, {"host": HERE}))
            assert answer.status_code in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED), (method, spelled)


def lies_with_the_models(path):
    return path.startswith(("/v1", "/v2"))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "ANYTHING"])
@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/new", "/api/query/x", "/v1/new", "/api//new", "/new", "/objects/1", "/v2/new"]
)
def test_what_is_not_known_to_be_harmless_needs_control(method, path):
    assert need_of(method, path) == "control"


@pytest.mark.parametrize("path", ["/v2x/models/m/infer", "/v22", "/v1x", "/api/keysx", "/api/claimx", "/annotates"])
def test_a_path_that_only_begins_alike_is_another(path):
    assert need_of("POST", path) == "control"


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [("POST", "/api/guideline", "lead"), ("GET", "/api/guideline/versions", "lead"), ("GET", "/api/tasks/1", "lead"),
     ("POST", "/api/tasks/1/input", "lead"), ("GET", "/api/tasks/1/2/input", "lead"),
     ("GET", "/api/tasks//input", "lead"), ("GET", "/api/me/anything", "annotate"), ("GET", "/people/ana", "lead"),
     ("POST", "/api/people/ana/pause", "lead")],
)  # fmt: skip
def test_what_people_look_after(method, path, need):
    assert need_of(method, path) == need


@pytest.mark.parametrize(
    "path",
    ["/static/../api/status", "/static/..", "/static/%2e%2e/api/status", "/objects/../api/status",
     "/static/..%2fapi/status", "/objects/..%2f..%2fapi/status", "/staticx", "/objects"],
)  # fmt: skip
def test_no_way_round_leads_past_the_door(door, path):
    assert door.ask("GET", path, "nobody").status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_link_is_for_reading_only(door, method):
    assert door.ask(method, "/objects/1", "nobody").status_code == 401


def test_health_is_open_even_to_a_wrong_key(door):
    assert door.ask("GET", "/healthz", "nobody", authorization="Bearer wrong").status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/static/a.css", "/objects/1", "/v2/models/m/infer", "/metrics", "/api/keys"])
def test_a_rebound_name_is_misdirected_on_every_way_in(door, method, path):
    for holder in ("token", "an engineer", "nobody"):
        assert door.ask(method, path, holder, host="evil.example").status_code == 421


def test_a_key_beside_a_cookie_is_what_counts(door):
    cookie = door.shown["an engineer"]["cookie"]
    assert door.ask("GET", "/api/status", "annotate", cookie=cookie).status_code == 403
    assert door.ask("GET", "/api/status", "nobody", cookie=cookie, authorization="Bearer wrong").status_code == 401
