import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.labelling import labelled, recomputed
from loopline.errors import InvalidRecord, NotFound
from loopline.testing.factories import LABELS, annotation, cycle, label_batch, task

TASKS = [task(f"t{i}", f"text {i}", stratum=("chosen", "audit", "reserve")[i % 3]) for i in range(6)]
TASKS += [task(f"g{i}", f"gold {i}", stratum="gold", gold=LABELS[i]) for i in range(3)]
said = st.tuples(st.sampled_from([t.id for t in TASKS]), st.sampled_from(["ana", "ben", "cy"]), st.sampled_from(LABELS))


@checks(deadline=None)
@given(st.lists(said, max_size=25, unique_by=lambda one: one[:2]), st.randoms())
def test_the_same_answers_in_any_order_give_the_same_bytes(rows, shuffler):
    answers = [annotation(f"a{i}", task=t, annotator=who, label=what) for i, (t, who, what) in enumerate(rows)]
    once = labelled(TASKS, answers, cycle=cycle(), labels=LABELS)
    mixed_tasks, mixed_answers = TASKS[:], answers[:]
    shuffler.shuffle(mixed_tasks)
    shuffler.shuffle(mixed_answers)
    again = labelled(mixed_tasks, mixed_answers, cycle=cycle(), labels=LABELS)
    assert msgspec.json.encode(again) == msgspec.json.encode(once)
    answered = {t for t, _, _ in rows if not t.startswith("g")}
    assert {one.content for one in once.labels} == {t.content for t in TASKS if t.id in answered}
    assert "gold" not in {one.stratum for one in once.labels}
    assert once.answers == tuple(sorted(one.id for one in answers))


@checks(deadline=None)
@given(st.lists(said, max_size=25, unique_by=lambda one: one[:2]), st.integers(0, 25))
def test_late_answers_change_nothing_of_what_is_recomputed(rows, late):
    answers = [annotation(f"a{i}", task=t, annotator=who, label=what) for i, (t, who, what) in enumerate(rows)]
    batch = labelled(TASKS, answers[late:], cycle=cycle(), labels=LABELS)
    again = recomputed(batch, TASKS, answers, labels=LABELS)
    assert msgspec.json.encode(again) == msgspec.json.encode(batch)


def test_a_batch_that_does_not_say_its_answers_or_whose_answers_are_gone_is_not_recomputed():
    with pytest.raises(InvalidRecord) as error:
        recomputed(label_batch(), TASKS, [], labels=LABELS)
    assert str(error.value) == "labels cycle-1: no ids of answers, expected the answers it was derived from"
    with pytest.raises(NotFound) as gone:
        recomputed(label_batch(answers=("a7",)), TASKS, [annotation("a1", task="t1")], labels=LABELS)
    assert str(gone.value) == "no answer 'a7'"
