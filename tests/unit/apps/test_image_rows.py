"""Labelled images in a file: by name beside it, or in base64."""

import base64
import json

import pytest

from loopline.apps.config import read_rows
from loopline.errors import InvalidRecord
from loopline.records.signature import Signature

IMAGES = Signature(input="image", labels=("cat", "dog"), preprocessing="gray-8x8-flat-raw.v1")
PNG = b"\x89PNG whatever"


def written(folder, *rows: dict[str, str]):
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def test_an_image_is_a_file_beside_the_rows_or_stands_in_base64(tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    packed = base64.b64encode(PNG).decode()
    rows = read_rows(written(tmp_path, {"image": "a.png", "label": "cat"}, {"image": packed, "label": "dog"}), IMAGES)
    assert [(row.inputs, row.label) for row in rows] == [(PNG, "cat"), (PNG, "dog")]


def test_images_in_csv(tmp_path):
    (tmp_path / "b.JPG").write_bytes(PNG)
    path = tmp_path / "rows.csv"
    path.write_text("image,label\nb.JPG,dog\n")
    assert read_rows(path, IMAGES)[0].inputs == PNG


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            {"image": "none.png", "label": "cat"},
            "rows.jsonl line 1: image none.png: No such file or directory, expected a",
        ),
        (
            {"image": "?" * 99, "label": "cat"},
            f"rows.jsonl line 1: image '{'?' * 40}', expected a file's name that ends",
        ),
        ({"text": "a", "label": "cat"}, "rows.jsonl line 1: columns text, label, expected a file's name, or its bytes"),
        ({"image": "", "label": "cat"}, "rows.jsonl line 1: image '', expected a file's name"),
    ],
)
def test_what_is_no_image_is_told_in_a_short_sentence(tmp_path, row, sentence):
    with pytest.raises(InvalidRecord) as caught:
        read_rows(written(tmp_path, row), IMAGES)
    assert str(caught.value).startswith(sentence)
