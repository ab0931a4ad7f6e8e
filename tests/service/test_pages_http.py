"""The pages as they leave the server."""

import pytest

from loopline.testing import factories as make

PAGE = {"accept": "text/html"}
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


def test_an_empty_house_has_pages_that_say_what_to_do(look):
    said = {
        "/": "No challenger has been judged yet", "/cycles": "No cycle has begun", "/data": "No dataset yet",
        "/models": "No model yet", "/signals": "No signal has been raised", "/annotate": "Who is labelling?",
        "/why": "Ask where a thing came from",
    }  # fmt: skip
    for path, words in said.items():
        answer = look("GET", path, headers=PAGE)
        assert (answer.status_code, words in answer.text) == (200, True)


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
