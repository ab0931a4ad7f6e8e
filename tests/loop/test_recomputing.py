"""Labels derived anew from a whole loop's own answers: the same, or how they differ, and nothing is written."""

from collections.abc import Iterator
from functools import partial

import pytest
from msgspec import structs

from loopline.annotate.evidence import Heard
from loopline.annotate.labelling import Method, labelled
from loopline.annotate.questions import METHODS
from loopline.apps.cli.labels import lines
from loopline.apps.recomputing import recompute
from loopline.errors import NotFound
from loopline.records.label import Label, LabelBatch
from loopline.records.settings import CaptureSettings, SelectSettings, TrainSettings
from loopline.testing.factories import LABELS, annotation, cycle, entry, later, settings, task
from loopline.testing.scripted import ScriptedLoop

PEOPLE = ("ana", "ben", "cy")


@pytest.fixture
def loop() -> Iterator[ScriptedLoop]:
    """Thirty samples, every third of them sealed, with three answers each; ana is alone with the truth of many."""
    made = ScriptedLoop(
        settings(capture=CaptureSettings(), select=SelectSettings(), train=TrainSettings(run="train.py:train"))
    )
    strata = ("chosen", "audit", "reserve")
    tasks = [task(f"t{i:02}", f"text {i}", stratum=strata[i % 3], wanted=3) for i in range(30)]
    gold = [task(f"g{i:02}", f"gold {i}", stratum="gold", gold=LABELS[i % 3]) for i in range(12)]
    made.ledger.commit(entry("published", cycle(1, phase="published"), tasks=(*tasks, *gold)))
    answers = []
    for i, one in enumerate((*tasks, *gold)):
        truth = one.gold or LABELS[i % 3]
        wrong = LABELS[(i + 1) % 3]
        for who in PEOPLE:
            is_right = who == "ana" or (one.gold == "" and i % 4 == 0)
            answers.append(
                annotation(
                    f"{one.id}-{who}", task=one.id, annotator=who, label=truth if is_right else wrong, at=later(i)
                )
            )
    made.house.queue.submit(answers, loop=made.house.settings.name)
    yield made
    made.close()


def stored(loop: ScriptedLoop, method: str) -> LabelBatch:
    """The batch, once it is derived by this method and committed."""
    said = loop.house.book.answers(loop.house.settings.name, cycle=1)
    how = Method(method, partial(METHODS[method], labels=LABELS), LABELS)
    batch = labelled(Heard(*said), cycle=cycle(), method=how)
    loop.ledger.commit(entry("labelled", batch, cycle(1, phase="labelled")))
    return batch


@pytest.mark.parametrize("method", ["dawid-skene.v1", "dawid-skene.v2", "majority.v1"])
def test_a_batch_is_the_same_by_its_own_method_and_nothing_is_written(loop: ScriptedLoop, method: str) -> None:
    batch = stored(loop, method)
    (found,) = recompute(loop.house)
    assert (found.is_same, found.changed, found.moved, found.method) == (True, 0, 0, method)
    assert list(lines(found, is_full=True)) == [f"cycle 1: 30 labels by {method}; the same, byte for byte"]
    assert loop.ledger.all(LabelBatch, loop.house.settings.name) == (batch,)


def test_another_method_is_shown_beside_what_is_stored_but_for_what_judges_models(loop: ScriptedLoop) -> None:
    stored(loop, "dawid-skene.v1")
    (found,) = recompute(loop.house, method="majority.v1", cycle=1)
    told = list(lines(found, is_full=True))
    assert found.changed > found.sealed_changed > 0
    assert {one.stratum for one in found.differences} <= {"chosen", "audit"}
    assert len([line for line in told if "->" in line]) == found.changed - found.sealed_changed
    assert told[-1] == f"  {found.sealed_changed} more judge models: what they are labelled is not shown"
    assert told[0].startswith(f"cycle 1: 30 labels by dawid-skene.v1; by majority.v1 {found.changed} are others and ")
    assert len(list(lines(found, is_full=False))) == 1


def test_a_label_that_was_tampered_with_is_found(loop: ScriptedLoop) -> None:
    batch = stored(loop, "dawid-skene.v1")
    first = next(one for one in batch.labels if one.stratum == "chosen")
    forged = tuple(structs.replace(one, label=_other(one)) if one == first else one for one in batch.labels)
    loop.ledger.commit(entry("forged", structs.replace(batch, labels=forged)))
    (found,) = recompute(loop.house)
    assert not found.is_same
    assert [(one.sample, one.stored, one.now) for one in found.differences] == [
        (first.sample, _other(first), first.label)
    ]


def test_a_batch_that_does_not_say_its_answers_is_told_as_such(loop: ScriptedLoop) -> None:
    batch = stored(loop, "dawid-skene.v1")
    loop.ledger.commit(entry("old", structs.replace(batch, answers=())))
    (found,) = recompute(loop.house)
    assert not found.is_same
    assert "they cannot be derived anew: labels cycle-1: no ids of answers" in next(lines(found, is_full=False))


def test_an_unknown_method_or_cycle_is_named(loop: ScriptedLoop) -> None:
    stored(loop, "dawid-skene.v1")
    with pytest.raises(NotFound, match=r"no method 'dawid-skene.v9'.*dawid-skene.v1"):
        recompute(loop.house, method="dawid-skene.v9")
    with pytest.raises(NotFound, match="no labels 'cycle-7'"):
        recompute(loop.house, cycle=7)


def _other(label: Label) -> str:
    return next(one for one in LABELS if one != label.label)
