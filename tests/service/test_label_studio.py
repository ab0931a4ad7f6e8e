"""Answers that a real Label Studio exported: kept in ``tests/golden/label_studio``, whose README says how they came."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.golden.label_studio.make import CASES, SAID, Case

from loopline.apps.tasks.exporting import Order, rows
from loopline.apps.tasks.importing import Wish, take_answers
from loopline.apps.tasks.label_studio import task_as_imported
from loopline.apps.tasks.reading import rows_in
from loopline.apps.tasks.writing import written
from loopline.records.task import Annotation
from loopline.testing import factories as make
from loopline.testing.rooms import Rooms, rooms

pytestmark = pytest.mark.service

GOLDEN = Path(__file__).parents[1] / "golden" / "label_studio"
NOW = datetime(2027, 1, 1, tzinfo=UTC)
ANA = Wish(people={"1": "ana"})
PLAIN = {"json": "json", "min.json": "json", "csv": "csv"}


def open_house(case: Case) -> Rooms:
    house = rooms(now=NOW, settings=case.settings)
    house.ledger.commit(make.entry("batch", make.cycle(1, phase="published"), tasks=case.tasks()))
    return house


def take(house: Rooms, name: str, **wish: Any) -> Any:
    kind = "csv" if name.endswith(".csv") else "json"
    return take_answers(house, rows_in((GOLDEN / name).read_bytes(), kind=kind), wish=ANA._replace(**wish))


def standing(house: Rooms) -> dict[str, Annotation]:
    return {one.task: one for one in house.book.answers(house.settings.name, cycle=1).annotations}


@pytest.mark.parametrize("ending", PLAIN)
@pytest.mark.parametrize("name", CASES)
def test_every_export_of_it_gives_the_answers_that_were_given_there(name: str, ending: str) -> None:
    case, house = CASES[name], open_house(CASES[name])
    whole = json.loads((GOLDEN / f"{name}.json").read_bytes())
    there = {task["data"]["loopline_task"]: one for task in whole for one in task["annotations"]}
    account = take(house, f"{name}.{ending}")
    given = [answer for answer in case.answers if answer.label]
    passed = [answer for answer in case.answers if not answer.label and ending == "json"]  # the others leave them out
    assert (account.stored, account.passed, account.bad, account.errors) == (len(given), len(passed), 0, ())
    found = standing(house)
    for answer in given:
        one, original = found[f"t{answer.task}"], there[f"t{answer.task}"]
        assert one == Annotation(
            id=f"label-studio/{original['id']}",
            task=one.task,
            annotator="ana",
            label=answer.label,
            at=datetime.fromisoformat(original["updated_at"]),
            seconds=2.5,
            comment=answer.comment,
        )
    again = take(house, f"{name}.{ending}")
    assert (again.stored, again.corrected, again.passed, again.bad) == (0, 0, 0, 0)
    assert (again.repeated, standing(house)) == (len(given) + len(passed), found)


@pytest.mark.parametrize("name", CASES)
def test_it_took_our_tasks_and_showed_the_suggestions_that_are_shown_here(name: str) -> None:
    case, told = CASES[name], json.loads((GOLDEN / "accepted.json").read_bytes())[name]
    sent = [task_as_imported(task, settings=case.settings) for task in case.tasks()]
    suggested = [[one["result"][0]["value"] for one in task.get("predictions", ())] for task in sent]
    assert told["shown"] == suggested
    assert told["task_count"] == len(case.rows)
    assert told["prediction_count"] == sum(map(bool, case.suggestions))
    kept = json.loads((GOLDEN / f"{name}.json").read_bytes())
    assert [task["data"] for task in kept] == [task["data"] for task in sent][: len(kept)]
    assert [task["meta"] for task in kept] == [task["meta"] for task in sent][: len(kept)]


def test_answers_of_ours_come_back_from_it_as_they_were() -> None:
    house = open_house(CASES["single"])
    account = take(house, "again.json")
    assert (account.stored, account.bad) == (2, 0)
    assert sorted(standing(house).values(), key=lambda one: one.id) == list(SAID)
    order = Order(what="annotations", form="label-studio")
    sent = json.loads(b"".join(written(rows(house, order), order, settings=house.settings)))
    kept = json.loads((GOLDEN / "again.json").read_bytes())
    assert [(task["data"], task["meta"]) for task in sent] == [(task["data"], task["meta"]) for task in kept]
    for ours, theirs in zip(sent, kept, strict=True):
        for one, other in zip(ours["annotations"], theirs["annotations"], strict=True):
            assert one == {name: other[name] for name in one}


def test_what_its_webhooks_send_is_taken_and_a_changed_answer_takes_the_place_of_the_first() -> None:
    """It calls once for each act, and never again when nobody answers: the listener failed both times."""
    house = open_house(CASES["single"])
    first, second = json.loads((GOLDEN / "webhook.json").read_bytes())
    assert (first["action"], second["action"]) == ("ANNOTATION_CREATED", "ANNOTATION_UPDATED")
    for sent, label in ((first, "neutral"), (second, "negative")):
        account = take_answers(house, rows_in(json.dumps(sent).encode(), kind="json"), wish=ANA)
        assert (account.stored + account.corrected, account.bad) == (1, 0)
        assert standing(house)["t3"].label == label
    assert len(house.book.given(house.settings.name, cycle=1)) == 2  # the first one stays on record
    late = take_answers(house, rows_in(json.dumps(first).encode(), kind="json"), wish=ANA)
    assert (late.repeated, standing(house)["t3"].label) == (1, "negative")


def test_a_dry_run_tells_the_same_and_stores_nothing() -> None:
    house = open_house(CASES["single"])
    dry = take(house, "single.json", is_dry=True)
    assert (dry.stored, dry.passed, dry.bad, dry.is_dry, standing(house)) == (2, 1, 0, True, {})
    wet = take(house, "single.json")
    assert (wet.stored, wet.passed, wet.bad) == (dry.stored, dry.passed, dry.bad)
    assert take(house, "single.json", is_dry=True).repeated == 3
