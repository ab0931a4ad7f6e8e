"""``/api/adjudicate`` and ``/adjudicate`` behind the door: what an adjudicator sees, finds and takes back."""

import json

import pytest
from msgspec import structs
from tests.service.doubts import EVIL, LABELS, PEOPLE, STRATA, leave_in_doubt
from tests.service.people_place import HASHED, OWNER, PAGE, Place

from loopline.orchestrate import findings
from loopline.records.decision import Decision
from loopline.records.guideline import Remark
from loopline.records.label import LabelBatch
from loopline.records.people import User
from loopline.testing import factories as make

LABEL = {"finding": "label", "label": "positive", "reason": "the writer is glad"}


@pytest.fixture
def place():
    place = Place()
    leave_in_doubt(place.house)
    return place


def join(place, name, *roles):
    place.reception.users.add(User(loop=make.LOOP, name=name, roles=roles, password=HASHED, made_at=make.NOW), by=OWNER)
    return place.browser(name)


def bench(browser, **params):
    answer = browser.ask("GET", "/api/adjudicate", params={"count": 20} | params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def decide(browser, task="t-chosen", **changes):
    return browser.post("/api/adjudicate", json=LABEL | {"task": task} | changes)


def stored(place):
    return place.house.ledger.all(Decision, make.LOOP)


def test_what_is_in_doubt_is_shown_without_names_strata_or_a_suggestion(place):
    found = bench(place.browser("adjudicator"))
    assert {one["task"]["id"] for one in found["tasks"]} == {"t-chosen", "t-audit", "t-reserve"}
    assert (found["left"], found["own"], found["decided"]) == (3, 0, 0)
    shapes = {json.dumps(_shape(one)) for one in found["tasks"]}
    assert len(shapes) == 1
    for one in found["tasks"]:
        assert one["task"]["suggestion"] is None
        assert sorted(said["label"] for said in one["answers"]) == sorted(LABELS)
        assert one["doubt"] == "3 people answered: 1 negative, 1 neutral, 1 positive"
        del one["task"]["id"]
    told = json.dumps(found)
    assert [word for word in (*PEOPLE, *STRATA, "v1", "stratum", "gold", "prior") if word in told] == []


def _shape(value):
    """The same thing without its words: keys, their order, and types."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    return [_shape(inner) for inner in value] if isinstance(value, list) else type(value).__name__


def test_answers_stand_in_the_same_order_every_time_and_not_in_that_of_names_or_time(place):
    adjudicator = place.browser("adjudicator")
    orders = [[[said["label"] for said in one["answers"]] for one in bench(adjudicator)["tasks"]] for _ in range(2)]
    assert orders[0] == orders[1]
    assert any(order != list(LABELS) for order in orders[0])


def test_nobody_adjudicates_what_they_answered_be_it_that_they_took_it_back(place):
    ana = join(place, "ana", "annotator", "adjudicator")
    found = bench(ana)
    assert (found["tasks"], found["left"], found["own"]) == ([], 0, 3)
    refused = decide(ana)
    assert (refused.status_code, "answered by ana, expected an adjudicator who did not answer it" in refused.text) == (
        409,
        True,
    )
    assert decide(ana, adjudicator="zoe").status_code == 403
    place.house.queue.withdraw("ana-t-chosen", loop=make.LOOP, annotator="ana", now=make.NOW)
    dee = make.annotation("dee-t-chosen", task="t-chosen", annotator="dee", label="negative")
    place.house.queue.submit([dee], loop=make.LOOP)
    assert decide(ana).status_code == 409
    assert stored(place) == ()
    token = place.program()
    assert bench(token, adjudicator="ana")["left"] == 0
    assert bench(token)["left"] == 3


def test_the_same_finding_twice_is_one_and_a_second_look_replaces_it(place):
    adjudicator = place.browser("adjudicator")
    seen = {one["task"]["id"]: one["seen"] for one in bench(adjudicator)["tasks"]}
    first = decide(adjudicator, seen=seen["t-chosen"], is_gold=True)
    assert first.status_code == 200
    assert decide(adjudicator, seen=seen["t-chosen"], is_gold=True).json() == first.json()
    (kept,) = stored(place)
    assert (kept.adjudicator, kept.label, kept.is_gold, len(kept.answers)) == ("adjudicator", "positive", True, 3)
    assert sum(e.type == "task.decided" for e in place.house.ledger.events(make.LOOP, newest=99)) == 1
    assert bench(adjudicator)["left"] == 2
    assert decide(adjudicator, label="negative", reason="no: irony").status_code == 200
    assert decide(adjudicator, **LABEL).status_code == 200
    (kept,) = stored(place)
    assert (kept.label, kept.is_gold) == ("positive", False)
    other = join(place, "zoe", "adjudicator")
    refused = decide(other, label="neutral")
    assert (refused.status_code, refused.json()["error"]) == (
        409,
        "task t-chosen: decided by adjudicator: positive, expected in doubt; take that decision back first",
    )


def test_a_finding_about_answers_that_changed_meanwhile_is_refused(place):
    adjudicator = place.browser("adjudicator")
    seen = bench(adjudicator)["tasks"][0]
    task = seen["task"]["id"]
    more = make.annotation("dee-1", task=task, annotator="dee", label="negative")
    place.house.queue.submit([more], loop=make.LOOP)
    refused = decide(adjudicator, task, seen=seen["seen"])
    assert (refused.status_code, "other answers by now, expected those that were shown" in refused.text) == (409, True)
    assert stored(place) == ()


@pytest.mark.parametrize(
    ("changes", "status", "sentence"),
    [
        ({"reason": " "}, 400, "reason of the decision on task t-chosen: 0 characters, expected 1 to 500"),
        ({"reason": "a\nb"}, 400, "more than one line"),
        ({"label": "glad"}, 400, "label 'glad'"),
        ({"label": None}, 400, "neither label nor labels"),
        ({"finding": "ambiguous"}, 400, "a label with the finding ambiguous"),
        ({"finding": "ambiguous", "label": None, "is_gold": True}, 400, "gold with the finding ambiguous"),
        ({"finding": "withdrawn"}, 400, "finding"),
        ({"task": "t-gold"}, 404, "no task in doubt 't-gold'"),
        ({"task": "t-clear"}, 404, "no task in doubt 't-clear'"),
        ({"task": "nope"}, 404, "no task in doubt 'nope'"),
    ],
)
def test_what_is_no_finding_is_refused_in_words(place, changes, status, sentence):
    answer = decide(place.browser("adjudicator"), **changes)
    assert (answer.status_code, sentence in answer.text) == (status, True), answer.text
    assert stored(place) == ()


def test_a_gap_opens_a_thread_and_is_offered_nowhere_as_a_label(place):
    adjudicator = place.browser("adjudicator")
    gap = {"finding": "guideline gap", "label": None, "reason": "what of irony?"}
    assert decide(adjudicator, **gap).status_code == 200
    (opened,) = place.house.ledger.all(Remark, make.LOOP)
    assert (opened.kind, opened.task, opened.text, opened.author) == (
        "gap", "t-chosen", "what of irony?", "adjudicator",
    )  # fmt: skip
    lead = place.browser("lead")
    page = lead.get("/guideline").text
    assert ("what of irony?" in page, "sample 0" in page) == (True, True)
    (thread,) = lead.ask("GET", "/api/remarks").json()
    assert thread["opening"]["text"] == "what of irony?"


def test_what_is_taken_back_is_in_doubt_again_and_can_be_found_once_more(place):
    adjudicator = place.browser("adjudicator")
    assert decide(adjudicator, is_gold=True).status_code == 200
    back = adjudicator.post("/api/adjudicate/withdraw", json={"task": "t-chosen", "reason": "too quick"})
    assert (back.status_code, back.json()["label"]) == (200, "positive")
    assert bench(adjudicator)["left"] == 3
    assert adjudicator.ask("GET", "/api/adjudicate/decisions").json() == []
    again = adjudicator.post("/api/adjudicate/withdraw", json={"task": "t-chosen", "reason": "once more"})
    assert (again.status_code, again.json()["error"]) == (404, "no decision on task 't-chosen'")
    assert decide(adjudicator, is_gold=True).status_code == 200
    (listed,) = adjudicator.ask("GET", "/api/adjudicate/decisions").json()
    assert (listed["task"], listed["label"], listed["is_gold"]) == ("t-chosen", "positive", True)


def test_a_decision_of_a_labelled_batch_that_is_taken_back_is_asked_about_once_more(place):
    adjudicator = place.browser("adjudicator")
    assert decide(adjudicator).status_code == 200
    house = place.house
    decided = {"label": "positive", "decided_by": "adjudicator", "posterior": (0.0, 0.0, 1.0)}
    label = make.label("p-t-chosen", "sample 0", **decided)
    labelled = structs.replace(make.cycle(1), phase="closed", closed_at=make.NOW, outcome="rejected")
    house.ledger.commit(make.entry("labelled", labelled, make.label_batch(label)))
    back = adjudicator.post("/api/adjudicate/withdraw", json={"task": "t-chosen", "reason": "too quick"})
    assert back.status_code == 200, back.text
    (asked,) = house.book.answers(make.LOOP, cycle=2).tasks
    assert (asked.stratum, asked.content) == ("relabel", label.content)
    assert findings.late(house, cycle=2, stored=house.ledger.all(LabelBatch, make.LOOP)) == ()


@pytest.mark.parametrize("role", ["annotator", "viewer"])
def test_who_may_not_adjudicate_gets_nothing_of_it(place, role):
    stranger = place.browser(role)
    for method, path in (
        ("GET", "/api/adjudicate"), ("POST", "/api/adjudicate"), ("GET", "/api/adjudicate/decisions"),
        ("POST", "/api/adjudicate/withdraw"), ("GET", "/adjudicate"), ("GET", "/adjudicate/decisions"),
        ("POST", "/adjudicate/withdraw"),
    ):  # fmt: skip
        answer = stranger.ask(method, path, headers={"origin": "http://127.0.0.1:8686"})
        assert (path, answer.status_code) == (path, 403)


def test_another_site_decides_nothing_through_a_signed_in_browser(place):
    adjudicator = place.browser("adjudicator")
    foreign = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
    body = LABEL | {"task": "t-chosen"}
    assert adjudicator.ask("POST", "/api/adjudicate", json=body, headers=foreign).status_code == 403
    assert decide(adjudicator).status_code == 200
    form = {"task": "t-chosen", "reason": "x"}
    assert adjudicator.ask("POST", "/adjudicate/withdraw", data=form, headers=foreign).status_code == 403
    assert [one.finding for one in stored(place)] == ["label"]


def test_who_runs_the_loop_reads_no_sealed_sample_from_what_was_found(place):
    adjudicator, gap = place.browser("adjudicator"), {"finding": "guideline gap", "label": None}
    assert decide(adjudicator, "t-reserve").status_code == 200
    assert "sample 2" in adjudicator.get("/adjudicate/decisions").text
    lead = place.browser("lead")
    assert "sample 2" not in lead.get("/guideline/edit").text
    assert decide(adjudicator, "t-reserve", **gap).status_code == 200
    assert "sample 2" in lead.get("/guideline").text
    engineer = place.browser("engineer")
    for page in ("/adjudicate/decisions", "/guideline"):
        answer = engineer.get(page)
        assert (answer.status_code, "sample 2" in answer.text) == (200, False), page


def test_what_was_found_is_no_news_to_who_only_reads(place):
    adjudicator = place.browser("adjudicator")
    assert decide(adjudicator, "t-reserve").status_code == 200
    taken = adjudicator.post("/api/adjudicate/withdraw", json={"task": "t-reserve", "reason": "not so glad"})
    assert taken.status_code == 200
    events = place.house.ledger.events(make.LOOP, newest=99)
    told = " ".join(one.text for one in events if one.type in ("task.decided", "task.reopened"))
    assert told
    assert [word for word in ("positive", "glad") if word in told] == []


def test_what_people_write_stays_text_on_the_pages(place):
    adjudicator = place.browser("adjudicator")
    assert decide(adjudicator, reason=EVIL).status_code == 200
    page = adjudicator.get("/adjudicate/decisions")
    assert (page.status_code, EVIL in page.text, "&lt;script&gt;" in page.text) == (200, False, True)
    taken = adjudicator.post("/adjudicate/withdraw", data={"task": "t-chosen", "reason": EVIL}, headers=PAGE)
    assert (taken.status_code, taken.headers["location"]) == (303, "/adjudicate/decisions")
    empty = adjudicator.get("/adjudicate/decisions").text
    assert "Nothing has been decided yet" in empty
    missing = adjudicator.post("/adjudicate/withdraw", data={"task": EVIL, "reason": "x"}, headers=PAGE)
    assert (missing.status_code, EVIL in missing.text) == (404, False)
