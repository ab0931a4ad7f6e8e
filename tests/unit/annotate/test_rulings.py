"""What an adjudicator found stands over the answers, and is found again when labels are derived anew."""

from datetime import timedelta
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.evidence import Heard
from loopline.annotate.labelling import Method, labelled, lacking, recomputed, without
from loopline.annotate.questions import BUILT_IN
from loopline.annotate.rulings import changed, ruled
from loopline.records.decision import Decision
from loopline.records.settings import AnnotateSettings
from loopline.testing.factories import LABELS, LOOP, NOW, annotation, cycle, label, settings, task

KINDS = {
    "single": LABELS,
    "multiple": ("[]", '["negative"]', '["negative", "positive"]', '["neutral", "positive"]'),
    "rating": LABELS,
}
TASKS = [task(f"t{i}", f"text {i}", stratum=("chosen", "audit", "reserve", "relabel")[i % 4]) for i in range(6)]
FINDINGS = ("label", "ambiguous", "guideline gap")


def method(kind="single"):
    question = BUILT_IN[kind]
    return Method(question.method, partial(question.agreed, labels=LABELS), LABELS)


def decision(name="t0", finding="label", **changes):
    one = Decision(
        loop=LOOP, task=name, content=next(t.content for t in TASKS if t.id == name), cycle=1, at=NOW,
        adjudicator="lea", finding=finding, label="neutral" if finding == "label" else "", reason="as the examples say",
    )  # fmt: skip
    return msgspec.structs.replace(one, **changes)


def answers(*triples):
    return [annotation(f"a{i:02}", task=t, annotator=who, label=what) for i, (t, who, what) in enumerate(triples)]


SPLIT = answers(
    ("t0", "ana", "positive"), ("t0", "ben", "positive"), ("t0", "cy", "negative"),
    ("t1", "ana", "positive"), ("t1", "ben", "negative"), ("t2", "ana", "neutral"),
)  # fmt: skip


def batch_of(*decisions, ambiguous="soft", said=SPLIT, tasks=TASKS, sealed=frozenset()):
    rulings = ruled(decisions, ambiguous=ambiguous)
    return labelled(Heard(tasks, said), cycle=cycle(), method=method(), rulings=rulings, sealed=sealed)


def of(batch, name):
    content = next(t.content for t in TASKS if t.id == name)
    return next((one for one in batch.labels if one.content == content), None)


def test_a_decided_label_is_certain_and_says_who_decided():
    batch = batch_of(decision("t0"))
    found = of(batch, "t0")
    assert (found.label, found.posterior, found.decided_by) == ("neutral", (0.0, 1.0, 0.0), "lea")
    assert found.annotators == ("ana", "ben", "cy")
    assert of(batch, "t1").decided_by == ""
    assert "1 decided by an adjudicator" in batch.reason


def test_a_task_that_nobody_answered_can_be_decided():
    found = of(batch_of(decision("t5")), "t5")
    assert (found.label, found.annotators) == ("neutral", ())


def test_what_is_ambiguous_is_kept_with_the_shares_of_its_answers_or_left_out():
    soft, none = (batch_of(decision("t0", "ambiguous"), ambiguous=rule) for rule in ("soft", "exclude"))
    assert of(soft, "t0").label == "positive"
    assert of(soft, "t0").posterior == pytest.approx(((1 + 1 / 3) / 4, (1 / 3) / 4, (2 + 1 / 3) / 4))
    assert "1 found ambiguous and kept as soft" in soft.reason
    assert of(none, "t0") is None
    assert "1 found ambiguous and left out" in none.reason
    assert len(none.answers) == len(soft.answers) - 3


def test_a_gap_of_the_guideline_gives_no_label_and_is_counted():
    batch = batch_of(decision("t0", "guideline gap"))
    assert of(batch, "t0") is None
    assert "1 left out: the guideline does not say" in batch.reason


def test_people_disagreed_whatever_was_decided_afterwards():
    assert batch_of(decision("t0")).alpha == batch_of().alpha
    assert batch_of(decision("t0", "ambiguous")).alpha == batch_of().alpha


def test_what_is_missing_is_said_by_stratum():
    tasks = [*TASKS, task("t6", "six", wanted=2), task("t7", "seven", stratum="gold", gold="neutral")]
    said = [*SPLIT, *answers(("t6", "ana", "neutral"))]
    assert lacking(tasks, said) == (
        "3 of 7 tasks without an answer (1 chosen, 1 audit, 1 relabel), 1 answered by fewer people than wanted"
    )
    assert lacking(tasks[:3], SPLIT) == ""
    assert lacking(tasks, said, rulings=ruled([decision("t5"), decision("t4")], ambiguous="soft")) == (
        "1 of 5 tasks without an answer (1 relabel), 1 answered by fewer people than wanted"
    )


def test_a_sample_that_judges_models_and_is_asked_about_again_judges_again():
    said = answers(("t3", "ana", "positive"))
    assert of(batch_of(said=said), "t3").stratum == "relabel"
    assert of(batch_of(said=said, sealed=frozenset({TASKS[3].content})), "t3").stratum == "reserve"


rows = st.lists(
    st.tuples(st.sampled_from([t.id for t in TASKS]), st.sampled_from(["ana", "ben", "cy"]), st.integers(0, 2)),
    max_size=18, unique_by=lambda one: one[:2],
)  # fmt: skip
found = st.dictionaries(st.sampled_from([t.id for t in TASKS]), st.sampled_from(FINDINGS), max_size=4)


@checks(deadline=None, max_examples=60)
@given(rows, found, st.sampled_from(sorted(KINDS)), st.sampled_from(["soft", "exclude"]), st.integers(0, 3))
def test_labels_are_derived_anew_to_their_bytes_with_all_that_was_decided(rows, found, kind, ambiguous, right):
    spelt = KINDS[kind]
    said = answers(*((t, who, spelt[i]) for t, who, i in rows))
    decided = [
        decision(name, what, label=spelt[right % len(spelt)] if what == "label" else "") for name, what in found.items()
    ]
    rulings = ruled(decided, ambiguous=ambiguous)
    extra = label("p9", "of an earlier cycle", stratum="relabel", decided_by="lea")
    batch = labelled(Heard(TASKS, said), cycle=cycle(), method=method(kind), rulings=rulings, late=[extra])
    late = [annotation("z9", task="t0", annotator="zoe", label=spelt[0])]
    again = recomputed(batch, TASKS, [*said, *late], method=method(kind))
    assert msgspec.json.encode(again) == msgspec.json.encode(batch)


def test_what_a_label_would_be_without_one_person():
    batch = batch_of(decision("t1"))
    rest = without(batch, Heard(TASKS, SPLIT), annotator="ana", method=method())
    assert TASKS[2].content not in rest
    assert rest[TASKS[1].content] == "neutral"
    assert rest[TASKS[0].content] in LABELS


def later_on(decisions, *, stored, ambiguous="soft"):
    rules = settings(annotate=AnnotateSettings(ambiguous=ambiguous))
    return changed(
        decisions, tasks={t.id: t for t in TASKS}, annotations=SPLIT,
        stored={one.content: one for one in stored}, cycle=5, settings=rules,
    )  # fmt: skip


def test_a_decision_after_the_labels_gives_the_next_batch_a_label_once():
    batch = batch_of()
    (now,) = later_on([decision("t0")], stored=batch.labels)
    assert (now.label, now.stratum, now.cycle, now.decided_by) == ("neutral", "relabel", 5, "lea")
    assert now.annotators == ("ana", "ben", "cy")
    assert later_on([decision("t0")], stored=[*batch.labels, now]) == ()
    judged = [msgspec.structs.replace(one, stratum="reserve") for one in batch.labels]
    assert [one.stratum for one in later_on([decision("t0")], stored=judged)] == ["reserve"]
    other = decision("t0", label="negative", at=NOW + timedelta(days=1))
    assert [one.label for one in later_on([other], stored=[*batch.labels, now])] == ["negative"]


def test_a_late_finding_about_the_reserve_stays_in_the_reserve():
    (now,) = later_on([decision("t2", label="positive")], stored=batch_of().labels)
    assert now.stratum == "reserve"


def test_a_late_ambiguity_is_kept_as_soft_or_gives_no_label():
    (soft,) = later_on([decision("t0", "ambiguous")], stored=batch_of().labels)
    assert max(soft.posterior) < 1.0
    assert later_on([decision("t0", "ambiguous")], stored=[soft]) == ()
    assert later_on([decision("t0", "ambiguous")], stored=batch_of().labels, ambiguous="exclude") == ()
