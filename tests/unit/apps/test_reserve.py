"""The one way to the labelled reserve: who may judge with what, how fine the numbers are, and what is written down."""

from collections.abc import Sequence

import pytest

from loopline.adapters.memory.roles import MemoryRoles
from loopline.apps.reserve import MOST_USES, evaluate, opened, standing
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.records.reserve import ReserveAccess
from loopline.testing import factories as one
from loopline.testing.role_book import access
from loopline.testing.rooms import Rooms, rooms

ALWAYS = (0.1, 0.2, 0.7)


def sure(rows: Sequence[str]) -> list[tuple[float, ...]]:
    return [ALWAYS] * len(rows)


def batch(cycle: int, n: int, *, right: int | None = None, first: int = 0):
    """Labels of a cycle: ``n`` that judge, of which so many are positive, and one that was chosen."""
    right = n if right is None else right
    sealed = [
        one.label(f"r{cycle}-{i}", f"sealed {first + i}", cycle=cycle, stratum="reserve",
                  label="positive" if i < right else "neutral")
        for i in range(n)
    ]  # fmt: skip
    return one.label_batch(*sealed, one.label(f"p{cycle}", "open", cycle=cycle), id=f"cycle-{cycle}", cycle=cycle)


def house(*records) -> Rooms:
    made = rooms(now=one.NOW)
    made.ledger.commit(one.entry("e1", *records))
    return made


def judged(made: Rooms, predict=sure, **changes):
    return evaluate(made, predict, **{"purpose": "a test", "actor": "ana", "now": one.NOW, **changes})


def test_numbers_come_with_their_n_and_no_finer_than_they_are_sure():
    (fresh,) = judged(house(batch(1, 40, right=33))).values()
    assert (fresh.n, fresh.step) == (40, 0.1)
    assert fresh.metrics["accuracy"] == 0.8  # 33 of 40 are 0.825
    assert fresh.metrics["macro_f1"] == 0.5
    assert fresh.metrics["log_score"] == -0.6


def test_a_use_is_kept_with_what_it_was_for():
    made = house(batch(1, 30), batch(2, 5, first=30))
    judged(made)
    (use,) = made.ledger.all(ReserveAccess, one.LOOP)
    assert (use.actor, use.purpose, use.rows, use.versions) == ("ana", "a test", 35, ())
    assert use.batches == ("labels:cycle-1", "labels:cycle-2")
    (event,) = made.ledger.events(one.LOOP, newest=9)
    assert event.text == "ana judged a model on 35 sealed rows: a test"


def test_a_few_rows_would_tell_their_labels_and_judge_nothing():
    made = house(batch(1, 29))
    with pytest.raises(Conflict) as error:
        judged(made)
    sentence = "reserve: 29 fresh, 0 anchor labelled rows, expected 30 of either; the next cycle labels more"
    assert str(error.value) == sentence
    assert made.ledger.all(ReserveAccess, one.LOOP) == ()


def test_labels_that_served_often_enough_are_left_out():
    worn = [access(id=f"use-{n}", batches=("labels:cycle-1",)) for n in range(MOST_USES)]
    made = house(batch(1, 40), batch(2, 35, first=100), *worn)
    assert judged(made)["fresh"].n == 35
    with pytest.raises(
        Conflict, match=r"0 fresh, 0 anchor labelled rows \(1 batch has served 20 decisions\), expected"
    ):
        judged(house(batch(1, 40), *worn))


def test_a_sample_that_was_labelled_again_counts_with_its_latest_label():
    made = house(batch(1, 40, right=40), batch(2, 40, right=0))
    assert judged(made)["fresh"].metrics["accuracy"] == 0.0
    assert judged(made)["fresh"].n == 40


@pytest.mark.parametrize("word", ["", "  ", "two\nlines", "x" * 201])
@pytest.mark.parametrize("field", ["purpose", "actor"])
def test_a_use_without_a_name_or_a_purpose_is_refused(field, word):
    made = house(batch(1, 30))
    with pytest.raises(InvalidRecord, match=f"^{field}: "):
        judged(made, **{field: word})
    assert made.ledger.all(ReserveAccess, one.LOOP) == ()


def test_a_version_that_is_not_there_or_not_alike_is_refused_before_anything_is_read():
    made = house(
        batch(1, 30), one.model_version("v1", signature=one.SIGNATURE.__class__(input="text", labels=("a", "b")))
    )
    with pytest.raises(NotFound, match="no model 'v9'; known: v1"):
        judged(made, "v9")
    with pytest.raises(InvalidRecord, match=r"^model v1: signature: labels"):
        judged(made, "v1")
    assert made.ledger.all(ReserveAccess, one.LOOP) == ()


def test_answers_that_are_no_probabilities_are_named():
    with pytest.raises(InvalidRecord, match=r"^predict"):
        judged(house(batch(1, 30)), lambda rows: [[1.0, 1.0, 1.0]] * len(rows))


def test_a_batch_is_shown_without_what_judges():
    shown = opened(batch(1, 30))
    assert [label.stratum for label in shown.labels] == ["chosen"]
    assert opened(None) is None


def test_how_the_reserve_stands():
    made = house(batch(1, 30), batch(2, 5, first=25), one.anchor(rows=7), access(batches=("labels:cycle-1",)))
    made.ledger.commit(one.entry("e2", tasks=(one.task("t1", "sealed 1", stratum="reserve"),)))
    found = standing(made, roles=MemoryRoles(made.ledger.state), sealed=900)
    assert (found.sealed, found.asked, found.labelled, found.anchor, found.crossed) == (900, 1, 30, 7, 0)
    assert [(b.cycle, b.labelled, b.uses, b.left) for b in found.batches] == [(1, 30, 1, 19), (2, 5, 0, 20)]
    assert [(use.actor, use.rows) for use in found.uses] == [("loopline", 40)]
