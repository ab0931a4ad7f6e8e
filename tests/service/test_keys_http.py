"""``/api/keys``, ``/metrics`` and ``/objects`` as programs meet them, behind the door."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from litestar import Litestar
from prometheus_client.parser import text_string_to_metric_families as families

from loopline.adapters.files.objects import FileObjects
from loopline.apps.access import SCOPES, Keys
from loopline.apps.http.dispatch import Lodge, make_dispatch
from loopline.apps.http.errors import HANDLERS
from loopline.apps.http.identity import Identity
from loopline.apps.http.keys import key_routes
from loopline.apps.http.meter import Meter
from loopline.apps.http.metrics import metrics_route
from loopline.apps.http.objects import object_route
from loopline.errors import Busy
from loopline.records.access import ApiKey
from loopline.testing import factories as make
from loopline.testing.rooms import Rooms, rooms

BASE = "http://127.0.0.1:8686"
NEW = {"name": "till", "scopes": ["predict", "capture"], "per_second": 100}


async def inference(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"inference"})


async def crowded(scope, receive, send):
    raise AssertionError("a refused request came through")


@dataclass
class Server:
    """A door with keys over a house in memory, and two doors of other processes over the same ledger."""

    house: Rooms
    objects: FileObjects

    def __post_init__(self):
        self.keys, self.meter = self.of_its_own(), Meter()
        self.app = self.door(self.keys)

    def of_its_own(self):
        return Keys(self.house.ledger, loop=self.house.settings.name)

    def door(self, keys):
        routes = [
            *key_routes(self.house, keys=keys),
            metrics_route(self.meter),
            object_route(self.objects, secret=self.house.secret, clock=self.house.clock),
        ]
        return make_dispatch(
            control=Litestar(routes, exception_handlers=HANDLERS, logging_config=None),
            inference=inference,
            identity=Identity(token=self.house.token, secret=self.house.secret),
            lodge=Lodge(keys=keys, meter=self.meter),
        )

    def ask(self, method, path, *, shown="the-token", app=None, **request):
        async def asked():
            transport = httpx.ASGITransport(app=app or self.app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
                headers = {"authorization": f"Bearer {shown}"} if shown else {}
                return await client.request(method, path, headers=headers | request.pop("headers", {}), **request)

        return asyncio.run(asked())

    def made(self, *scopes, **changes):
        answer = self.ask("POST", "/api/keys", json=NEW | {"scopes": scopes} | changes)
        assert answer.status_code == 201, answer.text
        return answer.json()


@pytest.fixture
def server(tmp_path):
    house = rooms(now=make.NOW)
    return Server(house, FileObjects(tmp_path / "objects", secret=house.secret))


def error_of(answer):
    return str(answer.json()["error"])


def test_a_new_key_is_shown_once_and_works_at_once(server):
    made = server.made("predict", "capture")
    assert made["key"] == {
        "id": made["key"]["id"],
        "name": "till",
        "scopes": ["predict", "capture"],
        "per_second": 100.0,
        "made_at": "2026-01-05T09:00:00Z",
        "revoked_at": None,
    }
    assert server.ask("POST", "/v2/models/sentiment/infer", shown=made["secret"]).text == "inference"
    listed = server.ask("GET", "/api/keys")
    assert listed.json() == [made["key"]]
    kept = server.house.ledger.get(ApiKey, made["key"]["id"], loop=make.LOOP)
    assert kept.secret not in listed.text
    assert made["secret"] not in listed.text


def test_a_revoked_key_is_worth_nothing_at_once_here_and_within_a_second_elsewhere(server):
    made = server.made("predict")
    elsewhere = server.of_its_own()
    other = server.door(elsewhere)
    infer = ("POST", "/v2/models/sentiment/infer")
    assert server.ask(*infer, shown=made["secret"], app=other).status_code == 200
    revoked = server.ask("DELETE", f"/api/keys/{made['key']['id']}")
    assert (revoked.status_code, revoked.json()["revoked_at"]) == (200, "2026-01-05T09:00:00Z")
    assert server.ask(*infer, shown=made["secret"]).status_code == 401
    elsewhere.reread()
    assert server.ask(*infer, shown=made["secret"], app=other).status_code == 401


def test_an_unknown_key_is_404_with_the_known_ones(server):
    known = server.made("read")["key"]["id"]
    answer = server.ask("DELETE", "/api/keys/lk_000000000000")
    assert (answer.status_code, error_of(answer)) == (404, f"no key 'lk_000000000000'; known: {known}")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scopes": ["admin"]}, "scope: 'admin', expected one of predict, capture, control, read"),
        ({"scopes": []}, "expected one or more of predict, capture, control, read"),
        ({"scopes": "predict"}, "request: scopes: found a text, expected a list"),
        ({"name": "x" * 65}, "expected 1 to 64 printable characters"),
        ({"per_second": -1}, "-1.0 requests a second, expected a finite number"),
        ({"per_second": "1"}, "request: per_second: found a text, expected a number"),
    ],
)
def test_a_key_that_cannot_be_one_is_400_and_says_why(server, changes, sentence):
    answer = server.ask("POST", "/api/keys", json=NEW | changes)
    assert answer.status_code == 400
    assert sentence in error_of(answer)
    assert server.house.ledger.all(ApiKey, make.LOOP) == ()


def test_nobody_gives_a_key_more_than_they_have(server):
    made = server.made("control", "predict")
    answer = server.ask("POST", "/api/keys", shown=made["secret"], json=NEW | {"scopes": ["predict", "read"]})
    assert answer.status_code == 403
    assert (
        error_of(answer)
        == "request: scope read asked for, expected one that you have: predict, control, annotate, adjudicate, lead"
    )
    own = server.ask("POST", "/api/keys", shown=made["secret"], json=NEW | {"scopes": ["predict", "control"]})
    assert own.status_code == 201
    assert len(server.house.ledger.all(ApiKey, make.LOOP)) == 2


def test_a_browser_that_signed_in_may_make_any_key_and_another_site_none(server):
    identity = Identity(token=server.house.token, secret=server.house.secret)
    cookie = {"cookie": identity.issue().split(";")[0]}
    body = NEW | {"scopes": SCOPES}
    ours = server.ask("POST", "/api/keys", shown="", json=body, headers=cookie | {"origin": BASE})
    assert ours.status_code == 201
    for method, path in (("POST", "/api/keys"), ("DELETE", f"/api/keys/{ours.json()['key']['id']}")):
        for foreign in ({}, {"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
            answer = server.ask(method, path, shown="", json=body, headers=cookie | foreign)
            assert (answer.status_code, error_of(answer)[:26]) == (403, "origin: found another site")


def test_over_its_pace_a_key_is_429_with_retry_after_and_others_go_on(server):
    slow, other = server.made("predict", per_second=1), server.made("predict")
    infer = ("POST", "/v2/models/sentiment/infer")
    assert server.ask(*infer, shown=slow["secret"]).status_code == 200
    answer = server.ask(*infer, shown=slow["secret"])
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert error_of(answer) == f"key {slow['key']['id']}: asks more than 1 times a second; try again in 1 s"
    assert server.ask(*infer, shown=other["secret"]).status_code == 200
    assert server.meter.refusals() == {429: 1}


def test_what_is_reported_goes_to_its_own_application(server):
    async def reporting(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"reporting"})

    identity = Identity(token="the-token", secret=b"s")
    app = make_dispatch(control=crowded, inference=inference, reporting=reporting, identity=identity)
    assert server.ask("POST", "/v1/predictions", app=app).text == "reporting"
    assert server.ask("POST", "/v1/outcomes", app=app).text == "reporting"
    assert server.ask("POST", "/v1/predict/sentiment", app=app).text == "inference"


@pytest.mark.parametrize(("is_callers", "status"), [(True, 429), (False, 503)])
def test_too_much_to_do_says_when_to_come_again(server, tmp_path, is_callers, status):
    class Full(FileObjects):
        def path(self, digest):
            raise Busy("object store", reason="400 reads wait", seconds=7, is_callers=is_callers)

    full = Server(server.house, Full(tmp_path / "full", secret=server.house.secret))
    answer = full.ask("GET", path_of(full, full.objects.put(b"x")), shown="")
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert error_of(answer) == "object store: 400 reads wait; try again in 7 s"


def test_metrics_are_for_readers_and_say_what_was_refused(server):
    made = server.made("read")
    assert server.ask("GET", "/metrics", shown=server.made("capture")["secret"]).status_code == 403
    answer = server.ask("GET", "/metrics", shown=made["secret"])
    assert answer.headers["cache-control"] == "no-store"
    refused = [family for family in families(answer.text) if family.name == "loopline_refused"]
    assert [(one.labels, one.value) for one in refused[0].samples] == [({"status": "403"}, 1.0)]


def path_of(server, digest, *, seconds=60):
    """A link as the store makes it; stores tell the time themselves, so the house's clock follows them."""
    link = server.objects.link(digest, seconds=seconds)
    made = int(dict(part.split("=") for part in urlsplit(link).query.split("&"))["until"]) - seconds
    server.house.clock.advance(made - server.house.clock.now().timestamp())
    return link


def test_a_link_hands_the_bytes_to_whoever_has_it_to_be_saved_and_never_shown(server):
    content = bytes(range(256)) * 4_096
    digest = server.objects.put(content)
    answer = server.ask("GET", path_of(server, digest), shown="")
    assert (answer.status_code, answer.content == content) == (200, True)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == f'attachment; filename="{digest}"'
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
    assert answer.headers["content-length"] == str(len(content))
    head = server.ask("HEAD", path_of(server, digest), shown="")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(content)))


def test_a_link_that_ended_or_was_changed_opens_nothing_even_with_the_token(server):
    digest, other = server.objects.put(b"one"), server.objects.put(b"other")
    link = path_of(server, digest)
    address, _, query = link.partition("?")
    until = dict(part.split("=") for part in query.split("&"))["until"]
    forged = [
        link[:-1] + ("0" if link[-1] != "0" else "1"),
        link.replace(digest, other),
        link.replace(until, str(int(until) + 1)),
        link.replace(until, "-1"),
        link.replace(until, str(1 << 41)),
        f"{address}?until={until}",
        address,
        f"{address}?until={until}&signature=",
        f"{address}?until={until}&signature=%ff%00",
    ]
    for path in forged:
        for shown in ("", "the-token"):
            answer = server.ask("GET", path, shown=shown)
            assert answer.status_code == 403, (path, answer.text)
            assert (
                error_of(answer)
                == "link: expired, changed or not ours, expected one as we signed it; ask for a new one"
            )
    server.house.clock.advance(timedelta(seconds=61).total_seconds())
    assert server.ask("GET", link, shown="").status_code == 403


@pytest.mark.parametrize("name", ["..%2f..%2fsecret", "%2e%2e/secret", "..", "a/../../secret", "0" * 64])
def test_no_name_of_an_object_leads_out_of_the_store(server, name):
    answer = server.ask("GET", f"/objects/{name}?until=1&signature=0", shown="")
    assert answer.status_code in (401, 403, 404)
    assert b"secret of the tests" not in answer.content


def test_a_signed_link_to_an_object_that_is_gone_is_404(server):
    digest = server.objects.put(b"one")
    link = path_of(server, digest)
    server.objects.delete(digest)
    answer = server.ask("GET", link, shown="")
    assert (answer.status_code, error_of(answer)) == (404, f"no object '{digest}'")
