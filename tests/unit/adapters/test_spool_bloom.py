import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.adapters.spool.bloom import DENSE, SPARSE, bloom, hashes, may_hold


def column(texts):
    return pa.array(texts, pa.string())


@given(st.lists(st.text(), max_size=40), st.sampled_from([DENSE, SPARSE]))
def test_what_a_filter_was_told_it_knows(texts, bits):
    known = bloom(hashes(column(texts)), bits=bits)
    assert may_hold(known, hashes(column(texts))).all()


@given(st.lists(st.text(), max_size=40), st.integers(0, 40))
def test_the_hash_of_a_text_is_the_same_in_any_company(texts, start):
    alone = [hashes(column([text]))[0] for text in texts]
    assert hashes(column(texts)).tolist() == alone
    assert hashes(column(texts)[start:]).tolist() == alone[start:]


@given(st.lists(st.text(), unique=True, max_size=40))
def test_different_texts_have_different_hashes(texts):
    assert len(set(hashes(column(texts)).tolist())) == len(texts)


@pytest.mark.parametrize(("bits", "most"), [(DENSE, 0.012), (SPARSE, 0.0003)])
def test_few_strangers_are_taken_for_known(bits, most):
    known = bloom(hashes(column([f"p{i}" for i in range(20_000)])), bits=bits)
    strangers = may_hold(known, hashes(column([f"q{i}" for i in range(20_000)])))
    assert strangers.mean() <= most
    assert len(known) <= 20_000 * bits / 8 + 2


def test_no_filter_knows_nothing_and_excludes_nobody():
    assert may_hold(b"", hashes(column(["a", "b"]))).tolist() == [True, True]


def test_a_filter_of_nothing_excludes_everybody():
    assert not may_hold(bloom(hashes(column([])), bits=DENSE), hashes(column(["a", "b"]))).any()


def test_the_hashes_are_those_of_stored_files():
    # Filters are stored in the manifest: were these numbers to change, rows would be lost to their ids.
    found = hashes(column(["", "p1", "0199a7f2-7c3e-7d8a-9b1c-2f4e6a8c0d1e"])).tolist()
    assert found == [16294208416658607535, 9688406664041825331, 17298378989328201702]
