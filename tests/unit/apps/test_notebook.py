import re

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from blake3 import blake3

import loopline
from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.apps.config import load_settings
from loopline.apps.notebook.library import Library
from loopline.apps.notebook.loop import Loop
from loopline.apps.notebook.parity import parity
from loopline.apps.wiring import FOLDER, hold, open_house
from loopline.apps.worker.dataset import Dataset, dataset_of
from loopline.dataset.stage import cut, import_base
from loopline.dataset.table import LabelledSample, tabled
from loopline.errors import InvalidRecord, NotFound, Unavailable
from loopline.records.lineage import Entry
from loopline.records.signature import Signature
from loopline.testing import factories as make
from loopline.testing.rooms import rooms

BASE = "id,text,label\nr1,good,positive\nr2,bad,negative\n"


@pytest.fixture
def folder(tmp_path, described):
    return described(tmp_path, base=BASE)


@pytest.fixture(scope="module")
def served(tmp_path_factory, described):
    """The folder, held by somebody who has imported the base, labelled a sample and logged two predictions."""
    folder = described(tmp_path_factory.mktemp("loop"), base=BASE)
    settings = load_settings(folder / "loop.toml")
    with hold(folder / FOLDER):
        house = open_house(settings, root=folder / FOLDER)
        base, _ = import_base(house.base(), anchor=(), settings=settings, objects=house.objects, now=make.NOW)
        version = cut(
            make.cycle(1), parent=base, batch=make.label_batch(make.label("p1", "new")), selection=make.selection(),
            objects=house.objects, settings=settings, now=make.NOW,
        ).version  # fmt: skip
        tag = make.tag(version="c1", dataset=version.id)
        house.ledger.commit(Entry(id="import", records=(base, version, tag)))
        house.log.append([make.prediction("p1", "new"), make.prediction("p2", "sealed", role="reserve")])
        yield folder


def test_a_loop_is_opened_beside_its_server_and_shows_its_datasets(served):
    loop = loopline.Loop.open(served / "loop.toml")
    assert [version.name for version in loop.datasets()] == ["c1", "c0"]
    assert loop.tags() == {"prod": "c1"}
    assert (loop.name, loop.classes) == ("sentiment", make.LABELS)
    assert repr(loop) == "Loop('sentiment', 2 dataset versions)"
    rows = loop.dataset("prod")
    assert set(rows.rows) == {"good", "bad", "new"}
    assert rows.version is not None
    assert rows.version.name == "c1"
    with pytest.raises(NotFound, match=r"^no dataset version 'c7'; known: c1, c0, prod$"):
        loop.dataset("c7")


def test_opening_takes_no_lock_and_makes_nothing(served):
    before = {path: path.stat().st_mtime_ns for path in (served / FOLDER).rglob("*") if "log" not in path.parts}
    loop = Loop.open(served / "loop.toml")
    loop.dataset("c1")
    after = {path: path.stat().st_mtime_ns for path in (served / FOLDER).rglob("*") if "log" not in path.parts}
    assert {path for path in after if not re.search(r"state\.db-(wal|shm)$", path.name)} <= set(before)


def test_predictions_hold_no_row_of_the_reserve(served):
    loop = Loop.open(served / "loop.toml")
    assert loop.predictions()["id"].to_pylist() == ["p1"]
    assert loop.predictions("SELECT count(*) AS n FROM predictions WHERE id = 'p2'").to_pylist() == [{"n": 0}]
    with pytest.warns(UserWarning, match=r"^cut at 1 rows"):
        assert loop.predictions("SELECT * FROM range(3)", rows=1).num_rows == 1
    with pytest.raises(InvalidRecord):
        loop.predictions("DELETE FROM predictions")


def test_a_loop_that_never_ran_is_not_made_by_looking(folder):
    with pytest.raises(Unavailable, match=r"holds no secret; start the loop once: loopline up$"):
        Loop.open(folder / "loop.toml")
    assert not (folder / FOLDER).exists()
    with pytest.raises(NotFound, match="no file"):
        Loop.open(folder / "other.toml")


def test_the_package_has_few_public_names():
    assert loopline.__all__ == ["Loop", "__version__"]
    with pytest.raises(AttributeError, match="has no attribute 'Lop'"):
        loopline.Lop  # noqa: B018


TABLE = Signature(input="tabular", width=2, labels=("no", "yes"))


def tabular(weight=2.5):
    rows = [
        LabelledSample(f"c{i}", TABLE.encode((float(i), 0.5)), TABLE.labels[i], f"p{i}", i, "chosen") for i in (0, 1)
    ]
    table = tabled(rows)
    place = table.column_names.index("weight")
    return Dataset(table.set_column(place, "weight", pa.array([weight, 1.0])), signature=TABLE)


def test_weights_come_when_they_are_asked_for():
    rows = tabular()
    assert len(rows.to_numpy()) == 2
    x, y, w = rows.to_numpy(weights=True)
    np.testing.assert_array_equal(x, [[0.0, 0.5], [1.0, 0.5]])
    assert (y.tolist(), w.tolist()) == (["no", "yes"], [2.5, 1.0])
    assert "weight" in rows.to_arrow().column_names
    assert "weight" not in rows.to_arrow(weights=False).column_names
    assert list(rows.to_pandas(weights=False).columns) == ["x0", "x1", "label", "sample", "cycle", "stratum"]


@pytest.mark.parametrize(("library", "method"), [("polars", "to_polars"), ("torch", "to_torch")])
def test_a_library_that_is_missing_is_named_with_its_remedy(library, method, monkeypatch):
    import importlib.util

    from loopline.apps.worker import dataset as module

    found = importlib.util.find_spec
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == library else found(name))
    with pytest.raises(Unavailable) as error:
        getattr(tabular(), method)()
    assert str(error.value) == f"dataset.{method}(): {library} is not installed; install it: pip install {library}"


def test_polars_gets_the_same_columns():
    import polars

    frame = tabular().to_polars()
    assert isinstance(frame, polars.DataFrame)
    assert frame.columns == tabular().to_arrow().column_names


def test_torch_gets_tensors_and_the_places_of_the_labels():
    torch = pytest.importorskip("torch")
    rows = tabular().to_torch(weights=True)
    assert isinstance(rows, torch.utils.data.Dataset)
    x, y, w = rows[-1]
    assert (x.tolist(), x.dtype, y, w) == ([1.0, 0.5], torch.float32, 1, 1.0)
    assert len(tabular().to_torch()[0]) == 2
    batch = next(iter(torch.utils.data.DataLoader(rows, batch_size=2)))
    assert batch[0].shape == (2, 2)


def versioned(*labels, signature=make.SIGNATURE, **changes):
    house = rooms(now=make.NOW, engine=MemoryEngine(), settings=make.settings(signature=signature), **changes)
    base, _ = import_base(
        [make.labelled_row("r1", "good")], anchor=(), settings=house.settings, objects=house.objects, now=make.NOW
    )
    version = cut(
        make.cycle(1), parent=base, batch=make.label_batch(*labels), selection=make.selection(), objects=house.objects,
        settings=house.settings, now=make.NOW,
    ).version  # fmt: skip
    house.ledger.commit(Entry(id="cut", records=(base, version)))
    return house, version


MODEL = linear({"good": (0.0, 0.0, 1.0), "bad": (2.0, 0.0, 0.0), "fine": (0.0, 0.5, 0.0)})


def answered(house, name, text, *, drift=0.0, **changes):
    """A prediction as ``MODEL`` gives it, or nearly."""
    predictor = house.engine.load(MODEL, engine="sklearn", signature=make.SIGNATURE)
    p = np.asarray(predictor.predict([text])[0], np.float64) + np.array([drift, -drift, 0.0])
    changes = {"probabilities": tuple(map(float, p)), "model": "v1", **changes}
    house.log.append([make.prediction(name, text, **changes)])


@pytest.fixture
def judged():
    house, version = versioned(*(make.label(f"p{i}", text) for i, text in enumerate(("good one", "bad one", "fine"))))
    model = make.model_version("v1", artifact=house.objects.put(MODEL), engine="sklearn")
    house.ledger.commit(Entry(id="model", records=(model,)))
    return house, version


def test_parity_is_kept_when_the_model_answers_again_what_was_logged(judged):
    house, version = judged
    answered(house, "p0", "good one")
    answered(house, "p1", "bad one")
    report = parity(house, version)
    assert (report.rows, report.gone, report.elsewhere) == (3, 1, 0)
    assert [line.feature for line in report.replay["v1"]] == list(make.LABELS)
    assert {line.n for line in report.replay["v1"]} == {2}
    assert [(line.feature, line.differing) for line in report.recompute] == [("text", 0.0)]
    assert report.is_kept


def test_a_class_that_is_answered_otherwise_breaks_parity_and_is_named(judged):
    house, version = judged
    answered(house, "p0", "good one", drift=1e-4)
    answered(house, "p1", "bad one")
    report = parity(house, version)
    negative, neutral, positive = report.replay["v1"]
    assert negative.largest == pytest.approx(1e-4, rel=1e-2)
    assert (negative.differing, neutral.differing, positive.differing) == (0.5, 0.5, 0.0)
    assert not report.is_kept


def test_bytes_that_lie_elsewhere_are_fetched_and_redacted_ones_are_not_compared(judged):
    house, version = judged
    answered(house, "p0", "good one", inputs=b"", payload=house.objects.put(b'"good one"'))
    answered(house, "p1", "bad one", inputs=b'"*** one"', redacted=True)
    answered(house, "p2", "fine", inputs=b"", payload=blake3(b"gone").hexdigest())
    report = parity(house, version)
    assert (report.rows, report.gone, report.elsewhere) == (3, 0, 2)
    assert [line.n for line in report.recompute] == [1]
    assert report.is_kept


def test_captured_bytes_that_differ_are_found(judged):
    house, version = judged
    answered(house, "p0", "good one", inputs=b'"good  one"')
    (line,) = parity(house, version).recompute
    assert (line.feature, line.largest, line.differing) == ("text", 1.0, 1.0)


def test_a_model_under_another_signature_is_refused_with_what_differs(judged):
    house, version = judged
    answered(house, "p0", "good one")
    other = Signature(input="text", labels=make.LABELS[::-1])
    house.ledger.commit(Entry(id="changed", records=(make.model_version("v1", signature=other),)))
    with pytest.raises(InvalidRecord) as error:
        parity(house, version)
    assert str(error.value).startswith(
        "model v1: signature: labels [positive, neutral, negative], expected labels [negative, neutral, positive];"
    )


def test_a_base_has_nothing_to_compare_with():
    house, _ = versioned(make.label())
    base = Library(house).find("c0")
    assert (parity(house, base).rows, parity(house, base).is_kept) == (0, True)


def run_of(house, version, tmp_path, **changes):
    paths = tuple(map(house.objects.path, version.parts))
    spec = {"dataset": version.id, "dataset_file": house.objects.path(version.id), "dataset_parts": paths}
    return make.run_spec(signature=make.SIGNATURE, **{**spec, **changes})


def test_a_run_reads_the_version_from_its_parts_and_proves_each(tmp_path):
    house, version = versioned(make.label("p1", "new"), make.label("p2", "good", label="neutral"))
    rows = dataset_of(run_of(house, version, tmp_path))
    assert dict(zip(rows.rows, rows.to_numpy()[1].tolist(), strict=True)) == {"good": "neutral", "new": "positive"}
    other = tmp_path / "other"
    other.write_bytes(b"other")
    swapped = (str(other), *run_of(house, version, tmp_path).dataset_parts[1:])
    with pytest.raises(
        InvalidRecord, match=rf"^dataset file {other}: digest \w{{12}}, expected {version.parts[0][:12]}$"
    ):
        dataset_of(run_of(house, version, tmp_path, dataset_parts=swapped))
    with pytest.raises(InvalidRecord, match=rf"expected {version.id[:12]}$"):
        dataset_of(run_of(house, version, tmp_path, dataset_file=str(other)))
    with pytest.raises(InvalidRecord, match=r"^dataset file .*No such file.*, expected its bytes$"):
        dataset_of(run_of(house, version, tmp_path, dataset_file=str(tmp_path / "gone")))
    with pytest.raises(InvalidRecord, match=r"^dataset c1: signature: "):
        dataset_of(msgspec.structs.replace(run_of(house, version, tmp_path), signature=TABLE))


def test_a_version_without_rows_is_refused_by_a_run(tmp_path):
    house = rooms(now=make.NOW)
    version, _ = import_base((), anchor=(), settings=house.settings, objects=house.objects, now=make.NOW)
    with pytest.raises(InvalidRecord, match=r"^dataset c0: no rows, expected something to learn from$"):
        dataset_of(run_of(house, version, tmp_path))
