from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.evidence import Heard
from loopline.annotate.labelling import Method, labelled, recomputed
from loopline.annotate.questions import METHODS
from loopline.errors import InvalidRecord, NotFound
from loopline.records.label import Label
from loopline.testing.factories import LABELS, annotation, cycle, label, label_batch, task

METHOD = Method("dawid-skene.v1", partial(METHODS["dawid-skene.v1"], labels=LABELS), LABELS)
TASKS = [task(f"t{i}", f"text {i}", stratum=("chosen", "audit", "reserve")[i % 3]) for i in range(6)]
TASKS += [task(f"g{i}", f"gold {i}", stratum="gold", gold=LABELS[i]) for i in range(3)]
said = st.tuples(st.sampled_from([t.id for t in TASKS]), st.sampled_from(["ana", "ben", "cy"]), st.sampled_from(LABELS))


@checks(deadline=None)
@given(st.lists(said, max_size=25, unique_by=lambda one: one[:2]), st.randoms())
def test_the_same_answers_in_any_order_give_the_same_bytes(rows, shuffler):
    answers = [annotation(f"a{i}", task=t, annotator=who, label=what) for i, (t, who, what) in enumerate(rows)]
    once = labelled(Heard(TASKS, answers), cycle=cycle(), method=METHOD)
    mixed_tasks, mixed_answers = TASKS[:], answers[:]
    shuffler.shuffle(mixed_tasks)
    shuffler.shuffle(mixed_answers)
    again = labelled(Heard(mixed_tasks, mixed_answers), cycle=cycle(), method=METHOD)
    assert msgspec.json.encode(again) == msgspec.json.encode(once)
    answered = {t for t, _, _ in rows if not t.startswith("g")}
    assert {one.content for one in once.labels} == {t.content for t in TASKS if t.id in answered}
    assert "gold" not in {one.stratum for one in once.labels}
    assert once.answers == tuple(sorted(one.id for one in answers))


@checks(deadline=None)
@given(st.lists(said, max_size=25, unique_by=lambda one: one[:2]), st.integers(0, 25))
def test_late_answers_change_nothing_of_what_is_recomputed(rows, late):
    answers = [annotation(f"a{i}", task=t, annotator=who, label=what) for i, (t, who, what) in enumerate(rows)]
    batch = labelled(Heard(TASKS, answers[late:]), cycle=cycle(), method=METHOD)
    again = recomputed(batch, TASKS, answers, method=METHOD)
    assert msgspec.json.encode(again) == msgspec.json.encode(batch)


def test_a_batch_that_does_not_say_its_answers_or_whose_answers_are_gone_is_not_recomputed():
    with pytest.raises(InvalidRecord) as error:
        recomputed(label_batch(), TASKS, [], method=METHOD)
    assert str(error.value) == "labels cycle-1: no ids of answers, expected the answers it was derived from"
    with pytest.raises(NotFound) as gone:
        recomputed(label_batch(answers=("a7",)), TASKS, [annotation("a1", task="t1")], method=METHOD)
    assert str(gone.value) == "no answer 'a7'"


def test_what_was_decided_of_a_sample_while_it_is_asked_again_is_its_label_once():
    again = [task(f"r{i}", f"text r{i}", stratum="relabel") for i in range(3)]
    answers = [annotation(f"a{i}", task=f"r{i}", label="negative") for i in range(2)]
    decided = {"label": "neutral", "posterior": (0.0, 1.0, 0.0), "decided_by": "lea", "stratum": "relabel"}
    late = [label("p1", f"text r{i}", **decided) for i in (0, 2)] + [label("p9", "another", **decided)]
    batch = labelled(Heard(again, answers), cycle=cycle(), method=METHOD, late=late)
    assert [(one.inputs, one.label, one.decided_by) for one in batch.labels] == [
        (again[0].inputs, "neutral", "lea"), (again[1].inputs, "negative", ""),
        (again[2].inputs, "neutral", "lea"), (late[2].inputs, "neutral", "lea"),
    ]  # fmt: skip
    assert "1 label of earlier cycles changed by decisions" in batch.reason
    assert msgspec.json.encode(recomputed(batch, again, answers, method=METHOD)) == msgspec.json.encode(batch)


SAID = (
    "t0 ana 0, t0 ben 1, t0 cy 0, t1 ana 1, t1 ben 1, t2 cy 2, t3 ana 2, t3 ben 0, t4 ben 2, t4 cy 2, "
    "g0 ana 0, g1 ana 1, g2 ben 0, g0 ben 1, g1 cy 1"
)
BEFORE = (
    ("negative", (0.976409348, 0.020993237, 0.002597416)),
    ("neutral", (0.019793207, 0.970366149, 0.009840644)),
    ("positive", (0.044228764, 0.040984192, 0.914787043)),
    ("positive", (0.148743735, 0.011574715, 0.83968155)),
    ("positive", (0.00402743, 0.004119658, 0.991852912)),
)
"""What the first release made of these answers, and how it spelled it."""


def test_a_batch_of_the_first_release_is_derived_again_to_its_bytes():
    triples = [one.split() for one in SAID.split(", ")]
    answers = [
        annotation(f"a{i:02}", task=name, annotator=who, label=LABELS[int(what)])
        for i, (name, who, what) in enumerate(triples)
    ]
    of = {one.id: one for one in TASKS}
    people = {name: tuple(sorted(w for t, w, _ in triples if t == name)) for name in of}
    stored = label_batch(
        *(
            Label(
                sample=of[f"t{i}"].sample, content=of[f"t{i}"].content, inputs=of[f"t{i}"].inputs, cycle=1,
                stratum=of[f"t{i}"].stratum, label=what, posterior=posterior, annotators=people[f"t{i}"],
            )
            for i, (what, posterior) in enumerate(BEFORE)
        ),
        method="dawid-skene.v1", alpha=0.40740740740740744, alpha_n=4, annotations=10,
        reason="5 labels from 10 answers of 3 people by dawid-skene.v1; alpha 0.41 (n = 4); "
        "1 task without an answer left out",
        answers=tuple(one.id for one in answers),
    )  # fmt: skip
    assert msgspec.json.encode(recomputed(stored, TASKS, answers, method=METHOD)) == msgspec.json.encode(stored)
