import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.dataset.conflicts import NEW, SUREST
from loopline.dataset.merge import learnable, merged, sentence
from loopline.dataset.parquet import encoded
from loopline.dataset.parts import living
from loopline.dataset.table import IMPORTED, LabelledSample, tabled
from loopline.errors import InvalidRecord
from loopline.testing.factories import LABELS, digest, label, label_batch


def sample(content, given="positive", name="", cycle=1, stratum="chosen"):
    return LabelledSample(content, content.encode(), given, name or f"p-{content}", cycle, stratum)


def parent(*contents):
    return tabled([sample(c, name=f"r-{c}", cycle=0, stratum=IMPORTED) for c in contents])


def learned(*labels, **rules):
    return learnable(label_batch(*labels) if labels else EMPTY, allowed=LABELS, **rules)


EMPTY = msgspec.structs.replace(label_batch(), labels=())


def test_a_new_label_wins_and_brings_its_provenance():
    before = parent("a", "b", "c")
    made = merged(before, [sample("b", "negative"), sample("c"), sample("d")], method="majority.v1")
    table = living([before, made.table]).to_pydict()
    assert made.table["content"].to_pylist() == ["b", "c", "d"]
    assert table["content"] == ["a", "b", "c", "d"]
    assert table["label"] == ["positive", "negative", "positive", "positive"]
    assert table["sample"] == ["r-a", "p-b", "p-c", "p-d"]
    assert table["cycle"] == [0, 1, 1, 1]
    assert (made.added, made.confirmed) == (1, 1)
    (conflict,) = made.relabelled
    assert (conflict.content, conflict.sample, conflict.before, conflict.now) == ("b", "p-b", "positive", "negative")
    assert (conflict.cycle_before, conflict.cycle, conflict.method, conflict.reason) == (0, 1, "majority.v1", NEW)


def test_the_classes_grow_and_shrink_by_what_enters_changes_and_leaves():
    made = merged(
        parent("a", "b", "c"), [sample("b", "negative"), sample("c"), sample("d", "neutral")], anchor=frozenset({"a"})
    )
    assert made.grown({"negative": 0, "neutral": 0, "positive": 3}) == {"negative": 1, "neutral": 1, "positive": 1}
    assert made.dropped == ("a",)


def test_the_reason_names_what_changed():
    fresh = [sample(c, "negative") for c in "abcd"] + [sample("e"), sample("x"), sample("y")]
    said = sentence("c3", "c2", merged(parent(*"abcde"), fresh), sealed=1)
    assert said == (
        "c3 = c2 + 2 new rows, 4 relabelled (p-a: positive to negative, p-b: positive to negative, "
        "p-c: positive to negative, ...), 1 confirmed, "
        "1 left out because the reserve holds the same or nearly the same input"
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
    made = merged(tabled(sorted(old)), new)
    contents = living([tabled(sorted(old)), made.table])["content"].to_pylist()
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
    entering = learned(*batch)
    allowed = {(one.sample, one.content) for one in batch if one.stratum in ("chosen", "audit")}
    sealed = {one.content for one in batch if one.stratum == "reserve"}
    assert {(s.sample, s.content) for s in entering.samples} <= allowed
    assert not {s.content for s in entering.samples} & sealed
    assert {s.stratum for s in entering.samples} <= {"chosen", "audit"}
    assert not {one.content for one in entering.outdone} & sealed


def test_of_two_labels_for_one_input_the_surer_stands():
    unsure, sure = label("p1", posterior=(0.2, 0.2, 0.6)), label("p2", label="neutral", posterior=(0.0, 0.9, 0.1))
    entering = learned(unsure, sure)
    assert [s.label for s in entering.samples] == ["neutral"]
    (conflict,) = entering.outdone
    assert (conflict.sample, conflict.before, conflict.now, conflict.reason) == ("p2", "positive", "neutral", SUREST)


def test_of_labels_of_two_cycles_the_later_stands_however_sure_the_earlier_is():
    before = label("p1", posterior=(0.0, 0.0, 1.0), cycle=1)
    again = label("p1", label="neutral", posterior=(0.2, 0.6, 0.2), cycle=2, stratum="relabel")
    entering = learned(again, before)
    assert [(s.label, s.stratum) for s in entering.samples] == [("neutral", "relabel")]
    (conflict,) = entering.outdone
    assert (conflict.before, conflict.cycle_before, conflict.reason) == ("positive", 1, NEW)


def test_what_no_one_can_label_is_taken_out_in_words_of_its_own():
    made = merged(parent("a", "b", "c"), [], anchor=frozenset({"a", "b"}))
    assert sentence("c2", "c1", made, sealed=0, unlearnable=frozenset({"b", "z"})) == (
        "c2 = c1 + 0 new rows, 1 taken out because the reserve holds the same or nearly the same input, "
        "1 taken out because an adjudicator found that no one label is right"
    )


def test_a_contradiction_about_what_the_reserve_holds_is_not_told():
    pair = [label("p1", label="neutral", posterior=(0.0, 0.9, 0.1)), label("p2")]
    assert learned(*pair, label("p3", stratum="reserve")).outdone == ()
    assert learned(*pair, anchor=frozenset({digest(b'"good"')})).outdone == ()


def test_a_label_outside_the_signature_is_refused_with_its_sample():
    with pytest.raises(InvalidRecord) as error:
        learned(label("p9", label="meh"))
    assert str(error.value) == "sample p9: label 'meh', expected one of negative, neutral, positive"


def test_of_two_equally_sure_labels_for_one_input_the_earlier_sample_stands_in_any_order():
    pair = [label("p1", label="neutral", posterior=(0.0, 0.9, 0.1)), label("p2", posterior=(0.0, 0.1, 0.9))]
    for order in (pair, pair[::-1]):
        assert [(s.sample, s.label) for s in learned(*order).samples] == [("p1", "neutral")]
