import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st
from PIL import Image

from loopline.apps.config import read_rows
from loopline.apps.export.columns import Book
from loopline.apps.export.exporting import export, shape_of
from loopline.apps.export.huggingface import card, features, yaml
from loopline.apps.notebook.library import Library
from loopline.dataset.stage import import_base
from loopline.errors import Conflict, InvalidRecord
from loopline.records.dataset import LabelledRow
from loopline.records.lineage import Entry
from loopline.records.signature import Signature
from loopline.testing.factories import LABELS, NOW, SIGNATURE, settings
from loopline.testing.rooms import rooms

TABLE = Signature(input="tabular", width=3, labels=("no", "yes"))
IMAGES = Signature(input="image", labels=("cat", "dog"), preprocessing="rgb-8x8-chw-unit.v1")


def picture(shade: int, kind: str = "PNG") -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(sink, kind)
    return sink.getvalue()


ODD = ["plain", "=SUM(A1)", 'a "quote", a comma', "two\nlines\r\nand\rmore", " blanks ", "", "ü 日本 🙂", "\ufeffmark"]
TEXTS = [
    LabelledRow(id=f"r{i}", inputs=SIGNATURE.encode(text), label=LABELS[i % 3])
    for i, text in enumerate([*ODD, "nul\x00"])
]
NUMBERS = [
    LabelledRow(id=f"r{i}", inputs=TABLE.encode(row), label=TABLE.labels[i % 2])
    for i, row in enumerate([(0.1, -2.0, 1e300), (5e-324, 0.30000000000000004, 7.0), (-0.5, 123456789.125, 1 / 3)])
]
PICTURES = [
    LabelledRow(id=f"r{i}", inputs=picture(40 * i, kind), label=IMAGES.labels[i % 2])
    for i, kind in enumerate(("PNG", "JPEG", "BMP", "GIF", "WEBP"))
]
SETS = [(SIGNATURE, TEXTS), (TABLE, NUMBERS), (IMAGES, PICTURES)]


def made(signature, rows):
    house = rooms(now=NOW, settings=settings(signature=signature))
    version, _ = import_base(rows, anchor=(), settings=house.settings, objects=house.objects, now=NOW)
    house.ledger.commit(Entry(id="import", records=(version,)))
    return Library(house), version


def written(library, version, to, form="parquet", payloads="copy", progress=lambda done, total: None):
    return export(library, version, to=to, form=form, payloads=payloads, progress=progress)


def held(rows):
    return sorted((row.id, row.inputs, row.label) for row in rows)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
@pytest.mark.parametrize(("signature", "rows"), SETS, ids=["text", "tabular", "image"])
def test_what_is_exported_is_read_again_as_the_same_rows(tmp_path, signature, rows, form):
    library, version = made(signature, rows)
    written(library, version, tmp_path / f"rows.{form}", form)
    assert held(read_rows(tmp_path / f"rows.{form}", signature)) == held(rows)
    written(library, version, tmp_path / "folder", form)
    assert held(read_rows(tmp_path / "folder" / f"c0.{form}", signature)) == held(rows)


texts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8, unique=True)


@pytest.mark.slow
@checks(deadline=None, max_examples=60)
@given(texts)
def test_any_text_comes_back(tmp_path_factory, found):
    rows = [LabelledRow(id=f"r{i}", inputs=SIGNATURE.encode(text), label="positive") for i, text in enumerate(found)]
    library, version = made(SIGNATURE, rows)
    folder = tmp_path_factory.mktemp("any")
    for form in ("csv", "jsonl"):
        written(library, version, folder / f"rows.{form}", form)
        assert held(read_rows(folder / f"rows.{form}", SIGNATURE)) == held(rows)


def test_parquet_holds_every_column_typed(tmp_path):
    library, version = made(TABLE, NUMBERS)
    written(library, version, tmp_path / "rows.parquet")
    table = pq.read_table(tmp_path / "rows.parquet")
    assert table.column_names == ["id", "x0", "x1", "x2", "label", "weight", "cycle", "stratum", "content"]
    rows = {row["id"]: TABLE.encode((row["x0"], row["x1"], row["x2"])) for row in table.to_pylist()}
    assert rows == {row.id: row.inputs for row in NUMBERS}
    assert table.schema.metadata[b"loopline.dataset"].decode() == version.id


def test_images_keep_their_very_bytes_beside_the_rows(tmp_path):
    library, version = made(IMAGES, PICTURES)
    told = written(library, version, tmp_path / "out", "jsonl")
    names = [name for name in told.files if name.startswith("images/")]
    assert {(tmp_path / "out" / name).read_bytes() for name in names} == {row.inputs for row in PICTURES}
    assert {Path(name).suffix for name in names} == {".png", ".jpg", ".bmp", ".gif", ".webp"}
    written(library, version, tmp_path / "out.parquet")
    assert set(pq.read_table(tmp_path / "out.parquet")["image"].to_pylist()) == {row.inputs for row in PICTURES}


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl", "huggingface"])
@pytest.mark.parametrize(("signature", "rows"), SETS, ids=["text", "tabular", "image"])
def test_by_reference_no_input_is_written_anywhere(tmp_path, signature, rows, form):
    library, version = made(signature, rows)
    told = written(library, version, tmp_path / "out", form, "reference")
    assert not [name for name in told.files if name.startswith("images/")]
    contents = sorted(library.rows(version, "content")["content"].to_pylist())
    (name,) = (name for name in told.files if name.endswith((".parquet", ".csv", ".jsonl")))
    if name.endswith(".parquet"):
        table = pq.read_table(tmp_path / "out" / name)
        assert not {"text", "image", "x0"} & set(table.column_names)
        assert sorted(table["content"].to_pylist()) == contents
    else:
        text = (tmp_path / "out" / name).read_text()
        assert all(content in text for content in contents)
        assert "SUM" not in text


def test_a_version_without_rows_is_an_empty_file_with_its_columns(tmp_path):
    library, version = made(SIGNATURE, [])
    for form in ("parquet", "csv", "jsonl", "huggingface"):
        assert written(library, version, tmp_path / form, form).rows == 0
    assert pq.read_table(tmp_path / "parquet" / "c0.parquet").num_rows == 0
    assert (tmp_path / "csv" / "c0.csv").read_text() == '"id","text","label"\n'


def test_the_folder_holds_the_manifest_that_gives_the_versions_id(tmp_path):
    from blake3 import blake3

    library, version = made(SIGNATURE, TEXTS)
    written(library, version, tmp_path / "out")
    assert blake3((tmp_path / "out" / "manifest.json").read_bytes()).hexdigest() == version.id


def test_a_place_that_holds_something_else_is_left_alone(tmp_path):
    library, version = made(SIGNATURE, TEXTS)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")
    with pytest.raises(Conflict) as error:
        written(library, version, tmp_path / "mine")
    assert str(error.value) == (
        f"export {tmp_path / 'mine'}: 1 other files (notes.txt), expected an empty folder, or an export; "
        "choose another place, or clear this one yourself"
    )
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    (tmp_path / "a.csv").write_text("mine")
    with pytest.raises(Conflict, match=r"a.csv: something of that name, expected nothing"):
        written(library, version, tmp_path / "a.csv", "csv")
    with pytest.raises(Conflict, match=r"a.csv: a file, expected a folder"):
        written(library, version, tmp_path / "a.csv", "huggingface")


def test_an_earlier_export_is_replaced_unless_a_stranger_moved_in(tmp_path):
    library, version = made(IMAGES, PICTURES)
    written(library, version, tmp_path / "out", "csv")
    written(library, version, tmp_path / "out", "huggingface")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["README.md", "data", "manifest.json"]
    (tmp_path / "out" / "data" / "mine.csv").write_text("x")
    with pytest.raises(Conflict, match=r"1 other files \(data/mine.csv\)"):
        written(library, version, tmp_path / "out", "huggingface")


def test_an_export_to_the_folder_that_one_stands_in_replaces_the_earlier_one(tmp_path, monkeypatch):
    library, version = made(SIGNATURE, TEXTS)
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    for form in ("csv", "jsonl"):
        written(library, version, Path(), form)
        assert sorted(path.name for path in Path().iterdir()) == [f"c0.{form}", "manifest.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_is_written_from_within_since_another_disk_may_be_mounted_there(tmp_path):
    library, version = made(SIGNATURE, TEXTS)
    (tmp_path / "out").mkdir()
    beside = []
    written(library, version, tmp_path / "out", "csv", progress=lambda done, total: beside.extend(tmp_path.iterdir()))
    assert beside == [tmp_path / "out"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["c0.csv", "manifest.json"]


def test_what_is_linked_or_made_beside_an_earlier_export_is_not_taken_away(tmp_path):
    library, version = made(SIGNATURE, TEXTS)
    (tmp_path / "elsewhere").mkdir()
    for number, strange in enumerate(("linked", "images", "made")):
        out = tmp_path / f"out{number}"
        written(library, version, out, "csv")
        (out / "made").mkdir() if strange == "made" else (out / strange).symlink_to(tmp_path / "elsewhere")
        with pytest.raises(Conflict, match=rf"1 other files \({strange}\)"):
            written(library, version, out, "csv")
        assert (out / strange).exists()


def test_a_folder_that_only_looks_like_an_export_is_left_alone(tmp_path):
    library, version = made(SIGNATURE, TEXTS)
    (tmp_path / "README.md").write_text("of my own project")
    with pytest.raises(Conflict, match=r"1 other files \(README.md\)"):
        written(library, version, tmp_path, "huggingface")


def test_what_goes_wrong_leaves_nothing_behind(tmp_path):
    library, version = made(SIGNATURE, TEXTS)

    def broken(done, total):
        raise KeyboardInterrupt

    for name, form in (("out", "jsonl"), ("out.csv", "csv")):
        with pytest.raises(KeyboardInterrupt):
            written(library, version, tmp_path / name, form, progress=broken)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told_to_the_last_row(tmp_path):
    library, version = made(SIGNATURE, TEXTS)
    seen = []
    written(library, version, tmp_path / "out.parquet", progress=lambda done, total: seen.append((done, total)))
    assert seen == [(len(TEXTS), len(TEXTS))]


def test_the_name_says_the_format_unless_another_is_asked_for():
    assert [shape_of(Path(name), None) for name in ("a.csv", "a.JSONL", "a.parquet", "folder")] == [
        "csv", "jsonl", "parquet", "parquet",
    ]  # fmt: skip
    assert shape_of(Path("folder"), "huggingface") == "huggingface"
    with pytest.raises(InvalidRecord) as error:
        shape_of(Path("a.csv"), "jsonl")
    assert str(error.value) == "export a.csv: a name for csv, expected a name that ends in .jsonl, or a folder"


def test_cells_that_a_spreadsheet_would_run_are_counted_and_left_as_they_are(tmp_path):
    odd = ["=1+1", "+1", "-1", "@x", "\tx", "fine", "a=b"]
    rows = [LabelledRow(id=f"r{i}", inputs=SIGNATURE.encode(text), label="positive") for i, text in enumerate(odd)]
    library, version = made(SIGNATURE, rows)
    assert written(library, version, tmp_path / "a.csv", "csv").formulas == 5
    assert written(library, version, tmp_path / "a.jsonl", "jsonl").formulas == 0


def book(signature=SIGNATURE, rows=TEXTS):
    library, version = made(signature, rows)
    return Book(version, signature, library.rows(version), b"", "copy")


def test_the_card_names_the_classes_in_the_order_of_their_numbers():
    assert yaml(book(), held=10, size=5) == (
        """dataset_info:
  features:
  - name: id
    dtype: string
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': "negative"
          '1': "neutral"
          '2': "positive"
  - name: weight
    dtype: float64
  - name: cycle
    dtype: int64
  - name: stratum
    dtype: string
  - name: content
    dtype: string
  splits:
  - name: train
    num_bytes: 10
    num_examples: 9
  download_size: 5
  dataset_size: 10
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
"""
    )
    assert card(book(), held=1, size=1).startswith("---\ndataset_info:\n")


def test_labels_of_any_text_stand_in_the_card_and_in_the_parquet(tmp_path):
    yaml_reader = pytest.importorskip("yaml")
    labels = ('a: "b"', "- x\n---", "| <b>", "\x7f\u2028", "🙂")
    signature = Signature(input="text", labels=labels)
    rows = [LabelledRow(id=f"r{i}", inputs=b'"%d"' % i, label=label) for i, label in enumerate(labels)]
    library, version = made(signature, rows)
    written(library, version, tmp_path / "hf", "huggingface")
    text = (tmp_path / "hf" / "README.md").read_text()
    told = yaml_reader.safe_load(text.split("\n---\n")[0].removeprefix("---\n"))
    names = told["dataset_info"]["features"][2]["dtype"]["class_label"]["names"]
    assert tuple(names.values()) == labels
    table = pq.read_table(tmp_path / "hf" / "data" / "train-00000-of-00001.parquet")
    info = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert info["label"] == {"names": list(labels), "_type": "ClassLabel"}
    assert [labels[row["label"]] for row in sorted(table.to_pylist(), key=lambda row: row["id"])] == list(labels)


def test_features_are_those_of_the_inputs():
    by_reference = book()._replace(payloads="reference")
    assert features(book(IMAGES, PICTURES))["image"] == {"_type": "Image"}
    assert features(book(TABLE, NUMBERS))["x2"] == {"dtype": "float64", "_type": "Value"}
    assert list(features(by_reference)) == [
        "id", "label", "weight", "cycle", "stratum", "content",
    ]  # fmt: skip
    assert by_reference.inputs == ()
