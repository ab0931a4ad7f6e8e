"""Every address, every person and every number through which a sealed sample could come out, tried on a real house."""

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence

import httpx
import msgspec
import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute
from tests.service.sealed_loop import Ask, SealedLoop, asker, lived

from loopline.apps.console import Console
from loopline.apps.http.control import make_control
from loopline.apps.http.showing import Person, Showing
from loopline.apps.reserve import MOST_USES, evaluate
from loopline.records.cycle import Cycle
from loopline.records.dataset import DatasetVersion
from loopline.records.label import LabelBatch
from loopline.records.lineage import Activity, Event
from loopline.records.model import ModelVersion
from loopline.records.reserve import ReserveAccess
from loopline.records.selection import Selection
from loopline.testing.factories import LABELS, LOOP, NOW

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def loop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealedLoop]:
    with lived(tmp_path_factory.mktemp("sealed")) as found:
        yield found


@pytest.fixture(scope="module")
def ask(loop: SealedLoop) -> Ask:
    return asker(loop)


# HTTP and pages


def words(loop: SealedLoop) -> Sequence[str]:
    """Every sort of id that a caller may try, those of sealed samples among them."""
    sealed = [task for task in loop.tasks if task.stratum == "reserve"][:3]
    kinds = (DatasetVersion, ModelVersion, Selection, LabelBatch, ReserveAccess)
    keys = [str(getattr(record, "name", None) or record.id) for kind in kinds for record in loop.ledger.all(kind, LOOP)]
    entities = {entity for act in loop.ledger.activities(LOOP) for entity in (*act.used, *act.generated)}
    few = [min(of_kind) for of_kind in by_kind(entities)]
    tried = [w for task in sealed for w in (task.sample, f"prediction:{task.sample}", task.content, task.id)]
    return list(dict.fromkeys([*tried, *keys, *few, "cycle-1", "1", "nothing"]))


def by_kind(entities: set[str]) -> list[list[str]]:
    kinds: dict[str, list[str]] = {}
    for entity in sorted(entities):
        kinds.setdefault(entity.partition(":")[0], []).append(entity)
    return list(kinds.values())


def paths(app: Litestar, tried: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every address under GET with every id, and what was asked for in it."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or "GET" not in route.methods or route.path.startswith("/static"):
            continue
        handler = next(one_ for one_ in route.route_handlers if "GET" in one_.http_methods)
        in_path = {parameter.name: parameter.type for parameter in route.path_parameters.values()}
        for asked in tried if in_path else [""]:
            if int in in_path.values() and not asked.isdecimal():
                continue
            path = re.sub(r"\{[^}]+\}", lambda _, word=asked: word, route.path_format)
            yield path, (asked,)
            named = handler.parsed_fn_signature.parameters
            for name in named.keys() - in_path.keys() - {"request", "data"}:
                query = "page" if name == "leaf_number" else name
                for value in (*tried, "2", "100"):
                    yield f"{path}?{httpx.QueryParams({query: value})}", (asked, value)


def test_no_address_answers_with_anything_sealed(loop: SealedLoop, ask: Ask):
    app = make_control(loop.house, Console(loop.house, loop.runner))
    walked, good = set[str](), 0
    for path, asked in paths(app, words(loop)):
        answer = ask("GET", path)
        assert answer.status_code < 500 or path.startswith("/readyz"), (path, answer.text)
        told = (
            answer.text
            if "text" in answer.headers.get("content-type", "") or "json" in answer.headers.get("content-type", "")
            else answer.content.decode("latin-1")
        )
        *others, last = asked
        for own in filter(None, others):
            told = told.replace(own, "")
        assert loop.tells(told, asked=last) == [], path
        good += answer.status_code == 200
        walked.add(path.partition("?")[0])
    described = ask("GET", "/api/schema/openapi.json").json()["paths"]
    plain = {path for path, item in described.items() if "get" in item and "{" not in path}
    assert plain <= walked
    assert {f"/cycles/{1}/labels", "/cycles/1", "/api/cycles/1", "/query", "/data/c1", "/api/why"} <= walked
    assert good > 50


def test_a_sealed_prediction_is_explained_without_its_label(loop: SealedLoop):
    console = Console(loop.house, loop.runner)
    for label in loop.labelled[:5]:
        step = console.why(label.sample)
        assert "reserve" in step.act
        told = " ".join([step.act, *(source.act for source in step.sources)])
        assert not [name for name in LABELS if name in told]
        assert not [source for source in step.sources if source.entity.startswith("labels:")]


def test_an_object_is_given_to_nobody_without_a_link_that_we_signed(loop: SealedLoop, ask: Ask):
    digests = [path.name for path in (loop.house.root / "objects").rglob("*") if path.is_file()]
    assert len(digests) > 5
    assert {ask("GET", f"/objects/{digest}").status_code for digest in digests} == {403}


# People


def test_a_person_cannot_tell_a_sealed_task_from_an_audit_task(loop: SealedLoop, ask: Ask):
    strata = {task.id: task.stratum for task in loop.tasks}
    answer = ask("POST", "/api/claim", json={"annotator": "newcomer", "count": 50})
    shown = answer.json()["tasks"]
    of = {stratum: [task for task in shown if strata[task["id"]] == stratum] for stratum in set(strata.values())}
    assert of["reserve"]
    assert len({frozenset(task) for task in shown}) == 1
    unaided = [task for task in shown if strata[task["id"]] != "chosen"]
    plain = [task for task in unaided if task["suggestion"] is None]
    assert {strata[task["id"]] for task in plain} == {"audit", "reserve", "gold"}
    assert {strata[task["id"]] for task in unaided if task["suggestion"]} <= {"gold"}
    assert {(len(task["id"]), task["view"]["kind"]) for task in unaided} == {(20, "text")}
    showing, newcomer = Showing(loop.house), Person(name="newcomer", is_named=True)
    blind = [showing.task(task, newcomer) for task in loop.tasks if (task.stratum, task.suggestion) == ("chosen", "")]
    assert {(task.suggestion, len(task.id)) for task in blind} == {(None, 20)}
    sizes = {len(msgspec.json.encode({**task, "view": {}})) for task in plain}
    assert sizes == {len(msgspec.json.encode(msgspec.structs.replace(task, view={}))) for task in blind}
    order = [strata[task["id"]] for task in shown if strata[task["id"]] in ("chosen", "audit", "reserve")]
    assert order != sorted(order)
    assert order != sorted(order, reverse=True)
    assert not re.search("reserve|audit|gold|stratum", answer.text)
    said = {"id": "n1", "task": of["reserve"][0]["id"], "label": "neutral", "seconds": 1.0}
    first = ask("POST", "/api/annotations", json={"annotator": "newcomer", "annotations": [said]})
    undone = ask("POST", "/api/undo", json={"annotator": "newcomer", "annotation": "n1"})
    passed = ask("POST", "/api/skip", json={"annotator": "newcomer", "task": said["task"]})
    assert {first.status_code, undone.status_code, passed.status_code} <= {200, 201}
    assert not re.search("reserve|audit|gold|stratum", first.text + undone.text + passed.text)


# Numbers


def test_evaluate_gives_numbers_and_writes_every_use_down(loop: SealedLoop):
    handed: list[str] = []

    def predict(rows: Sequence[str]) -> list[list[float]]:
        handed.extend(rows)
        return [[0.2, 0.5, 0.3]] * len(rows)

    before = loop.ledger.all(ReserveAccess, LOOP)
    found = evaluate(loop.house, predict, purpose="to see", actor="ana", now=NOW)
    assert set(found) == {"fresh", "anchor"}
    for part in found.values():
        assert set(part.metrics) == {"accuracy", "log_score", "macro_f1"}
        assert all(round(value / part.step, 6) == round(value / part.step) for value in part.metrics.values())
    assert loop.tells(str(found)) == []
    (access,) = loop.ledger.all(ReserveAccess, LOOP)[len(before) :]
    assert (access.actor, access.purpose, access.rows) == ("ana", "to see", len(handed))
    entity = f"access:{access.id}"
    assert any(entity in act.generated and "labels:cycle-1" in act.used for act in loop.ledger.activities(LOOP))
    assert Console(loop.house, loop.runner).orphans() == ()


def test_a_use_is_on_record_even_when_the_function_fails(loop: SealedLoop):
    before = len(loop.ledger.all(ReserveAccess, LOOP))
    with pytest.raises(ZeroDivisionError):
        evaluate(loop.house, lambda rows: 1 / 0, purpose="to break it", actor="bo", now=NOW)
    assert len(loop.ledger.all(ReserveAccess, LOOP)) == before + 1


def test_fresh_labels_serve_so_many_decisions_and_no_more(loop: SealedLoop):
    wanted = f"labels:cycle-{loop.labelled[0].cycle}"
    while sum(wanted in access.batches for access in loop.ledger.all(ReserveAccess, LOOP)) < MOST_USES:
        assert "fresh" in evaluate(loop.house, "v1", purpose="again", actor="ana", now=NOW)
    assert set(evaluate(loop.house, "v1", purpose="once more", actor="ana", now=NOW)) == {"anchor"}


def test_how_much_judges_and_who_used_it_can_be_asked(loop: SealedLoop, ask: Ask):
    evaluate(loop.house, "v1", purpose="to be shown", actor="chidi", now=NOW)
    found = ask("GET", "/api/reserve").json()
    assert found["sealed"] >= len(loop.sealed)
    assert found["labelled"] == len({label.content for label in loop.labelled})
    assert (found["anchor"], found["crossed"]) == (120, 0)
    assert found["asked"] == len(loop.house.roles.reserved(LOOP))
    assert (found["uses"][0]["actor"], found["uses"][0]["purpose"]) == ("chidi", "to be shown")
    assert {one["cycle"] for one in found["batches"]} == {1}
    assert all(one["left"] == max(0, MOST_USES - one["uses"]) for one in found["batches"])
    gates = [use for use in found["uses"] if use["purpose"] == "the gate of cycle 1"]
    assert [use["actor"] for use in gates] == [loop.house.actor]
    command = [sys.executable, "-m", "loopline", "reserve", loop.folder / "loop.toml"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert said[0].startswith(
        f"{found['sealed']:,} log rows are sealed; {found['labelled']} fresh samples have a label"
    )
    assert [line for line in said if "chidi  to be shown  v1" in line]


# What the program says of itself


def test_the_log_of_the_program_and_the_ledger_tell_nothing(loop: SealedLoop):
    assert loop.tells("\n".join(loop.said)) == []
    told = [act for kind in (Cycle, DatasetVersion) for act in loop.ledger.all(kind, LOOP)]
    events: tuple[Event, ...] = loop.ledger.events(LOOP, newest=10_000)
    acts: tuple[Activity, ...] = loop.ledger.activities(LOOP)
    assert events
    assert loop.tells(" ".join(map(repr, (*told, *events, *acts)))) == []
