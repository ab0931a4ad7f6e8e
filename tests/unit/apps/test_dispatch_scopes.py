"""Every route there is, and what a key must be allowed to do for it.

A route that is not in ``ROUTES`` fails ``test_no_route_was_forgotten``: say here what it needs.
"""

import asyncio
import re
from datetime import UTC, datetime
from itertools import product

import httpx
import pytest

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.apps.access import SCOPES, Keys, keep, mint
from loopline.apps.http.admission import need_of
from loopline.apps.http.control import make_control
from loopline.apps.http.dispatch import make_dispatch
from loopline.apps.http.identity import Identity
from loopline.apps.http.meter import Meter
from loopline.apps.http.targets import PATHS, target_of
from loopline.testing import factories as make
from loopline.testing.rooms import StoredConsole, rooms

BASE = "http://127.0.0.1:8686"
MODEL = "/v2/models/{model}"
VERSION = f"{MODEL}/versions/{{version}}"
OPEN, PAGE = "open", "read"
ROUTES = {
    # who may come in, and the files of the pages
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/v2/health/live"): OPEN,
    ("GET", "/v2/health/ready"): OPEN,
    ("GET", "/static/{path}"): OPEN,
    ("HEAD", "/static/{path}"): OPEN,
    ("GET", "/objects/{digest}"): OPEN,  # the link is the proof
    ("GET", "/sign-in"): PAGE,  # without a key it is open: test_the_form_is_open_to_whoever_shows_nothing
    ("POST", "/sign-in"): "control",
    ("POST", "/sign-out"): "control",
    # the models
    ("GET", "/v2"): "metadata",
    ("GET", MODEL): "metadata",
    ("GET", f"{MODEL}/ready"): "metadata",
    ("GET", f"{MODEL}/config"): "metadata",
    ("GET", f"{MODEL}/stats"): "metadata",
    ("GET", VERSION): "metadata",
    ("GET", f"{VERSION}/ready"): "metadata",
    ("GET", f"{VERSION}/config"): "metadata",
    ("GET", f"{VERSION}/stats"): "metadata",
    ("GET", "/v2/models/stats"): "metadata",
    ("POST", "/v2/repository/index"): "metadata",
    ("POST", "/v2/repository/models/{model}/load"): "control",
    ("POST", "/v2/repository/models/{model}/unload"): "control",
    ("POST", f"{MODEL}/infer"): "predict",
    ("POST", f"{VERSION}/infer"): "predict",
    ("POST", "/v1/predict/{loop}"): "predict",
    ("GET", "/v2/new"): "metadata",
    ("POST", "/v1/new"): "control",
    # what is reported to us
    ("POST", "/v1/predictions"): "capture",
    ("POST", "/v1/outcomes"): "capture",
    # the control plane
    ("GET", "/metrics"): "read",
    ("GET", "/api/keys"): "control",
    ("POST", "/api/keys"): "control",
    ("DELETE", "/api/keys/{name}"): "control",
    ("POST", "/api/query"): "read",
    ("GET", "/api/query/questions"): "read",
    ("GET", "/api/tail"): "read",
    ("POST", "/api/tail"): "control",  # it moves a reader on
    ("GET", "/api/schema"): "read",
    ("GET", "/api/schema/openapi.json"): "read",
    ("GET", "/api/schema/{path}"): "read",
    ("GET", "/api/status"): "read",
    ("GET", "/api/why"): "read",
    ("GET", "/api/cycles"): "read",
    ("GET", "/api/cycles/{number}"): "read",
    ("GET", "/api/cycles/{number}/what-if"): "read",  # it stores nothing
    ("GET", "/api/cycles/{number}/replay"): "read",
    ("GET", "/api/accuracy"): "read",
    ("GET", "/api/reserve"): "read",  # counts and rounded numbers
    ("GET", "/api/signals"): "read",
    ("GET", "/api/signals/{name}"): "read",
    ("GET", "/api/models"): "read",
    ("GET", "/api/models/{name}"): "read",
    ("GET", "/api/datasets"): "read",
    ("GET", "/api/datasets/{name}"): "read",
    ("POST", "/api/tick"): "control",
    ("POST", "/api/claim"): "control",
    ("POST", "/api/annotations"): "control",
    ("POST", "/api/skip"): "control",
    ("POST", "/api/undo"): "control",
    # the pages
    ("GET", "/"): PAGE,
    ("GET", "/overview/live"): PAGE,
    ("GET", "/annotate"): PAGE,
    ("GET", "/why"): PAGE,
    ("GET", "/query"): PAGE,
    ("GET", "/cycles"): PAGE,
    ("GET", "/cycles/{number}"): PAGE,
    ("GET", "/cycles/{number}/selection"): PAGE,
    ("GET", "/cycles/{number}/what-if"): PAGE,
    ("GET", "/cycles/{number}/labels"): PAGE,
    ("GET", "/data"): PAGE,
    ("GET", "/data/{name}"): PAGE,
    ("GET", "/models"): PAGE,
    ("GET", "/models/{name}"): PAGE,
    ("GET", "/models/{name}/verdict.svg"): PAGE,
    ("GET", "/accuracy"): PAGE,
    ("GET", "/signals"): PAGE,
    ("GET", "/signals/{name}"): PAGE,
}
OPENED_BY = {need: {need} for need in SCOPES} | {"metadata": {"predict", "read"}, OPEN: {*SCOPES, "none"}}


def template(path):
    """The path with plain names for its parts: ``/a/{name:str}`` -> ``/a/{name}``."""
    return re.sub(r"\{(\w+):\w+\}", r"{\1}", path)


def example(path):
    return re.sub(r"\{\w+\}", "1", path)


def registered():
    house = rooms(now=datetime(2026, 1, 5, tzinfo=UTC))
    control = make_control(house, StoredConsole(house))
    for route in control.routes:
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


@pytest.mark.parametrize(
    ("path", "need"),
    [("/v2/models/infer", "metadata"), ("/v2/models/load", "metadata"), ("/v2/models/m/versions/infer", "metadata"),
     ("/v2/models/load/infer", "predict"), ("/v2/models/m/versions/load/infer/", "predict"),
     ("/v2/repository/models/infer/load", "control"), ("/v2/repository/models/m/unload//", "control")],
)  # fmt: skip
def test_a_model_may_have_any_name(path, need):
    assert need_of("GET", path) == need


async def anyones(scope, receive, send):
    """Says that the door let the request through."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"in"})


@pytest.fixture(scope="module")
def door():
    """Asks a door with one key of each scope; behind it everything answers 200."""
    ledger, meter = MemoryLedger(), Meter()
    shown = {"none": "", "token": "the-token"}
    for scope in SCOPES:
        minted = mint(scope, loop=make.LOOP, scopes=(scope,), per_second=0, at=make.NOW)
        keep(minted.key, ledger=ledger)
        shown[scope] = minted.shown
    app = make_dispatch(
        control=anyones,
        inference=anyones,
        reporting=anyones,
        identity=Identity(token="the-token", secret=b"secret"),
        keys=Keys(ledger, loop=make.LOOP),
        meter=meter,
    )

    def ask(method, path, holder, **headers):
        async def asked():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
                bearer = {"authorization": f"Bearer {shown[holder]}"} if shown[holder] else {}
                return await client.request(method, path, headers=bearer | headers)

        return asyncio.run(asked())

    return ask


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_each_route_opens_to_the_scopes_that_it_names_and_to_no_other(door, method, path):
    need = ROUTES[method, path]
    for scope in SCOPES:
        answer = door(method, example(path), scope)
        expected = 200 if scope in OPENED_BY[need] else 403
        assert answer.status_code == expected, (scope, answer.text)
        if expected == 403:
            assert f"expected {'predict or read' if need == 'metadata' else need};" in answer.json()["error"]
    assert door(method, example(path), "token").status_code == 200


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[1] != "/sign-in"])
def test_nothing_but_what_is_open_opens_to_whoever_shows_nothing(door, method, path):
    answer = door(method, example(path), "none")
    assert answer.status_code == (200 if ROUTES[method, path] == OPEN else 401)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_form_is_open_to_whoever_shows_nothing(door, method):
    assert door(method, "/sign-in", "none").status_code == 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_trailing_slash_changes_nothing(method, path):
    assert need_of(method, f"{example(path)}/") == need_of(method, example(path))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "ANYTHING"])
@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/new", "/api/query/x", "/v1/new", "/api//query", "/new", "/objects/1", "/v2/new"]
)
def test_what_is_not_known_to_be_harmless_needs_control(method, path):
    assert need_of(method, path) == "control"


@pytest.mark.parametrize("path", ["/v2x/models/m/infer", "/v22", "/v1x", "/api/keysx"])
def test_a_path_that_only_begins_alike_is_another(path):
    assert need_of("POST", path) == "control"


@pytest.mark.parametrize(
    "path",
    ["/static/../api/status", "/static/..", "/static/%2e%2e/api/status", "/objects/../api/status",
     "/static/..%2fapi/status", "/objects/..%2f..%2fapi/status", "/staticx", "/objects"],
)  # fmt: skip
def test_no_way_round_leads_past_the_door(door, path):
    assert door("GET", path, "none").status_code == 401


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_a_link_is_for_reading_only(door, method):
    assert door(method, "/objects/1", "none").status_code == 401


def test_health_is_open_even_to_a_wrong_key(door):
    assert door("GET", "/healthz", "none", authorization="Bearer wrong").status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", ["/static/a.css", "/objects/1", "/v2/models/m/infer", "/metrics", "/api/keys"])
def test_a_rebound_name_is_misdirected_on_every_way_in(door, method, path):
    assert door(method, path, "token", host="evil.example").status_code == 421
