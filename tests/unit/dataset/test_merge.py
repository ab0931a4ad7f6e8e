import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.dataset.merge import learnable, merged, sentence
from loopline.dataset.parquet import encoded
from loopline.dataset.table import IMPORTED, LabelledSample, tabled
from loopline.errors import InvalidRecord
from loopline.testing.factories import LABELS, label


def sample(content, given="positive", name="", cycle=1, stratum="chosen"):
    return LabelledSample(content, content.encode(), given, name or f"p-{content}", cycle, stratum)


def parent(*contents):
    return tabled([sample(c, name=f"r-{c}", cycle=0, stratum=IMPORTED) for c in contents])


def test_a_new_label_wins_and_brings_its_provenance():
    made = merged(parent("a", "b", "c"), [sample("b", "negative"), sample("c"), sample("d")])
    assert made.table.content.tolist() == ["a", "b", "c", "d"]
    assert made.table.label.tolist() == ["positive", "negative", "positive", "positive"]
    assert made.table.sample.tolist() == ["r-a", "p-b", "p-c", "p-d"]
    assert made.table.cycle.tolist() == [0, 1, 1, 1]
    assert (made.added, made.relabelled, made.confirmed) == (1, (("p-b", "positive", "negative"),), 1)


def test_the_reason_names_what_changed():
    fresh = [sample(c, "negative") for c in "abcd"] + [sample("e"), sample("x"), sample("y")]
    said = sentence("c3", "c2", merged(parent(*"abcde"), fresh), sealed=1)
    assert said == (
        "c3 = c2 + 2 new rows, 4 relabelled (p-a: positive to negative, p-b: positive to negative, "
        "p-c: positive to negative, ...), 1 confirmed, 1 left out because the reserve holds the same input"
    )
    assert sentence("c1", "c0", merged(parent("a"), [sample("b")]), sealed=0) == "c1 = c0 + 1 new row"


samples = st.lists(
    st.builds(sample, st.text("abcdef", min_size=1, max_size=2), st.sampled_from(LABELS)),
    unique_by=lambda s: s.content,
    max_size=15,
)


@checks(deadline=None)
@given(samples, samples, st.randoms())
def test_the_bytes_do_not_depend_on_any_order(old, new, shuffler):
    before = encoded(merged(tabled(sorted(old)), new).table)
    shuffler.shuffle(new)
    shuffler.shuffle(old)
    assert encoded(merged(tabled(old), new).table) == before


@checks(deadline=None)
@given(samples, samples)
def test_nothing_is_lost_and_nothing_is_doubled(old, new):
    made = merged(tabled(old), new)
    contents = made.table.content.tolist()
    assert contents == sorted({s.content for s in (*old, *new)})
    assert len(contents) == len(old) + made.added
    assert made.added + len(made.relabelled) + made.confirmed == len(new)


strata = st.sampled_from(["chosen", "audit", "reserve", "gold"])
batches = st.lists(
    st.builds(lambda i, text, s: label(f"p{i}", text, stratum=s), st.integers(0, 9), st.text("ab"), strata)
)


@checks(deadline=None)
@given(batches)
def test_no_reserve_or_gold_label_ever_enters_whatever_the_batch_holds(batch):
    entering = learnable(batch, allowed=LABELS)
    allowed = {(one.sample, one.content) for one in batch if one.stratum in ("chosen", "audit")}
    sealed = {one.content for one in batch if one.stratum == "reserve"}
    assert {(s.sample, s.content) for s in entering.samples} <= allowed
    assert not {s.content for s in entering.samples} & sealed
    assert {s.stratum for s in entering.samples} <= {"chosen", "audit"}


def test_of_two_labels_for_one_input_the_surer_stands():
    unsure, sure = label("p1", posterior=(0.2, 0.2, 0.6)), label("p2", label="neutral", posterior=(0.0, 0.9, 0.1))
    assert [s.label for s in learnable([unsure, sure], allowed=LABELS).samples] == ["neutral"]


def test_a_label_outside_the_signature_is_refused_with_its_sample():
    with pytest.raises(InvalidRecord) as error:
        learnable([label("p9", label="meh")], allowed=LABELS)
    assert str(error.value) == "sample p9: label 'meh', expected one of negative, neutral, positive"


def test_of_two_equally_sure_labels_for_one_input_the_earlier_sample_stands_in_any_order():
    pair = [label("p1", label="neutral", posterior=(0.0, 0.9, 0.1)), label("p2", posterior=(0.0, 0.1, 0.9))]
    for order in (pair, pair[::-1]):
        assert [(s.sample, s.label) for s in learnable(order, allowed=LABELS).samples] == [("p1", "neutral")]
