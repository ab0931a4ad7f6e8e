"""The bytes behind a task: for whoever is asked about it, and for nobody who only looks."""

import pytest
from tests.unit.apps.people_desk import Desk, person

from loopline.adapters.views.automatic import VIEWS
from loopline.apps.http.caller import NOBODY, TOKEN, Caller
from loopline.records.signature import Signature
from loopline.testing import factories as make
from loopline.testing.factories import LOOP, NOW
from loopline.testing.rooms import rooms

PNG = b"\x89PNG\r\n\x1a\n and so on"
IMAGES = {
    PNG: "image/png",
    b"\xff\xd8\xff\xe0 JFIF": "image/jpeg",
    b"GIF89a": "image/gif",
    b"RIFF\x00\x00\x00\x00WEBPVP8 ": "image/webp",
    b"<svg xmlns='http://www.w3.org/2000/svg' onload='x()'/>": "application/octet-stream",
    b"<script>x()</script>": "application/octet-stream",
    b"RIFF\x00\x00\x00\x00WAVEfmt ": "application/octet-stream",
    b"": "application/octet-stream",
}
ADDRESS = "/api/tasks/t1/input"


@pytest.fixture
def desk() -> Desk:
    signature = Signature(input="image", labels=make.LABELS, preprocessing="rgb-8x8-flat-unit.v1")
    return Desk(rooms(now=NOW, settings=make.settings(signature=signature), view=VIEWS["image"]))


def publish(desk: Desk, content: bytes = PNG, stratum: str = "chosen") -> None:
    desk.publish(make.task("t1", inputs=content, content=make.digest(content), stratum=stratum, cluster="c"))


@pytest.mark.parametrize("content", IMAGES)
def test_images_are_drawn_and_all_else_is_saved(desk: Desk, content: bytes) -> None:
    publish(desk, content)
    (task,) = desk.post("/api/claim", annotator="ana & bo")["tasks"]
    assert task["view"] == {
        "kind": "image",
        "src": f"{ADDRESS}?annotator=ana+%26+bo",
        "bytes": len(content),
        "alt": "the image that is asked about",
    }
    answer = desk.ask("GET", task["view"]["src"])
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, content, IMAGES[content])
    assert answer.headers.get("content-disposition") == (None if IMAGES[content].startswith("image/") else "attachment")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"
    again = desk.ask("GET", task["view"]["src"], headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("stratum", ["chosen", "audit", "reserve", "gold"])
def test_who_was_asked_sees_it_and_others_do_not_even_learn_that_it_is_there(desk: Desk, stratum: str) -> None:
    publish(desk, stratum=stratum)
    ana, bo = person("ana"), person("bo")
    missing = desk.ask("GET", "/api/tasks/nothing/input", caller=ana)
    unasked = desk.ask("GET", ADDRESS, caller=ana)
    assert missing.status_code == unasked.status_code == 404
    assert missing.text.replace("nothing", "t1") == unasked.text
    desk.post("/api/annotations", ana, annotations=[{"id": "a", "task": "t1", "label": "neutral"}])
    assert desk.ask("GET", ADDRESS, caller=ana).content == PNG
    assert desk.ask("GET", ADDRESS, caller=bo).status_code == 404
    desk.post("/api/skip", bo, task="t1", reason="unclear")
    assert desk.ask("GET", ADDRESS, caller=bo).content == PNG


def test_a_lease_is_enough_and_stays_enough(desk: Desk) -> None:
    publish(desk)
    desk.post("/api/claim", person("ana"))
    desk.post("/api/hold", person("ana"), tasks=[])
    assert desk.ask("GET", ADDRESS, caller=person("ana")).status_code == 200


def test_who_settles_tasks_sees_what_somebody_was_asked_about(desk: Desk) -> None:
    publish(desk, stratum="reserve")
    judge = person("judge", "adjudicator")
    assert desk.ask("GET", ADDRESS, caller=judge).status_code == 404
    desk.post("/api/claim", person("ana"))
    desk.post("/api/annotations", person("ana"), annotations=[{"id": "a", "task": "t1", "label": "neutral"}])
    assert desk.ask("GET", ADDRESS, caller=judge).content == PNG
    engineer = person("kim", "engineer")
    assert desk.ask("GET", ADDRESS, caller=engineer).status_code == 404, "who runs the loop was not asked about it"
    assert desk.ask("GET", ADDRESS, caller=TOKEN).status_code == 404
    assert desk.ask("GET", f"{ADDRESS}?annotator=ana", caller=TOKEN).content == PNG


def test_who_runs_the_loop_does_not_see_a_sealed_sample_that_is_asked_about_again(desk: Desk) -> None:
    publish(desk, stratum="reserve")
    again = make.task("again", inputs=PNG, content=make.digest(PNG), stratum="relabel", cycle=2)
    desk.publish(again, cycle=2)
    desk.post("/api/annotations", person("ana"), annotations=[{"id": "a", "task": "again", "label": "neutral"}])
    for caller, status in ((person("judge", "adjudicator"), 200), (person("kim", "engineer"), 404), (TOKEN, 404)):
        assert desk.ask("GET", "/api/tasks/again/input", caller=caller).status_code == status


@pytest.mark.parametrize(
    "caller",
    [NOBODY, person("vera", "viewer"), Caller("lk_read", frozenset({"read", "metadata"})), person("lea", "annotator")],
    ids=["nobody", "viewer", "key that reads", "another annotator"],
)
def test_who_only_looks_sees_no_sample_here_and_cannot_take_another_name(desk: Desk, caller: Caller) -> None:
    publish(desk, stratum="reserve")
    desk.house.queue.submit([make.annotation(label="neutral")], loop=LOOP)
    assert desk.ask("GET", ADDRESS, caller=caller).status_code == 404
    as_ana = desk.ask("GET", f"{ADDRESS}?annotator=ana", caller=caller)
    assert as_ana.status_code == (403 if "annotate" in caller.may else 404)
