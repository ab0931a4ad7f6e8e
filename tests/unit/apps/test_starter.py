"""What ``loopline init`` writes from the user's own rows, and what it says of rows that it cannot use."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from loopline.apps.cli.starter import PARTS, write_starter
from loopline.apps.config import load_settings, read_rows
from loopline.errors import Conflict, InvalidRecord


def labelled(path: Path, count: int = 300) -> Path:
    words = ("fine", "awful")
    rows = [f"{words[i % 2]} number {i},{('good', 'bad')[i % 2]}" for i in range(count)]
    path.write_text("text,label\n" + "\n".join(rows) + "\n")
    return path


@pytest.mark.service
def test_init_writes_a_loop_that_is_accepted(tmp_path):
    labelled(tmp_path / "mine.csv")
    command = [sys.executable, "-m", "loopline", "init", "my loop", "--from", "mine.csv"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "next: loopline up my loop/loop.toml"

    home = tmp_path / "my loop"
    settings = load_settings(home / "loop.toml")
    assert len((home / "loop.toml").read_text().splitlines()) <= 15
    assert (settings.name, settings.signature.labels) == ("my-loop", ("bad", "good"))
    parts = {name: read_rows(home / name, settings.signature) for name in PARTS}
    assert sum(map(len, parts.values())) == 300
    inputs = [row.inputs for rows in parts.values() for row in rows]
    assert len(set(inputs)) == 300
    compile((home / "train.py").read_text(), "train.py", "exec")


def test_init_deals_equal_inputs_to_one_part(tmp_path):
    rows = "\n".join(f"text {i % 150},good\ntext {i % 150},bad" for i in range(300))
    (tmp_path / "mine.csv").write_text("text,label\n" + rows + "\n")
    write_starter(tmp_path / "out", rows=tmp_path / "mine.csv")
    signature = load_settings(tmp_path / "out" / "loop.toml").signature
    parts = [{row.inputs for row in read_rows(tmp_path / "out" / name, signature)} for name in PARTS]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    assert not parts[1] & parts[2]


def test_init_reads_features(tmp_path):
    rows = "\n".join(f"{i},{i / 7},{'yes' if i % 3 else 'no'}" for i in range(300))
    (tmp_path / "mine.csv").write_text("height,width,label\n" + rows + "\n")
    write_starter(tmp_path / "out", rows=tmp_path / "mine.csv")
    signature = load_settings(tmp_path / "out" / "loop.toml").signature
    assert (signature.input, signature.width, signature.labels) == ("tabular", 2, ("no", "yes"))


def test_init_reads_texts_with_line_ends_that_only_unicode_knows(tmp_path):
    rows = [{"text": f"one\u2028two\x85three {i}", "label": ("good", "bad")[i % 2]} for i in range(300)]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (tmp_path / "mine.jsonl").write_text(lines, encoding="utf-8")
    write_starter(tmp_path / "out", rows=tmp_path / "mine.jsonl")
    signature = load_settings(tmp_path / "out" / "loop.toml").signature
    parts = [read_rows(tmp_path / "out" / name, signature) for name in PARTS]
    assert {signature.decode(row.inputs) for part in parts for row in part} == {row["text"] for row in rows}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("mine.csv", "text,label\nx,good,3\n", "mine.csv line 2: 3 fields, expected 2"),
        ("mine.jsonl", '\n{"text": "x", "label": "good"', "mine.jsonl line 2: "),
        ("mine.jsonl", '{"text": "x", "label": "\\ud800"}', "mine.jsonl line 1: half a surrogate pair"),
        ("mine.jsonl", "", "mine.jsonl: no rows, expected one labelled row or more"),
    ],
)
def test_init_tells_a_bad_row_as_up_does(tmp_path, name, content, told):
    (tmp_path / name).write_text(content)
    with pytest.raises(InvalidRecord) as caught:
        write_starter(tmp_path / "out", rows=tmp_path / name)
    assert str(caught.value).startswith(told)


def test_init_overwrites_nothing(tmp_path):
    (tmp_path / "train.py").write_text("mine")
    with pytest.raises(Conflict, match=r"already holds train\.py, expected none of them"):
        write_starter(tmp_path, rows=labelled(tmp_path / "mine.csv"))
    assert (tmp_path / "train.py").read_text() == "mine"


def test_init_says_when_there_are_too_few_rows(tmp_path):
    with pytest.raises(InvalidRecord, match="enough for three parts: 100 or more"):
        write_starter(tmp_path / "out", rows=labelled(tmp_path / "mine.csv", count=3))
    assert not (tmp_path / "out").exists()
