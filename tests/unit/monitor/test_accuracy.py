"""Three readings of one batch of labels."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from loopline.monitor.accuracy import Accuracy, accuracy, clopper_pearson, judged
from loopline.records.label import LabelBatch
from loopline.records.selection import Candidate, Selection
from loopline.testing import factories as make

EVEN = 1_000
"""Pool of the even draws below."""


def one(place: int, **changes: object) -> Candidate:
    """The sample that was drawn at this place; the model called it positive."""
    return make.candidate(f"p{place}", f"text {place}", order=place, predicted="positive", **changes)


def batch(*rows: tuple[Candidate, str], **changes: object) -> tuple[Selection, LabelBatch]:
    """These samples and what people said of them; nothing where they said nothing. A reserve label lies beside them."""
    drawn = {"pool_distinct": EVEN, "explore": 0.5} | changes
    said = [make.label(found.prediction, found.content, label=word) for found, word in rows if word]
    sealed = make.label("r1", "sealed", stratum="reserve", label="negative")
    return make.selection(*(found for found, _ in rows), **drawn), make.label_batch(*said, sealed)


def even(n: int, wrong: int, *, silent: int = 0, **changes: object) -> tuple[Selection, LabelBatch]:
    """Drawn evenly out of 1,000, every second by the audit; the first ones wrong, the last ones without a label."""
    rows = []
    for i in range(n):
        draw = "audit" if i % 2 else "chosen"
        word = "" if i >= n - silent else "negative" if i < wrong else "positive"
        rows.append((one(i, proposal=1.0 / (EVEN - i), draw=draw), word))
    return batch(*rows, **changes)


def read(*pairs: tuple[Selection, LabelBatch]) -> Accuracy:
    return accuracy([judged(*pair) for pair in pairs])


def test_an_even_draw_reads_alike_naively_and_weighed():
    found = read(even(100, 20))
    assert (found.cycles, found.models, found.drawn, found.missing) == ((1,), ("v1",), 100, 0)
    assert found.naive.value == found.audit.value == pytest.approx(0.8)
    assert found.lure.value == pytest.approx(0.8)
    assert (found.naive.n, found.audit.n, found.lure.n) == (100, 50, 100)
    assert found.lure.low < 0.8 < found.lure.high
    assert found.naive.low is None
    assert found.lure.effective == pytest.approx(100)


def test_labels_that_were_sought_out_are_taken_for_what_they_are():
    sought = [(one(i, proposal=0.5), "negative") for i in range(40)]
    random = [(one(40 + i, proposal=0.5 / (EVEN - 40), draw="audit", is_both=i == 0), "positive") for i in range(40)]
    found = read(batch(*sought, *random))
    assert found.naive.value == 0.5
    assert found.audit.value == 1.0
    assert 0.93 < found.lure.value < 0.99
    assert found.naive.trust == (
        "for nothing but a comparison: the choice looks for what the model finds hard, so as a rule it lies too low"
    )


def test_samples_without_a_label_are_counted_and_leave_the_pool():
    pair = even(60, 12, silent=10)
    found = read(pair)
    assert (found.drawn, found.missing, found.lure.n) == (60, 10, 50)
    assert judged(*pair).pool == EVEN - 10
    assert found.lure.value == pytest.approx(1 - 12 / 50, abs=0.005)


def test_what_is_asked_about_once_more_counts_in_no_estimate():
    selection, labels = even(40, 10)
    again = [msgspec.structs.replace(one, stratum="relabel") for one in labels.labels[:10]]
    more = msgspec.structs.replace(labels, labels=(*again, *labels.labels[10:]))
    others = msgspec.structs.replace(labels, labels=labels.labels[10:])
    assert read((selection, more)) == read((selection, others))
    extra = msgspec.structs.replace(
        labels, labels=(*labels.labels, make.label("p9", "old", stratum="relabel", label="negative"))
    )
    assert read((selection, extra)) == read((selection, labels))


def test_the_order_of_the_draw_counts_and_not_that_of_the_record():
    drawn, labels = even(60, 12)
    turned = make.selection(*drawn.candidates[::-1], pool_distinct=EVEN, explore=0.5)
    assert read((turned, labels)) == read((drawn, labels))


def test_too_few_even_draws_are_refused_with_the_way_out():
    sought = [(one(i, proposal=0.9), "negative") for i in range(100)]
    random = [(one(100 + i, proposal=0.1 / 900, draw="audit"), "positive") for i in range(8)]
    found = read(batch(*sought, *random))
    assert found.lure.value is found.lure.low is None
    assert found.lure.n == 108
    assert found.lure.trust == (
        "cannot be told: 108 labels are worth 9 even draws, fewer than 30: label more, or raise explore under [select]"
    )


def test_selections_of_before_the_odds_were_kept_are_read_in_the_two_other_ways():
    found = read(batch(*((one(i, draw="audit"), "positive") for i in range(40)), explore=0.1))
    assert found.audit.value == 1.0
    assert found.lure.trust == "cannot be told: the odds of each draw were not kept yet in cycle 1"


def test_a_choice_without_a_random_share_is_not_weighed():
    found = read(batch(*((one(i, proposal=0.1), "positive") for i in range(40)), explore=0.0))
    assert found.audit.value is None
    assert found.audit.trust == (
        "cannot be told: no sample of the random share has a label; explore under [select] sets that share"
    )
    assert found.lure.trust == (
        "cannot be told: nothing was drawn at random in cycle 1, so part of the pool may have had no chance"
    )


def test_a_batch_that_nobody_labelled_says_so():
    found = read(batch((one(0, proposal=0.5), "")))
    assert (found.drawn, found.missing) == (1, 1)
    for figure in (found.naive, found.lure):
        assert (figure.value, figure.n, figure.trust) == (None, 0, "cannot be told: no drawn sample has a label")


def test_a_pool_labelled_whole_has_no_error_left():
    found = read(batch(*((one(i, proposal=1.0 / (40 - i)), "negative" if i < 8 else "positive") for i in range(40)),
                       pool_distinct=40, explore=0.0))  # fmt: skip
    assert (found.lure.value, found.lure.low, found.lure.high) == (0.8, 0.8, 0.8)
    assert found.naive.trust == "every sample of the pool has a label: this is the accuracy itself"


def test_cycles_together_count_every_label_and_name_every_version():
    second = even(40, 4, id="cycle-2", cycle=2, model="v2")
    found = read(even(20, 10), second)
    assert (found.cycles, found.models) == ((1, 2), ("v1", "v2"))
    assert found.naive.value == pytest.approx(1 - 14 / 60)
    assert found.lure.value == pytest.approx(1 - 14 / 60)
    assert read(even(20, 10)).lure.value is None


@given(st.integers(1, 400), st.data())
def test_the_exact_interval_is_scipys(n, data):
    hits = data.draw(st.integers(0, n))
    expected = stats.binomtest(hits, n).proportion_ci(method="exact")
    assert clopper_pearson(hits, n) == pytest.approx((expected.low, expected.high))
