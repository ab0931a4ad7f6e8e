"""What if, in a real Chromium: asked by keyboard from the page of a cycle, at every width; axe-core agrees."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

TOKEN = "browser-token"
REFUSED = ("(Bad Request)", "(Not Found)")


@pytest.fixture
def page(browser: Browser, server) -> Iterator[Page]:
    """A page of somebody who is signed in; an error that it reports, and that no test provoked, fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    troubles: list[str] = []
    context.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    context.on("weberror", lambda raised: troubles.append(str(raised.error)))
    context.set_default_timeout(10_000)
    opened = context.new_page()
    opened.goto(f"{server.url}/?token={TOKEN}")
    yield opened
    context.close()
    assert [said for said in troubles if not said.endswith(REFUSED)] == []


def tab_to(page: Page, name: str) -> None:
    """Go on by keyboard until the field of this name has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == name:
            return
    raise AssertionError(f"no tab stop {name}")


def test_a_person_asks_what_if_by_keyboard_alone(page, server):
    page.goto(f"{server.url}/cycles/1")
    tab_to(page, "what-if-strategy")
    page.keyboard.type("margin")
    expect(page.get_by_label("Strategy", exact=True)).to_have_value("margin.v1")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Budget, in samples")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    expect(page).to_have_title("What if in cycle 1 · Loopline")
    assert page.url.endswith("/cycles/1/what-if?strategy=margin.v1&budget=12")
    expect(page.locator(".page-head .lead")).to_contain_text("margin.v1 with a budget of 12 asks about")
    cells = page.get_by_role("row", name="Strategy").get_by_role("cell")
    expect(cells).to_have_text(["cluster-margin.v1", "margin.v1", "random.v1"])
    expect(page.get_by_text("the log gives 96 now")).to_be_visible()
    tab_to(page, "what-if-strategy")
    page.keyboard.type("random.")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Compare")).to_be_focused()
    page.keyboard.press("Enter")
    expect(cells).to_have_text(["cluster-margin.v1", "random.v1", "random.v1"])
    page.get_by_role("link", name="Cycle 1", exact=True).press("Enter")
    expect(page).to_have_title("Cycle 1 · Loopline")


@pytest.mark.parametrize("budget", ["0", "-1", "10001", ""])
def test_a_wild_budget_does_not_leave_the_form(page, server, budget):
    page.goto(f"{server.url}/cycles/1")
    field = page.get_by_label("Budget, in samples")
    field.fill(budget)
    field.press("Enter")
    assert field.evaluate("one => one.validity.valid") is False
    assert page.url.endswith("/cycles/1")


def test_the_form_says_what_it_does_to_whoever_only_hears_it(page, server):
    page.goto(f"{server.url}/cycles/1/what-if")
    note = page.locator("form.asking-bar").evaluate(
        "form => document.getElementById(form.getAttribute('aria-describedby')).textContent"
    )
    assert note == (
        "Chooses again from the 3,980 rows of this cycle and stores nothing. It takes seconds where there are millions."
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 640, 320])  # 640 is 1,280 at 200 %
def test_it_fits_narrow_and_magnified_windows_in_either_scheme(page, server, axe, shots, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 640})
    asked = {"cycle": "/cycles/1", "imagined": "/cycles/1/what-if", "refused": "/cycles/1/what-if?budget=0",
             "gone": "/cycles/2/what-if", "unasked": "/cycles/0/what-if"}  # fmt: skip
    for name, path in asked.items():
        page.goto(server.url + path)
        page.screenshot(path=shots / f"what-if-{name}-{scheme}-{width}.png", full_page=True)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert (name, wide) == (name, min(wide, width))
        page.evaluate(axe)
        report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        assert [(name, fault["id"], fault["nodes"][0]["html"][:200]) for fault in report["violations"]] == []
