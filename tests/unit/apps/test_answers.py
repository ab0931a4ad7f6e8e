"""People's work over HTTP: who is asked, what they see, and what is taken as an answer."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
from tests.unit.apps.people_desk import Desk, person

from loopline.adapters.memory.queue import MemoryTaskQueue
from loopline.adapters.views.automatic import VIEWS
from loopline.annotate.questions import BUILT_IN
from loopline.apps.http.caller import TOKEN
from loopline.records.settings import AnnotateSettings
from loopline.records.signature import Signature
from loopline.records.task import Claim, Task
from loopline.testing import factories as make
from loopline.testing.factories import LOOP, NOW
from loopline.testing.rooms import rooms

ANA = person("ana")


@pytest.fixture
def desk() -> Desk:
    return Desk(rooms(now=NOW))


def kinds_of_task(inputs: Sequence[bytes]) -> dict[str, Task]:
    """One task of every sort that a person may meet, each with inputs of its own."""
    shown = {"suggestion": "positive", "suggested_by": "v1"}
    sorts: dict[str, dict[str, Any]] = {
        "chosen": shown,
        "blind": {"withheld": "positive", "prior": (0.1, 0.2, 0.7), "cluster": "cycle-1/3"},
        "audit": {"stratum": "audit", "withheld": "positive"},
        "reserve": {"stratum": "reserve", "wanted": 3},
        "relabel": {"stratum": "relabel"},
        "gold": {"stratum": "gold", "gold": "neutral", "withheld": "negative"},
        "gold, misled": {"stratum": "gold", "gold": "neutral", **shown},
    }
    return {
        sort: make.task(f"{number:020x}", inputs=row, content=make.digest(row), guideline=2, **fields)
        for number, ((sort, fields), row) in enumerate(zip(sorts.items(), inputs, strict=True))
    }


def form(value: Any) -> Any:
    """Keys in their order, and types; no values."""
    if isinstance(value, dict):
        return [(key, form(each)) for key, each in value.items()]
    if isinstance(value, list):
        return [form(each) for each in value]
    return type(value).__name__


INPUTS = {
    "text": (Signature(input="text", labels=make.LABELS), [f'"row {n} of the log"'.encode() for n in range(7)]),
    "table": (Signature(input="tabular", width=2, labels=make.LABELS), [b"[%d.5,2.5]" % n for n in range(7)]),
    "image": (
        Signature(input="image", labels=make.LABELS, preprocessing="rgb-8x8-flat-unit.v1"),
        [b"GIF89a%d" % n for n in range(7)],
    ),
    "json": (Signature(input="text", labels=make.LABELS), [f'"{{\\"row\\": {n}}}"'.encode() for n in range(7)]),
}


@pytest.mark.parametrize("view", INPUTS)
def test_no_field_no_key_order_and_no_size_tells_one_sort_of_task_from_another(view: str) -> None:
    signature, inputs = INPUTS[view]
    desk = Desk(rooms(now=NOW, settings=make.settings(signature=signature), view=VIEWS[view]))
    sorts = kinds_of_task(inputs)
    desk.publish(*sorts.values())
    undone = {}
    for sort, task in sorts.items():
        desk.post("/api/annotations", annotator="ana", annotations=[{"id": sort, "task": task.id, "label": "neutral"}])
        undone[sort] = desk.post("/api/undo", annotator="ana", annotation=sort)["task"]
    assert {shown["view"]["kind"] for shown in undone.values()} == {view}
    forms = {sort: form({**shown, "suggestion": None}) for sort, shown in undone.items()}
    assert all(one == forms["chosen"] for one in forms.values()), forms
    for group in (("chosen", "gold, misled"), ("blind", "audit", "reserve", "relabel", "gold")):
        assert len({len(msgspec.json.encode(undone[sort])) for sort in group}) == 1
        assert len({msgspec.json.encode(undone[sort]["suggestion"]) for sort in group}) == 1
    told = msgspec.json.encode(undone).decode().replace('"gold, misled":', "").replace('"gold":', "")
    for secret in ("stratum", "cycle-1/3", "prior", "withheld", "wanted", "p-0"):
        assert secret not in told


class Watched:
    """A queue that notes what it was asked."""

    def __init__(self, queue: MemoryTaskQueue) -> None:
        self._queue, self.acts = queue, list[str]()

    def claim(self, claim: Claim, **named: Any) -> tuple[Task, ...]:
        self.acts.append(" ".join(sorted(claim.strata)))
        return self._queue.claim(claim, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


def watched_claims(share: float) -> Iterator[tuple[str, list[str]]]:
    """For each claim of a single task, its sort and what the queue was asked for it."""
    house = rooms(now=NOW, settings=make.settings(annotate=AnnotateSettings(gold=share)))
    queue = Watched(MemoryTaskQueue(house.ledger.state))  # type: ignore[attr-defined]
    desk = Desk(rooms(now=NOW, settings=house.settings, ledger=house.ledger, queue=queue, book=house.book))
    gold = [make.task(f"g{n}", f"gold {n}", stratum="gold", gold="neutral") for n in range(30)]
    desk.publish(*gold, *(make.task(f"t{n}", f"text {n}") for n in range(30)))
    for number in range(20):
        (task,) = desk.post("/api/claim", ANA)["tasks"]
        yield task["id"][0], list(queue.acts)
        queue.acts.clear()
        desk.post("/api/annotations", ANA, annotations=[{"id": f"a{number}", "task": task["id"], "label": "neutral"}])


def test_the_queue_is_asked_the_same_for_gold_as_for_any_other_task() -> None:
    acts = [(sort, asked) for sort, asked in watched_claims(0.5)]
    assert {sort for sort, _ in acts} == {"g", "t"}
    assert {tuple(asked) for _, asked in acts} == {("gold", "audit chosen relabel reserve")}


def test_answers_are_those_of_who_signed_in(desk: Desk) -> None:
    desk.publish(make.task())
    said = [{"id": "a", "task": "t1", "label": "neutral"}]
    for path, body in (
        ("/api/claim", {}), ("/api/annotations", {"annotations": said}), ("/api/skip", {"task": "t1"}),
        ("/api/undo", {"annotation": "a"}), ("/api/hold", {"tasks": []}), ("/api/bulk/open", {"task": "t1"}),
    ):  # fmt: skip
        status, sentence = desk.refused(path, ANA, annotator="bo", **body)
        assert (status, "annotator 'bo' named, expected 'ana', who signed in" in sentence) == (403, True), path
    assert desk.ask("GET", "/api/me?annotator=bo", caller=ANA).status_code == 403
    assert desk.post("/api/annotations", ANA, annotator="ana", annotations=said) == {"accepted": 1}
    assert desk.house.book.answered(LOOP, "ana") == (1, 0)
    assert "annotator: '' (0 characters)" in desk.refused("/api/claim", TOKEN)[1]


def test_people_get_what_they_can_read_and_know_and_no_more_than_their_quota(desk: Desk) -> None:
    desk.publish(
        make.task("t1", "plain"),
        make.task("t2", "auf deutsch", language="de"),
        make.task("t3", "with a licence", skill="law"),
        make.task("t4", "im Gesetz", language="de", skill="law"),
    )
    count = {"count": 9}
    assert [t["id"] for t in desk.post("/api/claim", person("a"), **count)["tasks"]] == ["t1"]
    desk.post("/api/hold", person("a"), tasks=[])
    lawyer = person("b", skills=("law",), languages=("de", "en"), quota=2)
    claimed = desk.post("/api/claim", lawyer, **count)
    assert ([t["id"] for t in claimed["tasks"]], claimed["quota_left"]) == (["t1", "t2"], 2)
    assert [t["language"] for t in claimed["tasks"]] == ["", "de"]
    desk.post("/api/annotations", lawyer, annotations=[{"id": "a", "task": "t2", "label": "neutral"}])
    claimed = desk.post("/api/claim", lawyer, **count)
    assert ([t["id"] for t in claimed["tasks"]], claimed["quota_left"], claimed["answered"]) == (["t1"], 1, 1)
    assert desk.post("/api/claim", annotator="bridge", **count)["quota_left"] is None


def test_gold_that_comes_later_takes_nothing_of_a_quota(desk: Desk) -> None:
    gold = [make.task(f"g{n}", f"gold {n}", stratum="gold", gold="positive") for n in range(9)]
    desk.publish(*(make.task(f"t{n}", f"text {n}") for n in range(40)), *gold)
    people = [person(f"p{n}", quota=2) for n in range(20)]
    assert [len(desk.post("/api/claim", one, count=10)["tasks"]) for one in people] == [2] * 20


def test_the_loops_quota_holds_where_a_persons_own_says_nothing() -> None:
    desk = Desk(rooms(now=NOW, settings=make.settings(annotate=AnnotateSettings(quota=1))))
    desk.publish(make.task("t1", "one"), make.task("t2", "two"), make.task("t3", "three"))
    assert len(desk.post("/api/claim", ANA, count=5)["tasks"]) == 1
    assert len(desk.post("/api/claim", person("bo", quota=2), count=5)["tasks"]) == 2


def test_gold_has_a_language_where_all_other_tasks_have_one() -> None:
    settings = make.settings(annotate=AnnotateSettings(languages=(("shop", "de"), ("web", "en")), gold=0.5))
    desk = Desk(rooms(now=NOW, settings=settings))
    gold = [make.task(f"g{n}", f"gold {n}", stratum="gold", gold="neutral") for n in range(9)]
    desk.publish(*gold, *(make.task(f"t{n}", f"text {n}", language="de") for n in range(9)))
    shown = desk.post("/api/claim", person("a", languages=("de",)), count=12)["tasks"]
    assert {task["id"][0] for task in shown} == {"g", "t"}
    assert {task["language"] for task in shown} == {task["view"]["language"] for task in shown} == {"de"}
    both = desk.post("/api/claim", person("b", languages=("de", "en")), count=12)["tasks"]
    assert {task["id"][0] for task in both} == {"g", "t"}
    assert len({task["language"] for task in both}) == len({task["view"]["language"] for task in both}) == 1


def test_more_like_this_comes_first(desk: Desk) -> None:
    alike = ("t2", "t5")
    desk.publish(*(make.task(f"t{n}", f"text {n}", cluster="cycle-1/7" if f"t{n}" in alike else "") for n in range(6)))
    claimed = desk.post("/api/claim", annotator="ana", count=3, like="t5")["tasks"]
    assert [task["id"] for task in claimed] == ["t2", "t5", "t0"]
    assert len(desk.post("/api/claim", annotator="bo", count=3, like="nothing")["tasks"]) == 3


@pytest.mark.parametrize(
    ("kind", "said", "stored"),
    [
        ("single", {"label": "neutral"}, "neutral"),
        ("single", {"labels": ["neutral"]}, "neutral"),
        ("rating", {"label": "positive"}, "positive"),
        ("multiple", {"labels": ["positive", "negative"]}, '["negative", "positive"]'),
        ("multiple", {"labels": []}, "[]"),
        ("multiple", {"label": '["positive","negative"]'}, '["negative", "positive"]'),
    ],
)
def test_answers_are_stored_as_the_question_spells_them(kind: str, said: dict[str, Any], stored: str) -> None:
    desk = Desk(
        rooms(now=NOW, question=BUILT_IN[kind], settings=make.settings(annotate=AnnotateSettings(question=kind)))
    )
    desk.publish(make.task())
    answer = {"id": "a", "task": "t1", "seconds": 2.5, "comment": "two\nlines", "is_flagged": True, **said}
    assert desk.post("/api/annotations", ANA, annotations=[answer]) == {"accepted": 1}
    assert desk.post("/api/annotations", ANA, annotations=[answer]) == {"accepted": 0}
    (found,) = desk.house.book.given(LOOP, cycle=1)
    assert found == make.annotation("a", label=stored, seconds=2.5, comment="two\nlines", is_flagged=True)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({}, "annotation a of task t1: neither label nor labels, expected one of them"),
        ({"label": "x", "labels": []}, "annotation a of task t1: both label and labels, expected one of them"),
        ({"label": "x" * 999}, "annotation a of task t1: label 'xxx"),
        ({"labels": ["neutral", "x"]}, "annotation a of task t1: labels ['neutral', 'x'], expected one of"),
        ({"label": "neutral", "comment": "c" * 2_001}, "comment of annotation a of task t1: 2,001 characters"),
        ({"label": "neutral", "comment": "\0"}, "comment of annotation a of task t1: a NUL character, expected"),
        ({"label": "neutral", "id": "a\0"}, "annotation id: a NUL character, expected a text without one"),
        ({"label": "neutral", "seconds": -1}, "annotation a of task t1: -1.0 seconds, expected a finite number of 0"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_refused_and_names_the_task(desk: Desk, answer: dict[str, Any], sentence: str) -> None:
    desk.publish(make.task())
    status, told = desk.refused("/api/annotations", ANA, annotations=[{"id": "a", "task": "t1", **answer}])
    assert (status, told[: len(sentence)]) == (400, sentence)
    assert len(told) < 300
    assert desk.house.book.given(LOOP, cycle=1) == ()


def test_a_skip_keeps_its_reason_and_its_comment(desk: Desk) -> None:
    desk.publish(make.task("t1", "one"), make.task("t2", "two"))
    assert desk.post("/api/skip", ANA, task="t1", reason="unclear", comment="the end is cut off") == {"skipped": "t1"}
    desk.post("/api/skip", ANA, task="t2", reason="unclear")
    passed = desk.house.work.passed(LOOP, annotator="ana", newest=9)
    assert {skip.task: skip.reason for skip in passed} == {"t1": "unclear: the end is cut off", "t2": "unclear"}
    assert desk.refused("/api/skip", ANA, task="t1", reason="r" * 501)[1] == (
        "reason: 501 characters, expected at most 500"
    )


def test_any_own_answer_can_be_taken_back_while_its_batch_is_open(desk: Desk) -> None:
    desk.publish(*(make.task(f"t{n}", f"text {n}") for n in range(20)))
    given = [{"id": f"a{n}", "task": f"t{n}", "label": "neutral"} for n in range(20)]
    desk.post("/api/annotations", ANA, annotations=given)
    assert desk.post("/api/undo", ANA, annotation="a0")["task"]["id"] == "t0"
    assert desk.refused("/api/undo", person("bo"), annotation="a1")[0] == 409
    desk.house.ledger.commit(make.entry("labelled", make.label_batch()))
    assert desk.refused("/api/undo", ANA, annotation="a19")[0] == 409


def test_what_is_not_held_on_to_is_given_back(desk: Desk) -> None:
    desk.publish(*(make.task(f"t{n}", f"text {n}") for n in range(3)))
    desk.post("/api/claim", ANA, count=3)
    assert desk.post("/api/claim", person("bo"), count=3)["tasks"] == []
    assert desk.post("/api/hold", ANA, tasks=["t1", "unheard"]) == {"held": 1, "lease_seconds": 300.0}
    assert [task["id"] for task in desk.post("/api/claim", person("bo"), count=3)["tasks"]] == ["t0", "t2"]
    assert desk.refused("/api/hold", ANA, tasks=[f"t{n}" for n in range(1_001)])[1] == (
        "tasks: 1,001, expected at most 1,000"
    )
