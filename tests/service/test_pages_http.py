"""The pages as they leave the server."""

import html
from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from loopline.apps import imagining
from loopline.apps.turns import OneTurn
from loopline.records.signal import Signal
from loopline.testing import factories as make

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
LOG = 'Traceback (most recent call last):\n  File "train.py", line 12, in train\nValueError: no rows'
PAGE = {"accept": "text/html"}
PAGES = [
    "/", "/annotate", "/cycles", "/cycles/0", "/cycles/1", "/cycles/2", "/cycles/3", "/cycles/1/labels?page=2",
    "/cycles/1/selection", "/cycles/1/what-if", "/cycles/1/what-if?strategy=margin.v1&budget=12",
    "/cycles/2/what-if", "/accuracy", "/data", "/data/c0", "/data/c2", "/models", "/models/v1", "/models/v3",
    "/signals", "/signals/sentiment/v3/margin/9400", "/why", "/why?id=v3", "/why?id=cycle-3", "/sign-in",
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


def test_the_page_of_a_model_says_how_it_is_served(work, own):
    outside = make.model_version("v9", cycle=0, dataset=None, run=None, conversion="served as the ONNX file that it is")
    own.ledger.commit(make.entry("registered", outside))
    trained, registered = (work("GET", f"/models/{name}", headers=PAGE).text for name in ("v3", "v9"))
    assert "Converted to ONNX: largest difference 3.1e-07, 0 of 1,200 labels differ." in trained
    assert "Served as the ONNX file that it is." in registered
    assert "it was registered from outside, and no cycle tried it" in registered


def test_an_empty_house_has_pages_that_say_what_to_do(look):
    said = {
        "/": "No challenger has been judged yet", "/cycles": "No cycle has begun", "/data": "No dataset yet",
        "/models": "No model yet", "/signals": "No signal has been raised", "/annotate": "Labelling needs JavaScript",
        "/why": "Ask where a thing came from", "/accuracy": "No labels yet",
    }  # fmt: skip
    for path, words in said.items():
        answer = look("GET", path, headers=PAGE)
        assert (answer.status_code, words in answer.text) == (200, True)


@pytest.mark.parametrize("path", ["/cycles/9", "/models/v9", "/data/c9", "/signals/s9", "/nowhere", "/why?id=nope",
                                  "/cycles/9/what-if"])  # fmt: skip
def test_a_missing_page_is_a_friendly_one(ask, path):
    answer = ask("GET", path, headers=PAGE)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1" in answer.text


def test_the_overview_fragment_is_not_sent_again_while_nothing_moved(ask):
    first = ask("GET", "/overview/live")
    again = ask("GET", "/overview/live", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_card_of_a_selection_tells_how_it_was_drawn(ask):
    page = plain(ask("GET", "/cycles/2", headers=PAGE))
    for fact in (
        "<dt>Strategy</dt><dd>cluster-margin.v1</dd>", "<dt>Likeness by</dt><dd>char-ngrams.v1</dd>",
        "<dt>Pool</dt><dd>3,980 rows, 3,212 distinct samples</dd>", "<dt>Shortlist</dt><dd>200 samples</dd>",
        "<dt>Budget</dt><dd>40 samples</dd>", "<dt>Clusters</dt><dd>20 among the chosen</dd>",
        "<dt>Audit stream</dt><dd>6 drawn uniformly, 15.0 % of the drawn</dd>",
    ):  # fmt: skip
        assert fact in page
    assert "Quota" not in page
    assert "Without a score" not in page


def test_a_selection_of_before_designs_were_kept_offers_no_what_if(own, work):
    old = make.selection(cycle=4, id="cycle-4")
    capped = make.selection(cycle=5, id="cycle-5", budget=9, quota_by=("segment", "day"), quota_share=0.25, unscored=3)
    cycles = (make.cycle(4, phase="published"), make.cycle(5, phase="published"))
    own.ledger.commit(make.entry("chosen", old, capped, *cycles))
    page, other = (plain(work("GET", f"/cycles/{number}", headers=PAGE)) for number in (4, 5))
    assert "<dt>Drawn</dt><dd>1 samples</dd>" in page
    assert not any(words in page for words in ("What if?", "<dt>Budget</dt><dd>0", "Shortlist", "Audit stream"))
    assert "What if?" in other
    assert "<dt>Quota</dt><dd>at most 25.0 % by segment and day</dd>" in other
    assert "<dt>Without a score</dt><dd>3 of the shortlist; they come last</dd>" in other


def test_what_if_shows_three_batches_and_names_what_differs(ask):
    page = plain(ask("GET", "/cycles/1/what-if?strategy=margin.v1&budget=12", headers=PAGE))
    told = ask("GET", "/api/cycles/1/what-if?strategy=margin.v1&budget=12").json()
    assert told["imagined"]["strategy"] == "margin.v1"
    assert "<option selected>margin.v1</option>" in page
    assert 'value="12"' in page
    assert '<td class="n">cluster-margin.v1</td><td class="n">margin.v1</td><td class="n">random.v1</td>' in page
    for side in ("stored", "imagined", "random"):
        assert f'{told[side]["mean_margin"]:.4g} <span class="soft">n&nbsp;{told[side]["held"]}</span>' in page
    assert f"{told['both']} samples are in both batches" in page
    for one in (*told["only_stored"], *told["only_imagined"]):
        assert f'<a href="/why?id={one["id"]}">{one["text"]}</a>' in page
    assert "Of the 3,980 rows that cycle-1 chose from, the log gives 96 now" in page


def test_what_if_without_a_question_is_the_cycles_own(ask):
    told = ask("GET", "/api/cycles/1/what-if").json()
    assert (told["imagined"]["strategy"], told["imagined"]["budget"]) == ("cluster-margin.v1", 40)


@pytest.mark.parametrize(
    ("asked", "status", "sentence"),
    [
        ("budget=0", 400, "budget: 0, expected 1 to 10,000 samples"),
        ("budget=-1", 400, "budget: -1, expected 1 to 10,000 samples"),
        ("budget=1000000000", 400, "budget: 1,000,000,000, expected 1 to 10,000 samples"),
        ("strategy=nope", 404, "no strategy 'nope'; known: badge.v1, cluster-margin.v1,"),
        ("strategy=committee-bald.v1", 400, "strategy committee-bald.v1: no members in the log and fewer than two"),
    ],
)
def test_what_if_says_what_it_refuses_and_offers_the_form_again(ask, asked, status, sentence):
    path = f"/cycles/1/what-if?{asked}"
    page, told = ask("GET", path, headers=PAGE), ask("GET", f"/api{path}")
    assert (page.status_code, told.status_code) == (status, status)
    assert told.json()["error"].startswith(sentence)
    problem = page.text.partition('<p class="problem" role="alert">')[2].partition("</p>")[0]
    assert html.unescape(problem).lower().startswith(sentence.lower())
    assert '<form class="asking-bar" action="/cycles/1/what-if"' in page.text
    assert '<a href="/cycles/1">Cycle 1</a>' in page.text
    assert f"<option selected>{'committee-bald.v1' if 'bald' in asked else 'cluster-margin.v1'}</option>" in page.text


@pytest.mark.parametrize("path", ["/cycles/1/what-if?budget=many", "/cycles/1/what-if?budget="])
def test_a_budget_that_is_no_number_has_a_page_with_a_way_back(ask, path):
    page = ask("GET", path, headers=PAGE)
    assert page.status_code == 400
    assert "a whole number" in html.unescape(page.text)
    assert '<a class="button" href="/">' in page.text


def test_a_cycle_that_has_not_chosen_has_no_form_but_a_way_back(ask):
    page = ask("GET", "/cycles/0/what-if", headers=PAGE)
    assert page.status_code == 404
    assert "No selection of &#39;cycle-0&#39;; known: cycle-3, cycle-2, cycle-1." in page.text
    assert "asking-bar" not in page.text
    assert '<a href="/cycles/0">Cycle 0</a>' in page.text


def test_while_another_is_computed_the_page_says_when_to_try_again(own, work, monkeypatch):
    turn = OneTurn(waiting=0, patience_seconds=7)
    monkeypatch.setattr(imagining, "TURN", turn)
    with turn.held():
        page, told = (work("GET", f"{at}/cycles/1/what-if", headers=PAGE) for at in ("", "/api"))
    sentence = "what-if and replay: others are being computed, one at a time; try again in 7 s"
    assert [(one.status_code, one.headers["retry-after"]) for one in (page, told)] == [(503, "7")] * 2
    assert told.json() == {"error": sentence}
    assert f"W{sentence[1:]}." in page.text


def test_a_replay_tells_whether_the_batch_came_out_again(ask):
    told = ask("GET", "/api/cycles/1/replay?threads=1&shards=4").json()
    assert (told["is_same"], told["samples"]) == (False, 40)
    assert told["sentence"].startswith("cycle-1 does not come out again: of the 3,980 rows that cycle-1 chose from")
    refused = ask("GET", "/api/cycles/1/replay?threads=1000")
    assert refused.json() == {"error": "threads: 1,000, expected 1 to 64, or 0 for as a cycle reads it"}


def plain(page):
    """The text of a page, its narrow spaces as wide ones."""
    assert page.status_code == 200
    return page.text.replace("\u202f", " ")


NATS = {"incumbent": -0.412, "challenger": -0.371, "difference": 0.041, "lower": 0.012, "upper": 0.07}
SHARES = {"incumbent": 0.7, "challenger": 0.741, "difference": 0.041, "lower": 0.012, "upper": 0.07}


@pytest.mark.parametrize(
    ("metric", "numbers", "title", "said"),
    [
        (
            "log_score",
            NATS,
            "Log score",
            ("\u22120.371 nats", "+0.041 nats", "+0.012 nats to +0.070 nats", "0.010 nats"),
        ),
        ("macro_f1", SHARES, "Macro F1", ("74.1 %", "+4.1 points", "+1.2 points to +7.0 points", "1.0 points")),
    ],
)
def test_pages_open_whatever_the_gate_compares_and_name_it_with_its_unit(empty, look, metric, numbers, title, said):
    verdict = make.verdict(metric=metric, comparisons=(make.comparison(**numbers),))
    cycle = make.cycle(1, phase="closed", outcome="promoted", closed_at=NOW)
    empty.ledger.commit(make.entry("judged", cycle, make.model_version("v2", cycle=1), verdict))
    answer = look("GET", "/", headers=PAGE)
    assert answer.status_code == 200
    overview = answer.text.replace("\u202f", " ")
    assert f"{title} over cycles" in overview
    assert f"{said[0]} on 200 rows" in overview
    assert f"{said[1]}, n 200" in overview
    assert "no whiskers" in overview
    assert 'class="whisker"' not in overview
    assert "95 % interval" not in overview
    page = look("GET", "/cycles/1", headers=PAGE).text.replace("\u202f", " ")
    for words in (f"<dd>{title}</dd>", *(f">{number}<" for number in said)):
        assert words in page


def test_the_chart_of_accuracies_has_whiskers(ask):
    overview = ask("GET", "/", headers=PAGE).text
    assert "Accuracy over cycles" in overview
    chart = overview.partition('<svg class="chart"')[2].partition("</svg>")[0]
    assert chart.count('class="whisker"') == chart.count("<circle") > 0


def test_text_from_the_outside_is_escaped(own, work):
    evil = "<script>alert(1)</script>"
    own.ledger.commit(
        make.entry("evil", make.cycle(4, phase="closed", outcome="failed", reason=evil, outcome_reason=evil))
    )
    page = work("GET", "/cycles/4", headers=PAGE).text
    assert evil not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert evil not in work("GET", "/why", params={"id": evil}, headers=PAGE).text


def test_a_failed_run_shows_the_end_of_its_log(own, work):
    reason = "run run-4 ended with exit code 1\nTraceback (most recent call last):\nValueError: no rows"
    own.ledger.commit(make.entry("failed", make.cycle(4, phase="closed", outcome="failed", outcome_reason=reason)))
    page = work("GET", "/cycles/4", headers=PAGE).text
    assert "ValueError: no rows" in page
    assert "The incumbent keeps serving" in page


def first_try_failed(house, *, number=0):
    """The first version could not be trained."""
    failed = make.cycle(
        number,
        phase="closed",
        after=0,
        until=0,
        outcome="failed",
        opened_at=NOW - timedelta(seconds=9),
        closed_at=NOW - timedelta(seconds=3),
        reason="no version is live: the first one is trained from the base set",
        outcome_reason=f"train.py:train raised ValueError: no rows\n{LOG}",
    )
    act = make.activity(f"close-{number}", kind="CloseCycle", cycle=number, generated=(f"cycle:cycle-{number}",))
    text = f"cycle {number} failed: {failed.outcome_reason}"
    event = make.event(f"e{number}", type="cycle.closed", subject=f"close-{number}", text=text)
    spec = make.run_spec(f"run-{number}", cycle=number)
    house.ledger.commit(make.entry(f"close-{number}", failed, spec, activity=act, events=(event,)))


def test_a_failed_first_training_shows_one_line_on_the_overview(empty, look):
    first_try_failed(empty)
    page = look("GET", "/", headers=PAGE).text
    assert "Cycle 0 failed: train.py:train raised ValueError: no rows." in page.replace("cycle 0 f", "Cycle 0 f")
    assert "Traceback" not in page
    assert "line 12" not in page


def test_a_failed_first_training_is_told_whole_and_once_on_its_page(empty, look):
    first_try_failed(empty)
    page = look("GET", "/cycles/0", headers=PAGE).text
    assert page.count("train.py:train raised") == page.count("Traceback") == 1
    assert "incumbent" not in page.lower()
    assert "No version is live. Mend the cause; the first version is tried again at 2026-01-05 09:00:27 UTC." in page
    assert "Window" not in page
    assert "Budget" not in page


def test_an_older_failed_first_training_says_that_it_was_tried_again(empty, look):
    first_try_failed(empty, number=0)
    first_try_failed(empty, number=1)
    assert "No version was live. Cycle 1 tried again." in look("GET", "/cycles/0", headers=PAGE).text
    assert "is tried again at 2026-01-05 09:00:57 UTC" in look("GET", "/cycles/1", headers=PAGE).text


def test_the_first_versions_cycle_has_no_window_no_budget_and_no_incumbent(own, work):
    own.ledger.commit(make.entry("r", make.rollout(id="cycle-0", cycle=0, challenger="v1", incumbent="v1")))
    page = work("GET", "/cycles/0", headers=PAGE).text
    assert "<dt>Window</dt>" not in page
    assert "<dt>Budget</dt>" not in page
    assert "<dt>Challenger</dt>" in page
    assert "<dt>Against</dt>" not in page
    later = work("GET", "/cycles/1", headers=PAGE).text
    assert "<dt>Window</dt>" in later
    assert "<dt>Against</dt>" in later


def test_the_pace_is_told_as_past_once_its_signal_has_cleared(own, work):
    assert '<p class="soft">Every 60 s because' in work("GET", "/", headers=PAGE).text
    raised = next(signal for signal in own.ledger.all(Signal, make.LOOP) if signal.state == "raised")
    own.ledger.commit(make.entry("clear", structs.replace(raised, state="cleared", cleared_at=NOW)))
    said = "Since 2026-01-05 08:58:40 UTC: every 60 s because margin of v3 drifts with severity 0.41."
    assert said in work("GET", "/", headers=PAGE).text


def test_a_new_versions_detectors_say_that_they_cannot_alarm_yet(own, work):
    filling = {"version": "v4", "reference_n": 200, "tolerance": 0.0, "ticks": 1, "quiet": 0}
    own.ledger.commit(make.entry("live", make.split(9, incumbent="v4"), make.measurement(id="s/v4/margin", **filling)))
    raised = next(signal for signal in own.ledger.all(Signal, make.LOOP) if signal.state == "raised")
    own.ledger.commit(make.entry("clear", structs.replace(raised, state="cleared", cleared_at=NOW)))
    overview = work("GET", "/", headers=PAGE).text
    assert "None raised; the reference of v4 is still filling." in overview
    assert "gathering a reference" in overview
    rows = work("GET", "/signals", headers=PAGE).text.split("<tr>")
    assert [row.count("its reference is still filling") for row in rows if "<td>v4</td>" in row] == [1]
    assert not any("its reference is still filling" in row for row in rows if "<td>v3</td>" in row)


def test_the_facts_of_a_rollout_have_names_that_people_use(own, work):
    evidence = {"canary_answers": 300.0, "log_e": -0.42, "log_bar": 3.7}
    own.ledger.commit(make.entry("r", make.rollout(id="cycle-1", cycle=1, evidence=evidence)))
    page = work("GET", "/cycles/1", headers=PAGE).text
    assert "<dt>Log evidence of more failures</dt><dd>-0.42</dd>" in page
    assert "<dt>Rolled back at</dt><dd>3.7</dd>" in page
    assert "<dt>Canary answers</dt><dd>300</dd>" in page
