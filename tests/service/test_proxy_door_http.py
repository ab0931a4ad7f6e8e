"""People whom a proxy has signed in: believed from its address, and from nowhere else."""

import pytest
from tests.service.people_place import OWNER, PAGE, Place

from loopline.records.people import User
from loopline.records.settings import PeopleSettings

PROXY, STRANGER = "10.0.0.5", "192.0.2.66"
SETTINGS = PeopleSettings(header="X-Forwarded-User", proxies=("10.0.0.0/24",), role="annotator")


@pytest.fixture
def place():
    return Place(SETTINGS)


def via(place, name, *, address=PROXY):
    """A browser whose requests come through a proxy that names it."""
    browser = place.browser(address=address)
    browser.headers = {"x-forwarded-user": name}
    return browser


def error_of(answer):
    return str(answer.json()["error"])


def test_whoever_a_proxy_brings_is_who_it_says(place):
    assert via(place, "lead").get("/users").status_code == 200
    assert via(place, "annotator").get("/users").status_code == 403
    assert "set-cookie" not in via(place, "lead").get("/users").headers


def test_who_is_new_is_entered_once_with_the_role_of_the_settings(place):
    browser = via(place, "new@loop.example")
    for _ in range(2):
        assert browser.get("/annotate").status_code == 200
    user = place.reception.users.found("new@loop.example")
    assert (user.roles, user.password) == (("annotator",), "")
    assert place.told() == [("proxy", "POST /api/users", "new@loop.example", "201")]
    assert browser.get("/cycles").status_code == 403


def test_capitals_do_not_make_another_person(place):
    assert via(place, "LEAD").get("/users").status_code == 200
    assert place.reception.users.found("LEAD") is None


def test_with_none_as_the_role_nobody_new_comes_in():
    place = Place(PeopleSettings(header="X-Forwarded-User", proxies=(PROXY,), role="none"))
    answer = via(place, "stranger").get("/annotate")
    assert (answer.status_code, "user stranger: not known here, expected one that is" in answer.text) == (403, True)
    assert place.reception.users.found("stranger") is None
    assert via(place, "lead").get("/users").status_code == 200


def test_a_disabled_user_stays_out(place):
    place.change("lead", is_disabled=True)
    answer = via(place, "lead").ask("GET", "/api/users")
    assert (answer.status_code, error_of(answer)) == (
        403, "user lead: disabled, expected one that is not; ask who leads this loop",
    )  # fmt: skip


@pytest.mark.parametrize(
    "more", [{}, {"x-forwarded-for": PROXY}, {"x-real-ip": PROXY}, {"forwarded": f"for={PROXY}"}, {"via": PROXY}]
)
def test_the_header_from_anywhere_else_is_nobodys_word(place, more):
    for address in (STRANGER, "127.0.0.1", ""):
        browser = via(place, "engineer", address=address)
        assert browser.ask("GET", "/api/status", headers=more).status_code == 401
        assert browser.get("/", headers=more).status_code == 303


def test_it_does_not_lift_a_session_either(place):
    browser = place.browser("annotator", address=STRANGER)
    browser.headers = {"x-forwarded-user": "engineer"}
    assert browser.get("/cycles").status_code == 403


def test_what_can_be_no_name_is_400(place):
    for name in ("token", "a/b", "lk_000000000000", "console"):
        answer = via(place, name).ask("GET", "/api/status")
        assert (answer.status_code, error_of(answer)[:18]) == (400, "name of the user: "), name
    twice = place.browser(address=PROXY)
    twice.headers = [("x-forwarded-user", "lead"), ("x-forwarded-user", "engineer")]
    answer = twice.ask("GET", "/api/status")
    assert (answer.status_code, error_of(answer)[:33]) == (400, "header x-forwarded-user: 2 of the")


@pytest.mark.parametrize("headers", [{}, {"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}])
def test_another_site_cannot_act_through_the_proxy(place, headers):
    answer = via(place, "engineer").ask("POST", "/api/tick", headers=headers)
    assert (answer.status_code, error_of(answer)[:26]) == (403, "origin: found another site")
    assert via(place, "engineer").post("/api/tick").status_code == 200


def test_a_key_counts_more_than_what_the_proxy_says(place):
    browser = via(place, "engineer")
    browser.headers |= {"authorization": "Bearer wrong"}
    assert browser.ask("GET", "/api/status").status_code == 401


def test_behind_the_proxy_cookies_are_for_https_alone_and_addresses_are_those_of_people(place):
    browser = place.browser(address=PROXY)
    told = {"x-forwarded-proto": "https", "x-forwarded-for": "203.0.113.9"}
    answer = browser.sign_in("lead", **told)
    assert "; Secure" in answer.headers["set-cookie"]
    assert place.acts()[-1].address == "203.0.113.9"
    token = browser.post("/sign-in", data={"token": "the-token"}, headers=PAGE | told)
    assert "; Secure" in token.headers["set-cookie"]
    plain = place.browser(address=STRANGER).sign_in("lead", **told)
    assert "; Secure" not in plain.headers["set-cookie"]
    assert place.acts()[-1].address == STRANGER


def test_guesses_through_the_proxy_are_counted_by_whose_they_are(place):
    def guess(address, number):
        told = {"x-forwarded-for": address}
        return place.browser(address=PROXY).sign_in(f"name {number}", "wrong guess", **told).status_code

    assert [guess("203.0.113.9", number) for number in range(6)] == [401] * 5 + [429]
    assert guess("203.0.113.10", 9) == 401


def test_many_at_once_who_are_new_are_entered_once(place):
    user = User(loop=place.reception.loop, name="new", roles=("annotator",), made_at=place.reception.now())
    found = place.reception.users.meant
    answers = iter([None, None])
    place.reception.users.meant = lambda name: next(answers, found(name))  # a second request came between
    place.reception.users._keep(user, act="made", by=OWNER, told="", at=place.reception.now())
    assert via(place, "new").get("/annotate").status_code == 200
    place.reception.users.meant = found
    assert [one.name for one in place.reception.users.all()].count("new") == 1


def test_where_a_request_comes_from_is_asked_of_the_browser_not_of_the_proxy(place):
    behind = {"host": "127.0.0.1:8686", "origin": "https://loop.example"}
    assert via(place, "engineer").ask("POST", "/api/tick", headers=behind).status_code == 403
    same = behind | {"sec-fetch-site": "same-origin"}
    assert via(place, "engineer").ask("POST", "/api/tick", headers=same).status_code == 200
