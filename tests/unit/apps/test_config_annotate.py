"""``[annotate]``: kinds of question and view by name, and keys that must fit each other and the rest of the file."""

import pytest

from loopline.apps import questions, views
from loopline.apps.config import InvalidSettings, load_settings
from loopline.records.settings import LEARNED

SERVED = """
[loop]
name = "sentiment"
labels = ["negative", "neutral", "positive"]
input = "text"
[serve]
model = "model.onnx"
checks = "rows.csv"
"""
TRAINED = SERVED.partition("[serve]")[0] + '[train]\nrun = "train.py:train"\nbase = "rows.csv"\n'
TABLE = TRAINED.replace('input = "text"', 'input = "tabular"\nwidth = 2')
IMAGE = TRAINED.replace('input = "text"', 'input = "image"\npreprocessing = "rgb-8x8-flat-unit.v1"')


@pytest.fixture
def read(tmp_path):
    """Settings from these lines of ``[annotate]``, after the least that a loop needs."""
    for name in ("model.onnx", "rows.csv", "train.py", "gold.csv"):
        (tmp_path / name).touch()

    def read(lines: str, *, least: str = SERVED, rest: str = ""):
        (tmp_path / "loop.toml").write_text(f"{least}\n[annotate]\n{lines}\n{rest}")
        return load_settings(tmp_path / "loop.toml")

    return read


@pytest.fixture
def problem(read):
    """The one problem of these lines."""

    def problem(lines: str, *, least: str = SERVED) -> str:
        with pytest.raises(InvalidSettings) as caught:
            read(lines, least=least)
        (found,) = caught.value.problems
        return str(found)

    return problem


@pytest.mark.parametrize("kind", ["single", "multiple", "rating"])
def test_every_built_in_question_can_be_asked(read, kind):
    assert read(f'question = "{kind}"').annotate.question == kind


def test_a_misspelt_question_or_view_is_told_with_the_nearest_one(problem):
    assert problem('question = "mulitple"') == (
        'annotate.question: found "mulitple", allowed: binary, multiple, rating, single; did you mean multiple?'
    )
    assert problem('view = "tabel"') == (
        'annotate.view: found "tabel", allowed: auto, image, json, table, text; did you mean table?'
    )


def test_installed_kinds_are_known_by_their_entry_points(read, problem, monkeypatch):
    monkeypatch.setattr(questions, "known", lambda: ("single", "spans"))
    monkeypatch.setattr(views, "known", lambda: ("auto", "waveform"))
    annotate = read('question = "spans"\nview = "waveform"').annotate
    assert (annotate.question, annotate.view) == ("spans", "waveform")
    assert problem('question = "spans"', least=TRAINED).startswith('annotate.question: found "spans" with a trainer')


def test_binary_is_one_of_two_labels(read, problem):
    assert problem('question = "binary"') == (
        'annotate.question: found "binary" with 3 labels, allowed: two labels; or question = "single"'
    )
    two = SERVED.replace('"neutral", ', "")
    assert read('question = "binary"', least=two).annotate.question == "binary"


def test_what_no_trainer_learns_is_asked_without_one(read, problem):
    assert problem('question = "multiple"', least=TRAINED) == (
        'annotate.question: found "multiple" with a trainer, which learns one label a sample, allowed: binary, rating, '
        "single, where there is one; leave out [train] run: a loop that asks multiple questions ends each cycle with "
        "its labels"
    )
    assert {kind for kind in ("single", "rating") if read(f'question = "{kind}"', least=TRAINED)} <= LEARNED


@pytest.mark.parametrize(
    ("view", "least", "allowed"),
    [
        ("image", SERVED, "auto, json, text"),
        ("table", SERVED, "auto, json, text"),
        ("json", TABLE, "auto, table, text"),
        ("text", IMAGE, "auto, image"),
    ],
)
def test_a_view_that_cannot_show_the_input_is_refused_with_those_that_can(problem, view, least, allowed):
    kind = least.split('input = "')[1].partition('"')[0]
    assert problem(f'view = "{view}"', least=least) == (
        f'annotate.view: found "{view}", while input = "{kind}", allowed: {allowed}'
    )


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("overlap = { min = 3, max = 2 }", "annotate.overlap: found min 3 above max 2"),
        ("overlap_reserve = { min = 4 }", "annotate.overlap_reserve: found min 4 above max 3"),
        ("overlap = { min = 2 }\noverlap_audit = { max = 1 }", "annotate.overlap_audit: found min 2 above max 1"),
    ],
)
def test_the_bounds_of_every_stratum_fit(problem, lines, said):
    assert problem(lines) == f"{said}, allowed: min at most max"


def test_bounds_of_a_stratum_fall_back_to_the_overlap(read):
    annotate = read(
        "overlap = { min = 2, max = 5 }\noverlap_reserve = { min = 5 }\noverlap_audit = { max = 2 }"
    ).annotate
    assert (annotate.reserve_min, annotate.reserve_max, annotate.audit_min, annotate.audit_max) == (5, 0, 0, 2)


@pytest.mark.parametrize("key", ["skills", "languages"])
def test_skills_and_languages_go_by_the_segment_so_there_have_to_be_some(read, problem, key):
    line = f'{key} = {{ "shop-de" = "de", "shop" = "en" }}'
    assert problem(line) == (
        f"annotate.{key}: found {key} by segment without capture.segment_by, allowed: both, or neither"
    )
    annotate = read(line, rest='[capture]\nsegment_by = "shop"').annotate
    assert getattr(annotate, key) == (("shop", "en"), ("shop-de", "de"))


def test_wrong_suggestions_are_shown_beside_gold_only(read, problem):
    assert problem("wrong = 0.5") == (
        "annotate.wrong: found wrong = 0.5 without a gold_file, allowed: both, or neither"
    )
    assert read('wrong = 0.5\ngold_file = "gold.csv"').annotate.wrong == 0.5


@pytest.mark.parametrize("quota", ["0", "-1", "1.5", '"many"'])
def test_a_quota_is_a_number_of_answers(problem, read, quota):
    assert problem(f"quota = {quota}").startswith(f"annotate.quota: found {quota}, allowed: a whole number from 1")
    assert read("quota = 250").annotate.quota == 250
