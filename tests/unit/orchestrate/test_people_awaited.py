"""What a published batch waits for: people, an adjudicator, its deadline; and loops whose labels are the product."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st
from msgspec import structs

from loopline.orchestrate.awaited import awaited
from loopline.orchestrate.decide import decide
from loopline.records.command import Aggregate, CloseCycle, Reviewed, Situation
from loopline.records.settings import AnnotateSettings, SelectSettings, TrainSettings
from loopline.records.task import Progress
from loopline.testing.factories import NOW, cadence, cycle, settings, split
from loopline.testing.situations import SETTINGS, situation

HOUR = 3_600.0


def batch(*, done=0, tasks=10, annotations=0, seen=None, doubts=0, published=NOW, **annotate) -> Situation:
    rules = structs.replace(SETTINGS, annotate=AnnotateSettings(**annotate))
    progress = Progress(tasks=tasks, done=done, annotations=annotations, by_stratum={"chosen": (done, tasks)})
    reviewed = None if seen is None else Reviewed(annotations=seen, at=NOW)
    return situation(
        settings=rules, has_base=True, split=split(), cycle=cycle(2, phase="published", published_at=published),
        cadence=cadence(since=NOW), progress=progress, reviewed=reviewed, doubts=doubts,
    )  # fmt: skip


def due(state: Situation, seconds: float = 0.0) -> list[str]:
    commands = decide(state, NOW + timedelta(seconds=seconds))
    return [type(c).__name__ for c in commands if type(c).__name__ not in ("SetCadence", "Measure")]


def test_a_batch_whose_deadline_has_passed_is_labelled_from_what_there_is() -> None:
    state = batch(done=4, annotations=6, seen=6, deadline_seconds=HOUR)
    assert due(state, HOUR - 60) == ["Review"]
    (aggregate,) = [c for c in decide(state, NOW + timedelta(seconds=HOUR)) if isinstance(c, Aggregate)]
    assert aggregate.reason == "the deadline of 1 h has passed: 4 of 10 tasks are done"


def test_answers_that_never_stop_do_not_put_a_deadline_off() -> None:
    assert due(batch(done=4, annotations=9, seen=6, deadline_seconds=HOUR), HOUR) == ["Aggregate"]
    assert due(batch(done=4, annotations=9, deadline_seconds=HOUR), HOUR) == ["Aggregate"]


def test_a_batch_that_nobody_answered_waits_as_long_again_and_ends_without_labels() -> None:
    state = batch(deadline_seconds=HOUR)
    assert due(state, HOUR + 60) == []
    assert awaited(state, NOW + timedelta(seconds=HOUR + 60)) == (
        "cycle 2: the first answer: none of 10 tasks has one, the deadline passed 1 min ago, it ends without labels in "
        "59 min"
    )
    (close,) = [c for c in decide(state, NOW + timedelta(seconds=2 * HOUR)) if isinstance(c, CloseCycle)]
    assert (close.cycle.outcome, close.reason) == ("inconclusive", "nobody answered any of 10 tasks within 2 h")


def test_without_a_deadline_people_are_awaited_for_as_long_as_it_takes() -> None:
    assert due(batch(annotations=1, seen=1), 1e9) == ["Review"]
    assert due(batch(annotations=1, seen=1, deadline_seconds=HOUR, published=None), 1e9) == ["Review"]


def test_what_is_left_of_the_time_is_said() -> None:
    state = batch(done=4, annotations=6, seen=6, deadline_seconds=HOUR)
    assert awaited(state, NOW + timedelta(seconds=10)) == (
        "cycle 2: people's answers: 4 of 10 tasks are done; labels are derived from what there is in 59.8 min"
    )


def test_a_complete_batch_waits_for_the_adjudicator_until_nothing_is_in_doubt_or_time_is_up() -> None:
    full = {"done": 10, "annotations": 20, "seen": 20, "adjudicate": True, "deadline_seconds": HOUR}
    assert due(batch(**full, doubts=2)) == []
    assert awaited(batch(**full, doubts=1), NOW) == (
        "cycle 2: an adjudicator: 1 task is in doubt; labels are derived from what there is in 1 h"
    )
    assert due(batch(**full)) == ["Aggregate"]
    assert due(batch(**full, doubts=2), HOUR) == ["Aggregate"]


def test_labels_with_several_answers_a_sample_are_the_end_of_their_cycle() -> None:
    many = structs.replace(SETTINGS, annotate=AnnotateSettings(question="multiple"), train=TrainSettings())
    at = {"settings": many, "has_base": True, "split": split(), "cadence": cadence(since=NOW)}
    (close,) = [c for c in decide(situation(**at, cycle=cycle(1, phase="labelled")), NOW) if isinstance(c, CloseCycle)]
    assert (close.cycle.phase, close.cycle.outcome) == ("closed", "labelled")
    closed = cycle(1, phase="closed", until=0, closed_at=NOW)
    assert "OpenCycle" in due(situation(**at, cycle=closed, end=6_000, measured=6_000))
    single = settings(select=SelectSettings(), train=TrainSettings())
    assert "OpenCycle" not in due(situation(**(at | {"settings": single}), cycle=closed, end=6_000, measured=6_000))


counts = st.fixed_dictionaries(
    {
        "done": st.integers(0, 10),
        "annotations": st.integers(0, 30),
        "seen": st.none() | st.integers(0, 30),
        "doubts": st.integers(0, 3),
        "deadline_seconds": st.sampled_from([0.0, HOUR]),
    }
)


@checks(deadline=None)
@given(counts, st.floats(0, 4 * HOUR))
def test_whatever_people_do_a_batch_ends_by_its_deadline_or_by_its_answers(seen: dict[str, float], age: float) -> None:
    annotations, deadline = seen["annotations"], seen["deadline_seconds"]
    state = batch(**seen, adjudicate=True)  # type: ignore[arg-type]
    found = due(state, age)
    assert len(found) <= 1
    assert found == due(state, age)
    is_late = deadline > 0 and age >= deadline
    if is_late and annotations:
        assert found == ["Aggregate"]
    if is_late and not annotations:
        assert found == (["CloseCycle"] if age >= 2 * deadline else [])
    if found == ["Aggregate"] and not is_late:
        assert seen["done"] == 10
        assert seen["seen"] == annotations
        assert not seen["doubts"]
    assert awaited(state, NOW + timedelta(seconds=age))


@pytest.mark.parametrize("phase", ["cut", "training"])
def test_a_deadline_says_nothing_about_later_phases(phase: str) -> None:
    state = structs.replace(batch(deadline_seconds=HOUR), cycle=cycle(2, phase=phase, published_at=NOW))
    assert "Aggregate" not in due(state, 3 * HOUR)
