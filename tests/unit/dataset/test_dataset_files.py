import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.adapters.memory.objects import MemoryObjects
from loopline.dataset import anchors, conflicts, manifest, parquet
from loopline.dataset.parity import require_parity
from loopline.dataset.parts import Contents, Part
from loopline.dataset.table import LabelledSample, tabled
from loopline.errors import InvalidRecord
from loopline.records.dataset import Conflict
from loopline.records.ids import Digest
from loopline.records.signature import Signature
from loopline.testing.factories import LABELS, NOW, SIGNATURE, digest

rows = st.builds(
    LabelledSample, st.text(), st.binary(), st.sampled_from(LABELS), st.text(), st.integers(0, 99), st.just("chosen")
)


@pytest.mark.slow
@checks(deadline=None)
@given(st.lists(rows, max_size=8))
def test_a_table_comes_back_as_it_was_and_gives_the_same_bytes(samples):
    table = tabled(samples)
    content = parquet.encoded(table)
    again = parquet.decoded(content)
    assert again.equals(table)
    assert parquet.encoded(again) == content


def test_any_reader_finds_the_columns():
    content = parquet.encoded(tabled([LabelledSample("c", b'"x"', "positive", "p1", 2, "audit")]))
    assert pq.read_table(io.BytesIO(content)).to_pylist() == [
        {
            "inputs": b'"x"',
            "content": "c",
            "label": "positive",
            "weight": 1.0,
            "sample": "p1",
            "cycle": 2,
            "stratum": "audit",
        }
    ]


def test_a_file_that_is_no_dataset_is_refused():
    with pytest.raises(InvalidRecord, match=r"^dataset file: .*expected Parquet$"):
        parquet.decoded(b"PAR1 not really")
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}), sink)
    with pytest.raises(InvalidRecord, match=r"^dataset file: columns x int64, expected inputs binary, content string"):
        parquet.decoded(sink.getvalue())


def test_a_flipped_bit_in_the_rows_does_not_pass_for_a_dataset():
    content = bytearray(parquet.encoded(tabled([LabelledSample("c" * 64, b'"x"' * 99, "positive", "p1", 2, "audit")])))
    content[40] ^= 1
    with pytest.raises(InvalidRecord, match=r"^dataset file: "):
        parquet.decoded(bytes(content))


def begun():
    return manifest.Manifest(
        loop="sentiment",
        cycle=0,
        parent=None,
        held=Contents(parts=(Part(file=digest(b"file"), rows=1, cycle=0, size=9),)),
        rows=1,
        by_class={"negative": 0, "neutral": 0, "positive": 1},
        signature=SIGNATURE,
        method="imported",
        selection="",
    )


def test_the_id_of_a_version_is_the_hash_of_its_manifest():
    content = manifest.encoded(begun())
    assert manifest.identity(content) == blake3(content).hexdigest()
    assert manifest.decoded(content) == begun()
    assert content.startswith(b'{"added":0,"by_class":{"negative":0,"neutral":0,"positive":1},"conflicts":null,')
    assert manifest.version_of(begun(), cut_at=NOW, reason="").id == manifest.identity(content)


FIRST = (
    b'{"by_class":{"negative":0,"neutral":0,"positive":1},"cycle":4,"file":"ab","loop":"sentiment","method":"imported",'
    b'"parent":null,"rows":1,"schema":1,"selection":"","signature":{"input":"text","labels":["a","b"],"width":0}}'
)


def test_a_manifest_of_schema_1_names_one_part_that_holds_all_rows():
    assert manifest.decoded(FIRST).held == Contents(parts=(Part(file=Digest("ab"), rows=1, cycle=4),))


def test_a_manifest_of_a_newer_loopline_is_refused():
    with pytest.raises(InvalidRecord) as error:
        manifest.decoded(FIRST.replace(b'"schema":1', b'"schema":3'))
    assert str(error.value) == (
        "dataset manifest: schema 3, expected the fields of schema 2; a newer Loopline wrote it: update this one"
    )


@pytest.mark.parametrize("content", [b"{}", b"[]", b"no JSON", b'{"schema": "x"}', b'{"schema": 1}', b"\xff"])
def test_bytes_that_are_no_manifest_are_refused(content):
    with pytest.raises(InvalidRecord, match=r"^dataset manifest: .*expected the fields of schema 2$"):
        manifest.decoded(content)


def test_conflicts_come_back_by_content_and_none_is_no_object():
    objects = MemoryObjects()
    told = [
        Conflict(
            content=Digest(c), sample="p", before="a", now="b", cycle_before=0, cycle=1, method="m", reason="newer"
        )
        for c in "ba"
    ]
    file = conflicts.stored(told, objects=objects)
    assert conflicts.read(file, objects=objects) == tuple(told[::-1])
    assert conflicts.stored([], objects=objects) is None
    assert conflicts.read(None, objects=objects) == ()
    with pytest.raises(InvalidRecord, match=r"^dataset conflicts .*: .*expected conflicts as JSON$"):
        conflicts.read(objects.put(b"{"), objects=objects)


def test_anchor_rows_come_back():
    samples = [LabelledSample("c", b'"x"', "positive", "a1", 0, "imported")]
    assert [(r.id, r.inputs, r.label) for r in anchors.decoded(anchors.encoded(samples))] == [
        ("a1", b'"x"', "positive")
    ]
    with pytest.raises(InvalidRecord, match=r"^anchor rows: "):
        anchors.decoded(b"[1]")


def test_equal_signatures_pass_and_a_difference_is_named():
    require_parity("dataset c1", found=SIGNATURE, expected=SIGNATURE)
    other = Signature(input="tabular", width=2, labels=LABELS)
    with pytest.raises(InvalidRecord) as error:
        require_parity("dataset c1", found=other, expected=SIGNATURE)
    assert str(error.value) == (
        "dataset c1: signature: input tabular, width 2, expected input text, width 0; "
        "keep [loop] input and labels as they were, or begin a new loop under another name"
    )
