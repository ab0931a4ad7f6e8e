"""Answers on their way: offline, refused, signed out, in two tabs, over a restart. None is lost and none is doubled."""

from contextlib import ExitStack

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect
from tests.browser.desks import TOKEN, house_of, serving
from tests.browser.visits import give, labelling, ready, sent, sentence, shown, sign_in, visiting

from loopline.testing import factories as make

pytestmark = pytest.mark.browser


def answers(house):
    return house.book.answers(make.LOOP, cycle=1).annotations


def answered_offline(context: BrowserContext, page: Page) -> None:
    """Two answers that leave as one batch when the server is back."""
    context.set_offline(True)
    give(page, "1")
    give(page, "2")
    expect(page.locator("#tally")).to_contain_text("2 answered")
    expect(page.locator("#tally")).to_contain_text("2 of them waiting")


def refused(route: Route, status: int) -> None:
    route.fulfill(status=status, json={"error": f"refused with {status}"})


def test_what_was_done_offline_is_sent_in_order_when_the_server_is_back(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = labelling(context, server.url, "chidi")
        first = sentence(page)
        answered_offline(context, page)
        expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
        page.keyboard.press("u")
        page.keyboard.press("u")
        expect(page.locator("#row")).to_have_text(first)
        give(page, "3")
        page.keyboard.press("s")
        page.keyboard.press("2")
        context.set_offline(False)
        sent(page)
        expect(page.get_by_text("The server cannot be reached.")).to_be_hidden()
        expect(page.locator("#trouble")).to_be_hidden()
    found = server.house.book.answers(make.LOOP, cycle=1)
    assert [a.label for a in found.annotations] == ["positive"]
    assert [skip.reason for skip in found.skips] == ["several labels fit"]


@pytest.mark.parametrize("status", [403, 421, 500])
def test_an_answer_that_was_not_judged_is_kept_until_it_arrives(browser, opened, status):
    server = opened("text")
    with visiting(browser, provoked=(f"status of {status}",)) as context:
        page = labelling(context, server.url, "femi")
        page.route("**/api/annotations", lambda route: refused(route, status))
        with page.expect_response("**/api/annotations"):
            give(page, "1")
        with page.expect_response("**/api/annotations"):  # it is sent again
            give(page, "2")
        page.unroute("**/api/annotations")
        sent(page)
    assert len(answers(server.house)) == 2


def test_one_bad_answer_of_a_batch_is_told_and_does_not_hold_the_good_ones_back(browser, opened):
    server = opened("text")
    with visiting(browser, provoked=("400 (Bad Request)", "409 (Conflict)")) as context:
        page = labelling(context, server.url, "gus")
        bad = shown(page)
        answered_offline(context, page)

        def judge(route: Route) -> None:
            given = route.request.post_data_json["annotations"]
            refused(route, 409) if bad in [one["task"] for one in given] else route.continue_()

        page.route("**/api/annotations", judge)
        context.set_offline(False)
        expect(page.get_by_role("alert").get_by_text("refused with 409")).to_be_visible()
        sent(page)
    assert [a.label for a in answers(server.house)] == ["neutral"]


def test_a_session_that_ended_keeps_every_answer_and_goes_on_after_signing_in(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = context.new_page()
        sign_in(page, server.url, "ana")
        ready(page)
        context.clear_cookies()
        give(page, "1")
        expect(page.get_by_text("You are signed out.")).to_be_visible()
        give(page, "2")
        page.get_by_role("link", name="Sign in").click()
        assert answers(server.house) == ()
        sign_in(page, server.url, "ana")
        sent(page)
        expect(page.locator("#tally")).to_have_text("2 answered")
    assert sorted((a.annotator, a.label) for a in answers(server.house)) == [("ana", "negative"), ("ana", "neutral")]


def test_answers_outlive_a_restart_of_the_server_and_a_reload(browser):
    house = house_of("text")
    with (
        visiting(browser, provoked=("ERR_CONNECTION_REFUSED", "ERR_CONNECTION_RESET")) as context,
        ExitStack() as stack,
    ):
        url = stack.enter_context(serving(house))
        page = labelling(context, url, "hana")
        give(page, "1")
        sent(page)
        stack.close()
        give(page, "2")
        give(page, "3")
        expect(page.get_by_text("The server cannot be reached.")).to_be_visible()
        port = int(url.rpartition(":")[2])
        with serving(house, port=port):
            page.goto(f"{url}/annotate")
            sent(page)
            expect(page.locator("#tally")).to_contain_text("3 answered")
            context.close()
    assert sorted(a.label for a in answers(house)) == ["negative", "neutral", "positive"]


def test_of_two_tabs_one_labels_and_sends_and_the_other_stands_back_until_it_is_asked(browser, opened):
    server = opened("text")
    with visiting(browser, provoked=("ERR_FAILED",)) as context:
        one = labelling(context, server.url, "ines")
        give(one, "1")
        two = context.new_page()
        two.goto(f"{server.url}/annotate")
        ready(two)
        expect(one.get_by_text("You are labelling in another tab")).to_be_visible()
        one.keyboard.press("2")  # nothing is shown, so nothing is answered
        two.route("**/api/annotations", lambda route: route.abort())
        two_saw = shown(two)
        give(two, "3")
        one.get_by_role("button", name="Label here").click()
        ready(one)
        expect(two.get_by_text("You are labelling in another tab")).to_be_visible()
        assert shown(one) != two_saw  # what the other tab answered and could not send is not asked again
        two.close()
        sent(one)  # this tab sends what the other has left
        one.keyboard.press("u")
        expect(one.locator("#task")).to_have_attribute("data-task", two_saw)
        give(one, "2")
        sent(one)
    assert sorted(a.label for a in answers(server.house)) == ["negative", "neutral"]


def test_an_answer_given_while_another_is_taken_back_can_be_taken_back_too(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = labelling(context, server.url, "ines")
        first = sentence(page)
        give(page, "1")
        second = sentence(page)
        sent(page)
        held: list[Route] = []
        page.route("**/api/undo", lambda route: route.continue_() if held else held.append(route))
        with page.expect_request("**/api/undo"):
            page.keyboard.press("u")
        give(page, "2")
        give(page, "3")
        held[0].continue_()
        for text in (second, first):
            page.keyboard.press("u")
            expect(page.locator("#row")).to_have_text(text)
        sent(page)
        expect(page.locator("#trouble")).to_be_hidden()
        expect(page.locator("#tally")).to_have_text("0 answered")
    assert answers(server.house) == ()


def test_an_undo_that_came_too_late_is_told_and_the_answer_stands(browser, opened):
    server = opened("text")
    with visiting(browser, provoked=("409 (Conflict)",)) as context:
        page = labelling(context, server.url, "jo")
        first = shown(page)
        give(page, "1")
        sent(page)
        page.route("**/api/undo", lambda route: refused(route, 409))
        page.keyboard.press("u")
        expect(page.get_by_role("alert").get_by_text("refused with 409")).to_be_visible()
        expect(page.locator("#task")).not_to_have_attribute("data-task", first)
    assert len(answers(server.house)) == 1


def test_tasks_are_held_while_the_page_works_and_given_back_when_it_is_left(browser, opened):
    server = opened("text", lease_seconds=3)
    with visiting(browser) as one, visiting(browser) as other, visiting(browser) as third:
        page = labelling(one, server.url, "kim")
        for _ in range(4):  # longer than the lease
            with page.expect_request("**/api/hold") as renewed:
                pass
        first = shown(page)
        assert first in renewed.value.post_data_json["tasks"]
        assert shown(labelling(other, server.url, "lou")) not in renewed.value.post_data_json["tasks"]
        page.goto(f"{server.url}/account")
        assert shown(labelling(third, server.url, "mia")) == first


def test_the_name_of_whoever_is_let_in_by_the_token_can_be_changed(browser, opened):
    server = opened("text")
    with visiting(browser) as context:
        page = labelling(context, server.url, "max")
        page.get_by_role("button", name="change").click()
        page.goto(f"{server.url}/annotate?token={TOKEN}")
        expect(page.get_by_label("Your name")).to_be_focused()
