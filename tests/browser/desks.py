"""Loops with something to label, in memory: every kind of question and of view, with people who can sign in."""

import io
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np
import uvicorn
from PIL import Image

from loopline.adapters.system.clock import SystemClock
from loopline.adapters.views.automatic import VIEWS
from loopline.annotate.questions import BUILT_IN
from loopline.apps.http.control import Doors, make_control
from loopline.apps.http.dispatch import Lodge, make_dispatch
from loopline.apps.http.identity import Identity
from loopline.apps.http.reception import Reception
from loopline.apps.people import Actor
from loopline.records.guideline import Example, Guideline
from loopline.records.people import Role, User
from loopline.records.settings import AnnotateSettings
from loopline.records.signature import Signature
from loopline.testing import factories as make
from loopline.testing.rooms import Rooms, StoredConsole, rooms

TOKEN = "browser-token"
PASSWORD = "a password of the tests"
PEOPLE: dict[str, Role] = {"ana": "annotator", "ada": "adjudicator", "lea": "lead"}
GUIDELINE = "Positive or negative is what the writer feels, not what you feel. Plain facts are neutral."
DOCUMENT = {"title": "It stops on start", "author": {"name": "kim", "is_staff": False}, "tags": ["ui", "linux"]}


class Server(NamedTuple):
    url: str
    house: Rooms


class Kind(NamedTuple):
    """What a loop asks about what."""

    labels: tuple[str, ...]
    rows: tuple[Any, ...]
    question: str = "single"
    view: str = "text"
    input: str = "text"


SENTENCES = tuple(f"sentence {number}" for number in range(12))
DOCUMENTS = tuple(msgspec.json.encode({"n": number, **DOCUMENT}).decode() for number in range(4))
TABLE = tuple((5.0 + n % 3, 2.5 + n % 2, 100.0 if n == 3 else n % 4) for n in range(24))
DIGITS = tuple(tuple(float((i * step) % 17) for i in range(64)) for step in (3, 5, 7))
KINDS = {
    "text": Kind(("negative", "neutral", "positive"), SENTENCES),
    "letters": Kind(("good", "awful", "sad", "unclear"), SENTENCES[:8]),
    "multiple": Kind(("service", "price", "room"), SENTENCES[:6], question="multiple"),
    "rating": Kind(("1", "2", "3", "4", "5"), SENTENCES[:6], question="rating"),
    "json": Kind(("bug", "feature"), DOCUMENTS, view="json"),
    "table": Kind(("fraud", "honest"), TABLE, view="table", input="tabular"),
    "digits": Kind(("0", "1", "7"), DIGITS, view="table", input="tabular"),
    "image": Kind(("crack", "clean"), tuple(range(6)), view="image", input="image"),
}


def house_of(kind: str, **annotate: Any) -> Rooms:
    """A loop of this kind with an open batch."""
    it = KINDS[kind]
    width = len(it.rows[0]) if it.input == "tabular" else 0
    signature = Signature(input=it.input, width=width, labels=it.labels)  # type: ignore[arg-type]
    settings = make.settings(signature=signature, annotate=AnnotateSettings(question=it.question, **annotate))
    house = rooms(
        now=datetime.now(UTC), clock=SystemClock(), settings=settings, token=TOKEN, question=BUILT_IN[it.question],
        view=VIEWS[it.view],
    )  # fmt: skip
    inputs = [picture(row) if it.input == "image" else signature.encode(row) for row in it.rows]
    tasks = tuple(
        msgspec.structs.replace(make.task(f"t{i:02}"), inputs=row, content=make.digest(row), cluster=f"cycle-1/{i % 2}")
        for i, row in enumerate(inputs)
    )
    guideline = Guideline(
        loop=make.LOOP, version=1, text=GUIDELINE, examples=(Example(text="Open from nine.", label="neutral"),),
        at=datetime.now(UTC), author="lea", reason="the first",
    )  # fmt: skip
    house.ledger.commit(make.entry("open", make.cycle(1, phase="published"), guideline, tasks=tasks))
    return house


def picture(seed: int) -> bytes:
    """A small picture of noise, as PNG."""
    drawn = np.random.default_rng(seed).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(drawn).save(file, "PNG")
    return file.getvalue()


@contextmanager
def serving(house: Rooms, *, port: int = 0) -> Iterator[str]:
    """The house on a port of the loopback, with ``PEOPLE`` who can sign in."""
    identity = Identity(token=house.token, secret=house.secret)
    people = Reception(house, identity=identity)
    for name, role in PEOPLE.items():
        if people.users.meant(name) is None:
            hashed = people.passwords.hashed(PASSWORD)
            known = User(loop=house.settings.name, name=name, roles=(role,), password=hashed, made_at=make.NOW)
            people.users.add(known, by=Actor("tests", frozenset(), is_owner=True))
    control = make_control(house, StoredConsole(house), doors=Doors(people=people))
    app = make_dispatch(control=control, inference=_inference, identity=identity, lodge=Lodge(people=people))
    listener = socket.create_server(("127.0.0.1", port))
    running = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not running.started and thread.is_alive():
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    running.should_exit = True
    thread.join(timeout=10)
    listener.close()


async def _inference(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})
