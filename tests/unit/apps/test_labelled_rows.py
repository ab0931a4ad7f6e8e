"""Files of labelled rows: what is read, and what a person is told when it cannot be."""

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.annotate.questions import BUILT_IN
from loopline.apps.config import read_rows
from loopline.errors import InvalidRecord
from loopline.records.signature import Signature

TEXTS = Signature(input="text", labels=("bad", "good"))
PAIRS = Signature(input="tabular", width=2, labels=("0", "1"))


def rows_file(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def test_texts_come_from_both_formats_alike(tmp_path):
    lines = '{"id": "a", "text": "fine, \\"really\\"", "label": "good"}\n\n{"id": "b", "text": "no", "label": "bad"}\n'
    table = 'label,text,id\ngood,"fine, ""really""",a\nbad,no,b\n'
    from_lines = read_rows(rows_file(tmp_path, "base.jsonl", lines), TEXTS)
    assert from_lines == read_rows(rows_file(tmp_path, "base.csv", table), TEXTS)
    assert [TEXTS.decode(row.inputs) for row in from_lines] == ['fine, "really"', "no"]


def test_features_come_as_a_list_as_keys_or_as_columns(tmp_path):
    files = {
        "a.jsonl": '{"features": [1, 2.5], "label": "1"}\n',
        "b.jsonl": '{"x": 1, "y": 2.5, "label": 1}\n',
        "c.csv": "x,label,y\n1,1,2.5\n",
    }
    for name, content in files.items():
        (row,) = read_rows(rows_file(tmp_path, name, content), PAIRS)
        assert PAIRS.decode(row.inputs) == (1.0, 2.5), name
        assert row.label == "1"


def test_a_row_without_id_is_called_by_file_and_line(tmp_path):
    rows = read_rows(rows_file(tmp_path, "base.csv", "text,label\nx,good\ny,bad\n"), TEXTS)
    assert [row.id for row in rows] == ["base-2", "base-3"]


@pytest.mark.parametrize(
    ("name", "content", "signature", "told"),
    [
        ("r.jsonl", '{"text": "x"}', TEXTS, "r.jsonl line 1: no label, expected one of bad, good"),
        ("r.jsonl", '\n{"text": "x", "label": "ok"}', TEXTS, "r.jsonl line 2: label 'ok', expected one of bad, good"),
        ("r.jsonl", '{"text": 3, "label": "bad"}', TEXTS, "r.jsonl line 1: text 3, expected a text in the column text"),
        ("r.jsonl", '["x", "bad"]', TEXTS, "r.jsonl line 1: a JSON list, expected a JSON object"),
        *(
            ("r.jsonl", line, TEXTS, "r.jsonl line 1: half a surrogate pair '\\ud800', expected whole characters")
            for line in (
                r'{"text": "\ud800", "label": "bad"}',
                r'{"id": "\uD800", "text": "x", "label": "bad"}',
                r'{"\ud800": "x", "label": "bad"}',
            )
        ),
        (
            "r.csv",
            "texts,label\nx,bad\n",
            TEXTS,
            "r.csv line 2: columns texts, label, expected a text in the column text",
        ),
        ("r.csv", "text,label\nx,bad,3\n", TEXTS, "r.csv line 2: 3 fields, expected 2"),
        ("r.csv", "text,label\nx\n", TEXTS, "r.csv line 2: 1 fields, expected 2"),
        ("r.csv", "text,label\n", TEXTS, "r.csv: no rows, expected one labelled row or more"),
        ("r.csv", "x,y,label\n1,big,0\n", PAIRS, "r.csv line 2: y 'big', expected a number"),
        (
            "r.jsonl",
            f'{{"features": [1, {10**400}], "label": "0"}}',
            PAIRS,
            f"r.jsonl line 1: features[1] {10**400}, expected a number",
        ),
        ("r.csv", "x,label\n1,0\n", PAIRS, "r.csv line 2: 1 features, expected 2, the loop's width"),
        ("r.csv", "x,y,label\n1,inf,0\n", PAIRS, "r.csv line 2: inf in column 1, expected finite numbers"),
        (
            "r.jsonl",
            '{"x": 1, "y": 2, "label": "0"}\n{"y": 1, "x": 2, "label": "0"}',
            PAIRS,
            "r.jsonl line 2: columns y, x, expected those of the first row: x, y",
        ),
        (
            "r.csv",
            "id,text,label\na,x,bad\na,y,bad\n",
            TEXTS,
            "r.csv line 3: id 'a', expected an id of its own; line 2 has the same",
        ),
    ],
)
def test_a_bad_row_is_told_by_file_line_found_and_expected(tmp_path, name, content, signature, told):
    with pytest.raises(InvalidRecord) as caught:
        read_rows(rows_file(tmp_path, name, content), signature)
    assert str(caught.value) == told


@given(
    st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from("01")), min_size=1, max_size=5)
)
def test_numbers_survive_a_csv_file_unchanged(tmp_path_factory, rows):
    content = "x,y,label\n" + "".join(f"{x!r},0,{label}\n" for x, label in rows)
    read = read_rows(rows_file(tmp_path_factory.mktemp("law"), "base.csv", content), PAIRS)
    assert [PAIRS.decode(row.inputs)[0] for row in read] == [x for x, _ in rows]
    assert all(math.isfinite(PAIRS.decode(row.inputs)[0]) for row in read)


def test_gold_is_spelled_as_the_question_spells_answers(tmp_path):
    lines = (
        '{"text": "x", "label": ["bad", "good"]}\n{"text": "y", "label": []}\n{"text": "z", "label": "[\\"bad\\"]"}\n'
    )
    path = rows_file(tmp_path, "gold.jsonl", lines)
    rows = read_rows(path, TEXTS, question=BUILT_IN["multiple"])
    assert [row.label for row in rows] == ['["bad", "good"]', "[]", '["bad"]']
    table = rows_file(tmp_path, "gold.csv", "text,label\nx,good\n")
    assert read_rows(table, TEXTS, question=BUILT_IN["single"])[0].label == "good"
    wrong = {'"great"': "label 'great', expected one of bad, good", "null": "label None, expected an answer out of bad"}
    for label, found in wrong.items():
        odd = rows_file(tmp_path, "gold.jsonl", f'{{"text": "x", "label": {label}}}\n')
        with pytest.raises(InvalidRecord, match=rf"gold.jsonl line 1: {found}"):
            read_rows(odd, TEXTS, question=BUILT_IN["single"])
