"""The control plane behind its door, over a whole house in memory: who may come in, what the API takes and gives."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from loopline.apps.http.control import make_control
from loopline.apps.http.dispatch import make_dispatch
from loopline.apps.http.identity import Identity
from loopline.testing import factories as make
from loopline.testing import story
from loopline.testing.rooms import Rooms, StoredConsole, rooms

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
BASE = "http://127.0.0.1:8686"
BEARER = {"authorization": "Bearer the-token"}
PAGE = {"accept": "text/html"}
Talk = Callable[[httpx.AsyncClient], Coroutine[Any, Any, Any]]


async def inference(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"inference"})


@pytest.fixture
def house() -> Rooms:
    house = rooms(now=NOW)
    story.tell(house.ledger, now=NOW)
    house.log.append(story.predictions(now=NOW))
    return house


@pytest.fixture
def talk(house: Rooms) -> Callable[[Talk], Any]:
    identity = Identity(token=house.token, secret=house.secret)
    control = make_control(house, StoredConsole(house))
    app = make_dispatch(control=control, inference=inference, identity=identity)

    def run(conversation: Talk) -> Any:
        async def whole() -> Any:
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
                return await conversation(client)

        return asyncio.run(whole())

    return run


@pytest.fixture
def ask(talk: Callable[[Talk], Any]) -> Callable[..., httpx.Response]:
    def ask(method: str, path: str, **request: Any) -> httpx.Response:
        headers = {**BEARER, **request.pop("headers", {})}
        answer: httpx.Response = talk(lambda client: client.request(method, path, headers=headers, **request))
        return answer

    return ask


def error_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"])


# the door


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


# people's work


def claim(ask, count=3, annotator="ana"):
    return ask("POST", "/api/claim", json={"annotator": annotator, "count": count})


def test_claimed_tasks_reveal_neither_stratum_nor_gold_nor_others(ask):
    answer = claim(ask, count=50).json()
    assert set(answer) == {"tasks", "paused", "lease_seconds", "answered"}
    assert (answer["paused"], answer["lease_seconds"], answer["answered"]) == ("", 300.0, 0)
    assert len(answer["tasks"]) == 50
    for task in answer["tasks"]:
        assert set(task) == {"id", "input", "row", "labels", "suggestion"}
        assert (task["input"], task["labels"]) == ("text", ["negative", "neutral", "positive"])
        assert task["suggestion"] is None or set(task["suggestion"]) == {"label", "model"}
    assert {task["suggestion"] is None for task in answer["tasks"]} == {True, False}


def test_gold_looks_like_any_other_task(talk):
    house = rooms(now=NOW)
    gold = make.task("t-gold", "gold text", stratum="gold", gold="positive")
    house.ledger.commit(make.entry("e", make.cycle(1, phase="published"), tasks=(gold, make.task("t1", "plain text"))))
    app = make_dispatch(
        control=make_control(house, StoredConsole(house)),
        inference=inference,
        identity=Identity(token=house.token, secret=house.secret),
    )

    async def everything() -> list[dict[str, Any]]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
            answer = await client.post("/api/claim", json={"annotator": "ana", "count": 20}, headers=BEARER)
            tasks: list[dict[str, Any]] = answer.json()["tasks"]
            return tasks

    tasks = asyncio.run(everything())
    assert {task["row"] for task in tasks} == {"gold text", "plain text"}
    assert len({frozenset(task) for task in tasks}) == 1
    assert all(task["suggestion"] is None for task in tasks)


def test_a_paused_annotator_gets_the_reason_and_no_tasks(ask):
    answer = claim(ask, annotator="eli").json()
    assert answer["tasks"] == []
    assert answer["paused"] == "7 of 14 gold tasks right; below 0.8 with probability 0.991"


def test_an_answer_sent_twice_is_one_answer(ask):
    task = claim(ask, 1).json()["tasks"][0]
    body = {"annotator": "ana", "annotations": [{"id": "a1", "task": task["id"], "label": "neutral", "seconds": 1.5}]}
    assert ask("POST", "/api/annotations", json=body).json() == {"accepted": 1}
    assert ask("POST", "/api/annotations", json=body).json() == {"accepted": 0}
    assert claim(ask, 1).json()["answered"] == 1
    assert ask("GET", "/api/status").json()["progress"]["annotations"] == 1


def test_undo_gives_the_task_back(ask):
    task = claim(ask, 1).json()["tasks"][0]
    body = {"annotator": "ana", "annotations": [{"id": "a1", "task": task["id"], "label": "neutral"}]}
    ask("POST", "/api/annotations", json=body)
    undone = ask("POST", "/api/undo", json={"annotator": "ana", "annotation": "a1"})
    assert undone.json() == {"task": task}
    assert ask("GET", "/api/status").json()["progress"]["annotations"] == 0


def test_nobody_can_undo_for_someone_else(ask):
    task = claim(ask, 1).json()["tasks"][0]
    body = {"annotator": "ana", "annotations": [{"id": "a1", "task": task["id"], "label": "neutral"}]}
    ask("POST", "/api/annotations", json=body)
    assert ask("POST", "/api/undo", json={"annotator": "bo", "annotation": "a1"}).status_code == 409


def test_a_skipped_task_does_not_come_back(ask):
    task = claim(ask, 1).json()["tasks"][0]
    skipped = ask("POST", "/api/skip", json={"annotator": "ana", "task": task["id"], "reason": "unclear"})
    assert skipped.json() == {"skipped": task["id"]}
    assert task["id"] not in {other["id"] for other in claim(ask, 50).json()["tasks"]}


SECONDS = "expected a finite number of 0 or more"
LABELS = "expected one of negative, neutral, positive"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"id": "a", "task": "t3-000", "label": "great"}, f"annotation a: label 'great', {LABELS}"),
        ({"id": "a", "task": "t3-000", "label": "neutral", "seconds": -1}, f"annotation a: -1.0 seconds, {SECONDS}"),
        ({"id": "", "task": "t3-000", "label": "neutral"}, "annotation id: 0 characters, expected 1 to 128"),
        ({"id": "a" * 129, "task": "t", "label": "neutral"}, "annotation id: 129 characters, expected 1 to 128"),
        ({"id": "a", "task": "t" * 129, "label": "neutral"}, "task id: 129 characters, expected 1 to 128"),
    ],
)  # fmt: skip
def test_a_bad_answer_is_refused_with_what_was_found_and_expected(ask, answer, sentence):
    refused = ask("POST", "/api/annotations", json={"annotator": "ana", "annotations": [answer]})
    assert (refused.status_code, error_of(refused)) == (400, sentence)


@pytest.mark.parametrize("name", ["", "a" * 65, " ana", "an\na", "ana\u202e"])
def test_a_name_that_cannot_be_one_is_refused(ask, name):
    refused = claim(ask, annotator=name)
    assert refused.status_code == 400
    assert "expected 1 to 64 printable characters, no blank at either end" in error_of(refused)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"annotator": "ana", "count": "three"}', "Expected `int`, got `str`"),
        (b'{"annotator": "ana", "cuont": 3}', "unknown field `cuont`"),
        (b'{"count": 3}', "missing required field `annotator`"),
        (b'{"annotator": "ana", "count": 0}', "count: 0, expected 1 to 50"),
        (b'{"annotator": "ana", "count": 51}', "count: 51, expected 1 to 50"),
        (b"{nonsense", "malformed"),
        (b"", "request: found no body, expected a JSON object"),
    ],
)
def test_a_malformed_request_is_refused_in_words(ask, body, said):
    refused = ask("POST", "/api/claim", content=body)
    assert refused.status_code == 400
    assert said in error_of(refused)


def test_nan_seconds_are_refused(ask):
    body = b'{"annotator":"ana","annotations":[{"id":"a","task":"t","label":"neutral","seconds":NaN}]}'
    assert ask("POST", "/api/annotations", content=body).status_code == 400


def test_an_unknown_task_is_not_found(ask):
    body = {"annotator": "ana", "annotations": [{"id": "a", "task": "nope", "label": "neutral"}]}
    assert ask("POST", "/api/annotations", json=body).status_code == 404


def test_a_body_over_one_mebibyte_is_refused(ask):
    refused = ask("POST", "/api/claim", content=b" " * (1 << 20) + b'{"annotator":"ana"}')
    assert refused.status_code == 413
    assert error_of(refused) == "request: found a body over 1 MiB, expected less; send it in parts"


# records


def test_status_holds_the_whole_loop(ask):
    status = ask("GET", "/api/status").json()
    assert {
        "loop",
        "awaited",
        "split",
        "cycle",
        "counts",
        "progress",
        "signals",
        "cadence",
        "versions",
        "position",
    } <= set(status)
    assert status["awaited"] == "cycle 3: people's answers: 0 of 64 tasks are done"
    assert status["split"]["incumbent"] == "v3"
    assert [version["name"] for version in status["versions"]] == ["v3", "v2", "v1"]
    assert [version["share"] for version in status["versions"]] == [1.0, 0.0, 0.0]
    stages = {stage["name"]: stage for stage in status["stages"]}
    assert list(stages)[:2] == ["serve", "capture"]
    assert (stages["annotate"]["mood"], stages["monitor"]["mood"]) == ("active", "alert")
    assert stages["rollout"]["last"].startswith("300 canary answers")


def test_the_record_routes_give_lists_and_details(ask):
    assert [cycle["number"] for cycle in ask("GET", "/api/cycles").json()] == [3, 2, 1, 0]
    detail = ask("GET", "/api/cycles/2").json()
    assert (detail["verdict"]["challenger"], detail["dataset"]["name"]) == ("v3", "c2")
    assert ask("GET", "/api/models/v2").json()["cycle"] == 1
    assert ask("GET", "/api/datasets/c1").json()["rows"] == 8_040
    name = ask("GET", "/api/signals").json()[0]["id"]
    assert ask("GET", f"/api/signals/{name}").json()["state"] == "raised"


def test_why_gives_the_tree(ask):
    tree = ask("GET", "/api/why", params={"id": "v2"}).json()
    assert tree["entity"] == "model:v2"
    assert [source["entity"] for source in tree["sources"]] == ["run:run-1", "dataset:c1"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/models/v9", "no model 'v9'; known: v3, v2, v1"),
        ("/api/cycles/9", "no cycle '9'; known: 3, 2, 1, 0"),
        ("/api/datasets/c9", "no dataset 'c9'; known: c2, c1, c0"),
        ("/api/why?id=nope", "no entity 'nope'"),
        ("/api/nope", "no page '/api/nope'; the overview is at '/'"),
    ],
)
def test_what_does_not_exist_is_404_with_what_does(ask, path, sentence):
    answer = ask("GET", path)
    assert (answer.status_code, error_of(answer)) == (404, sentence)


@pytest.mark.parametrize("query", ["", "x" * 201])
def test_an_impossible_search_is_refused(ask, query):
    assert ask("GET", "/api/why", params={"id": query}).status_code == 400


# pages


PAGES = [
    "/", "/annotate", "/cycles", "/cycles/0", "/cycles/1", "/cycles/2", "/cycles/3", "/cycles/1/labels?page=2",
    "/cycles/1/selection", "/data", "/data/c0", "/data/c2", "/models", "/models/v1", "/models/v3", "/signals",
    "/signals/sentiment/v3/margin/9400", "/why", "/why?id=v3", "/why?id=cycle-3", "/sign-in",
]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_small_and_without_inline_code(ask, path):
    answer = ask("GET", path, headers=PAGE)
    assert answer.status_code == 200
    assert len(answer.content) < 300_000
    assert answer.text.count("<h1") == 1
    assert "<script>" not in answer.text
    assert " style=" not in answer.text
    assert "Undefined" not in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/annotate", "/cycles", "/data", "/models", "/signals", "/why", "/overview/live"]
)
def test_an_empty_house_has_pages_that_say_what_to_do(path):
    house = rooms(now=NOW)
    app = make_dispatch(
        control=make_control(house, StoredConsole(house)),
        inference=inference,
        identity=Identity(token=house.token, secret=house.secret),
    )

    async def look() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=BASE) as client:
            return await client.get(path, headers={**BEARER, **PAGE})

    assert asyncio.run(look()).status_code == 200


@pytest.mark.parametrize("path", ["/cycles/9", "/models/v9", "/data/c9", "/signals/s9", "/nowhere", "/why?id=nope"])
def test_a_missing_page_is_a_friendly_one(ask, path):
    answer = ask("GET", path, headers=PAGE)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1" in answer.text


def test_the_overview_fragment_is_not_sent_again_while_nothing_moved(ask):
    first = ask("GET", "/overview/live")
    again = ask("GET", "/overview/live", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_text_from_the_outside_is_escaped(house, ask):
    evil = "<script>alert(1)</script>"
    house.ledger.commit(
        make.entry("evil", make.cycle(4, phase="closed", outcome="failed", reason=evil, outcome_reason=evil))
    )
    page = ask("GET", "/cycles/4", headers=PAGE).text
    assert evil not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert evil not in ask("GET", "/why", params={"id": evil}, headers=PAGE).text


def test_a_failed_run_shows_the_end_of_its_log(house, ask):
    reason = "run run-4 ended with exit code 1\nTraceback (most recent call last):\nValueError: no rows"
    house.ledger.commit(make.entry("failed", make.cycle(4, phase="closed", outcome="failed", outcome_reason=reason)))
    page = ask("GET", "/cycles/4", headers=PAGE).text
    assert "ValueError: no rows" in page
    assert "The incumbent keeps serving" in page
