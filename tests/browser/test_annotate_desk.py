"""The labelling page: one task at a time, by keyboard, with everything that can be said of a task."""

import pytest
from playwright.sync_api import expect
from tests.browser.desks import GUIDELINE, TOKEN
from tests.browser.visits import give, labelling, ready, sent, sentence, shown, visiting

from loopline.testing import factories as make

pytestmark = pytest.mark.browser


def answers(server, *, cycle=1):
    return server.house.book.answers(make.LOOP, cycle=cycle).annotations


def test_a_person_labels_ten_tasks_by_keyboard_and_the_overview_follows(browser, server):
    with visiting(browser) as context:
        desk, overview = labelling(context, server.url, "ana"), context.new_page()
        overview.goto(server.url)
        expect(overview.locator(".hero .lead")).to_contain_text("0 of 64 tasks")
        for key in ("1", "2", "3", "p", "1", "2", "3", "p", "1", "2"):
            give(desk, key)
        expect(desk.locator("#tally")).to_have_text("10 answered")
        expect(overview.locator(".hero .lead")).to_contain_text("10 of 64 tasks")
    labels = [a.label for a in answers(server, cycle=3)]
    assert sorted(labels) == sorted(["negative"] * 3 + ["neutral"] * 3 + ["positive"] * 4)


def test_a_suggestion_names_its_version_and_blind_tasks_show_none(browser, server):
    with visiting(browser) as context:
        page = labelling(context, server.url, "dara")
        told = set()
        for _ in range(8):
            hint, suggested = page.locator("#hint"), page.locator("#labels .suggested")
            text = hint.inner_text()
            assert text == (f"v3 suggests {suggested.get_attribute('data-label')}" if text else "")
            assert suggested.count() == bool(text)
            told.add(bool(text))
            give(page, "2")
    assert told == {True, False}


def test_a_paused_person_is_told_why(browser, server):
    with visiting(browser) as context:
        page = context.new_page()
        page.goto(f"{server.url}/?token={TOKEN}")
        page.goto(f"{server.url}/annotate")
        page.locator("#who-name").fill("eli")
        page.keyboard.press("Enter")
        expect(page.locator("#rest")).to_contain_text("7 of 14 gold tasks right")


def test_twenty_answers_can_be_taken_back_after_they_were_sent_and_after_a_reload(browser, server):
    with visiting(browser) as context:
        page = labelling(context, server.url, "bo")
        seen = []
        for key in "123" * 7:
            seen.append(sentence(page))
            give(page, key)
        expect(page.locator("#tally")).to_have_text("21 answered")
        sent(page)
        page.reload()
        ready(page)
        for text in reversed(seen[1:]):
            page.keyboard.press("u")
            expect(page.locator("#row")).to_have_text(text)
        page.keyboard.press("u")  # the one before these is too old to be taken back
        expect(page.locator("#undo")).to_be_disabled()
        expect(page.locator("#row")).to_have_text(seen[1])
        expect(page.locator("#tally")).to_have_text("1 answered")
        give(page, "3")
        expect(page.locator("#tally")).to_have_text("2 answered")
        sent(page)
    assert sorted(a.label for a in answers(server, cycle=3)) == ["negative", "positive"]


def test_a_skip_carries_its_reason_and_comment_and_the_task_does_not_come_again(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = labelling(context, server.url, "bo")
        first = shown(page)
        page.keyboard.press("s")
        dialog = page.get_by_role("dialog", name="Skip this task")
        expect(dialog.get_by_label("It is unclear")).to_be_focused()
        page.keyboard.press("Escape")
        assert shown(page) == first
        page.keyboard.press("s")
        dialog.get_by_label("Comment").fill("cut off in 3 places")
        dialog.get_by_label("No label fits").focus()
        page.keyboard.press("4")
        expect(page.locator("#task")).not_to_have_attribute("data-task", first)
        second = shown(page)
        page.keyboard.press("s")
        page.keyboard.press("Enter")
        expect(page.locator("#task")).not_to_have_attribute("data-task", second)
        sent(page)
        page.reload()
        ready(page)
        assert shown(page) not in (first, second)
    skips = server.house.book.answers(make.LOOP, cycle=1).skips
    assert {skip.task: skip.reason for skip in skips} == {first: "not readable: cut off in 3 places", second: "unclear"}


def test_a_flag_and_a_comment_go_with_the_answer_and_outlive_a_reload(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = labelling(context, server.url, "bo")
        first = shown(page)
        page.keyboard.press("f")
        page.keyboard.press("c")
        page.keyboard.type("2 readings, see 1")
        page.keyboard.press("Escape")
        page.reload()
        expect(page.locator("#task")).to_have_attribute("data-task", first)
        expect(page.get_by_role("button", name="Flagged")).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_label("Comment on this task")).to_have_value("2 readings, see 1")
        give(page, "3")
        expect(page.get_by_role("button", name="Flag", exact=True)).to_have_attribute("aria-pressed", "false")
        give(page, "3")
        sent(page)
    said = {a.task: (a.label, a.comment, a.is_flagged) for a in answers(server)}
    assert said[first] == ("positive", "2 readings, see 1", True)
    assert sorted(said.values())[0] == ("positive", "", False)


def test_more_like_this_brings_the_rest_of_its_cluster_next(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = labelling(context, server.url, "bo")
        first = int(shown(page).removeprefix("t"))
        page.keyboard.press("l")
        expect(page.get_by_text("more like this come next")).to_be_visible()
        ahead = []
        for _ in range(2):
            give(page, "1")
            ahead.append(int(shown(page).removeprefix("t")))
    assert [number % 2 for number in ahead] == [first % 2] * 2


def test_the_guideline_stands_beside_the_task_until_it_is_put_away(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = labelling(context, server.url, "bo")
        guideline = page.get_by_role("complementary", name="Guideline")
        expect(guideline).to_contain_text(GUIDELINE)
        expect(guideline).to_contain_text("Version 1")
        expect(guideline).to_contain_text("Open from nine.")
        page.keyboard.press("h")
        expect(guideline).to_be_hidden()
        page.reload()
        ready(page)
        expect(guideline).to_be_hidden()


def test_progress_tells_figures_and_days_and_can_be_hidden(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = labelling(context, server.url, "bo")
        for _ in range(4):
            give(page, "1")
        page.get_by_role("button", name="Progress").click()
        progress = page.get_by_role("region", name="Progress")
        expect(progress).to_contain_text("1 of the last 14")
        expect(progress).to_contain_text("about 10 tasks")
        expect(progress).to_contain_text("known once others have answered the same tasks")
        page.get_by_role("button", name="Progress").click()
        expect(progress).to_be_hidden()
