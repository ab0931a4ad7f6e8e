"""The pages in a real Chromium: what people read, and how they get about."""

import os

import pytest
from playwright.sync_api import Page, Route, expect
from tests.browser.desks import TOKEN
from tests.browser.visits import visiting

pytestmark = pytest.mark.browser

PAGES = {
    "overview": "/", "cycles": "/cycles", "cycle": "/cycles/2", "labels": "/cycles/2/labels",
    "selection": "/cycles/2/selection", "what-if": "/cycles/1/what-if?strategy=margin.v1&budget=12",
    "accuracy": "/accuracy", "data": "/data", "dataset": "/data/c2", "models": "/models",
    "model": "/models/v3", "signals": "/signals", "signal": "/signals/sentiment/v3/margin/9400", "why": "/why?id=v3",
    "missing": "/nowhere",
}  # fmt: skip
IS_KEPT = bool(os.environ.get("LOOPLINE_SCREENSHOTS"))


def sign_in_by_keyboard(page: Page, url: str) -> None:
    page.goto(url)
    expect(page).to_have_title("Sign in · Loopline")
    page.wait_for_load_state()
    for _ in range(3):  # name, password, sign in: the token's own form lies behind
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type(TOKEN)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("sentiment")
    page.wait_for_load_state()  # the heading is painted before the script that hears the keys has run


def refused(route: Route, status: int) -> None:
    route.fulfill(status=status, json={"error": f"refused with {status}"})


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
