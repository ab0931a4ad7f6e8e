"""Makes the files beside this one with a real Label Studio: ``python -m tests.golden.label_studio.make PROGRAM``.

``PROGRAM`` is the ``label-studio`` of an environment of its own. It runs on a folder that is thrown away; README.md
says which version made what is here.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, ClassVar, NamedTuple

import httpx
import msgspec
from tests.service.live import free_port, until

from loopline.apps.tasks.label_studio import interface, task_as_imported
from loopline.records.settings import Settings
from loopline.records.signature import Row, Signature
from loopline.records.task import Annotation, Task
from loopline.testing import factories as make

HERE = Path(__file__).parent
LABELS = ("negative", "neutral", "positive")
TEXT = Signature(input="text", labels=LABELS)
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc000000301010018dd8db00000000049454e44ae426082"
)
TOKEN = "0123456789abcdef0123456789abcdef01234567"
WITHIN_SECONDS = 180


class Answer(NamedTuple):
    """What a person says there, and what becomes of it here."""

    task: int
    result: list[dict[str, Any]]
    label: str
    """As the loop spells it; empty for a task that is passed on."""
    comment: str = ""


class Case(NamedTuple):
    """One kind of loop: its samples, the suggestions that are shown, and what people say there."""

    question: str
    signature: Signature
    rows: tuple[Row, ...]
    suggestions: tuple[str, ...]
    answers: tuple[Answer, ...]

    @property
    def settings(self) -> Settings:
        base = make.settings()
        annotate = msgspec.structs.replace(base.annotate, question=self.question)
        return msgspec.structs.replace(base, signature=self.signature, annotate=annotate)

    def tasks(self) -> tuple[Task, ...]:
        encoded = [self.signature.encode(row) for row in self.rows]
        return tuple(
            make.task(
                f"t{place}", inputs=inputs, content=make.digest(inputs), suggestion=shown,
                suggested_by="v1" if shown else "",
            )
            for place, (inputs, shown) in enumerate(zip(encoded, self.suggestions, strict=True))
        )  # fmt: skip


def chosen(*labels: str) -> list[dict[str, Any]]:
    return [{"from_name": "label", "to_name": "input", "type": "choices", "value": {"choices": list(labels)}}]


def stars(number: int) -> list[dict[str, Any]]:
    return [{"from_name": "label", "to_name": "input", "type": "rating", "value": {"rating": number}}]


def noted(text: str) -> list[dict[str, Any]]:
    return [{"from_name": "comment", "to_name": "input", "type": "textarea", "value": {"text": [text]}}]


WILD = 'so so, it "is"\n=1+1, é 漢 🙂'
CASES = {
    "single": Case(
        "single", TEXT, ("a fine film", WILD, "-1", "never answered"), ("positive", "", "negative", ""),
        (
            Answer(0, chosen("positive"), "positive"),
            Answer(1, chosen("neutral") + noted("half and half"), "neutral", "half and half"),
            Answer(2, [], ""),
        ),
    ),
    "multiple": Case(
        "multiple", TEXT, ("one", "two", "three"), ('["negative", "positive"]', "", "[]"),
        (
            Answer(0, chosen("positive", "negative"), '["negative", "positive"]'),
            Answer(1, chosen("neutral"), '["neutral"]'),
            Answer(2, [], "[]"),
        ),
    ),
    "rating": Case(
        "rating", TEXT, ("one", "two"), ("positive", ""),
        (Answer(0, stars(2), "neutral"), Answer(1, stars(3), "positive")),
    ),
    "binary": Case(
        "binary", Signature(input="tabular", width=2, labels=("no", "yes")), ((1.5, -2.0), (0.0, 7.25)), ("no", ""),
        (Answer(0, chosen("yes"), "yes"), Answer(1, chosen("no"), "no")),
    ),
    "image": Case(
        "single", Signature(input="image", labels=("cat", "dog")), (PIXEL,), ("cat",),
        (Answer(0, chosen("dog"), "dog"),),
    ),
}  # fmt: skip
SAID = (
    make.annotation("own-1", task="t0", annotator="bo", label="negative", comment="seen twice"),
    make.annotation("own-2", task="t1", annotator="chidi", label="neutral"),
)
"""Answers of our own to two tasks of ``single``: they go there, and come back."""
FORMATS = {"JSON": "json", "JSON_MIN": "min.json", "CSV": "csv"}


class Studio:
    """A Label Studio that runs."""

    def __init__(self, port: int) -> None:
        address, shown = f"http://127.0.0.1:{port}", {"authorization": f"Token {TOKEN}"}
        self._client = httpx.Client(base_url=address, headers=shown, timeout=60, trust_env=False)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = self._client.request(method, path, **more)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer

    def is_up(self) -> bool:
        try:
            return self._client.get("/api/version").is_success
        except httpx.TransportError:
            return False

    def project(self, name: str, case: Case) -> int:
        body = {"title": name, "label_config": interface(case.settings)}
        return int(self.ask("POST", "/api/projects", json=body).json()["id"])

    def give(self, project: int, case: Case, said: Mapping[str, tuple[Annotation, ...]]) -> dict[str, Any]:
        """Import our tasks; what it says of them, and the predictions that it then shows."""
        tasks = [task_as_imported(one, settings=case.settings, said=said.get(one.id, ())) for one in case.tasks()]
        told = self.ask("POST", f"/api/projects/{project}/import", json=tasks).json()
        shown = [task["predictions"] for task in self.tasks(project)]
        counts = {name: told[name] for name in ("task_count", "annotation_count", "prediction_count")}
        return {**counts, "shown": [[one["result"][0]["value"] for one in each] for each in shown]}

    def tasks(self, project: int) -> list[dict[str, Any]]:
        found = self.ask("GET", "/api/tasks", params={"project": project, "fields": "all"}).json()["tasks"]
        return sorted(found, key=lambda task: int(task["id"]))

    def answer(self, project: int, answers: tuple[Answer, ...]) -> None:
        """As a person would."""
        names = [task["id"] for task in self.tasks(project)]
        for one in answers:
            body = {"result": one.result, "lead_time": 2.5, "was_cancelled": not one.label}
            self.ask("POST", f"/api/tasks/{names[one.task]}/annotations", json=body)

    def export(self, project: int, kind: str) -> bytes:
        return self.ask("GET", f"/api/projects/{project}/export", params={"exportType": kind}).content


@contextmanager
def studio(program: str) -> Iterator[Studio]:
    port = free_port()
    with TemporaryDirectory(prefix="label-studio-") as folder:
        environment = {
            **os.environ,
            "LABEL_STUDIO_BASE_DATA_DIR": folder,
            "LABEL_STUDIO_USERNAME": "ana@example.com",
            "LABEL_STUDIO_PASSWORD": "a-password-for-tests",
            "LABEL_STUDIO_USER_TOKEN": TOKEN,
            "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
            "SSRF_PROTECTION_ENABLED": "false",  # else it calls nobody on this machine
            "COLLECT_ANALYTICS": "false",
        }
        command = [program, "start", "--no-browser", "--port", str(port), "--internal-host", "127.0.0.1"]
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            found = Studio(port)
            until(found.is_up, seconds=WITHIN_SECONDS)
            yield found
        finally:
            running.terminate()
            running.wait(60)


class Listener(BaseHTTPRequestHandler):
    """Keeps what a webhook sends, and fails: nothing is sent twice."""

    heard: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        self.heard.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_error(500)

    def log_message(self, *_: object) -> None:
        pass


def webhook(studio: Studio, project: int) -> list[dict[str, Any]]:
    """What is sent when an answer is given, and when it is changed, to a listener that fails each time."""
    server = HTTPServer(("127.0.0.1", 0), Listener)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        address = f"http://127.0.0.1:{server.server_address[1]}/"
        body = {"url": address, "project": project, "actions": ["ANNOTATION_CREATED", "ANNOTATION_UPDATED"]}
        more = {"send_payload": True, "send_for_all_actions": False}
        studio.ask("POST", "/api/webhooks/", json={**body, **more})
        task = studio.tasks(project)[3]["id"]
        path = f"/api/tasks/{task}/annotations"
        made = studio.ask("POST", path, json={"result": chosen("neutral"), "lead_time": 1.5}).json()
        time.sleep(1.0)
        studio.ask("PATCH", f"/api/annotations/{made['id']}", json={"result": chosen("negative")})
        time.sleep(10.0)  # were it to try again, it would have
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    return [msgspec.json.decode(one) for one in Listener.heard]


def whole(program: str) -> None:
    """Write every file anew."""
    accepted: dict[str, Any] = {}
    with studio(program) as running:
        for name, case in CASES.items():
            project = running.project(name, case)
            accepted[name] = running.give(project, case, {})
            running.answer(project, case.answers)
            for kind, ending in FORMATS.items():
                write(f"{name}.{ending}", running.export(project, kind))
            if name == "single":
                sent = [
                    {part: one[part] for part in ("action", "annotation", "task")} for one in webhook(running, project)
                ]
                write("webhook.json", msgspec.json.encode(sent))
        project = running.project("again", CASES["single"])
        said = {one.task: (one,) for one in SAID}
        accepted["again"] = running.give(project, CASES["single"], said)
        write("again.json", running.export(project, "JSON"))
        version = running.ask("GET", "/api/version").json()["release"]
    write("accepted.json", msgspec.json.encode({"version": version, **accepted}))


def write(name: str, content: bytes) -> None:
    """JSON is laid out for reading; CSV stays as it came."""
    if name.endswith(".json"):
        content = msgspec.json.format(content, indent=1) + b"\n"
    (HERE / name).write_bytes(content)


if __name__ == "__main__":
    whole(sys.argv[1])
