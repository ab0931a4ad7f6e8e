"""``/api/users``, ``/api/audit`` and their pages: who may say what of whom, and that all of it is on record."""

import re

import pytest
from tests.service.people_place import GOOD, OWNER, PAGE, Place

from loopline.records.people import User
from loopline.testing import factories as make

NEW = {
    "name": "Ana María",
    "roles": ["annotator"],
    "password": GOOD,
    "skills": ["law"],
    "languages": ["es"],
    "quota": 300,
}


@pytest.fixture
def place():
    return Place()


@pytest.fixture(scope="module")
def shared():
    """For tests that are refused."""
    return Place()


def error_of(answer):
    return str(answer.json()["error"])


def test_whoever_was_added_is_shown_without_their_hash_and_signs_in_at_once(place):
    lead = place.browser("lead")
    made = lead.post("/api/users", json=NEW)
    assert made.status_code == 201
    assert made.json() == {
        "name": "Ana María", "roles": ["annotator"], "skills": ["law"], "languages": ["es"], "quota": 300,
        "has_password": True, "made_at": "2026-01-05T09:00:00Z", "disabled_at": None,
    }  # fmt: skip
    listed = lead.ask("GET", "/api/users")
    assert listed.json()[-1] == made.json()
    assert "argon2" not in listed.text + made.text
    assert place.browser().sign_in("ana maría").headers["location"] == "/annotate"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "a\nb"}, "name of the user: 'a\\nb' (3 characters), expected 1 to 64 printable characters"),
        ({"name": "token"}, "console, proxy, token and lk_... are kept for others than people"),
        ({"roles": ["admin"]}, "role: 'admin', expected one of annotator, adjudicator, lead, engineer, viewer"),
        ({"roles": []}, "roles: none, expected one or more of annotator"),
        ({"roles": "lead"}, "request: roles: found a text, expected a list"),
        ({"password": "short"}, "password: 5 characters, expected 10 to 200"),
        ({"quota": -1}, "quota: -1, expected 0 for any number"),
        ({"quota": "9"}, "request: quota: found a text, expected a whole number"),
        ({"epoch": 1}, "request: data: Object contains unknown field `epoch`"),
        ({"skills": [" x"]}, "skill: ' x', expected at most 50 of 1 to 64 printable characters"),
    ],
)
def test_a_user_that_cannot_be_one_is_400_and_says_why(shared, changes, sentence):
    answer = shared.program().post("/api/users", json=NEW | changes)
    assert (answer.status_code, sentence in error_of(answer)) == (400, True), answer.text
    assert shared.reception.users.found("Ana María") is None


def test_a_name_is_given_once(shared):
    answer = shared.program().post("/api/users", json=NEW | {"name": "LEAD"})
    assert (answer.status_code, error_of(answer)) == (409, "user LEAD: 'lead' there already, expected a new name")


@pytest.mark.parametrize(
    ("role", "name", "change", "sentence"),
    [
        ("lead", "annotator", {"roles": ["engineer"]}, "role engineer: it opens capture, control, predict"),
        ("lead", "engineer", {"password": GOOD + "!"}, "role engineer: it opens capture, control, predict"),
        ("lead", "lead", {"roles": ["viewer"]}, "user lead: nobody takes a role or the way in from themselves"),
        ("engineer", "engineer", {"is_disabled": True}, "user engineer: nobody takes a role or the way in from"),
    ],
)
def test_what_people_may_not_do_to_each_other_is_403(shared, role, name, change, sentence):
    answer = shared.browser(role).ask(
        "PATCH", f"/api/users/{name}", json=change, headers={"origin": "http://127.0.0.1:8686"}
    )
    assert (answer.status_code, sentence in error_of(answer)) == (403, True), answer.text


def test_a_lead_makes_no_engineer_and_a_key_no_more_than_it_opens(place):
    assert place.browser("lead").post("/api/users", json=NEW | {"roles": ["engineer"]}).status_code == 403
    key = place.program().post("/api/keys", json={"name": "hr", "scopes": ["lead", "annotate"]}).json()["secret"]
    assert place.program(key).post("/api/users", json=NEW).status_code == 201
    other = place.program(key).post("/api/users", json=NEW | {"name": "ben", "roles": ["lead"]})
    assert (other.status_code, "it opens adjudicate, metadata, read" in error_of(other)) == (403, True)


def test_the_last_engineer_stays_unless_the_token_says_otherwise(place):
    user = User(loop=make.LOOP, name="zoe", roles=("engineer",), made_at=make.NOW)
    place.reception.users.add(user, by=OWNER)
    browser, ours = place.browser("engineer"), {"origin": "http://127.0.0.1:8686"}
    assert browser.ask("PATCH", "/api/users/zoe", json={"is_disabled": True}, headers=ours).status_code == 200
    assert place.program().ask("PATCH", "/api/users/engineer", json={"is_disabled": True}).status_code == 200


def test_an_unknown_user_is_404_with_the_known_ones(shared):
    answer = shared.program().ask("PATCH", "/api/users/nobody", json={})
    assert (answer.status_code, error_of(answer)[:42]) == (404, "no user 'nobody'; known: adjudicator, anno")


def test_every_act_is_on_record_with_who_what_whom_and_outcome(place):
    lead, console = place.browser("lead"), place.program()
    key = console.post("/api/keys", json={"name": "till", "scopes": ["predict"]}).json()
    lead.post("/api/users", json=NEW)
    lead.ask("PATCH", "/api/users/viewer", json={"quota": 5}, headers={"origin": "http://127.0.0.1:8686"})
    lead.post("/api/users", json=NEW | {"roles": ["engineer"], "name": "eve"})
    lead.post("/api/tick")
    lead.post("/api/claim", json={"annotator": "", "count": 1})
    lead.ask("GET", "/api/new/export")
    lead.get("/cycles")
    console.ask("DELETE", f"/api/keys/{key['secret']}")
    console.ask("PATCH", "/api/users/viewer", json={"quota": 6}, headers={"loopline-from": "console"})
    place.program(key["secret"]).post("/v2/models/sentiment/infer")
    place.program(key["secret"]).post("/v2/repository/models/sentiment/unload")
    place.program().post("/v2/repository/models/sentiment/unload")
    place.program().post("/nowhere/at\u00e4ll")
    public = key["key"]["id"]
    assert place.told() == [
        ("lead", "signed in", "", "password"),
        ("token", "POST /api/keys", "", "201"),
        ("lead", "POST /api/users", "Ana María", "201"),
        ("lead", "PATCH /api/users/{name}", "viewer", "200"),
        ("lead", "POST /api/users", "eve", "403"),
        ("lead", "POST /api/tick", "", "403"),
        ("lead", "GET /api/new/export", "", "404"),
        ("token", "DELETE /api/keys/{name}", f"{public}_...", "404"),
        ("console", "PATCH /api/users/{name}", "viewer", "200"),
        (public, "POST /v2/repository/models/sentiment/unload", "", "403"),
        ("token", "POST /v2/repository/models/sentiment/unload", "", "200"),
        ("token", "POST /nowhere/atäll", "", "404"),
    ]
    assert {act.address for act in place.acts()} == {"192.0.2.1"}
    kept = repr(place.acts())
    assert GOOD not in kept
    assert key["secret"].rpartition("_")[2] not in kept


def test_nobody_else_than_the_token_is_taken_for_the_console(place):
    key = place.program().post("/api/keys", json={"name": "hr", "scopes": ["control"]}).json()
    for caller, actor in ((place.program(key["secret"]), key["key"]["id"]), (place.browser("lead"), "lead")):
        caller.post("/api/users", json=NEW, headers={"loopline-from": "console"})
        assert place.told()[-1][:2] == (actor, "POST /api/users")


def test_an_act_is_on_record_before_its_answer_leaves(place):
    seen = []

    async def watched(scope, receive, send):
        async def look(message):
            if message["type"] == "http.response.start":
                seen.append(len(place.acts()))
            await send(message)

        await app(scope, receive, look)

    app, place.app = place.app, watched
    place.program().post("/api/tick")
    assert seen == [1]


def test_what_cannot_be_written_is_counted_and_told_and_the_act_goes_on(place, monkeypatch, caplog):
    def full(_):
        raise OSError("disk full")

    monkeypatch.setattr(place.house.audit, "write", full)
    assert place.program().post("/api/users", json=NEW).status_code == 201
    assert place.browser().sign_in("lead").status_code == 303
    assert place.reception.scribe.unwritten == 2
    assert place.reception.scribe.troubles() == (
        "audit log: 2 acts since the start could not be written; the log has the reasons",
    )
    assert "POST /api/users by token is not in the audit log" in caplog.text


def test_the_audit_log_is_leafed_through(place):
    program = place.program()
    for number in range(7):
        program.post(f"/nowhere/{number}")
    place.browser("lead")
    newest = program.ask("GET", "/api/audit?newest=3").json()
    assert [act["act"] for act in newest] == ["signed in", "POST /nowhere/6", "POST /nowhere/5"]
    older = program.ask("GET", f"/api/audit?newest=3&before={newest[-1]['id']}").json()
    assert [act["act"] for act in older] == [f"POST /nowhere/{number}" for number in (4, 3, 2)]
    assert [act["actor"] for act in program.ask("GET", "/api/audit?actor=lead").json()] == ["lead"]
    for path in ("/api/audit?actor=%00", "/api/audit?before=%00", "/audit?actor=%00", "/audit?before=%00"):
        refused = program.get(path)
        assert (refused.status_code, "a NUL character, expected a text without one" in refused.text) == (400, True)
    refused = program.ask("GET", "/api/audit?newest=1001")
    assert (refused.status_code, error_of(refused)) == (400, "newest: 1001, expected 1 to 1000")


def test_the_pages_show_what_is_there_and_what_to_do_when_nothing_is(place):
    lead = place.browser("lead")
    users = lead.get("/users").text
    assert users.count("<tr>") == 6
    assert "has more than you" in users
    assert 'value="engineer"' not in users
    audit = lead.get("/audit").text
    assert "signed in" in audit
    assert "No acts here" in lead.get("/audit?actor=nobody").text


def test_a_name_is_text_on_every_page(place):
    name = 'x"><script>alert(1)</script>'.replace("/", "")
    made = place.program().post("/api/users", json=NEW | {"name": name})
    assert made.status_code == 201
    browser = place.browser()
    browser.sign_in(name)
    for page in (place.browser("lead").get("/users"), place.browser("lead").get("/audit"), browser.get("/account"),
                 browser.get("/cycles"), place.browser().sign_in(name, "no")):  # fmt: skip
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;" in page.text


def test_users_are_added_and_changed_without_a_script(place):
    lead = place.browser("lead")
    added = lead.post("/users", data={"name": "ben", "roles": ["annotator", "viewer"], "password": GOOD}, headers=PAGE)
    assert (added.status_code, added.headers["location"]) == (303, "/users")
    form = {"act": "keep", "roles": ["adjudicator"], "skills": " law , tax,", "languages": "", "quota": "40"}
    assert lead.post("/users/ben", data=form, headers=PAGE).status_code == 303
    ben = place.reception.users.found("ben")
    assert (ben.roles, ben.skills, ben.languages, ben.quota) == (("adjudicator",), ("law", "tax"), (), 40)
    for act, is_out in (("disable", True), ("enable", False)):
        assert lead.post("/users/ben", data={"act": act}, headers=PAGE).status_code == 303
        assert (place.reception.users.found("ben").disabled_at is not None) is is_out
    assert (
        lead.post("/users/ben", data={"act": "password", "password": "four words to keep"}, headers=PAGE).status_code
        == 303
    )
    assert lead.post("/users/ben", data={"act": "sign out"}, headers=PAGE).status_code == 303
    assert place.told()[1:] == [
        ("lead", "POST /users", "ben", "303"), *[("lead", "POST /users/{name}", "ben", "303")] * 5,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "form", "status", "sentence"),
    [
        ("/users", {"name": "", "roles": "annotator"}, 400, "Name of the user"),
        ("/users", {"name": "eve", "roles": "engineer"}, 403, "it opens capture, control, predict"),
        ("/users", {"name": "viewer", "roles": "annotator"}, 409, "there already"),
        ("/users/lead", {"act": "disable"}, 403, "nobody takes a role or the way in from themselves"),
        ("/users/viewer", {"act": "explode"}, 400, "expected disable, enable, sign out, password or keep"),
        ("/users/viewer", {"act": "keep", "roles": "viewer", "quota": "many"}, 400, "expected a whole number"),
        ("/users/viewer", {"act": "password", "password": "short"}, 400, "5 characters"),
        ("/users/nobody", {"act": "disable"}, 404, "no user"),
    ],
)
def test_what_a_form_asks_in_vain_is_told_on_the_page(shared, path, form, status, sentence):
    answer = shared.browser("lead").post(path, data=form, headers=PAGE)
    told = re.search(r'<p class="problem" role="alert">(.*?)</p>', answer.text)
    assert (answer.status_code, sentence.lower() in told[1].lower()) == (status, True), answer.text[:200]
