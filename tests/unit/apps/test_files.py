"""What the files named in loop.toml hold is told before anything starts, all of it at once."""

import json
from pathlib import Path

import pytest

from loopline.apps.config import InvalidSettings, load_settings
from loopline.apps.config.files import check_files
from loopline.records.settings import Settings

LOOP = """
[loop]
name = "mood"
labels = ["bad", "good"]
input = "text"
[train]
run = "train.py:train"
base = "base.jsonl"
[gate]
anchor = "anchor.jsonl"
[annotate]
gold_file = "gold.jsonl"
"""
TRAIN = "def train(dataset, run): ...\n"


def rows(*pairs: tuple[str, str]) -> str:
    return "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in pairs)


BASE = rows(("fine", "good"), ("awful", "bad"))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "loop.toml").write_text(LOOP)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "base.jsonl").write_text(BASE)
    (tmp_path / "anchor.jsonl").write_text(rows(("nice", "good")))
    (tmp_path / "gold.jsonl").write_text(rows(("ugly", "bad")))
    return load_settings(tmp_path / "loop.toml")


def told(settings: Settings) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        check_files(settings)
    return [str(problem) for problem in caught.value.problems]


def write(settings: Settings, **files: str) -> None:
    for name, content in files.items():
        (Path(settings.folder) / name.replace("_", ".")).write_text(content)


def test_files_that_fit_are_passed(settings):
    check_files(settings)


def test_every_file_is_told_at_once(settings):
    write(settings, base_jsonl=rows(("fine", "great")), anchor_jsonl="{", gold_jsonl=rows(("ugly", "bda")), train_py="")
    with pytest.raises(InvalidSettings, match=r"^files of loop mood: 4 problems, expected none; mend every line"):
        check_files(settings)
    lines = told(settings)
    assert lines[0] == "train.base: found base.jsonl line 1: label 'great', allowed: one of bad, good"
    assert lines[1].startswith("gate.anchor: found anchor.jsonl line 1: ")
    assert lines[2] == "annotate.gold_file: found gold.jsonl line 1: label 'bda', allowed: one of bad, good"
    assert lines[3] == "train.run: found no function train in train.py, allowed: one that it defines: nothing"


def test_a_base_of_one_class_is_told_before_training_fails(settings):
    write(settings, base_jsonl=rows(("fine", "good"), ("nicer", "good")))
    assert told(settings) == [
        "train.base: found base.jsonl with the label good only, allowed: rows of two or more labels"
    ]


def test_gold_that_is_the_base_file_is_told(settings):
    write(settings, gold_jsonl=BASE)
    assert told(settings) == [
        "annotate.gold_file: found gold.jsonl, the same rows as train.base, allowed: rows that are not trained on"
    ]


def test_anchor_rows_that_are_base_rows_are_named(settings):
    write(settings, anchor_jsonl='{"label": "good", "text": "fine"}\n' + rows(("nice", "good")))
    assert told(settings) == [
        "gate.anchor: found anchor.jsonl: 1 of 2 rows are in train.base too (anchor-1), "
        "allowed: rows that are not trained on"
    ]


def test_equal_inputs_are_found_however_they_are_spelled(settings):
    write(settings, gold_jsonl='{"text": "f\\u0069ne", "label": "good"}\n')
    assert "(gold-1)" in told(settings)[0]


def test_a_gone_file_is_told(settings):
    (Path(settings.folder) / "base.jsonl").unlink()
    (Path(settings.folder) / "train.py").unlink()
    lines = told(settings)
    assert lines[0].startswith("train.base: found no file ")
    assert lines[1].startswith("train.run: found train.py, which is not there, allowed: a file in ")


def test_a_misspelled_trainer_is_told_with_the_functions_that_are_there(settings):
    write(settings, train_py="import numpy as np\ndef fit(dataset, run): ...\n")
    assert told(settings) == ["train.run: found no function train in train.py, allowed: one that it defines: fit, np"]


def test_a_trainer_that_is_no_python_is_told_with_its_line(settings):
    write(settings, train_py="import os\ndef train(dataset, run:\n")
    assert told(settings)[0].startswith("train.run: found train.py line 2: ")


@pytest.mark.parametrize(
    "code",
    [
        "from maker import train",
        "train = print",
        "if True:\n    def train(): ...",
        "from maker import *",
        "train: int = 1",
    ],
)
def test_a_trainer_may_be_bound_in_any_way(settings, code):
    write(settings, train_py=code)
    check_files(settings)


def test_the_trainer_is_not_run_to_find_its_function(settings):
    write(settings, train_py="raise SystemExit(3)\n" + TRAIN)
    check_files(settings)


def test_a_trainer_in_a_package_is_found_without_importing_it(tmp_path, settings):
    package = tmp_path / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit(3)\n")
    (package / "fitting.py").write_text(TRAIN)
    (tmp_path / "loop.toml").write_text(LOOP.replace("train.py:train", "mine.fitting:train"))
    check_files(load_settings(tmp_path / "loop.toml"))
    (tmp_path / "loop.toml").write_text(LOOP.replace("train.py:train", "mine.absent:train"))
    assert told(load_settings(tmp_path / "loop.toml"))[0].startswith("train.run: found mine.absent, which is not there")
