"""The kinds of question and of view on the labelling page, and a person's own keys."""

import pytest
from playwright.sync_api import expect
from tests.browser.visits import give, labelling, ready, sent, shown, visiting

from loopline.testing import factories as make

pytestmark = pytest.mark.browser


def labels(server):
    return [a.label for a in server.house.book.answers(make.LOOP, cycle=1).annotations]


def test_of_several_labels_digits_toggle_and_enter_submits_also_none(browser, opened):
    server = opened("multiple")
    with visiting(browser) as context:
        page = labelling(context, server.url, "ana")
        first = shown(page)
        expect(page.get_by_role("heading", name="Which labels fit?")).to_be_visible()
        for key in ("3", "1", "2", "2"):
            page.keyboard.press(key)
        chosen = page.locator("#labels [aria-pressed=true] .name")
        expect(chosen).to_have_text(["service", "room"])
        page.reload()  # what is half chosen is kept
        ready(page)
        expect(chosen).to_have_text(["service", "room"])
        give(page, "Enter")
        expect(chosen).to_have_count(0)
        expect(page.get_by_role("button", name="None of these")).to_be_visible()
        give(page, "Enter")
        page.keyboard.press("u")
        page.keyboard.press("u")
        expect(page.locator("#task")).to_have_attribute("data-task", first)
        expect(chosen).to_have_text(["service", "room"])
        page.keyboard.press("1")
        give(page, "Enter")
        sent(page)
    assert labels(server) == ['["room"]']


def test_a_rating_is_one_press_on_its_scale(browser, opened):
    server = opened("rating")
    with visiting(browser) as context:
        page = labelling(context, server.url, "ana")
        buttons = page.locator("#labels button")
        expect(buttons).to_have_count(5)
        expect(buttons.first).to_contain_text("lowest")
        expect(buttons.last).to_contain_text("highest")
        give(page, "4")
        sent(page)
    assert labels(server) == ["4"]


def test_a_document_is_shown_by_its_parts(browser, opened):
    server = opened("json")
    with visiting(browser) as context:
        page = labelling(context, server.url, "ana")
        expect(page.get_by_role("term").filter(has_text="title")).to_be_visible()
        expect(page.locator("#row")).to_contain_text("ui, linux")


def test_a_value_outside_its_usual_range_is_said_in_words(browser, opened):
    server = opened("table")
    with visiting(browser) as context:
        page = labelling(context, server.url, "ana")
        expect(page.get_by_role("columnheader", name="Usual range")).to_be_visible()
        for _ in range(3):
            expect(page.get_by_text("unusual", exact=True)).to_have_count(int(shown(page) == "t03"))
            give(page, "1")
        expect(page.get_by_role("row", name="feature 2").get_by_text("unusual")).to_be_visible()


def test_a_square_row_of_numbers_is_drawn_and_listed(browser, opened):
    server = opened("digits")
    with visiting(browser) as context:
        page = labelling(context, server.url, "ana")
        expect(page.get_by_role("img", name="64 values drawn as a 8 by 8 picture")).to_be_visible()
        page.get_by_text("As numbers").click()
        expect(page.get_by_role("row", name="feature 2 6")).to_be_visible()
        page.keyboard.press("3")
        expect(page.locator("#tally")).to_have_text("0 answered")
        page.keyboard.press("7")
        expect(page.locator("#tally")).to_have_text("1 answered")
        sent(page)
    assert labels(server) == ["7"]


def test_images_are_here_before_their_turn_and_the_page_needs_no_server_for_them(browser, opened):
    server = opened("image")
    with visiting(browser) as context:
        asked: list[str] = []
        context.on("request", lambda request: asked.append(request.url) if "/input" in request.url else None)
        page = labelling(context, server.url, "ana")
        page.wait_for_load_state("networkidle")
        ahead = len(asked)
        assert ahead >= 4
        context.set_offline(True)
        for _ in range(3):
            give(page, "1")
            ready(page)
            assert page.locator("#row img").evaluate("(image) => image.complete && image.naturalWidth") == 64
        assert len(asked) == ahead


def test_a_picture_that_has_not_come_cannot_be_answered_and_comes_by_itself(browser, opened):
    server = opened("image")
    with visiting(browser, provoked=("ERR_FAILED",)) as context:
        context.route("**/input*", lambda route: route.abort())
        page = labelling_unseen(context, server.url)
        expect(page.get_by_text("The picture cannot be loaded.")).to_be_visible()
        first = shown(page)
        page.keyboard.press("1")
        expect(page.locator("#task")).to_have_attribute("data-task", first)
        context.unroute("**/input*")
        ready(page)
        give(page, "1")


def labelling_unseen(context, url):
    """As ``labelling``, where no task can be painted yet."""
    context.route("**/api/claim", lambda route: route.abort())
    page = context.new_page()
    page.goto(f"{url}/?token=browser-token")
    page.goto(f"{url}/annotate")
    page.locator("#who-name").fill("ana")
    page.keyboard.press("Enter")
    expect(page.get_by_text("The server cannot be reached.").first).to_be_visible()
    context.unroute("**/api/claim")
    return page


def test_g_gives_a_label_and_leaves_no_page_while_a_task_is_shown(browser, opened):
    server = opened("letters")
    with visiting(browser) as context:
        page = labelling(context, server.url, "ana")
        for key in ("g", "a", "g", "s", "u"):  # good, awful, good, sad, unclear: no command takes a label's letter
            give(page, key)
        assert page.url.endswith("/annotate")
        page.keyboard.press("z")
        expect(page.locator("#tally")).to_have_text("4 answered")
        sent(page)
    assert sorted(labels(server)) == ["awful", "good", "good", "sad"]


def test_buttons_and_sheet_show_every_key_that_works(browser, opened):
    server = opened("letters")
    with visiting(browser) as context:
        page = labelling(context, server.url, "ana")
        buttons = page.locator("#labels button")
        expect(buttons).to_have_text(["1Ggood", "2Aawful", "3Ssad", "4Uunclear"])
        assert buttons.first.get_attribute("aria-keyshortcuts") == "1 G"
        expect(page.locator("#pass kbd")).to_have_text("X")
        page.keyboard.press("?")
        sheet = page.get_by_role("dialog", name="Keyboard shortcuts")
        expect(sheet).to_contain_text("X\nSkip", use_inner_text=True)
        expect(sheet.get_by_text("Signals")).to_be_hidden()


def test_keys_can_be_chosen_conflicts_are_refused_in_words_and_the_choice_is_kept(browser, opened):
    server = opened("letters")
    with visiting(browser) as context:
        page = labelling(context, server.url, "ana")
        page.keyboard.press("?")
        page.get_by_role("button", name="Change keys").click()
        dialog = page.get_by_role("dialog", name="Your keys")
        dialog.get_by_role("button", name="awful").press("Enter")
        page.keyboard.press("x")
        expect(dialog.get_by_role("status")).to_have_text("X already gives Skip. Choose another key.")
        page.keyboard.press("?")
        expect(dialog.get_by_role("status")).to_have_text("? cannot be used. Choose a letter, a digit or a sign.")
        page.keyboard.press("j")
        expect(dialog.get_by_role("status")).to_have_text("J now gives awful.")
        page.keyboard.press("Escape")
        page.reload()
        ready(page)
        expect(page.locator("#labels button").nth(1)).to_have_text("Jawful")
        give(page, "j")
        page.keyboard.press("a")  # no longer a key
        sent(page)
        page.keyboard.press("?")
        page.get_by_role("button", name="Change keys").click()
        dialog.get_by_role("button", name="Back to the usual keys").click()
        page.keyboard.press("Escape")
        expect(page.locator("#labels button").nth(1)).to_have_text("2Aawful")
    assert labels(server) == ["awful"]


def test_a_keyboard_of_other_letters_gives_what_stands_on_the_caps(browser, opened):
    server = opened("letters")
    with visiting(browser) as context:
        page = labelling(context, server.url, "ana")
        first = shown(page)
        press = "(code, key) => document.dispatchEvent(new KeyboardEvent('keydown', {key, code, bubbles: true}))"
        page.evaluate(f"() => ({press})('KeyG', 'п')")
        expect(page.locator("#task")).not_to_have_attribute("data-task", first)
        ready(page)
        page.evaluate(f"() => ({press})('Digit2', 'é')")
        sent(page)
        expect(page.locator("#tally")).to_have_text("2 answered")
    assert sorted(labels(server)) == ["awful", "good"]
