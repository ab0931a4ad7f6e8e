"""People sign in and out with names and passwords, and what that opens, for how long, and to whom not."""

import re
from time import time

import pytest
from itsdangerous import TimestampSigner
from tests.service.people_place import BASE, GOOD, OURS, OWNER, PAGE, QUICK, Place

from loopline.apps import passwords
from loopline.apps.access import ROLES
from loopline.apps.http.sessions import IDLE_SECONDS, RENEWED_SECONDS
from loopline.apps.passwords import Passwords
from loopline.errors import Busy
from loopline.records.people import User
from loopline.testing import factories as make


@pytest.fixture
def place():
    return Place()


@pytest.fixture(scope="module")
def shared():
    """For tests that change nothing but who has come in from where."""
    return Place()


ADDRESSES = map("203.0.113.{}".format, range(250))
"""Each is one place, so that no test slows another down."""


def error_of(answer):
    return str(answer.json()["error"])


@pytest.mark.parametrize("typed", ["lead", "LEAD", "  lead "])
def test_a_name_and_its_password_open_what_the_role_opens(place, typed):
    browser = place.browser()
    answer = browser.sign_in(typed, next="/cycles")
    assert (answer.status_code, answer.headers["location"]) == (303, "/cycles")
    assert browser.get("/cycles").status_code == 200
    assert browser.get("/api/keys").status_code == 403


@pytest.mark.parametrize(
    ("role", "next_page", "landing"),
    [
        ("annotator", "/", "/annotate"), ("annotator", "/cycles/3", "/annotate"),
        ("adjudicator", "/people", "/annotate"), ("annotator", "/annotate?x=1", "/annotate?x=1"),
        ("lead", "/users", "/users"), ("viewer", "/", "/"),
        ("viewer", "/annotate", "/account"), ("engineer", "//evil.example", "/"), ("engineer", "/\\evil.example", "/"),
        ("engineer", "https://evil.example", "/"), ("engineer", "/x\r\nset-cookie: a=b", "/"), ("engineer", "", "/"),
        ("engineer", "/\u738b", "/%E7%8E%8B"),
    ],
)  # fmt: skip
def test_after_signing_in_people_land_where_they_may_work(shared, role, next_page, landing):
    assert shared.browser(address=next(ADDRESSES)).sign_in(role, next=next_page).headers["location"] == landing


@pytest.mark.parametrize(
    ("name", "password"), [("lead", "wrong password"), ("nobody", GOOD), ("", ""), ("x" * 9_000, GOOD)]
)
def test_what_was_wrong_is_not_said(place, name, password):
    browser = place.browser()
    answer = browser.sign_in(name, password)
    assert answer.status_code == 401
    assert "That name and password do not go together." in answer.text
    assert "set-cookie" not in answer.headers
    shown = re.sub(r'(id="name"[^>]*) value="[^"]*"', r"\1", answer.text)
    other = re.sub(
        r'(id="name"[^>]*) value="[^"]*"',
        r"\1",
        place.browser().sign_in("lead", "nearly right").text,
    )
    assert shown == other


def test_the_same_work_is_done_for_a_name_that_is_not_there(place, monkeypatch):
    held = []
    monkeypatch.setattr(QUICK, "check", lambda password, stored: held.append((password, bool(stored))) and False)
    place.change("viewer", is_disabled=True)
    for name in ("lead", "nobody", "viewer"):
        assert place.browser().sign_in(name).status_code == 401
    assert held == [(GOOD, True), (GOOD, False), (GOOD, True)]


def test_a_disabled_user_is_told_no_more_than_a_stranger(place):
    place.change("lead", is_disabled=True)
    answer = place.browser().sign_in("lead")
    assert (answer.status_code, "do not go together" in answer.text) == (401, True)


def test_the_token_is_the_second_way_in(place):
    browser = place.browser()
    wrong = browser.post("/sign-in", data={"token": "guess"})
    assert (wrong.status_code, "That is not the token" in wrong.text) == (401, True)
    assert browser.post("/sign-in", data={"token": " the-token ", "next": "/query"}).headers["location"] == "/query"
    assert browser.get("/api/keys").status_code == 200


def test_the_form_works_without_a_script_and_tells_password_keepers_what_is_what(place):
    form = place.browser().get("/sign-in?next=/cycles").text
    for part in ('<form action="/sign-in" method="post">', 'autocomplete="username"', 'autocomplete="current-password"',
                 '<label for="name">', '<label for="password">', 'name="next" value="/cycles"'):  # fmt: skip
        assert part in form
    wrong = place.browser().sign_in("lead", "no").text
    assert 'aria-invalid="true" aria-describedby="wrong"' in wrong
    assert 'id="wrong" class="problem" role="alert"' in wrong


@pytest.mark.parametrize("role", ROLES)
def test_the_navigation_shows_only_what_is_open(shared, role):
    browser = shared.browser(role)
    start = browser.get("/annotate" if "annotate" in ROLES[role] else "/")
    assert start.status_code == 200
    navigation = start.text.split("<nav", 1)[1].split("</nav>", 1)[0]
    for path in re.findall(r'href="(/[^"]*)"', navigation + start.text.split('class="foot"')[1].split("</footer>")[0]):
        assert browser.get(path).status_code in (200, 404), path  # 404: a page that this release does not have


def test_who_asks_for_a_page_that_is_closed_is_told_which_role_it_takes(place):
    browser = place.browser("annotator")
    answer = browser.get("/cycles")
    assert answer.status_code == 403
    assert (
        "It takes the role <strong>lead</strong>, <strong>engineer</strong> or <strong>viewer</strong>." in answer.text
    )
    assert '<a href="/annotate">' in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    program = browser.ask("GET", "/api/status")
    assert (program.status_code, error_of(program)) == (
        403, "annotator: is annotator, expected lead or engineer or viewer; ask who leads this loop",
    )  # fmt: skip


def test_whoever_signed_in_answers_under_their_own_name_alone(place):
    browser = place.browser("annotator")
    answer = browser.post("/api/claim", json={"annotator": "somebody else", "count": 1})
    assert answer.status_code == 403
    assert "annotator 'somebody else' named, expected 'annotator', who signed in" in error_of(answer)
    assert browser.post("/api/claim", json={"annotator": "annotator", "count": 1}).status_code == 200


def test_the_cookie_of_the_token_names_the_annotator_as_before(place):
    browser = place.browser()
    browser.post("/sign-in", data={"token": "the-token"})
    assert browser.get("/annotate").status_code == 200
    assert browser.post("/api/claim", json={"annotator": "anyone", "count": 1}).status_code == 200


FOREIGN = [
    {}, {"origin": "http://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site", "origin": BASE},
    {"sec-fetch-site": "same-site"}, {"sec-fetch-site": "none"}, {"origin": "http://127.0.0.1:8687"},
]  # fmt: skip


UNSAFE = [
    ("POST", "/api/tick"), ("POST", "/api/claim"), ("POST", "/api/users"), ("PATCH", "/api/users/viewer"),
    ("DELETE", "/api/keys/x"), ("POST", "/sign-out"), ("POST", "/sign-out/everywhere"), ("POST", "/account"),
    ("POST", "/users"), ("POST", "/v2/models/sentiment/infer"), ("PUT", "/api/guideline"), ("POST", "/nowhere"),
]  # fmt: skip


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_site_cannot_act_with_the_cookie(shared, headers):
    browser = shared.browser("engineer")
    form = {"content-type": "application/x-www-form-urlencoded"}
    for method, path in UNSAFE:
        answer = browser.ask(method, path, content=b"act=disable", headers=form | headers)
        assert (answer.status_code, error_of(answer)[:26]) == (403, "origin: found another site"), path
    assert browser.get("/").status_code == 200


def test_a_session_of_before_is_not_carried_into_a_new_one(place):
    browser = place.browser("viewer")
    before = dict(browser.cookies)
    assert browser.sign_in("lead").status_code == 303
    assert dict(browser.cookies).keys() == before.keys()
    assert dict(browser.cookies) != before
    assert browser.get("/users").status_code == 200


def test_a_cookie_that_was_set_by_somebody_else_does_not_become_a_session(place):
    browser = place.browser()
    browser.cookies.set(place.reception.identity.cookie, "chosen", domain="127.0.0.1")
    browser.sign_in("lead")
    assert "chosen" not in str(dict(browser.cookies))
    assert place.browser("viewer").get("/users").status_code == 403


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"is_disabled": True}, 303), ({"is_signed_out": True}, 303), ({"roles": ("viewer",)}, 303),
     ({"password": "$x"}, 303), ({"skills": ("law",)}, 200)],
)  # fmt: skip
def test_what_changes_elsewhere_holds_at_every_door_once_it_looks(place, changes, status):
    browser, app, first = place.browser("lead"), place.app, place.reception
    place.open()
    place.change("lead", **changes)
    assert browser.get("/users").status_code == status
    place.app = app
    assert browser.get("/users").status_code == 200
    first.users.reread()
    assert browser.get("/users").status_code == status


def test_signing_out_forgets_this_browser_and_signing_out_everywhere_every_copy(place):
    browser, other = place.browser("lead"), place.browser("lead")
    stolen = place.browser()
    stolen.cookies = browser.cookies
    assert browser.post("/sign-out").headers["location"] == "/sign-in"
    assert browser.get("/").status_code == 303
    assert other.get("/").status_code == 200
    assert other.post("/sign-out/everywhere").status_code == 303
    for copy in (stolen, other, browser):
        assert copy.get("/").status_code == 303
    assert place.browser("lead").get("/").status_code == 200


def test_a_session_outlasts_a_restart(place):
    browser = place.browser("lead")
    place.open()
    assert browser.get("/").status_code == 200


def test_a_session_that_is_used_is_renewed_and_one_that_lies_idle_ends(place, monkeypatch):
    for age, status in ((RENEWED_SECONDS + 9, 200), (IDLE_SECONDS + 9, 303)):
        browser = place.browser()
        with monkeypatch.context() as then:
            then.setattr(TimestampSigner, "get_timestamp", lambda _, age=age: int(time() - age))
            browser.sign_in("viewer")
        answer = browser.get("/")
        assert (answer.status_code, "set-cookie" in answer.headers) == (status, status == 200)
    assert "set-cookie" not in place.browser("viewer").get("/").headers


def test_a_leaving_browser_is_not_given_its_session_again(place, monkeypatch):
    browser = place.browser()
    with monkeypatch.context() as then:
        then.setattr(TimestampSigner, "get_timestamp", lambda _: int(time() - RENEWED_SECONDS - 9))
        browser.sign_in("viewer")
    assert len(browser.post("/sign-out").headers.get_list("set-cookie")) == 1
    assert browser.get("/").status_code == 303


def test_the_cookie_of_another_installation_is_nobodys(place):
    browser, other = place.browser("lead"), Place()
    other.house.secret and object.__setattr__(other.house, "secret", b"another secret")
    other.open()
    visitor = other.browser()
    visitor.cookies.set(other.reception.identity.cookie, next(iter(browser.cookies.jar)).value, domain="127.0.0.1")
    assert visitor.get("/").status_code == 303


def test_after_five_failures_whoever_guesses_waits_and_is_told_how_long(place):
    answers = [
        place.browser().sign_in(name, "wrong guess") for name in ("lead", " LEAD", "Lead", "lead ", "l\u0065ad", "lead")
    ]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "1"
    assert "Too many wrong attempts" in answers[-1].text or "too many wrong attempts" in answers[-1].text
    assert place.browser().sign_in("lead").status_code == 429
    assert place.meter.refusals() == {401: 5, 429: 2}
    assert place.browser(address="192.0.2.99").sign_in("viewer").status_code == 303


def test_names_that_are_not_there_are_slowed_like_those_that_are(place):
    for name in ("lead", "nobody"):
        statuses = [place.browser(address=f"192.0.2.{n}").sign_in(name, "wrong guess").status_code for n in range(7)]
        assert statuses == [401] * 5 + [429] * 2


def test_the_token_is_guessed_as_slowly(place):
    statuses = [place.browser().post("/sign-in", data={"token": f"guess{n}"}).status_code for n in range(6)]
    assert statuses == [401] * 5 + [429]


def test_links_that_any_page_can_have_a_browser_follow_keep_nobody_out_and_fill_no_log(place):
    for n in range(9):
        assert place.browser().get(f"/?token=guess{n}").headers["location"] == "/sign-in?wrong=1"
    assert place.acts() == ()
    assert place.meter.refusals() == {401: 9}
    assert place.browser().post("/sign-in", data={"token": "the-token"}).status_code == 303


def test_a_password_that_nobody_had_time_to_check_was_no_wrong_one(place, monkeypatch):
    def busy(*_):
        raise Busy("sign-in", reason="66 others are signing in", seconds=2)

    with monkeypatch.context() as then:
        then.setattr(QUICK, "check", busy)
        answers = [place.browser().sign_in("lead") for _ in range(9)]
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(503, "2")}
    assert place.browser().sign_in("lead").status_code == 303


def test_an_address_that_a_browser_claims_does_not_get_it_more_guesses(place):
    statuses = [
        place.browser().sign_in(f"name {n}", "wrong guess", **{"x-forwarded-for": f"198.51.100.{n}"}).status_code
        for n in range(6)
    ]
    assert statuses == [401] * 5 + [429]


def test_a_hash_under_old_parameters_is_made_anew_when_its_password_is_shown(place):
    place.change(
        "lead", password=Passwords(passwords.PasswordHasher(time_cost=2, memory_cost=8, parallelism=1)).hashed(GOOD)
    )
    before = place.reception.users.found("lead")
    other = place.browser("lead")
    after = place.reception.users.found("lead")
    assert (QUICK.is_outdated(before.password), QUICK.is_outdated(after.password)) == (True, False)
    assert after.epoch == before.epoch
    assert other.get("/").status_code == 200
    assert place.browser("lead").get("/").status_code == 200


def test_people_change_their_own_password(place):
    browser, other = place.browser("annotator"), place.browser("annotator")
    form = {"old": GOOD, "new": "four words to remember"}
    wrong = browser.post("/account", data=form | {"old": "not this one"}, headers=PAGE)
    assert (wrong.status_code, "present password is another one" in wrong.text) == (401, True)
    short = browser.post("/account", data=form | {"new": "short"}, headers=PAGE)
    assert (short.status_code, "5 characters" in short.text) == (400, True)
    done = browser.post("/account", data=form, headers=PAGE)
    assert (done.status_code, "Your password was changed" in done.text) == (200, True)
    assert (browser.get("/annotate").status_code, other.get("/annotate").status_code) == (200, 303)
    assert place.browser().sign_in("annotator").status_code == 401
    assert place.browser().sign_in("annotator", form["new"]).status_code == 303


def test_whoever_has_no_password_does_not_sign_in_with_an_empty_one(place):
    user = User(loop=make.LOOP, name="by proxy", roles=("engineer",), made_at=make.NOW)
    place.reception.users.add(user, by=OWNER)
    assert place.browser().sign_in("by proxy", "").status_code == 401


@pytest.mark.parametrize("size", [20_000, 2 << 20])
@pytest.mark.parametrize("path", ["/sign-in", "/account", "/sign-out"])
def test_a_huge_form_is_refused_unread(shared, path, size):
    browser = shared.browser("lead") if path != "/sign-in" else shared.browser(address=next(ADDRESSES))
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = browser.post(path, content=b"password=" + b"x" * size, headers=form)
    assert answer.status_code in (303, 413) if path == "/sign-out" else answer.status_code == 413


@pytest.mark.parametrize("body", [b"", b"name", b"name=lead&name=viewer&password=x", b"%ff=%fe&password=%00", b"{}"])
def test_no_form_breaks_the_door(shared, body):
    form = {"content-type": "application/x-www-form-urlencoded"}
    assert shared.browser(address=next(ADDRESSES)).post("/sign-in", content=body, headers=form).status_code in (
        400,
        401,
    )


def test_every_coming_and_going_is_on_record_with_no_secret_in_it(place):
    browser = place.browser("lead")
    place.browser().sign_in("nobody\nlead signed in", "my other password")
    place.browser().post("/sign-in", data={"token": "nearly-the-token"})
    place.browser().get("/?token=the-token")
    browser.post("/account", data={"old": GOOD, "new": "four words to remember"})
    browser.post("/sign-out", headers=OURS)
    assert place.told() == [
        ("lead", "signed in", "", "password"),
        ("", "refused", "nobody\\nlead signed in", "wrong name or password"),
        ("", "refused", "token", "wrong token"),
        ("token", "signed in", "", "token"),
        ("lead", "POST /account", "", "200"),
        ("lead", "signed out", "", ""),
    ]
    assert {act.address for act in place.acts()} == {"192.0.2.1"}
    kept = repr(place.acts())
    for secret in (GOOD, "other password", "nearly-the-token", "the-token", "four words", "argon2"):
        assert secret not in kept.replace("wrong token", "").replace("'token'", "")
