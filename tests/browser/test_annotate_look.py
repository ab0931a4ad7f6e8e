"""How the labelling page looks and speaks: languages, directions, contrast, narrow screens."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect
from tests.browser.visits import give, labelling, visiting

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "src" / "loopline" / "apps" / "web" / "templates" / "annotate.html"
TARGET = 44
"""CSS pixels that a finger needs."""
BLANKS = """
const [{ en }, { zh }] = await Promise.all(process.argv.slice(1).map((path) => import(path)));
const blanks = (texts) => Object.fromEntries(Object.entries(texts).map(([name, text]) =>
  [name, typeof text === "string" ? (text.match(/\\{\\w+\\}/g) ?? []).sort() : Object.keys(text)]));
console.log(JSON.stringify([blanks(en), blanks(zh)]));
"""


def test_the_page_speaks_the_browsers_language_and_the_one_that_was_chosen(browser, opened):
    server = opened("text")
    with visiting(browser, locale="zh-CN") as context:
        page = labelling(context, server.url, "ana")
        assert page.evaluate("document.documentElement.lang") == "zh"
        expect(page.get_by_role("heading", name="哪个标签合适?")).to_be_visible()
        expect(page.get_by_role("link", name="总览")).to_be_visible()
        give(page, "1")
        expect(page.locator("#tally")).to_have_text("已答 1 条")
        page.keyboard.press("?")
        page.get_by_role("dialog", name="键盘快捷键").get_by_label("语言").select_option("en")
        expect(page.get_by_role("heading", name="Which label fits?")).to_be_visible()
        page.reload()
        expect(page.get_by_role("heading", name="Which label fits?")).to_be_visible()
        assert page.title() == "Annotate · Loopline"


def test_both_catalogues_fill_the_same_blanks(node):
    texts = ROOT / "web" / "src" / "texts"
    order = [node[0], "--experimental-strip-types", "--no-warnings", "--input-type=module", "-e", BLANKS]
    paths = [(texts / f"{name}.ts").as_uri() for name in ("en", "zh")]
    done = subprocess.run([*order, *paths], capture_output=True, text=True, check=True, timeout=60)
    english, chinese = json.loads(done.stdout)
    assert english == chinese


def test_the_template_says_nothing_that_a_catalogue_does_not():
    html = TEMPLATE.read_text(encoding="utf-8")
    html = re.sub(r"<noscript>.*?</noscript>|<kbd.*?</kbd>|{% block title %}.*?{% endblock %}", "", html, flags=re.S)
    words = re.findall(r">\s*([^<>{}]*[A-Za-z][^<>{}]*)<", html)
    assert words == []


@pytest.mark.parametrize("width", [360, 1280])
def test_from_right_to_left_nothing_leaves_the_page(browser, opened, shots, width):
    server = opened("table")
    with visiting(browser, viewport={"width": width, "height": 800}) as context:
        page = labelling(context, server.url, "ana")
        page.evaluate("document.documentElement.dir = 'rtl'")
        page.screenshot(path=shots / f"annotate-rtl-{width}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        first, last = (page.locator("#labels button").nth(at).bounding_box() for at in (0, 1))
        assert first["x"] > last["x"]
        guideline = page.get_by_role("complementary", name="Guideline")
        if guideline.is_visible():
            assert guideline.bounding_box()["x"] < page.locator("#row").bounding_box()["x"]


@pytest.mark.parametrize("kind", ["text", "multiple", "rating", "image", "json"])
def test_on_a_phone_everything_is_large_enough_for_a_finger(browser, opened, shots, kind):
    server = opened(kind)
    with visiting(browser, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True) as context:
        page = labelling(context, server.url, "ana")
        page.screenshot(path=shots / f"annotate-360-{kind}.png")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        for button in page.locator("#desk button:visible").all():
            box = button.bounding_box()
            assert min(box["width"], box["height"]) >= TARGET, button.inner_text()
        page.locator("#labels button").first.tap()
        page.locator("#pass").tap()
        for choice in page.locator("#reasons label").all():
            assert choice.bounding_box()["height"] >= TARGET


def test_reduced_motion_has_no_movement_and_forced_colours_still_tell_what_is_chosen(browser, opened):
    server = opened("multiple")
    with visiting(browser, forced_colors="active") as context:
        page = labelling(context, server.url, "ana")
        page.keyboard.press("1")
        colours = page.locator("#labels button").evaluate_all(
            "(all) => all.map((one) => getComputedStyle(one).backgroundColor)"
        )
        assert colours[0] != colours[1]
        moving = (
            "[...document.querySelectorAll('*')].filter((one) => getComputedStyle(one).animationName !== 'none').length"
        )
        assert page.evaluate(moving) == 0
