"""WCAG 2.2 AA: axe-core on every page of the product, and a working day by keyboard alone."""

import re

import pytest
from litestar.routes import HTTPRoute
from playwright.sync_api import Page, expect
from tests.browser.desks import KINDS, TOKEN
from tests.browser.visits import faults, give, labelling, ready, sent, shown, sign_in, visiting

from loopline.apps.http.control import make_control
from loopline.testing import factories as make
from loopline.testing.rooms import StoredConsole

pytestmark = pytest.mark.browser

NAMED = {
    "/cycles/{number:int}": "/cycles/2", "/cycles/{number:int}/labels": "/cycles/2/labels",
    "/cycles/{number:int}/selection": "/cycles/2/selection",
    "/cycles/{number:int}/what-if": "/cycles/1/what-if?strategy=margin.v1&budget=12",
    "/data/{name:str}": "/data/c2", "/models/{name:str}": "/models/v3", "/why": "/why?id=v3",
    "/signals/{name:path}": "/signals/sentiment/v3/margin/9400", "/people/{name:path}": "/people/ana",
}  # fmt: skip
"""Pages of one thing, by an example."""
PARTS = {"/overview/live"}
"""What is no page of its own."""
NO_PAGES = ("/api", "/static", "/objects", "/metrics")
LOG = 'Traceback (most recent call last):\n  File "train.py", line 12, in train\nValueError: no rows'


def pages(server) -> list[str]:
    """The address of every page that the routes give, with examples for those of one thing."""
    control = make_control(server.house, StoredConsole(server.house))
    routes = [route for route in control.routes if isinstance(route, HTTPRoute) and route.path not in PARTS]
    found = {
        route.path
        for route in routes
        for one in route.route_handlers
        if "GET" in one.http_methods and not one.resolve_include_in_schema() and not route.path.startswith(NO_PAGES)
    }
    return sorted(NAMED.get(path, path) for path in found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_on_any_page(browser, server, axe, scheme):
    failed = make.cycle(4, phase="closed", outcome="failed", closed_at=make.NOW,
                        outcome_reason=f"run run-4 ended with code 1\n{LOG}")  # fmt: skip
    found: dict[str, list[str]] = {}
    with visiting(browser, scheme) as context:
        page = context.new_page()
        page.goto(f"{server.url}/sign-in")
        found["sign-in"] = faults(page, axe)
        page.goto(f"{server.url}/?token={TOKEN}")
        for details in page.locator("details").all():
            details.locator("summary").click()
        page.keyboard.press("?")
        found["overview, all open"] = faults(page, axe)
        server.house.ledger.commit(make.entry("failed", failed))
        addresses = pages(server)
        assert {"/", "/annotate", "/cycles/2", "/query"} <= set(addresses)
        for address in [*addresses, "/cycles/4", "/nowhere"]:
            answer = page.goto(server.url + address)
            assert (address, answer.status) == (address, 404 if address == "/nowhere" else 200)
            found[address] = faults(page, axe)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", sorted(KINDS))
def test_axe_finds_no_violation_on_the_desk(browser, opened, axe, shots, kind, scheme):
    server = opened(kind)
    found: dict[str, list[str]] = {}
    with visiting(browser, scheme) as context:
        page = labelling(context, server.url, "ana")
        page.get_by_role("button", name="Progress").click()
        page.keyboard.press("1")
        page.keyboard.press("c")
        page.screenshot(path=shots / f"annotate-{kind}-{scheme}.png")
        found["desk"] = faults(page, axe)
        page.keyboard.press("Escape")
        page.locator("#pass").click()
        found["skip"] = faults(page, axe)
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        found["sheet"] = faults(page, axe)
        page.locator("#remap-open").click()
        expect(page.get_by_role("dialog", name="Your keys")).to_be_visible()
        found["keys"] = faults(page, axe)
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("contrast", [{"contrast": "more"}, {"forced_colors": "active"}])
def test_axe_finds_no_violation_in_high_contrast(browser, opened, axe, contrast):
    server = opened("text")
    with visiting(browser, **contrast) as context:
        assert faults(labelling(context, server.url, "ana"), axe) == []


def focus_is_seen(page: Page) -> bool:
    """Whether what has the focus shows it."""
    return page.evaluate(
        "() => { const it = getComputedStyle(document.activeElement);"
        " return it.outlineStyle !== 'none' && parseFloat(it.outlineWidth) >= 2; }"
    )  # type: ignore[no-any-return]


def tab_to(page: Page, name: str) -> None:
    """Tab until the control of this name has the focus; each on the way shows that it has it."""
    for _ in range(60):
        page.keyboard.press("Tab")
        focused = page.evaluate("() => document.activeElement.innerText || document.activeElement.id")
        if page.evaluate("() => document.activeElement !== document.body"):
            assert focus_is_seen(page), focused
        if re.match(name, focused):
            return
    raise AssertionError(f"no {name!r} came by Tab")


def test_a_working_day_by_keyboard_alone(browser, opened):
    server = opened("letters")
    with visiting(browser) as context:
        page = context.new_page()
        sign_in(page, server.url, "ana")
        ready(page)
        flag_comment_and_take_back(page)
        tab_to(page, r".*awful")
        page.keyboard.press("Enter")
        expect(page.locator("#tally")).to_contain_text("1 answered")
        for key in ("x", "ArrowDown", "Enter"):  # skipped, for the second reason
            page.keyboard.press(key)
        choose_key(page, "k")
        give(page, "k")
        sent(page)
        tab_to(page, "Sign out")
        page.keyboard.press("Enter")
        expect(page).to_have_title("Sign in · Loopline")
    found = server.house.book.answers(make.LOOP, cycle=1)
    answers = sorted((a.label, a.comment, a.is_flagged) for a in found.annotations)
    assert answers == [("awful", "a good one", True), ("good", "", False)]
    assert [skip.reason for skip in found.skips] == ["several labels fit"]


def flag_comment_and_take_back(page: Page) -> None:
    first = shown(page)
    page.keyboard.press("f")
    page.keyboard.press("c")
    page.keyboard.type("a good one")
    page.keyboard.press("Escape")
    give(page, "g")
    page.keyboard.press("z")
    expect(page.locator("#task")).to_have_attribute("data-task", first)
    ready(page)


def choose_key(page: Page, key: str) -> None:
    """Give the first label this key, on the sheet."""
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    tab_to(page, "Change keys")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Your keys")).to_be_visible()
    for pressed in ("Tab", "Enter", key):
        page.keyboard.press(pressed)
    tab_to(page, "Done")
    page.keyboard.press("Enter")
    ready(page)
