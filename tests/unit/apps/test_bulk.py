"""A whole cluster answered at once: only after its sample, and only what a person may be asked about."""

from typing import Any

import pytest
from tests.unit.apps.people_desk import Desk, person

from loopline.annotate.questions import BUILT_IN
from loopline.records.settings import AnnotateSettings
from loopline.records.task import Stratum
from loopline.testing import factories as make
from loopline.testing.factories import LOOP, NOW
from loopline.testing.rooms import rooms

JUDGE = person("judge", "adjudicator")
CLUSTER = "cycle-1/4"
SIZE = 60


@pytest.fixture
def desk() -> Desk:
    desk = Desk(rooms(now=NOW))
    strata: tuple[Stratum, ...] = ("audit", "reserve", "gold", "relabel")
    desk.publish(
        *(make.task(f"t{n:02}", f"alike {n}", cluster=CLUSTER) for n in range(SIZE)),
        *(make.task(f"u{n}", f"unlike {n}", cluster="cycle-1/5", priority=3) for n in range(9)),
        *(make.task(f"x-{stratum}", f"of {stratum}", stratum=stratum, cluster=CLUSTER) for stratum in strata),
        make.task("y-german", "auf deutsch", language="de", cluster=CLUSTER),
        make.task("z-taken", "another has it", cluster=CLUSTER),
        make.task("alone", "like no other", cluster="cycle-1/6"),
        make.task("lonely gold", "of a file", stratum="gold"),
    )
    desk.house.queue.submit([make.annotation("taken", task="z-taken", annotator="ana")], loop=LOOP)
    return desk


def opened(desk: Desk, task: str = "z-taken") -> dict[str, Any]:
    found: dict[str, Any] = desk.post("/api/bulk/open", JUDGE, task=task)
    return found


def answers(bulk: dict[str, Any], label: str = "positive", **others: str) -> list[dict[str, Any]]:
    return [{"task": task, "label": others.get(task, label), "seconds": 1.5} for task in bulk["sample"]]


def closing(bulk: dict[str, Any], label: str = "positive", **others: str) -> dict[str, Any]:
    return {"id": bulk["id"], "cluster": bulk["cluster"], "label": label, "answers": answers(bulk, label, **others)}


def test_only_open_chosen_tasks_of_the_cluster_are_opened_and_all_else_is_given_back(desk: Desk) -> None:
    bulk = opened(desk)
    assert bulk["cluster"] == CLUSTER
    assert [task["id"] for task in bulk["tasks"]] == [f"t{n:02}" for n in range(SIZE)]
    assert len(bulk["sample"]) == 6
    assert set(bulk["sample"]) < {task["id"] for task in bulk["tasks"]}
    assert set(bulk["tasks"][0]) == {"id", "question", "view", "suggestion", "language", "guideline"}
    others = {task["id"] for task in desk.post("/api/claim", annotator="bo", count=50)["tasks"]}
    assert others >= {f"u{n}" for n in range(9)} | {"alone"}
    assert not others & {task["id"] for task in bulk["tasks"]}
    assert opened(desk)["id"] == bulk["id"], "opened again it is the same, sample and all"


def test_what_is_named_stays_held(desk: Desk) -> None:
    held = {task["id"] for task in desk.post("/api/claim", JUDGE, count=9)["tasks"]}
    assert held > {"u0", "u1"}
    desk.post("/api/bulk/open", JUDGE, task="z-taken", holding=["u0"])
    left = {task["id"] for task in desk.post("/api/claim", annotator="bo", count=50)["tasks"]}
    assert ("u0" in left, "u1" in left) == (False, True)


def test_the_rest_gets_the_answer_that_the_whole_sample_got(desk: Desk) -> None:
    bulk = opened(desk)
    done = desk.post("/api/bulk/close", JUDGE, **closing(bulk))
    assert done == {
        "accepted": 60,
        "sample": 6,
        "rest": 54,
        "others_most": 22,
        "sentence": "all 6 of the sample are positive; with 95 % confidence at most 22 of the other 54 call for another"
        " answer",
    }
    said = [one for one in desk.house.book.given(LOOP, cycle=1) if one.annotator == "judge"]
    assert {one.label for one in said} == {"positive"}
    assert {one.task for one in said if not one.is_bulk} == set(bulk["sample"])
    assert {(one.is_bulk, one.seconds) for one in said} == {(False, 1.5), (True, 0.0)}
    assert desk.post("/api/bulk/close", JUDGE, **closing(bulk))["accepted"] == 0
    assert len(desk.house.book.given(LOOP, cycle=1)) == 61


def test_one_of_the_sample_that_differs_keeps_the_rest_unanswered(desk: Desk) -> None:
    bulk = opened(desk)
    odd = bulk["sample"][2]
    status, sentence = desk.refused("/api/bulk/close", JUDGE, **closing(bulk, **{odd: "neutral"}))
    assert (status, sentence) == (
        409,
        f"cluster {CLUSTER}: task {odd} is neutral, expected positive for all 6 of the sample; "
        "answer the rest one by one",
    )
    said = {one.task: one for one in desk.house.book.given(LOOP, cycle=1) if one.annotator == "judge"}
    assert said.keys() == set(bulk["sample"])
    assert (said[odd].label, said[odd].is_bulk) == ("neutral", False)


def test_a_sample_is_answered_whole(desk: Desk) -> None:
    bulk = opened(desk)
    for cut, told in (
        (answers(bulk)[1:], "5 answers: 1 of the sample missing, 0 to other tasks, expected one to each of the 6"),
        ([*answers(bulk)[1:], {"task": "u1", "label": "positive"}], "6 answers: 1 of the sample missing, 1 to other"),
        ([*answers(bulk), answers(bulk)[0]], "7 answers: 0 of the sample missing, 0 to other tasks"),
    ):
        status, sentence = desk.refused("/api/bulk/close", JUDGE, **{**closing(bulk), "answers": cut})
        assert (status, sentence.startswith(f"cluster {CLUSTER}: {told}")) == (400, True), sentence
    assert [one.id for one in desk.house.book.given(LOOP, cycle=1)] == ["taken"]


def test_an_id_is_good_only_as_it_was_given_and_for_whom(desk: Desk) -> None:
    bulk = opened(desk)
    body = closing(bulk)
    for changed in (
        {"id": "made-up"},
        {"id": bulk["id"][:-1] + ("A" if bulk["id"][-1] != "A" else "B")},
        {"id": bulk["id"][5:]},
        {"cluster": "cycle-1/5"},
    ):
        status, sentence = desk.refused("/api/bulk/close", JUDGE, **{**body, **changed})
        assert status == 400
        assert sentence.endswith("expected the id and the cluster that /api/bulk/open gave to this annotator")
    assert desk.refused("/api/bulk/close", person("other", "adjudicator"), **body)[0] == 400


@pytest.mark.parametrize("task", ["alone", "lonely gold"])
def test_a_task_like_no_other_that_is_open_says_so_whatever_it_is(desk: Desk, task: str) -> None:
    desk.house.queue.submit([make.annotation("mine", task=task, annotator="judge")], loop=LOOP)
    assert desk.refused("/api/bulk/open", JUDGE, task=task) == (
        409,
        f"task {task}: no other open task like it, expected two or more of one cluster; answer it by itself",
    )


def test_a_task_that_nobody_was_asked_about_opens_nothing(desk: Desk) -> None:
    assert desk.refused("/api/bulk/open", JUDGE, task="x-reserve")[0] == 404
    assert desk.refused("/api/bulk/open", JUDGE, task="nothing")[0] == 404


def test_who_is_paused_opens_nothing(desk: Desk) -> None:
    paused = make.standing("judge", state="paused", reason="5 of 9 gold answers right")
    desk.house.ledger.commit(make.entry("p", paused))
    assert desk.refused("/api/bulk/open", JUDGE, task="z-taken") == (
        409,
        "annotator judge: 5 of 9 gold answers right, expected one who may work",
    )


def test_several_labels_are_compared_as_the_question_spells_them() -> None:
    settings = make.settings(annotate=AnnotateSettings(question="multiple"))
    desk = Desk(rooms(now=NOW, settings=settings, question=BUILT_IN["multiple"]))
    desk.publish(*(make.task(f"t{n}", f"alike {n}", cluster=CLUSTER) for n in range(7)))
    desk.post("/api/claim", JUDGE)
    bulk = opened(desk, "t0")
    ticked = [["positive", "neutral"], ["neutral", "positive"]]
    given = [{"task": task, "labels": ticked[n % 2]} for n, task in enumerate(bulk["sample"])]
    body = {"id": bulk["id"], "cluster": CLUSTER, "labels": ticked[0], "answers": given}
    assert desk.post("/api/bulk/close", JUDGE, **body)["accepted"] == 7
    assert {one.label for one in desk.house.book.given(LOOP, cycle=1)} == {'["neutral", "positive"]'}
