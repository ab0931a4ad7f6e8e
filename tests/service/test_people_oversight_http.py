"""``/api/people``, ``/api/agreement`` and ``/people`` behind the door: how people do, and what a lead does about it."""

import pytest
from tests.service.answered import fill
from tests.service.doubts import EVIL
from tests.service.people_place import PAGE, Place

from loopline.records.task import Standing
from loopline.testing import factories as make


@pytest.fixture
def place():
    place = Place()
    fill(place.house)
    return place


@pytest.fixture(scope="module")
def shared():
    """For tests that only look."""
    place = Place()
    fill(place.house)
    return place


def rows(lead):
    return {one["name"]: one for one in lead.ask("GET", "/api/people").json()}


def standing_of(place, name):
    return {one.annotator: one for one in place.house.ledger.all(Standing, make.LOOP)}.get(name)


def test_everybody_is_listed_with_figures_and_what_these_rest_on(shared):
    found = rows(shared.browser("lead"))
    assert list(found) == ["ana", "ben", "chi"]
    ana, ben, chi = found.values()
    assert (ana["answers"], ben["answers"], chi["answers"]) == (27, 28, 2)
    assert (ben["pace"]["median_seconds"], ben["pace"]["n"]) == (2.0, 20)
    assert (ana["agreement"]["value"], ana["agreement"]["n"]) == (1.0, 7)
    assert (chi["agreement"], chi["accuracy"], chi["anchoring"]) == (None, None, None)
    led = ben["anchoring"]
    assert (led["shown"]["value"], led["shown"]["n"], led["blind"]["value"], led["blind"]["n"]) == (1.0, 10, 0.2, 10)
    assert (led["difference"], led["low"] > 0.3, led["high"] < 1.0) == (0.8, True, True)
    assert ana["anchoring"]["difference"] == 0.0


def test_one_person_is_told_of_over_time_with_mistakes_and_what_rests_on_them(shared):
    lead = shared.browser("lead")
    ben = lead.ask("GET", "/api/people/ben").json()
    (period,) = ben["periods"]
    assert (period["gold"]["n"], period["peers"]) == (20, None)
    assert period["gold"]["low"] < period["gold"]["value"] < period["gold"]["high"]
    assert (ben["confusion"]["said"], ben["confusion"]["gold"]) == (["negative", "neutral", "positive"], 20)
    (row,) = ben["confusion"]["rows"]
    assert (row["truth"], row["counts"], row["n"], row["right"]) == ("positive", [12, 0, 8], 20, 0.4)
    assert [one["label"] for one in ben["anchoring"]] == ["", "negative"]
    assert ben["affected"] == {
        "said": "1 label rests on ben's answers; they reached c1, v2", "samples": 1, "open_answers": 0,
        "datasets": ["c1"], "models": ["v2"],
    }  # fmt: skip
    chi = lead.ask("GET", "/api/people/chi").json()
    assert (chi["passed"], chi["affected"]["said"], chi["affected"]["open_answers"]) == (
        1, "no label rests on chi's answers", 2,
    )  # fmt: skip
    missing = lead.ask("GET", "/api/people/nobody")
    assert (missing.status_code, missing.json()["error"]) == (404, "no person 'nobody'; known: ana, ben, chi")
    assert lead.ask("GET", "/api/people/annotator").json()["person"]["answers"] == 0


def test_a_dry_run_says_what_would_be_and_changes_nothing(place):
    lead = place.browser("lead")
    said = {
        act: lead.post(f"/api/people/{name}/{act}", json={"dry_run": True}).json()["said"]
        for name, act in (("chi", "pause"), ("ben", "recall"), ("ana", "resume"))
    }
    assert said == {
        "pause": "2 answers in the open batch would stop counting; no label rests on chi's answers",
        "recall": "1 sample would be asked about once more; 1 label rests on ben's answers; they reached c1, v2",
        "resume": "ana is active already",
    }
    assert place.house.ledger.all(Standing, make.LOOP) == ()
    assert [task.cycle for task in place.house.book.answers(make.LOOP, cycle=3).tasks] == []


def test_pausing_stops_answers_and_letting_back_in_brings_them_back_each_on_record(place):
    lead = place.browser("lead")
    paused = lead.post("/api/people/chi/pause", json={"reason": "on another task"}).json()
    assert (paused["is_done"], paused["said"]) == (True, "chi is paused")
    assert standing_of(place, "chi").state == "paused"
    assert [a for a in place.house.book.answers(make.LOOP, cycle=2).annotations if a.annotator == "chi"] == []
    again = lead.post("/api/people/chi/pause", json={"reason": "once more"}).json()
    assert (again["is_done"], again["said"]) == (False, "chi is paused already")
    assert lead.post("/api/people/chi/resume", json={"reason": "back"}).json()["is_done"] is True
    assert standing_of(place, "chi").state == "active"
    assert len([a for a in place.house.book.answers(make.LOOP, cycle=2).annotations if a.annotator == "chi"]) == 2
    history = [one["text"] for one in lead.ask("GET", "/api/people/chi").json()["history"]]
    assert history == ["chi is let back in by lead: back", "chi is paused by lead: on another task"]
    audited = [(act.actor, act.act, act.subject) for act in place.acts() if "people" in act.act]
    assert ("lead", "POST /api/people/{name}/pause", "chi") in audited


def test_a_recall_asks_once_more_about_what_rests_on_somebody(place):
    lead = place.browser("lead")
    done = lead.post("/api/people/ben/recall", json={"reason": "follows suggestions"}).json()
    assert (done["is_done"], done["said"]) == (True, "1 sample of ben will be asked about once more")
    asked = [task for n in (2, 3) for task in place.house.book.answers(make.LOOP, cycle=n).tasks
             if task.stratum == "relabel"]  # fmt: skip
    assert [task.inputs for task in asked] == [make.task(text="work 7").inputs]
    assert lead.post("/api/people/ben/recall", json={"reason": "again"}).json()["is_done"] is False


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [("", "reason: 0 characters, expected 1 to 500"), ("a\nb", "reason: more than one line, expected one line")],
)
def test_an_act_without_a_reason_is_refused(place, reason, sentence):
    refused = place.browser("lead").post("/api/people/ben/pause", json={"reason": reason})
    assert (refused.status_code, sentence in refused.text) == (400, True)
    assert standing_of(place, "ben") is None


def test_agreement_is_told_by_stratum_and_pair_and_gold_is_not_among_all(shared):
    lead = shared.browser("lead")
    table = lead.ask("GET", "/api/agreement").json()
    strata = {one["stratum"]: one for one in table["strata"]}
    assert list(strata) == ["all", "chosen", "audit", "reserve", "gold"]
    assert (table["cycles"], table["people"]) == ([1], ["ana", "ben"])
    assert (strata["all"]["answers"], strata["all"]["samples"], strata["gold"]["answers"]) == (15, 8, 40)
    figures = {one["coefficient"]: one for one in strata["gold"]["figures"]}
    assert list(figures) == ["alpha", "ac1", "fleiss"]
    assert all(one["low"] <= one["value"] <= one["high"] and one["samples"] == 20 for one in figures.values())
    assert strata["all"]["figures"][0]["value"] is None
    assert table["pairs"] == [{"one": "ben", "other": "ana", "kappa": None, "samples": 7}]
    assert lead.ask("GET", "/api/agreement?cycle=1").json() == table
    missing = lead.ask("GET", "/api/agreement?cycle=9")
    assert (missing.status_code, missing.json()["error"]) == (404, "no labelled batch 'cycle 9'; known: cycle 1")


@pytest.mark.parametrize("role", ["annotator", "adjudicator", "viewer"])
def test_who_does_not_lead_sees_and_changes_nothing_of_people_or_guideline(shared, role):
    stranger = shared.browser(role)
    for method, path in (
        ("GET", "/api/people"), ("GET", "/api/people/ben"), ("POST", "/api/people/ben/pause"),
        ("POST", "/api/people/ben/resume"), ("POST", "/api/people/ben/recall"), ("GET", "/api/agreement"),
        ("GET", "/people"), ("GET", "/people/ben"), ("POST", "/people/pause"), ("POST", "/people/recall"),
        ("PUT", "/api/guideline"), ("GET", "/api/guideline/versions"), ("GET", "/api/remarks"),
        ("POST", "/api/remarks"), ("GET", "/guideline"), ("GET", "/guideline/edit"), ("POST", "/guideline/publish"),
        ("POST", "/guideline/remark"),
    ):  # fmt: skip
        answer = stranger.ask(method, path, headers={"origin": "http://127.0.0.1:8686"})
        assert (path, answer.status_code) == (path, 403)
    assert stranger.ask("GET", "/api/guideline").status_code == (403 if role == "viewer" else 200)


def test_another_site_does_nothing_through_a_signed_in_lead(place):
    lead = place.browser("lead")
    foreign = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
    for path in ("/people/pause", "/people/recall", "/guideline/publish", "/guideline/remark"):
        form = {"name": "ben", "reason": "x", "text": "x"}
        assert lead.ask("POST", path, data=form, headers=foreign).status_code == 403
    assert lead.ask("POST", "/api/people/ben/pause", json={"reason": "x"}, headers=foreign).status_code == 403
    assert lead.ask("PUT", "/api/guideline", json={"text": "x", "reason": "x"}, headers=foreign).status_code == 403
    assert standing_of(place, "ben") is None


def test_the_pages_of_a_lead_act_and_tell(place):
    lead = place.browser("lead")
    page = lead.get("/people").text
    assert all(
        words in page for words in ("+80.0", "10 shown, 10 blind", "Krippendorff", "Fleiss", 'href="/people/ben"')
    )
    one = lead.get("/people/ben").text
    assert "1 label rests on ben's answers; they reached c1, v2" in one.replace("&#39;", "'")
    acted = lead.post("/people/pause", data={"name": "ben", "reason": "led"}, headers=PAGE)
    assert (acted.status_code, acted.headers["location"]) == (303, "/people/ben?done=pause")
    assert "Paused: no more tasks for them" in lead.get("/people/ben?done=pause").text
    again = lead.post("/people/pause", data={"name": "ben", "reason": "led"}, headers=PAGE)
    assert again.headers["location"] == "/people/ben?done=nothing"
    refused = lead.post("/people/resume", data={"name": "ben", "reason": ""}, headers=PAGE)
    assert (refused.status_code, "reason: 0 characters" in refused.text) == (400, True)
    assert lead.post("/people/pause", data={"name": "no one", "reason": "x"}, headers=PAGE).status_code == 404


def test_names_and_words_stay_text_on_every_page(place):
    name, house, lead = f"a/b {EVIL}"[:64], place.house, place.browser("lead")
    house.ledger.commit(make.entry("evil", tasks=(make.task("e-1", EVIL, cycle=2, wanted=9),)))
    house.queue.submit([make.annotation("e", task="e-1", annotator=name, comment=EVIL)], loop=make.LOOP)
    for path in ("/people", f"/people/{name.replace('<', '%3C').replace('>', '%3E')}"):
        page = lead.get(path)
        assert (path, page.status_code, EVIL in page.text, "&lt;script&gt;" in page.text) == (path, 200, False, True)
    form = {"text": EVIL, "reason": EVIL, "sample": [EVIL, ""], "label": [EVIL, ""], "why": [EVIL, ""], "after": "0"}
    published = lead.post("/guideline/publish", data=form, headers=PAGE)
    assert (published.status_code, published.headers["location"]) == (303, "/guideline#version-1")
    said = lead.post("/guideline/remark", data={"text": EVIL, "act": "gap"}, headers=PAGE)
    assert said.headers["location"].startswith("/guideline#thread-")
    for path in ("/guideline", "/guideline/edit", "/adjudicate"):
        page = lead.get(path).text
        assert (path, EVIL in page, "&lt;script&gt;" in page) == (path, False, True)
