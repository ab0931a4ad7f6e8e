"""The bench of adjudicators and the pages of a lead in a real Chromium: by keyboard alone, and by axe-core."""

import pytest
from playwright.sync_api import Page, expect
from tests.browser.visits import faults, sign_in, visiting
from tests.service.answered import fill
from tests.service.doubts import EVIL, leave_in_doubt
from tests.service.live import until

from loopline.records.decision import Decision
from loopline.testing import factories as make

pytestmark = pytest.mark.browser
PAGES = ("/adjudicate", "/adjudicate/decisions", "/people", "/people/ben", "/guideline", "/guideline/edit")


def at_the_bench(page: Page, url: str, name: str = "ada") -> None:
    sign_in(page, url, name)
    expect(page).to_have_title("Annotate \u00b7 Loopline")
    page.goto(f"{url}/adjudicate")
    expect(page.locator("#row")).not_to_be_empty()


def found(server) -> list[tuple[str, str, str, bool]]:
    kept = server.house.ledger.all(Decision, make.LOOP)
    return [(one.finding, one.label, one.reason, one.is_gold) for one in sorted(kept, key=lambda one: one.at)]


def next_sample(page: Page, before: str) -> str:
    expect(page.locator("#row")).not_to_have_text(before)
    return page.locator("#row").inner_text()


def test_doubts_are_settled_by_keyboard_alone(browser, opened):
    server = opened("text")
    leave_in_doubt(server.house)
    with visiting(browser) as context:
        page = context.new_page()
        at_the_bench(page, server.url)
        expect(page.locator("#tally")).to_have_text("3 in doubt, 0 decided")
        expect(page.locator("#answers li")).to_have_count(3)
        assert all(name not in page.locator("main").inner_text() for name in ("ana", "ben", "chi"))
        first = page.locator("#row").inner_text()
        page.keyboard.press("3")
        expect(page.locator("#reason")).to_be_focused()
        page.keyboard.type("the writer is glad")
        page.keyboard.press("Escape")
        expect(page.get_by_role("radio", name="positive")).to_be_focused()
        for key in ("o", "r", "Enter"):
            page.keyboard.press(key)
        next_sample(page, first)
        expect(page.locator("#tally")).to_have_text("2 in doubt, 1 decided")
        until(lambda: found(server) == [("label", "positive", "the writer is glad", True)])


def test_what_is_no_label_is_never_gold_and_the_last_decision_is_taken_back_by_a_key(browser, opened):
    server = opened("text")
    leave_in_doubt(server.house)
    with visiting(browser) as context:
        page = context.new_page()
        at_the_bench(page, server.url)
        first = page.locator("#row").inner_text()
        page.keyboard.press("a")
        expect(page.locator("#gold")).to_be_disabled()
        page.keyboard.type("both")
        page.keyboard.press("Enter")
        second = next_sample(page, first)
        page.keyboard.press("g")
        page.keyboard.type("what of irony?")
        page.keyboard.press("Enter")
        next_sample(page, second)
        expected = [("ambiguous", "", "both", False), ("guideline gap", "", "what of irony?", False)]
        until(lambda: found(server) == expected)
        page.keyboard.press("u")
        expect(page.locator("#row")).to_have_text(second)
        expect(page.locator("#tally")).to_have_text("2 in doubt, 1 decided")
        assert [one[0] for one in found(server)] == ["ambiguous", "withdrawn"]


def test_without_a_reason_nothing_is_decided_and_a_late_answer_asks_for_another_look(browser, opened):
    server = opened("text")
    leave_in_doubt(server.house)
    with visiting(browser, provoked=("409 (Conflict)",)) as context:
        page = context.new_page()
        at_the_bench(page, server.url)
        first = page.locator("#row").inner_text()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.locator("#row")).to_have_text(first)
        assert found(server) == []
        late = [make.annotation(f"late-{one}", task=one, annotator="dee", label="neutral")
                for one in ("t-chosen", "t-audit", "t-reserve")]  # fmt: skip
        server.house.queue.submit(late, loop=make.LOOP)
        page.keyboard.type("because")
        page.keyboard.press("Enter")
        expect(page.locator("#trouble")).to_contain_text("other answers by now")
        expect(page.locator("#answers li")).to_have_count(4)
        assert found(server) == []


def test_several_labels_are_marked_by_their_keys_and_decided_together(browser, opened):
    server = opened("multiple", overlap_max=3)
    said = (("ana", '["service"]'), ("ben", '["price"]'), ("chi", "[]"))
    answers = [make.annotation(name, task="t00", annotator=name, label=label) for name, label in said]
    server.house.queue.submit(answers, loop=make.LOOP)
    with visiting(browser) as context:
        page = context.new_page()
        at_the_bench(page, server.url)
        expect(page.locator("#answers")).to_contain_text("none of them")
        page.keyboard.press("1")
        page.keyboard.press("3")
        page.keyboard.press("2")
        page.keyboard.press("2")
        page.keyboard.press("w")  # a label begins with the letter that the reason has elsewhere
        page.keyboard.type("both are named")
        page.keyboard.press("Enter")
        expect(page.locator("#rest")).to_be_visible()
        until(lambda: found(server))
    assert found(server) == [("label", '["service", "room"]', "both are named", False)]


def test_who_labels_under_a_name_in_this_browser_is_not_asked_about_their_own_answers(browser, opened):
    server = opened("text")
    leave_in_doubt(server.house)
    with visiting(browser) as context:
        page = context.new_page()
        page.goto(f"{server.url}/?token={server.house.token}")
        page.evaluate("localStorage.setItem('loopline.annotator', 'ana')")
        page.goto(f"{server.url}/adjudicate")
        expect(page.locator("#rest")).to_contain_text("Nothing is in doubt now")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_no_page_scrolls_sideways(browser, opened, axe, scheme, shots):
    server = opened("text", guideline="Plain facts are neutral.")
    fill(server.house)
    leave_in_doubt(server.house, comment=EVIL)
    with visiting(browser, scheme) as context:
        page = context.new_page()
        at_the_bench(page, server.url, "lea")
        expect(page.locator("#answers")).to_contain_text(EVIL)
        page.keyboard.press("g")
        page.keyboard.type(EVIL)
        page.keyboard.press("Enter")
        expect(page.locator("#tally")).to_have_text("2 in doubt, 1 decided")
        for path in PAGES:
            page.goto(server.url + path)
            page.wait_for_load_state("networkidle")
            name = path.strip("/").replace("/", "-")
            assert (path, faults(page, axe)) == (path, [])
            page.set_viewport_size({"width": 380, "height": 740})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert (path, wide) == (path, 380)
            page.screenshot(path=shots / f"{name}-{scheme}-380.png", full_page=True)
            page.set_viewport_size({"width": 1280, "height": 860})


def test_a_lead_answers_a_gap_by_a_new_version_by_keyboard(browser, opened):
    server = opened("text")
    leave_in_doubt(server.house)
    with visiting(browser) as context:
        page = context.new_page()
        at_the_bench(page, server.url, "lea")
        page.keyboard.press("g")
        page.keyboard.type("what of irony?")
        page.keyboard.press("Enter")
        expect(page.locator("#tally")).to_have_text("2 in doubt, 1 decided")
        page.goto(f"{server.url}/guideline/edit")
        page.get_by_label("What people are told").focus()
        page.keyboard.press("Control+End")
        page.keyboard.type("\nIrony counts as it is meant.")
        page.get_by_label("what of irony?").focus()
        page.keyboard.press("Space")
        page.get_by_label("What changed, and why").focus()
        page.keyboard.type("irony")
        page.keyboard.press("Enter")
        page.wait_for_url("**/guideline#version-2")
        expect(page.locator(".thread")).to_contain_text("Settled by lea")
        expect(page.locator(".difference .added")).to_contain_text(["Irony counts as it is meant."])
