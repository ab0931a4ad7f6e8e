"""A cluster of alike tasks labelled at once by who may settle tasks, after a sample of it was checked."""

import pytest
from playwright.sync_api import Page, expect
from tests.browser.visits import ready, sent, shown, sign_in, visiting

from loopline.testing import factories as make

pytestmark = pytest.mark.browser


def group_of(page: Page, url: str) -> None:
    sign_in(page, url, "ada")
    ready(page)
    page.keyboard.press("g")
    expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text("6 alike")
    expect(page.locator(".alike li")).to_have_count(6)
    page.get_by_role("button", name="Begin with 5").press("Enter")


def check(page: Page, keys: str) -> None:
    for done, key in enumerate(keys):
        expect(page.get_by_role("dialog").get_by_role("heading")).to_have_text(f"{done} of {len(keys)} checked")
        page.wait_for_timeout(100)  # a person looks before they press
        page.keyboard.press(key)


def test_one_label_goes_to_the_rest_once_the_whole_sample_agrees(browser, opened, axe):
    server = opened("text")
    with visiting(browser) as context:
        page = context.new_page()
        group_of(page, server.url)
        check(page, "33333")
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("All 5 that you checked are positive. Give positive to the other 1?")
        dialog.get_by_role("button", name="Give positive to 1").press("Enter")
        expect(page.get_by_text("6 labelled at once.")).to_be_visible()
        ready(page)
        after = shown(page)
        sent(page)
    found = server.house.book.answers(make.LOOP, cycle=1).annotations
    assert [a.label for a in found] == ["positive"] * 6
    assert sorted(a.is_bulk for a in found) == [False] * 5 + [True]
    assert after not in {a.task for a in found}


def test_a_sample_that_differs_keeps_its_answers_and_leaves_the_rest_to_be_asked(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = context.new_page()
        group_of(page, server.url)
        check(page, "33313")
        expect(page.get_by_role("dialog")).to_contain_text("Your 5 answers differ")
        page.get_by_role("button", name="Done").press("Enter")
        ready(page)
        sent(page)
    found = server.house.book.answers(make.LOOP, cycle=1).annotations
    assert sorted(a.label for a in found) == ["negative"] + ["positive"] * 4
    assert not any(a.is_bulk for a in found)


def test_whoever_may_not_settle_tasks_is_not_offered_it(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = context.new_page()
        sign_in(page, server.url, "ana")
        ready(page)
        expect(page.locator("#group")).to_be_hidden()
        before = shown(page)
        page.keyboard.press("g")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert shown(page) == before
