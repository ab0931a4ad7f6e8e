"""The pages in a real Chromium: a person signs in, labels by keyboard only, and axe-core finds nothing to mend."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from loopline.testing import factories as make

pytestmark = pytest.mark.browser

PAGES = {
    "overview": "/", "cycles": "/cycles", "cycle": "/cycles/2", "labels": "/cycles/2/labels",
    "selection": "/cycles/2/selection", "what-if": "/cycles/1/what-if?strategy=margin.v1&budget=12",
    "accuracy": "/accuracy", "data": "/data", "dataset": "/data/c2", "models": "/models",
    "model": "/models/v3", "signals": "/signals", "signal": "/signals/sentiment/v3/margin/9400", "why": "/why?id=v3",
    "missing": "/nowhere",
}  # fmt: skip
TOKEN = "browser-token"
LOG = 'Traceback (most recent call last):\n  File "train.py", line 12, in train\nValueError: no rows'
IS_KEPT = bool(os.environ.get("LOOPLINE_SCREENSHOTS"))


@contextmanager
def visiting(
    browser: Browser, scheme: str = "light", *, provoked: tuple[str, ...] = (), **options: Any
) -> Iterator[BrowserContext]:
    """A visitor of whom nothing is known; any error that a page reports, and that no test provoked, fails the test."""
    size = {"width": 1280, "height": 860}
    context = browser.new_context(color_scheme=scheme, viewport=size, reduced_motion="reduce", **options)
    troubles: list[str] = []
    context.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    context.on("weberror", lambda raised: troubles.append(str(raised.error)))
    context.set_default_timeout(10_000)
    yield context
    context.close()
    expected = ("404 (Not Found)", "401 (Unauthorized)", "ERR_INTERNET_DISCONNECTED", *provoked)
    assert [said for said in troubles if not any(words in said for words in expected)] == []


def sign_in_by_keyboard(page: Page, url: str) -> None:
    page.goto(url)
    expect(page).to_have_title("Sign in · Loopline")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("sentiment")
    page.wait_for_load_state()  # the heading is painted before the script that hears the keys has run


def say_who(page: Page, name: str) -> None:
    page.keyboard.press("g")
    page.keyboard.press("a")
    expect(page.get_by_label("Your name")).to_be_focused()
    page.wait_for_load_state()
    page.keyboard.type(name)
    page.keyboard.press("Enter")


def start_labelling(page: Page, name: str) -> None:
    say_who(page, name)
    expect(page.locator("#row")).not_to_be_empty()


def labelling(context: BrowserContext, url: str, name: str) -> Page:
    """A page on which somebody of this name has a task before them."""
    page = context.new_page()
    sign_in_by_keyboard(page, url)
    start_labelling(page, name)
    return page


def sentence(page: Page) -> str:
    return page.locator("#row").inner_text()


def give(page: Page, key: str) -> None:
    """Press the key and wait until the next task is shown."""
    before = sentence(page)
    page.keyboard.press(key)
    expect(page.locator("#row")).not_to_have_text(before)


def test_a_person_labels_ten_tasks_by_keyboard_and_the_overview_follows(browser, server, shots):
    with visiting(browser) as context:
        overview, desk = context.new_page(), context.new_page()
        sign_in_by_keyboard(desk, server.url)
        overview.goto(server.url)
        expect(overview.locator(".hero .lead")).to_contain_text("0 of 64 tasks")
        start_labelling(desk, "ana")
        for key in ("1", "2", "3", "p", "1", "2", "3", "p", "1", "2"):
            give(desk, key)
        expect(desk.locator("#tally")).to_have_text("10 answered")
        expect(overview.locator(".hero .lead")).to_contain_text("10 of 64 tasks")
        expect(overview.locator(".picture")).to_contain_text("10 of 64")
    labels = [a.label for a in server.house.book.answers(make.LOOP, cycle=3).annotations]
    assert sorted(labels) == sorted(["negative"] * 3 + ["neutral"] * 3 + ["positive"] * 4)


def test_undo_brings_the_task_back_and_skip_passes_it_on(browser, server):
    with visiting(browser) as context:
        page = labelling(context, server.url, "bo")
        first = sentence(page)
        give(page, "1")
        expect(page.locator("#tally")).to_have_text("1 answered")
        page.keyboard.press("u")
        expect(page.locator("#row")).to_have_text(first)
        give(page, "s")
        second = sentence(page)
        give(page, "3")
        expect(page.locator("#tally")).to_have_text("1 answered")
        page.reload()
        expect(page.locator("#row")).not_to_be_empty()
        assert sentence(page) not in (first, second)
    answers = server.house.book.answers(make.LOOP, cycle=3).annotations
    assert [(a.annotator, a.label) for a in answers] == [("bo", "positive")]


def answered_offline(context: BrowserContext, page: Page) -> None:
    """Two answers that leave as one batch when the server is back."""
    context.set_offline(True)
    give(page, "1")
    give(page, "2")
    expect(page.locator("#tally")).to_have_text("2 answered, 2 of them waiting")


def test_answers_given_while_the_server_is_away_arrive_when_it_is_back(browser, server):
    with visiting(browser) as context:
        page = labelling(context, server.url, "chidi")
        answered_offline(context, page)
        context.set_offline(False)
        expect(page.locator("#tally")).to_have_text("2 answered")
    assert len(server.house.book.answers(make.LOOP, cycle=3).annotations) == 2


def refused(route: Route, status: int) -> None:
    route.fulfill(status=status, json={"error": f"refused with {status}"})


@pytest.mark.parametrize("status", [403, 421, 500])
def test_an_answer_that_was_not_judged_is_kept_until_it_arrives(browser, server, status):
    with visiting(browser, provoked=(f"status of {status}",)) as context:
        page = labelling(context, server.url, "femi")
        page.route("**/api/annotations", lambda route: refused(route, status))
        with page.expect_response("**/api/annotations"):
            give(page, "1")
        with page.expect_response("**/api/annotations"):  # it is sent again
            give(page, "2")
        page.unroute("**/api/annotations")
        expect(page.locator("#tally")).to_have_text("2 answered")
    assert len(server.house.book.answers(make.LOOP, cycle=3).annotations) == 2


def test_answers_of_a_refused_batch_outlive_the_loss_of_the_session(browser, server):
    with visiting(browser, provoked=("409 (Conflict)",)) as context:
        page = labelling(context, server.url, "gus")
        answered_offline(context, page)
        page.route(
            "**/api/annotations",
            lambda route: refused(route, 409 if len(route.request.post_data_json["annotations"]) > 1 else 401),
        )
        context.set_offline(False)
        page.wait_for_url("**/sign-in?next=%2Fannotate")
        page.unroute("**/api/annotations")
        page.goto(f"{server.url}/annotate")
        expect(page.locator("#tally")).to_have_text("2 answered")
        expect(page.locator("#row")).not_to_be_empty()
    assert len(server.house.book.answers(make.LOOP, cycle=3).annotations) == 2


def test_answers_of_a_refused_batch_are_sent_again_when_the_connection_breaks_in_between(browser, server):
    with visiting(browser, provoked=("409 (Conflict)", "ERR_FAILED")) as context:
        page = labelling(context, server.url, "hana")
        answered_offline(context, page)
        tries = []

        def break_off(route: Route) -> None:
            tries.append(route.request.post_data_json["annotations"])
            if len(tries) == 1:
                refused(route, 409)
            elif len(tries) == 2:
                route.abort()
            else:
                route.continue_()

        page.route("**/api/annotations", break_off)
        context.set_offline(False)
        expect(page.locator("#tally")).to_have_text("2 answered")
    assert [len(given) for given in tries[:3]] == [2, 1, 2]
    assert len(server.house.book.answers(make.LOOP, cycle=3).annotations) == 2


def test_an_answer_given_while_another_is_taken_back_can_be_taken_back_too(browser, server):
    with visiting(browser) as context:
        page = labelling(context, server.url, "ines")
        first = sentence(page)
        with page.expect_response("**/api/annotations"):
            give(page, "1")
        second = sentence(page)
        held: list[Route] = []

        def hold(route: Route) -> None:
            held.append(route)

        page.route("**/api/undo", hold)
        with page.expect_request("**/api/undo"):
            page.keyboard.press("u")
        with page.expect_response("**/api/annotations"):
            give(page, "2")
        held[0].continue_()
        page.unroute("**/api/undo")
        expect(page.locator("#row")).to_have_text(first)
        page.keyboard.press("u")
        expect(page.locator("#row")).to_have_text(second)
        expect(page.locator("#trouble")).to_be_hidden()
        expect(page.locator("#tally")).to_have_text("0 answered")
    assert server.house.book.answers(make.LOOP, cycle=3).annotations == ()


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_the_overview_says_that_it_stands_still_until_it_moves_again(browser, server, status):
    with visiting(browser, provoked=(f"status of {status}",)) as context:
        page = context.new_page()
        sign_in_by_keyboard(page, server.url)
        note = page.get_by_text("These numbers stand still")
        page.wait_for_event("response", lambda answer: answer.url.endswith("/overview/live") and answer.status == 304)
        expect(note).to_be_hidden()
        page.route("**/overview/live", lambda route: refused(route, status))
        expect(note).to_be_visible()
        page.unroute("**/overview/live")
        expect(note).to_be_hidden()


def test_a_suggestion_names_its_version_and_blind_tasks_show_none(browser, server):
    with visiting(browser) as context:
        page = labelling(context, server.url, "dara")
        shown = set()
        for _ in range(8):
            hint = page.locator("#hint")
            suggested = page.locator("#labels .suggested")
            text = hint.inner_text() if hint.is_visible() else ""
            assert text == (f"v3 suggests {suggested.get_attribute('data-label')}" if text else "")
            assert suggested.count() == bool(text)
            shown.add(bool(text))
            give(page, "2")
    assert shown == {True, False}


def test_a_square_row_of_numbers_is_drawn_and_listed(browser, digits, axe, shots):
    with visiting(browser) as context:
        page = context.new_page()
        sign_in_by_keyboard(page, digits.url)
        page.goto(f"{digits.url}/annotate")
        page.keyboard.type("ana")
        page.keyboard.press("Enter")
        expect(page.get_by_role("img", name="64 values drawn as a 8 by 8 picture")).to_be_visible()
        assert seen(page, axe, shots, "digits-light") == []
        page.get_by_text("As numbers").click()
        expect(page.get_by_role("row", name="feature 2 6")).to_be_visible()
        page.keyboard.press("3")
        expect(page.locator("#tally")).to_have_text("0 answered")
        page.keyboard.press("7")
        expect(page.locator("#tally")).to_have_text("1 answered")
    assert [a.label for a in digits.house.book.answers(make.LOOP, cycle=1).annotations] == ["7"]


def test_g_gives_a_label_and_leaves_no_page_while_a_task_is_shown(browser, letters):
    with visiting(browser) as context:
        page = labelling(context, letters.url, "ana")
        for key in ("g", "a", "g", "s", "u"):  # good, awful, good, sad, unclear: no command takes a label's letter
            give(page, key)
        expect(page.locator("#tally")).to_have_text("5 answered")
        assert page.url.endswith("/annotate")
        page.keyboard.press("z")
        expect(page.locator("#tally")).to_have_text("4 answered")
        give(page, "x")
        expect(page.locator("#tally")).to_have_text("4 answered")
    answers = letters.house.book.answers(make.LOOP, cycle=1).annotations
    assert sorted(a.label for a in answers) == ["awful", "good", "good", "sad"]


def test_buttons_and_sheet_show_every_key_that_works(browser, letters):
    with visiting(browser) as context:
        page = labelling(context, letters.url, "ana")
        buttons = page.locator("#labels button")
        expect(buttons).to_have_text(["1Ggood", "2Aawful", "3Ssad", "4Uunclear"])
        assert buttons.first.get_attribute("aria-keyshortcuts") == "1 G"
        expect(page.locator("#pass kbd")).to_have_text("X")
        page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
        expect(sheet.locator("[data-label]")).to_have_count(4)
        expect(sheet.locator("[data-label=good] dt")).to_have_text("1 G")
        expect(sheet).to_contain_text("Skip this task")
        expect(sheet.get_by_text("Signals")).to_be_hidden()


def test_a_paused_person_is_told_why(browser, server):
    with visiting(browser) as context:
        page = context.new_page()
        sign_in_by_keyboard(page, server.url)
        say_who(page, "eli")
        expect(page.locator("#rest")).to_contain_text("7 of 14 gold tasks right")


def test_shortcuts_have_a_sheet_and_a_switch(browser, server):
    with visiting(browser) as context:
        page = context.new_page()
        sign_in_by_keyboard(page, server.url)
        page.keyboard.press("?")
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        page.keyboard.press("Space")  # a person who goes on labelling does not turn them off unawares
        expect(page.get_by_label("Single-key shortcuts are on")).to_be_checked()
        expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
        page.get_by_label("Single-key shortcuts are on").uncheck()
        page.keyboard.press("Escape")
        page.keyboard.press("/")
        expect(page.get_by_label("Why? Any id")).not_to_be_focused()
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_the_search_box_answers_why(browser, server):
    with visiting(browser) as context:
        page = context.new_page()
        sign_in_by_keyboard(page, server.url)
        page.keyboard.press("/")
        page.keyboard.type("v2")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("v2")
        expect(page.locator(".tree")).to_contain_text("8,000 rows imported")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_on_any_page(browser, server, axe, shots, scheme):
    found: dict[str, list[str]] = {}
    with visiting(browser, scheme) as context:
        page = context.new_page()
        page.goto(server.url)
        found["sign-in"] = seen(page, axe, shots, f"sign-in-{scheme}")
        sign_in_by_keyboard(page, server.url)
        for name, path in PAGES.items():
            page.goto(server.url + path)
            if name == "overview":
                page.wait_for_timeout(1_500)  # one refresh: what is checked is what people look at
            found[name] = seen(page, axe, shots, f"{name}-{scheme}")
        page.goto(server.url)
        for details in page.locator("details").all():
            details.locator("summary").click()
        page.keyboard.press("?")
        found["overview, all open"] = seen(page, axe, shots, f"open-{scheme}")
        page.goto(f"{server.url}/annotate")
        found["name"] = seen(page, axe, shots, f"name-{scheme}")
        page.keyboard.type("ana")
        page.keyboard.press("Enter")
        expect(page.locator("#row")).not_to_be_empty()
        give(page, "1")
        found["annotate"] = seen(page, axe, shots, f"annotate-{scheme}")
        failed = make.cycle(
            4,
            phase="closed",
            outcome="failed",
            closed_at=make.NOW,
            outcome_reason=f"run run-4 ended with code 1\n{LOG}",
        )
        server.house.ledger.commit(make.entry("failed", failed))
        page.goto(f"{server.url}/cycles/4")
        found["failed"] = seen(page, axe, shots, f"failed-{scheme}")
    assert {name: faults for name, faults in found.items() if faults} == {}


def seen(page: Page, axe: str, shots: Path, name: str) -> list[str]:
    """What axe-core finds wrong, each with where; the page is photographed on the way."""
    if not IS_KEPT or name.startswith("annotate"):  # the others are kept from the demo's own run
        page.screenshot(path=shots / f"{name}.png", full_page=True)
    page.evaluate(axe)
    report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in report["violations"]]


@pytest.mark.parametrize("width", [360, 768])
def test_narrow_screens_do_not_scroll_sideways(browser, server, width, shots):
    with visiting(browser) as context:
        page = context.new_page()
        sign_in_by_keyboard(page, server.url)
        page.set_viewport_size({"width": width, "height": 740})
        for name, path in PAGES.items():
            page.goto(server.url + path)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert (name, wide) == (name, min(wide, width))
            if not IS_KEPT:
                page.screenshot(path=shots / f"{name}-{width}.png", full_page=True)
