"""What people do in a browser, in the words of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.browser.desks import PASSWORD, TOKEN

EXPECTED = ("404 (Not Found)", "401 (Unauthorized)", "ERR_INTERNET_DISCONNECTED")


@contextmanager
def visiting(
    browser: Browser, scheme: str = "light", *, provoked: tuple[str, ...] = (), **options: Any
) -> Iterator[BrowserContext]:
    """A visitor of whom nothing is known; any error that a page reports, and that no test provoked, fails the test."""
    size = {"viewport": {"width": 1280, "height": 860}, "reduced_motion": "reduce", **options}
    context = browser.new_context(color_scheme=scheme, **size)  # type: ignore[arg-type]
    troubles: list[str] = []
    context.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    context.on("weberror", lambda raised: troubles.append(str(raised.error)))
    context.set_default_timeout(10_000)
    yield context
    context.close()
    assert [said for said in troubles if not any(words in said for words in (*EXPECTED, *provoked))] == []


def labelling(context: BrowserContext, url: str, name: str) -> Page:
    """A page on which somebody of this name, let in by the token, has a task before them."""
    page = context.new_page()
    page.goto(f"{url}/?token={TOKEN}")
    page.goto(f"{url}/annotate")
    page.locator("#who-name").fill(name)
    page.keyboard.press("Enter")
    ready(page)
    return page


def sign_in(page: Page, url: str, name: str) -> None:
    """Sign in by name and password, by keyboard; it leads to the labelling page."""
    page.goto(f"{url}/sign-in?next=/annotate")
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/annotate")


def sentence(page: Page) -> str:
    """The sample that is shown."""
    return page.locator("#row").inner_text()


def shown(page: Page) -> str:
    """The id of the task that is shown."""
    return page.locator("#task").get_attribute("data-task") or ""


def give(page: Page, key: str) -> None:
    """Press the key and wait until the next task is shown."""
    ready(page)
    before = shown(page)
    page.keyboard.press(key)
    expect(page.locator("#task")).not_to_have_attribute("data-task", before)


def ready(page: Page) -> None:
    """Wait until the task has been painted: what nobody has seen cannot be answered."""
    expect(page.locator("#task")).to_have_attribute("aria-busy", "false")


def sent(page: Page) -> None:
    """Wait until nothing is on its way to the server."""
    page.wait_for_function("() => !Object.keys(localStorage).some((key) => key.includes('/out/'))")


def faults(page: Page, axe: str) -> list[str]:
    """What axe-core finds wrong, each with where."""
    page.evaluate(axe)
    report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in report["violations"]]
