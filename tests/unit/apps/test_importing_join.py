"""Joining requests with their responses, however they come; and batches on their way to a door."""

import json
from collections.abc import Sequence
from typing import Any

from loopline.apps.importing import events, intake
from loopline.apps.importing.events import Join
from loopline.apps.importing.intake import Verdict, Wish, take_in
from loopline.apps.importing.row import Found
from loopline.testing.factories import SIGNATURE, settings

P = [0.125, 0.25, 0.625]


def found(kind: str, name: str, body: Any, *, line: int = 1) -> Found:
    content = {
        "id": name,
        "type": f"org.kubeflow.serving.inference.{kind}",
        "data": body,
        "time": "2026-01-05T09:00:00Z",
    }
    return Found(f"log line {line}", "", content)


def asked(name: str, text: str = "good", *, line: int = 1) -> Found:
    return found("request", name, {"instances": [text]}, line=line)


def said(name: str) -> Found:
    return found("response", name, {"predictions": [P]})


def test_an_event_that_is_delivered_twice_is_one():
    join = Join(signature=SIGNATURE, model="v1")
    rows = [row for event in (asked("r1"), asked("r1"), said("r1")) for row in join.take(event)]
    assert [row.fields["id"] for row in rows] == ["r1"]
    assert join._bytes == 0
    assert list(join.rest()) == []


def test_what_waits_for_its_other_half_is_bounded_and_the_oldest_given_up(monkeypatch):
    monkeypatch.setattr(events, "PENDING_BYTES", 1_000)
    join = Join(signature=SIGNATURE, model="v1")
    given_up = [row for line in range(10) for row in join.take(asked(f"r{line}", "x" * 300, line=line))]
    assert [row.trouble for row in given_up] == [
        f"request r{n} without its response, expected both" for n in range(len(given_up))
    ]
    assert 10 - len(given_up) == 3
    (row,) = join.take(said("r9"))
    assert row.fields["text"] == "x" * 300
    assert [row.place for row in join.rest()] == ["log line 7", "log line 8"]


class Notes:
    """A door that takes everything and notes how much came at once."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def take(self, path: str, lines: Sequence[bytes]) -> Verdict:
        self.batches.append(len(lines))
        return Verdict(len(lines), {})

    def repeated(self) -> int:
        return 0


def test_a_batch_is_bounded_by_lines_and_by_bytes(tmp_path, monkeypatch):
    path = tmp_path / "served.jsonl"
    path.write_text("\n".join(json.dumps({"id": f"p{n}", "text": "x" * 80}) for n in range(20)))
    door, parts = Notes(), {"settings": settings(), "wish": Wish(), "tell": print, "watch": lambda _: None}
    monkeypatch.setattr(intake, "BATCH_LINES", 7)
    take_in([path], door=door, **parts)
    monkeypatch.setattr(intake, "BATCH_BYTES", 500)
    take_in([path], door=door, **parts)
    assert door.batches == [7, 7, 6, 4, 4, 4, 4, 4]
