import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.dataset import anchors, manifest, parquet
from loopline.dataset.leakage import leaks, require_no_leaks
from loopline.dataset.parity import require_parity
from loopline.dataset.table import LabelledSample, tabled
from loopline.errors import InvalidRecord
from loopline.records.signature import Signature
from loopline.testing.factories import LABELS, SIGNATURE, digest, settings

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
    assert all(np.array_equal(one, other) for one, other in zip(table, again, strict=True))
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
    table = tabled([LabelledSample("c", b'"x"', "positive", "p1", 0, "imported")])
    return manifest.begun(table, file=digest(b"file"), settings=settings())


def test_the_id_of_a_version_is_the_hash_of_its_manifest():
    content = manifest.encoded(begun())
    assert manifest.identity(begun()) == blake3(content).hexdigest()
    assert manifest.decoded(content) == begun()
    assert content.startswith(b'{"by_class":{"negative":0,"neutral":0,"positive":1},"cycle":0,"file":')


def test_bytes_that_are_no_manifest_are_refused():
    with pytest.raises(InvalidRecord, match=r"^dataset manifest: .*expected the fields of schema 1$"):
        manifest.decoded(b"{}")


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


def test_leaks_are_the_pairs_of_equal_content():
    found = leaks([("c1", "r1"), ("c2", "r2"), ("c2", "r0")], [("c2", "a2"), ("c3", "a3")])
    assert [leak[1:] for leak in found] == [("r0", "a2"), ("r2", "a2")]


def test_the_first_leaks_are_named():
    require_no_leaks([("c1", "r1")], [("c2", "a1")])
    both = [(f"c{i}", i) for i in range(7)]
    with pytest.raises(InvalidRecord) as error:
        require_no_leaks([(c, f"r{i}") for c, i in both], [(c, f"a{i}") for c, i in both])
    assert str(error.value) == (
        "base set: 7 rows also in the anchor (r0 = a0, r1 = a1, r2 = a2, r3 = a3, r4 = a4 and 2 more), expected none; "
        "take them out of one of the two: a model must not be judged on what it learned"
    )
