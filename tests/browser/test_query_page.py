"""The query page in a real Chromium: asked, drawn, saved and shared by keyboard; axe-core finds nothing to mend."""

import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pyarrow.parquet as pq
import pytest
import uvicorn
from litestar import Litestar
from litestar.static_files import create_static_files_router
from playwright.sync_api import Browser, Page, expect

from loopline.apps.http.errors import HANDLERS
from loopline.apps.http.queries import query_routes
from loopline.apps.web.query import query_page_routes
from loopline.apps.web.render import STATIC
from loopline.records.outcome import Outcome
from loopline.testing import factories as make
from loopline.testing.study import Study

pytestmark = pytest.mark.browser

REFUSED = "400 (Bad Request)"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The page and its API over two days of predictions."""
    study = Study()
    predictions = []
    for i in range(2_400):
        high = 0.4 + 0.55 * abs(math.sin(i / 7))
        arm, model = ("canary", "v2") if i % 9 == 4 else ("incumbent", "v1")
        predictions.append(
            make.prediction(
                f"p{i}", f"what a day number {i}", at=make.NOW + timedelta(minutes=1.2 * i), arm=arm, model=model,
                probabilities=(1 - high, high * 0.1, high * 0.9), latency_us=150 + i % 70 * 9,
                role="reserve" if i % 20 == 0 else "loop",
            )
        )  # fmt: skip
    study.log.append(predictions)
    reports = [Outcome(id=f"o{i}", prediction=f"p{i}", label="positive", at=make.NOW) for i in range(0, 2_400, 3)]
    study.outcomes.record(reports, loop=make.LOOP)
    routes = [*query_routes(study), *query_page_routes(make.LOOP)]
    static = create_static_files_router(path="/static", directories=[STATIC])
    app = Litestar([*routes, static], exception_handlers=HANDLERS, openapi_config=None, logging_config=None)
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1, lifespan="off"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not running.started and thread.is_alive():
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    running.should_exit = True
    thread.join(timeout=10)
    listener.close()


@contextmanager
def visiting(
    browser: Browser, address: str, scheme: str = "light", *, provoked: tuple[str, ...] = ()
) -> Iterator[Page]:
    """A page of a visitor; any error that it reports, and that no test provoked, fails the test."""
    size = {"width": 1280, "height": 860}
    context = browser.new_context(color_scheme=scheme, viewport=size, reduced_motion="reduce")
    troubles: list[str] = []
    context.on("console", lambda said: troubles.append(said.text) if said.type == "error" else None)
    context.on("weberror", lambda raised: troubles.append(str(raised.error)))
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.goto(address)
    page.wait_for_load_state()
    yield page
    context.close()
    assert [said for said in troubles if not any(words in said for words in provoked)] == []


def ask(page: Page, sql: str) -> None:
    """Write the query into the editor and run it, without the mouse."""
    page.keyboard.press("e")
    expect(page.get_by_label("SQL")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(sql)
    page.keyboard.press("Control+Enter")


def test_a_person_asks_by_keyboard_and_reads_the_answer(browser, url):
    with visiting(browser, f"{url}/query") as page:
        expect(page.get_by_text("Ask your first question")).to_be_visible()
        ask(
            page,
            "SELECT model, count(*) AS n, 1234567.5 AS x, NULL AS none FROM predictions GROUP BY model ORDER BY n DESC",
        )
        expect(page.locator("#found")).to_contain_text("2 rows in ")
        expect(page.get_by_text("Ask your first question")).to_be_hidden()
        expect(page.locator("#rows tbody tr").first.locator("td")).to_have_text(["v1", "2,027", "1,234,600", "\u2013"])
        expect(page.locator("#rows th")).to_have_text(["model", "n", "x", "none"])
        expect(page.get_by_label("SQL")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_label("SQL")).not_to_be_focused()


def test_a_query_can_be_shared_reloaded_and_gone_back_to(browser, url):
    with visiting(browser, f"{url}/query") as page:
        ask(page, "SELECT 1 AS one")
        expect(page.locator("#rows th")).to_have_text(["one"])
        ask(page, "SELECT 2 AS two")
        expect(page.locator("#rows th")).to_have_text(["two"])
        assert page.url.endswith("/query?q=SELECT%202%20AS%20two")
        page.reload()
        expect(page.locator("#rows th")).to_have_text(["two"])
        page.go_back()
        expect(page.locator("#rows th")).to_have_text(["one"])
        expect(page.get_by_label("SQL")).to_have_value("SELECT 1 AS one")


def test_a_mistake_is_told_beside_the_editor_which_keeps_the_focus(browser, url):
    with visiting(browser, f"{url}/query", provoked=(REFUSED,)) as page:
        ask(page, "SELECT margn FROM predictions")
        editor, problem = page.get_by_label("SQL"), page.locator("#problem")
        expect(problem).to_contain_text("Query: no column 'margn', expected one that its tables have; nearest: margin")
        expect(editor).to_be_focused()
        expect(editor).to_have_attribute("aria-invalid", "true")
        expect(page.locator("#answer")).to_be_hidden()
        ask(page, "SELECT margin FROM predictions LIMIT 1")
        expect(problem).to_be_empty()
        expect(editor).to_have_attribute("aria-invalid", "false")
        ask(page, " ")
        expect(problem).to_have_text("There is no query yet; write one, or choose a ready question.")
        expect(page.locator("#rows tbody tr")).to_have_count(1)


def test_a_server_that_is_away_is_told(browser, url):
    with visiting(browser, f"{url}/query", provoked=("ERR_INTERNET_DISCONNECTED",)) as page:
        page.context.set_offline(True)
        ask(page, "SELECT 1")
        expect(page.locator("#problem")).to_have_text("The server does not answer; try again.")


def test_every_ready_question_has_a_key_and_what_it_counts_is_drawn(browser, url):
    drawn = {"1": 0, "2": 1, "3": 2, "4": 2, "5": 0, "6": 2}
    with visiting(browser, f"{url}/query") as page:
        for key, charts in drawn.items():
            page.keyboard.press(key)
            button = page.locator(f"[aria-keyshortcuts='{key}']")
            expect(page.get_by_label("SQL")).to_have_value(button.get_attribute("data-sql"))
            expect(page.locator("#running")).to_be_empty()
            expect(page.locator("#problem")).to_be_empty()
            assert (key, page.locator("#charts svg").count()) == (key, charts)
        page.keyboard.press("2")
        expect(page.get_by_role("img", name="incumbent, canary, shadow by hour, 48 points")).to_be_visible()
        expect(page.locator("#charts path.line")).to_have_count(3)


def test_a_long_answer_says_where_it_was_cut(browser, url):
    with visiting(browser, f"{url}/query") as page:
        ask(page, "SELECT id, input FROM predictions")
        expect(page.locator("#found")).to_contain_text("1,000 rows in ")
        expect(page.locator("#found")).to_contain_text("cut at 1,000 rows")
        expect(page.locator("#rows tbody tr")).to_have_count(1_000)
        head, table = page.locator("#rows th").first, page.locator("#rows")
        table.evaluate("e => e.scrollTo(0, 4000)")
        assert abs(head.bounding_box()["y"] - table.bounding_box()["y"]) < 2
        expect(page.get_by_role("link", name="p1", exact=True)).to_have_attribute("href", "/why?id=p1")


def test_an_answer_is_saved_whole(browser, url, tmp_path):
    with visiting(browser, f"{url}/query") as page:
        ask(page, "SELECT id FROM predictions")
        expect(page.locator("#rows tbody tr")).to_have_count(1_000)
        for form in ("CSV", "Parquet"):
            with page.expect_download() as saved:
                page.get_by_role("button", name=form, exact=True).press("Enter")
            saved.value.save_as(tmp_path / saved.value.suggested_filename)
        expect(page.locator("#running")).to_have_text("Saved")
    assert len((tmp_path / "answer.csv").read_text().splitlines()) == 1 + 2_280
    assert pq.read_table(tmp_path / "answer.parquet").num_rows == 2_280


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_to_mend(browser, url, axe, shots, scheme):
    found: dict[str, list[str]] = {}
    with visiting(browser, f"{url}/query", scheme, provoked=(REFUSED,)) as page:

        def look(name: str) -> None:
            expect(page.locator("#running")).to_be_empty()
            page.screenshot(path=shots / f"query-{name}-{scheme}.png", full_page=True)
            page.evaluate(axe)
            report = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            found[name] = [f"{fault['id']}: {fault['nodes'][0]['html'][:200]}" for fault in report["violations"]]

        look("empty")
        for key in "12346":
            page.keyboard.press(key)
            expect(page.locator("#rows table")).to_be_visible()
            look(key)
        ask(page, "SELECT margn\nFROM predictions")
        expect(page.locator("#problem")).not_to_be_empty()
        look("mistake")
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        look("keys")
    assert {name: faults for name, faults in found.items() if faults} == {}


@pytest.mark.parametrize("width", [360, 768])
def test_narrow_screens_do_not_scroll_sideways(browser, url, shots, width):
    with visiting(browser, f"{url}/query") as page:
        page.set_viewport_size({"width": width, "height": 740})
        page.keyboard.press("2")
        expect(page.locator("#rows table")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=shots / f"query-{width}.png", full_page=True)
