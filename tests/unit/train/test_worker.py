import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.linear_model import LogisticRegression

from loopline.adapters.subprocess.folder import RunFolder
from loopline.apps.worker.dataset import read_dataset
from loopline.apps.worker.entry import load_entry
from loopline.apps.worker.packing import checks_of, pack
from loopline.apps.worker.run import Run
from loopline.errors import InvalidRecord, NotFound
from loopline.records.signature import Signature
from loopline.records.soundness import checks_in
from loopline.testing.factories import SIGNATURE, digest, run_spec

TABULAR = Signature(input="tabular", width=2, labels=("low", "high"))


def write(path, rows, labels, *, signature, **changes):
    n = len(rows)
    columns = {
        "inputs": pa.array([signature.encode(row) for row in rows], pa.binary()),
        "label": pa.array(labels, pa.string()),
        "weight": np.linspace(1, 2, n),
        "sample": pa.array([f"p{i}" for i in range(n)], pa.string()),
        "cycle": np.arange(n) // 3,
        "stratum": pa.array(["base" if i < 3 else "chosen" for i in range(n)], pa.string()),
        **changes,
    }
    pq.write_table(pa.table({name: column for name, column in columns.items() if column is not None}), path)
    return path


@pytest.fixture
def texts(tmp_path):
    rows = ["good", 'with "quotes"', "ünïcode", "", "bad"]
    path = write(
        tmp_path / "c1.parquet", rows, ["positive", "neutral", "neutral", "neutral", "negative"], signature=SIGNATURE
    )
    return read_dataset(path, signature=SIGNATURE)


@pytest.fixture
def table(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 2))
    labels = ["high" if row[0] > 0 else "low" for row in x]
    path = write(tmp_path / "t.parquet", [tuple(map(float, row)) for row in x], labels, signature=TABULAR)
    return read_dataset(path, signature=TABULAR)


def test_texts_come_as_an_object_array_of_the_very_texts(texts):
    x, y = texts.to_numpy()
    assert (x.dtype, x.shape, x.tolist()) == (object, (5,), ["good", 'with "quotes"', "ünïcode", "", "bad"])
    assert (y.dtype.kind, y[0]) == ("U", "positive")
    assert (len(texts), texts.classes) == (5, ("negative", "neutral", "positive"))


def test_tabular_rows_come_as_a_float_matrix(table):
    x, y = table.to_numpy()
    assert (x.dtype, x.shape, y.shape) == (np.float64, (40, 2), (40,))
    assert ((x[:, 0] > 0) == (y == "high")).all()


def test_a_trainer_can_tell_which_rows_came_from_the_loop(texts):
    assert texts.stratum.tolist() == ["base", "base", "base", "chosen", "chosen"]
    assert texts.cycle.tolist() == [0, 0, 0, 1, 1]
    assert (texts.weights.dtype, texts.weights.tolist()) == (np.float64, [1.0, 1.25, 1.5, 1.75, 2.0])


def test_arrow_and_pandas_hold_the_same(texts, table):
    assert texts.to_arrow().column_names == ["text", "label", "weight", "sample", "cycle", "stratum"]
    frame = table.to_pandas()
    assert list(frame.columns[:3]) == ["x0", "x1", "label"]
    np.testing.assert_array_equal(frame[["x0", "x1"]].to_numpy(), table.to_numpy()[0])


def test_a_row_that_breaks_the_contract_is_named(tmp_path):
    path = write(tmp_path / "t.parquet", [(1.0, 2.0)], ["low"], signature=TABULAR)
    with pytest.raises(InvalidRecord, match=r"^row: "):
        read_dataset(path, signature=SIGNATURE).to_numpy()


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda path: path.write_bytes(b"junk"), "expected Parquet"),
        (lambda path: write(path, [], [], signature=SIGNATURE), "no rows, expected something to learn from"),
        (lambda path: write(path, ["a"], ["neutral"], signature=SIGNATURE, weight=None), "no column weight, expected"),
        (lambda path: None, "expected Parquet"),
    ],
)
def test_a_file_that_is_no_dataset_is_refused(tmp_path, spoil, found):
    spoil(tmp_path / "c1.parquet")
    with pytest.raises(InvalidRecord, match=f"^dataset file .*c1.parquet: .*{found}"):
        read_dataset(tmp_path / "c1.parquet", signature=SIGNATURE)


@pytest.fixture
def trainers(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    (tmp_path / "my_features.py").write_text("FACTOR = 3\n")
    (tmp_path / "my_train.py").write_text(
        "import my_features\ndef train(dataset, run):\n    return my_features.FACTOR\n"
    )
    return tmp_path


def test_a_file_beside_the_loop_is_loaded_with_its_neighbours(trainers):
    entry = load_entry("my_train.py:train", folder=trainers)
    assert entry.train(None, None) == 3
    assert entry.code == digest((trainers / "my_train.py").read_bytes())


def test_a_module_is_loaded_by_name(trainers):
    assert load_entry("my_train:train", folder=trainers).train(None, None) == 3


def test_a_trainer_named_like_a_library_does_not_replace_it(trainers):
    (trainers / "random.py").write_text("def train(dataset, run):\n    return 4\n")
    before = sys.modules["random"]
    assert load_entry("random.py:train", folder=trainers).train(None, None) == 4
    assert sys.modules["random"] is before


@pytest.mark.parametrize("entry", ["", "train.py", "train.py:", ":train", "train.py:not a name"])
def test_a_malformed_entry_is_told_the_form(trainers, entry):
    with pytest.raises(InvalidRecord, match=r"^\[train\] run: .*, expected 'train.py:train' or 'package.module:funct"):
        load_entry(entry, folder=trainers)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("absent.py:train", r"^no training file '.*absent.py'; known: my_features.py, my_train.py$"),
        ("my_train.py:fit", r"^no function in my_train.py 'fit'; known: train$"),
        ("absent.module:train", r"^no training module 'absent.module'$"),
    ],
)
def test_an_entry_that_names_nothing_is_told_what_there_is(trainers, entry, told):
    with pytest.raises(NotFound, match=told):
        load_entry(entry, folder=trainers)


def test_an_import_that_fails_inside_the_trainer_is_its_own_error(trainers):
    (trainers / "broken.py").write_text("import no_such_library\n")
    for entry in ("broken.py:train", "broken:train"):
        with pytest.raises(ModuleNotFoundError, match="no_such_library"):
            load_entry(entry, folder=trainers)


def checked(packed, table):
    return checks_in(checks_of(packed, rows=table.rows, signature=TABULAR), signature=TABULAR)


def test_checks_are_what_the_packaged_model_says_spread_over_the_set(table):
    x, y = table.to_numpy()
    packed = pack(LogisticRegression().fit(x, y), signature=TABULAR, entry="train.py:train")
    checks = checked(packed, table)
    assert (packed.engine, len(checks.rows), len(checks.probabilities)) == ("sklearn", 16, 16)
    assert (checks.rows[0], checks.rows[-1]) == (table.rows[0], table.rows[-1])
    said = np.array(checks.probabilities)
    np.testing.assert_allclose(said, LogisticRegression().fit(x, y).predict_proba(checks.rows)[:, ::-1], atol=1e-6)


def test_a_small_set_is_checked_whole(texts):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline

    x, y = texts.to_numpy()
    packed = pack(make_pipeline(CountVectorizer(), LogisticRegression()).fit(x, y), signature=SIGNATURE, entry="t")
    assert checks_in(checks_of(packed, rows=texts.rows, signature=SIGNATURE), signature=SIGNATURE).rows == texts.rows


def test_an_onnx_model_is_kept_as_it_is(table):
    from skl2onnx import to_onnx

    x, y = table.to_numpy()
    model = LogisticRegression().fit(x, y == "high")
    proto = to_onnx(model, x[:1].astype(np.float32), options={"zipmap": False})
    packed = pack(proto, signature=TABULAR, entry="t")
    assert packed == pack(proto.SerializeToString(), signature=TABULAR, entry="t")
    checks = checked(packed, table)
    assert packed.engine == "onnx"
    np.testing.assert_allclose(np.array(checks.probabilities), model.predict_proba(checks.rows), atol=1e-5)


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        (None, "returned nothing"),
        ({"a": 1}, "returned an object of type dict"),
        (LogisticRegression(), r"returned sklearn\.linear_model\._logistic\.LogisticRegression without classes_"),
    ],
)
def test_anything_else_is_refused_with_what_is_accepted(returned, found):
    with pytest.raises(InvalidRecord, match=rf"^train.py:train: {found}, expected a fitted scikit-learn classifier \("):
        pack(returned, signature=TABULAR, entry="train.py:train")


def test_progress_is_kept_and_numbers_that_are_none_are_left_out(tmp_path):
    folder = RunFolder(tmp_path)
    run = Run(run_spec(seed=9), folder=folder)
    run.progress(1, 10, loss=np.float32(0.5), gap=float("nan"))
    run.progress(2, 10, accuracy=0.75)
    assert run.metrics == {"loss": 0.5, "accuracy": 0.75}
    seen = folder.progress()
    assert (seen.done, seen.total, seen.metrics) == (2, 10, run.metrics)
    assert (run.seed, run.folder) == (9, tmp_path)


def test_an_image_comes_as_the_numbers_that_the_model_will_get(tmp_path):
    from io import BytesIO

    from PIL import Image

    signature = Signature(input="image", labels=("dark", "light"), preprocessing="gray-2x1-flat-unit.v1")
    files = []
    for shade in (0, 255):
        content = BytesIO()
        Image.new("L", (4, 2), shade).save(content, "PNG")
        files.append(content.getvalue())
    path = write(tmp_path / "i.parquet", files, ["dark", "light"], signature=signature)
    dataset = read_dataset(path, signature=signature)
    x, y = dataset.to_numpy()
    assert (dataset.rows, x.tolist(), y.tolist()) == (tuple(files), [[0, 0], [1, 1]], ["dark", "light"])
    assert dataset.to_arrow().column("image").to_pylist() == files
