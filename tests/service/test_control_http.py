"""The control API: people's work, and the loop's records as JSON."""

import httpx
import pytest

from loopline.testing import factories as make


def error_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"])


def claim(ask, count=3, annotator="ana"):
    return ask("POST", "/api/claim", json={"annotator": annotator, "count": count})


def test_claimed_tasks_reveal_neither_stratum_nor_gold_nor_others(work):
    answer = claim(work, count=50).json()
    assert set(answer) == {"tasks", "paused", "lease_seconds", "answered", "quota_left"}
    assert (answer["paused"], answer["lease_seconds"], answer["answered"]) == ("", 300.0, 0)
    assert len(answer["tasks"]) == 50
    for task in answer["tasks"]:
        assert set(task) == {"id", "question", "view", "suggestion", "language", "guideline"}
        assert task["question"] == {"kind": "single", "labels": ["negative", "neutral", "positive"], "text": ""}
        assert set(task["view"]) == {"kind", "text", "language"}
        assert task["suggestion"] is None or set(task["suggestion"]) == {"label", "model"}
    assert {task["suggestion"] is None for task in answer["tasks"]} == {True, False}


def test_gold_looks_like_any_other_task(empty, look):
    gold = make.task("t-gold", "gold text", stratum="gold", gold="positive")
    plain = make.task("t1", "plain text")
    empty.ledger.commit(make.entry("e", make.cycle(1, phase="published"), tasks=(gold, plain)))
    tasks = claim(look, 20).json()["tasks"]
    assert {task["view"]["text"] for task in tasks} == {"gold text", "plain text"}
    assert len({frozenset(task) for task in tasks}) == 1
    assert all(task["suggestion"] is None for task in tasks)


def test_a_paused_annotator_gets_the_reason_and_no_tasks(work):
    answer = claim(work, annotator="eli").json()
    assert answer["tasks"] == []
    assert answer["paused"] == "7 of 14 gold tasks right; below 0.8 with probability 0.991"


def test_an_answer_sent_twice_is_one_answer(work):
    task = claim(work, 1).json()["tasks"][0]
    body = {"annotator": "ana", "annotations": [{"id": "a1", "task": task["id"], "label": "neutral", "seconds": 1.5}]}
    assert work("POST", "/api/annotations", json=body).json() == {"accepted": 1}
    assert work("POST", "/api/annotations", json=body).json() == {"accepted": 0}
    assert claim(work, 1).json()["answered"] == 1
    assert work("GET", "/api/status").json()["progress"]["annotations"] == 1


def test_undo_gives_the_task_back(work):
    task = claim(work, 1).json()["tasks"][0]
    body = {"annotator": "ana", "annotations": [{"id": "a1", "task": task["id"], "label": "neutral"}]}
    work("POST", "/api/annotations", json=body)
    undone = work("POST", "/api/undo", json={"annotator": "ana", "annotation": "a1"})
    assert undone.json() == {"task": task}
    assert work("GET", "/api/status").json()["progress"]["annotations"] == 0


def test_nobody_can_undo_for_someone_else(work):
    task = claim(work, 1).json()["tasks"][0]
    body = {"annotator": "ana", "annotations": [{"id": "a1", "task": task["id"], "label": "neutral"}]}
    work("POST", "/api/annotations", json=body)
    assert work("POST", "/api/undo", json={"annotator": "bo", "annotation": "a1"}).status_code == 409


def test_a_skipped_task_does_not_come_back(work):
    task = claim(work, 1).json()["tasks"][0]
    skipped = work("POST", "/api/skip", json={"annotator": "ana", "task": task["id"], "reason": "unclear"})
    assert skipped.json() == {"skipped": task["id"]}
    assert task["id"] not in {other["id"] for other in claim(work, 50).json()["tasks"]}


ANSWER = "annotation a of task t3-000"
SECONDS = "expected a finite number of 0 or more"
LABELS = "expected one of negative, neutral, positive"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"id": "a", "task": "t3-000", "label": "great"}, f"{ANSWER}: label 'great', {LABELS}"),
        ({"id": "a", "task": "t3-000", "label": "neutral", "seconds": -1}, f"{ANSWER}: -1.0 seconds, {SECONDS}"),
        ({"id": "", "task": "t3-000", "label": "neutral"}, "annotation id: 0 characters, expected 1 to 128"),
        ({"id": "a" * 129, "task": "t", "label": "neutral"}, "annotation id: 129 characters, expected 1 to 128"),
        ({"id": "a", "task": "t" * 129, "label": "neutral"}, "task id: 129 characters, expected 1 to 128"),
    ],
)  # fmt: skip
def test_a_bad_answer_is_refused_with_what_was_found_and_expected(ask, answer, sentence):
    refused = ask("POST", "/api/annotations", json={"annotator": "ana", "annotations": [answer]})
    assert (refused.status_code, error_of(refused)) == (400, sentence)


@pytest.mark.parametrize("name", ["", "a" * 65, " ana", "an\na", "ana\u202e"])
def test_a_name_that_cannot_be_one_is_refused(ask, name):
    refused = claim(ask, annotator=name)
    assert refused.status_code == 400
    assert "expected 1 to 64 printable characters, no blank at either end" in error_of(refused)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"annotator": "ana", "count": "three"}', "request: count: found a text, expected a whole number"),
        (b'{"annotator": "ana", "count": "3"}', "request: count: found a text, expected a whole number"),
        (b'{"annotator": null}', "request: annotator: found null, expected a text"),
        (b'{"annotator": "ana", "cuont": 3}', "unknown field `cuont`"),
        (b'{"count": 3}', "annotator: '' (0 characters), expected 1 to 64"),
        (b'{"annotator": "ana", "count": 0}', "count: 0, expected 1 to 50"),
        (b'{"annotator": "ana", "count": 51}', "count: 51, expected 1 to 50"),
        (b"{nonsense", "malformed"),
        (b"", "request: found no body, expected a JSON object"),
    ],
)
def test_a_malformed_request_is_refused_in_words(ask, body, said):
    refused = ask("POST", "/api/claim", content=body)
    assert refused.status_code == 400
    assert said in error_of(refused)


def test_nan_seconds_are_refused(ask):
    body = b'{"annotator":"ana","annotations":[{"id":"a","task":"t","label":"neutral","seconds":NaN}]}'
    assert ask("POST", "/api/annotations", content=body).status_code == 400


def test_an_unknown_task_is_not_found(ask):
    body = {"annotator": "ana", "annotations": [{"id": "a", "task": "nope", "label": "neutral"}]}
    assert ask("POST", "/api/annotations", json=body).status_code == 404


def test_a_body_over_one_mebibyte_is_refused(ask):
    refused = ask("POST", "/api/claim", content=b" " * (1 << 20) + b'{"annotator":"ana"}')
    assert refused.status_code == 413
    assert error_of(refused) == "request: found a body over 1 MiB, expected less; send it in parts"


def test_status_holds_the_whole_loop(ask):
    status = ask("GET", "/api/status").json()
    assert {
        "loop",
        "awaited",
        "split",
        "cycle",
        "counts",
        "progress",
        "signals",
        "cadence",
        "versions",
        "position",
    } <= set(status)
    assert status["awaited"] == "cycle 3: people's answers: 0 of 64 tasks are done"
    assert status["split"]["incumbent"] == "v3"
    assert [version["name"] for version in status["versions"]] == ["v3", "v2", "v1"]
    assert [version["share"] for version in status["versions"]] == [1.0, 0.0, 0.0]
    stages = {stage["name"]: stage for stage in status["stages"]}
    assert list(stages)[:2] == ["serve", "capture"]
    assert (stages["annotate"]["mood"], stages["monitor"]["mood"]) == ("active", "alert")
    assert stages["rollout"]["last"].startswith("300 canary answers")


def test_the_record_routes_give_lists_and_details(ask):
    assert [cycle["number"] for cycle in ask("GET", "/api/cycles").json()] == [3, 2, 1, 0]
    detail = ask("GET", "/api/cycles/2").json()
    assert (detail["verdict"]["challenger"], detail["dataset"]["name"]) == ("v3", "c2")
    assert ask("GET", "/api/models/v2").json()["cycle"] == 1
    assert ask("GET", "/api/datasets/c1").json()["rows"] == 8_040
    name = ask("GET", "/api/signals").json()[0]["id"]
    assert ask("GET", f"/api/signals/{name}").json()["state"] == "raised"


def test_why_gives_the_tree(ask):
    tree = ask("GET", "/api/why", params={"id": "v2"}).json()
    assert tree["entity"] == "model:v2"
    assert [source["entity"] for source in tree["sources"]] == ["run:run-1", "dataset:c1"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/api/models/v9", "no model 'v9'; known: v3, v2, v1"),
        ("/api/cycles/9", "no cycle '9'; known: 3, 2, 1, 0"),
        ("/api/datasets/c9", "no dataset 'c9'; known: c2, c1, c0"),
        ("/api/why?id=nope", "no entity 'nope'"),
        ("/api/nope", "no page '/api/nope'; the overview is at '/'"),
    ],
)
def test_what_does_not_exist_is_404_with_what_does(ask, path, sentence):
    answer = ask("GET", path)
    assert (answer.status_code, error_of(answer)) == (404, sentence)


def test_a_cycles_id_finds_the_cycle_and_not_what_shares_its_id(ask):
    assert ask("GET", "/api/why", params={"id": "cycle-2"}).json()["entity"] == "cycle:cycle-2"
    assert ask("GET", "/api/why", params={"id": "selection:cycle-2"}).json()["entity"] == "selection:cycle-2"


def test_a_bare_number_is_a_cycle_and_never_a_split(ask):
    assert ask("GET", "/api/why", params={"id": "2"}).json()["entity"] == "cycle:cycle-2"
    assert error_of(ask("GET", "/api/why", params={"id": "9"})) == "no entity '9'"


def test_seconds_as_a_text_are_refused(ask):
    answer = {"id": "a", "task": "t3-000", "label": "neutral", "seconds": "1.5"}
    refused = ask("POST", "/api/annotations", json={"annotator": "ana", "annotations": [answer]})
    assert error_of(refused) == "request: annotations[0].seconds: found a text, expected a number"


@pytest.mark.parametrize("query", ["", "x" * 201])
def test_an_impossible_search_is_refused(ask, query):
    assert ask("GET", "/api/why", params={"id": query}).status_code == 400


def test_a_canarys_share_of_live_answers_is_told(empty, look):
    split = make.split(2, challenger="v2", basis_points=2_500)
    empty.ledger.commit(make.entry("e", make.model_version("v1"), make.model_version("v2"), split))
    versions = look("GET", "/api/status").json()["versions"]
    assert {version["name"]: version["share"] for version in versions} == {"v1": 0.75, "v2": 0.25}
