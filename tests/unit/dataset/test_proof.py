import msgspec
import pyarrow as pa
import pytest

from loopline.adapters.memory.objects import MemoryObjects
from loopline.apps.notebook.proof import flaws
from loopline.dataset.stage import import_base, manifest_of, rows_of
from loopline.testing.factories import NOW, labelled_row, settings


@pytest.fixture
def version():
    objects = MemoryObjects()
    rows = [labelled_row("r1", "good"), labelled_row("r2", "bad", label="negative")]
    made, _ = import_base(rows, anchor=(), settings=settings(), objects=objects, now=NOW)
    return rows_of(made, objects=objects), manifest_of(made, objects=objects)


def spoilt(table, **columns):
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values, table.schema.field(name).type))
    return table


def test_a_version_that_is_what_it_says_has_no_flaw(version):
    assert list(flaws(*version)) == []


def test_every_kind_of_flaw_is_named(version):
    table, manifest = version
    digests = table["content"].to_pylist()
    assert list(flaws(table.take([1, 0]), manifest)) == ["its rows are not sorted by content, or one stands twice"]
    assert list(flaws(spoilt(table, inputs=[b"a", b"b"]), manifest)) == [
        f"2 rows whose inputs do not match their digest, {digests[0][:12]} the first"
    ]
    assert list(flaws(table.slice(0, 0), manifest)) == [
        "0 rows, 0 negative, 0 neutral, 0 positive, expected 2, 1 negative, 0 neutral, 1 positive"
    ]
    assert list(flaws(spoilt(table, stratum=["reserve", "chosen"]), manifest)) == [
        "stratum 'reserve', expected one of imported, audit, chosen, relabel"
    ]
    other = msgspec.structs.replace(manifest, rows=2, by_class={"negative": 0, "neutral": 0, "positive": 1})
    assert "label 'odd', expected one of negative, neutral, positive" in list(
        flaws(spoilt(table, label=["odd", "positive"]), other)
    )
    for weight in (float("nan"), -1.0, float("inf")):
        found = list(flaws(spoilt(table, weight=[1.0, weight]), manifest))
        assert found == ["weights that are negative or no numbers"]
