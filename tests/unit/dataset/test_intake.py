import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.dataset.intake import provenance_of, sentence, taken_in
from loopline.errors import InvalidRecord
from loopline.records.dataset import LabelledRow
from loopline.records.signature import Signature
from loopline.testing.factories import LABELS, SIGNATURE, labelled_row, prediction

TABULAR = Signature(input="tabular", width=2, labels=("no", "yes"))


def intake(*rows):
    return taken_in(rows, signature=SIGNATURE, what="base")


def test_an_input_that_comes_twice_with_one_label_is_kept_once_under_its_first_id():
    kept = intake(labelled_row("r1"), labelled_row("r2"))
    assert [s.sample for s in kept.samples] == ["r1"]
    assert kept[1:4] == (1, 0, 0)


def test_of_contradicting_labels_the_most_frequent_wins():
    kept = intake(labelled_row("r1", label="negative"), labelled_row("r2"), labelled_row("r3"))
    assert [(s.sample, s.label) for s in kept.samples] == [("r2", "positive")]
    assert kept[1:4] == (1, 1, 0)


def test_an_input_whose_labels_tie_is_left_out():
    kept = intake(labelled_row("r1", label="negative"), labelled_row("r2"), labelled_row("r3", "fine"))
    assert [s.sample for s in kept.samples] == ["r3"]
    assert kept[1:4] == (0, 0, 2)


def test_every_label_that_does_not_stand_is_a_conflict():
    rows = [labelled_row("r1", label="negative"), labelled_row("r2"), labelled_row("r3"), labelled_row("r4", "x")]
    (conflict,) = intake(*rows).conflicts
    assert (conflict.sample, conflict.before, conflict.now) == ("r2", "negative", "positive")
    assert (conflict.cycle_before, conflict.cycle, conflict.method) == (0, 0, "imported")
    assert conflict.reason == "2 of 3 rows say so"
    tied = intake(*rows[:2]).conflicts
    assert [(one.sample, one.before, one.now) for one in tied] == [("r1", "negative", ""), ("r1", "positive", "")]
    assert {one.reason for one in tied} == {"its labels tie, so it is left out"}


def test_two_rows_with_one_id_are_refused():
    with pytest.raises(InvalidRecord) as error:
        intake(labelled_row("r1"), labelled_row("r1", "fine"))
    assert str(error.value) == "base row r1: 2 rows with this id, expected one"


def test_the_provenance_adds_up_and_is_that_of_the_rows_in_any_order():
    rows = [labelled_row("r1", label="negative"), labelled_row("r2"), labelled_row("r3", "x"), labelled_row("r4", "x")]
    told = provenance_of(intake(*rows), rows, file="data/base.csv")
    assert (told.file, told.read) == ("base.csv", 4)
    assert (told.kept, told.repeated, told.outvoted, told.undecided) == (1, 1, 0, 2)
    assert told.digest == provenance_of(intake(*rows), rows[::-1], file="").digest
    assert told.digest != provenance_of(intake(*rows), [*rows[:3], labelled_row("r4", "y")], file="").digest


def test_what_was_left_out_is_said():
    rows = [labelled_row("r1", label="negative"), labelled_row("r2"), labelled_row("r3", "x"), labelled_row("r4", "x")]
    assert sentence(intake(*rows), rows=4, anchor=1_000) == (
        "1 of 4 rows imported: 1 repeated, 2 with contradicting labels left out; the anchor holds 1,000"
    )
    assert sentence(intake(rows[0]), rows=1, anchor=0) == "1 of 1 rows imported"


def test_contents_are_those_that_a_prediction_of_the_same_input_has():
    assert intake(labelled_row(text="très bien")).samples[0].content == prediction(text="très bien").content
    row = LabelledRow(id="r1", inputs=b"[1, 2.50]", label="yes")
    assert taken_in([row], signature=TABULAR, what="base").samples[0].inputs == TABULAR.encode((1.0, 2.5))


def test_a_label_outside_the_signature_is_refused_with_its_row():
    with pytest.raises(InvalidRecord) as error:
        intake(labelled_row("r7", label="meh"))
    assert str(error.value) == "base row r7: label 'meh', expected one of negative, neutral, positive"


def test_a_row_of_the_wrong_shape_is_refused_with_its_id():
    with pytest.raises(InvalidRecord) as error:
        taken_in([LabelledRow(id="r7", inputs=b"[1.0]", label="yes")], signature=TABULAR, what="anchor")
    assert str(error.value) == "anchor row r7: 1 numbers, expected 2 numbers"


@checks(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(LABELS)), max_size=12))
def test_every_row_is_kept_or_counted_and_contents_are_unique_and_sorted(pairs):
    kept = intake(*(labelled_row(f"r{i}", text, label=label) for i, (text, label) in enumerate(pairs)))
    assert len(kept.samples) + kept.repeated + kept.outvoted + kept.undecided == len(pairs)
    assert {one.content for one in kept.conflicts if one.now} <= {s.content for s in kept.samples}
    contents = [s.content for s in kept.samples]
    assert contents == sorted(set(contents))
