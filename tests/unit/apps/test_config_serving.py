"""What ``loop.toml`` says about serving and capture."""

from pathlib import Path

import pytest

from loopline.apps.config import InvalidSettings, load_settings
from loopline.errors import InvalidRecord
from loopline.records.settings import ELSEWHERE, Redaction

LEAST = """
[loop]
name = "sentiment"
labels = ["negative", "positive"]
input = "text"
[train]
run = "train.py:train"
base = "base.jsonl"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train.py", "base.jsonl", "anchor.jsonl", "gold.csv"):
        (tmp_path / name).write_text("")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "loop.toml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(written(folder, text))
    assert isinstance(caught.value, InvalidRecord)
    lines = str(caught.value).splitlines()
    assert [line.strip() for line in lines[1:]] == [str(problem) for problem in caught.value.problems]
    return [str(problem) for problem in caught.value.problems]


def test_a_served_model_needs_rows_to_be_verified_on_and_either_both_base_and_trainer_or_neither(folder):
    plain = LEAST.partition("[train]")[0] + '[serve]\nmodel = "m.onnx"\n'
    assert problems(folder, plain) == [
        "serve.checks: found nothing, allowed: a .jsonl or .csv file of labelled rows; "
        "the model is verified on them before it serves",
    ]
    assert load_settings(written(folder, plain + 'checks = "base.jsonl"')).serve.checks == "base.jsonl"
    assert load_settings(written(folder, plain.replace("m.onnx", "elsewhere"))).serve.model == ELSEWHERE
    assert problems(folder, LEAST.replace('base = "base.jsonl"\n', "") + '[serve]\nmodel = "m.onnx"\n') == [
        "train.base: found nothing, allowed: a .jsonl or .csv file of labelled rows; "
        "challengers are trained on it and what is labelled",
    ]


@pytest.mark.parametrize(
    "rule",
    ['{ regex = "[" }', '{ field = "label" }', "{ hash = 1 }", '{ regexp = "a" }', "{}", '"a"'],
)
def test_a_redaction_rule_that_cannot_work_is_refused(folder, rule):
    (line,) = problems(folder, LEAST + f"[capture]\nredact = [{rule}]")
    assert line.startswith("capture.redact: found [")


def test_redaction_rules_are_read_in_order(folder):
    rules = '[{ regex = "[0-9]{16}", replace = "#" }, { field = "group", hash = true }]'
    found = load_settings(written(folder, LEAST + f"[capture]\nredact = {rules}")).capture.redact
    assert found == (Redaction(regex="[0-9]{16}", replace="#"), Redaction(field="group", is_hashed=True))
