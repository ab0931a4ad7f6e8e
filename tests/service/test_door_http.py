"""Who may come in: tokens, cookies, host names, other sites."""

import asyncio

import httpx
import pytest

from loopline.apps.http.control import make_control
from loopline.apps.http.dispatch import make_dispatch
from loopline.apps.http.identity import Identity
from loopline.testing import factories as make
from loopline.testing.rooms import StoredConsole

BASE = "http://127.0.0.1:8686"
PAGE = {"accept": "text/html"}


def error_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"])


@pytest.mark.parametrize("path", ["/", "/annotate", "/cycles/1", "/data", "/why?id=v2", "/overview/live"])
def test_a_browser_without_a_session_is_sent_to_sign_in(talk, path):
    answer = talk(lambda client: client.get(path, headers=PAGE))
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=%2F")


@pytest.mark.parametrize(
    "path", ["/api/status", "/api/cycles", "/v2/models/sentiment", "/v1/predictions", "/", "/api/schema"]
)
def test_a_program_without_a_token_gets_401_and_a_sentence(talk, path):
    answer = talk(lambda client: client.get(path, headers={"accept": "*/*"}))
    assert answer.status_code == 401
    assert error_of(answer) == "token: found none, expected 'Authorization: Bearer ...' or a sign-in"


def test_a_wrong_token_is_refused_even_beside_a_good_cookie(talk, house):
    cookie = Identity(token=house.token, secret=house.secret).issue().split(";")[0]
    headers = {"authorization": "Bearer nearly", "cookie": cookie}
    answer = talk(lambda client: client.get("/api/status", headers=headers))
    assert answer.status_code == 401
    assert error_of(answer) == "token: found a wrong one, expected the one printed at start"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_health_is_open_to_anyone(talk, path):
    assert talk(lambda client: client.get(path, headers={"host": "10.0.0.7:8686"})).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_health_answers_head_without_a_body(talk, path):
    answer = talk(lambda client: client.head(path))
    assert (answer.status_code, answer.content) == (200, b"")


def test_readyz_is_503_with_the_reason_until_a_version_is_live(empty, look):
    answer = look("GET", "/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "reason": "no version is live; the overview says what is awaited"}
    assert look("HEAD", "/readyz").status_code == 503
    empty.ledger.commit(make.entry("live", make.split(1)))
    answer = look("GET", "/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True})


@pytest.mark.parametrize("path", ["/v2", "/v1", "/api/status", "/v2/models/sentiment"])
def test_a_token_in_the_address_of_a_program_is_not_taken(talk, path):
    answer = talk(lambda client: client.get(f"{path}?token=the-token", headers=PAGE))
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/v2/models/sentiment/infer", "/v1/predictions", "/v2/health/live"])
def test_the_protocol_paths_reach_inference(ask, path):
    assert ask("POST", path).text == "inference"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8686", "127.0.0.1.evil.example", "", "a@127.0.0.1"])
def test_a_foreign_host_name_is_misdirected(ask, host):
    answer = ask("GET", "/api/status", headers={"host": host})
    assert answer.status_code == 421
    assert error_of(answer).startswith(f"host: found {host!r}, expected localhost")


@pytest.mark.parametrize("host", ["localhost:8686", "127.0.0.1", "[::1]:8686"])
def test_loopback_names_are_ours(ask, host):
    assert ask("GET", "/api/status", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(("own", "host"), [("127.0.0.2", "127.0.0.2:8686"), ("::1", "[::1]:8686")])
def test_the_address_that_it_listens_on_is_ours_and_a_foreign_name_is_told_it(house, own, host):
    control = make_control(house, StoredConsole(house))
    identity = Identity(token=house.token, secret=house.secret, hosts=frozenset({own}))
    app = make_dispatch(control=control, inference=control, identity=identity)

    async def called(name: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
            return await client.get("/api/status", headers={"host": name, "authorization": "Bearer the-token"})

    assert asyncio.run(called(host)).status_code == 200
    foreign = asyncio.run(called("evil.example"))
    assert foreign.status_code == 421
    assert error_of(foreign).startswith(f"host: found 'evil.example', expected {own};")


def test_pages_that_were_never_built_leave_no_empty_folder_behind(house, tmp_path, monkeypatch):
    monkeypatch.setattr("loopline.apps.http.control.STATIC", tmp_path / "static")
    make_control(house, StoredConsole(house))
    assert not (tmp_path / "static").exists()


async def signed_in(client: httpx.AsyncClient) -> httpx.Response:
    return await client.post("/sign-in", data={"token": "the-token", "next": "/cycles"}, headers={"origin": BASE})


def test_the_form_signs_in_with_a_cookie_that_scripts_and_other_sites_cannot_use(talk):
    answer = talk(signed_in)
    assert (answer.status_code, answer.headers["location"]) == (303, "/cycles")
    for guard in ("HttpOnly", "SameSite=Strict", "Path=/"):
        assert guard in answer.headers["set-cookie"]


def test_the_form_says_that_a_token_is_wrong(talk):
    answer = talk(lambda client: client.post("/sign-in", data={"token": "no"}, headers={"origin": BASE}))
    assert answer.status_code == 401
    assert "That is not the token" in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("next_page", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_a_sign_in_never_leads_to_another_site(talk, next_page):
    data = {"token": "the-token", "next": next_page}
    answer = talk(lambda client: client.post("/sign-in", data=data, headers={"origin": BASE}))
    assert answer.headers["location"] == "/"


def test_a_link_with_the_token_signs_in_and_forgets_the_token(talk):
    async def follow(client: httpx.AsyncClient) -> tuple[httpx.Response, httpx.Response]:
        first = await client.get("/cycles?token=the-token&x=1", headers=PAGE)
        return first, await client.get(first.headers["location"], headers=PAGE)

    first, second = talk(follow)
    assert (first.status_code, first.headers["location"]) == (303, "/cycles?x=1")
    assert second.status_code == 200


def test_a_link_with_a_wrong_token_leads_to_the_form(talk):
    answer = talk(lambda client: client.get("/?token=guess", headers=PAGE))
    assert answer.headers["location"] == "/sign-in?wrong=1"
    assert "set-cookie" not in answer.headers


def test_a_cookie_under_another_token_or_secret_is_worth_nothing(talk, house):
    name = Identity(token=house.token, secret=house.secret).cookie
    for token, secret in (("old-token", house.secret), (house.token, b"another secret")):
        value = Identity(token=token, secret=secret).issue().split(";")[0].partition("=")[2]
        answer = talk(lambda client, v=value: client.get("/api/status", headers={"cookie": f"{name}={v}"}))
        assert answer.status_code == 401


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site", "origin": BASE},
     {"sec-fetch-site": "same-site"}],
)  # fmt: skip
def test_another_site_cannot_act_with_the_cookie(talk, headers):
    async def forge(client: httpx.AsyncClient) -> httpx.Response:
        await signed_in(client)
        return await client.post("/api/tick", headers=headers)

    answer = talk(forge)
    assert answer.status_code == 403
    assert error_of(answer) == "origin: found another site, expected this one; send the token instead of the cookie"


@pytest.mark.parametrize("headers", [{"origin": BASE}, {"sec-fetch-site": "same-origin"}])
def test_our_own_pages_can_act_with_the_cookie(talk, headers):
    async def act(client: httpx.AsyncClient) -> httpx.Response:
        await signed_in(client)
        return await client.post("/api/tick", headers=headers)

    assert talk(act).json() == []


def test_signing_out_forgets_the_browser(talk):
    async def leave(client: httpx.AsyncClient) -> httpx.Response:
        await signed_in(client)
        await client.post("/sign-out", headers={"origin": BASE})
        return await client.get("/", headers=PAGE)

    assert talk(leave).status_code == 303


def test_every_page_carries_the_security_headers(ask):
    headers = ask("GET", "/", headers=PAGE).headers
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


@pytest.mark.parametrize("headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_another_site_cannot_sign_a_browser_in(talk, headers):
    answer = talk(lambda client: client.post("/sign-in", data={"token": "the-token"}, headers=headers))
    assert answer.status_code == 403
    assert error_of(answer) == "sign-in: found a request from another site, expected one from this page"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/v2/models/sentiment/infer", "/v2", "/v1/predictions"])
def test_a_foreign_host_name_is_misdirected_from_inference_too(ask, path):
    assert ask("POST", path, headers={"host": "evil.example"}).status_code == 421


OUTSIDE = ["templates/base.html", "render.py", "../../../../../../etc/passwd"]


@pytest.mark.parametrize("up", ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..%5c", "....//", "x/../../"])
@pytest.mark.parametrize(
    "root", ["/static/", "/objects/", "/data/", "/models/", "/signals/", "/api/signals/", "/cycles/"]
)
def test_no_path_leads_out_of_its_root(talk, ask, root, up):
    for outside in OUTSIDE:
        for answer in (ask("GET", f"{root}{up}{outside}"), talk(lambda client, p=root + up + outside: client.get(p))):
            assert answer.status_code in (401, 403, 404), answer.status_code
            assert "root:" not in answer.text
            assert "{% block" not in answer.text
            assert "import" not in answer.text


def test_static_files_need_no_token_but_their_neighbours_do(talk):
    assert talk(lambda client: client.get("/static/none.css")).status_code == 404
    for path in ("/static/../api/status", "/static/..%2fapi/status", "/static", "/staticx"):
        assert talk(lambda client, p=path: client.get(p)).status_code == 401


@pytest.mark.parametrize("size", [(1 << 20) + 1, 3 << 20])
def test_a_body_over_the_limit_is_413_and_says_what_is_expected(ask, size):
    answer = ask("POST", "/api/claim", content=b"x" * size, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert error_of(answer) == "request: found a body over 1 MiB, expected less; send it in parts"
