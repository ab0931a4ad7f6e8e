"""Where an import goes: to the server that holds the loop, else to the same door in this process, or only checked."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import httpx

from loopline.adapters.ring.queue import RingQueue
from loopline.apps.cli.door import ADDRESS, PATIENCE_SECONDS, USUAL_ADDRESS, read
from loopline.apps.http.reporting import make_reporting
from loopline.apps.http.reporting.lines import Line
from loopline.apps.http.reporting.outcomes import read_outcome
from loopline.apps.http.reporting.predictions import Predictions
from loopline.apps.importing.intake import OUTCOMES, Door, Verdict
from loopline.apps.recorder.child import RecorderChild
from loopline.apps.recorder.words import RING
from loopline.apps.wiring import House, hold, open_house
from loopline.capture.stage import Capture
from loopline.errors import Conflict, InvalidRecord, Unavailable
from loopline.records.settings import Settings

LONGEST_REST_SECONDS: Final = 10.0


@contextmanager
def open_door(settings: Settings, *, root: Path) -> Iterator[Door]:
    """The door of the loop in the folder ``root``: its server's, or one of our own while no server runs.

    Raises Unavailable when the folder cannot be used.
    """
    with ExitStack() as held:
        try:
            held.enter_context(hold(root))
        except Conflict:  # a server holds it
            yield held.enter_context(_there(root))
        else:
            yield held.enter_context(_here(open_house(settings, root=root)))


class Checks:
    """A door that only looks: what it accepts would have been stored."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._predictions = settings, Predictions(settings)

    def take(self, path: str, lines: Sequence[bytes]) -> Verdict:
        """Which lines the server would refuse."""
        errors: dict[int, str] = {}
        now, settings = datetime.now(UTC), self._settings
        for number, content in enumerate(lines, start=1):
            try:
                if path == OUTCOMES:
                    read_outcome(Line(number, content), settings=settings, now=now)
                else:
                    self._predictions.read(Line(number, content), now=now, fresh="id")
            except InvalidRecord as error:
                errors[number] = str(error)
        return Verdict(len(lines) - len(errors), errors)

    def repeated(self) -> int:
        """Nothing is stored, so nothing is repeated."""
        return 0


class Posts:
    """The door behind an HTTP client, on the network or in this process. It waits while the server is busy or away."""

    def __init__(
        self, client: httpx.AsyncClient, *, counts: Callable[["Posts"], Mapping[str, int]], patience: float
    ) -> None:
        self._runner, self._client, self._patience = asyncio.Runner(), client, patience
        self._counts = counts
        self._repeated_before = counts(self).get("repeated", 0)
        self._repeated_outcomes = 0

    def __enter__(self) -> "Posts":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def ask(self, method: str, path: str, content: bytes = b"") -> httpx.Response:
        """One exchange. Raises httpx.TransportError."""
        headers = {"content-type": "application/x-ndjson"} if content else {}
        return self._runner.run(self._client.request(method, path, content=content, headers=headers))

    def take(self, path: str, lines: Sequence[bytes]) -> Verdict:
        """What became of the lines. Raises Unavailable after so long without an answer that settles them."""
        content, end = b"\n".join(lines), time.monotonic() + self._patience
        while True:
            said, rest = self._posted(path, content)
            if said is not None:
                break
            if time.monotonic() + rest > end:
                reason = f"nothing was taken for {self._patience:g} s"
                raise Unavailable("loop", reason=reason, remedy="run the import again: it goes on where it stopped")
            time.sleep(rest)
        if path == OUTCOMES:
            self._repeated_outcomes += int(said.get("repeated", 0))
        errors = {int(one["line"]): str(one["error"]) for one in said.get("errors", ())}
        return Verdict(int(said["accepted"]), errors)

    def repeated(self) -> int:
        """By the loop's own counters, and by what was said of outcomes."""
        return self._counts(self).get("repeated", 0) - self._repeated_before + self._repeated_outcomes

    def _posted(self, path: str, content: bytes) -> tuple[dict[str, Any] | None, float]:
        """What the door said of the lines, or the seconds after which it is worth asking again."""
        try:
            answer = self.ask("POST", path, content)
        except httpx.TransportError:
            return None, 1.0
        if answer.status_code in (429, 503):
            after = answer.headers.get("retry-after", "")
            return None, min(float(after) if after.isdecimal() else 1.0, LONGEST_REST_SECONDS)
        if answer.status_code == 400 and "errors" in (said := answer.json()):
            return said, 0.0
        return read(answer), 0.0


@contextmanager
def _there(root: Path) -> Iterator[Posts]:
    address = (root / ADDRESS).read_text().strip() if (root / ADDRESS).is_file() else USUAL_ADDRESS
    headers = {"authorization": f"Bearer {(root / 'token').read_text().strip()}"}
    client = httpx.AsyncClient(base_url=address, headers=headers, timeout=PATIENCE_SECONDS, trust_env=False)
    try:
        posts = Posts(client, counts=_asked_counts, patience=PATIENCE_SECONDS)
    except httpx.TransportError as error:
        reason = f"it holds {root} but does not answer at {address}"
        raise Unavailable("loop", reason=reason, remedy="it may be starting or stopping: try again") from error
    with posts:
        yield posts


def _asked_counts(posts: Posts) -> Mapping[str, int]:
    counts: dict[str, int] = read(posts.ask("GET", "/api/status"))["counts"]
    return counts


@contextmanager
def _here(house: House) -> Iterator[Posts]:
    """The server's own door and recorder, without a server."""
    settings, counters = house.settings, house.counters
    body_bytes = settings.serve.body_mb << 20
    with ExitStack() as open_parts:
        open_parts.callback(house.log.close)
        recorder = RecorderChild(settings, house.root)
        open_parts.callback(recorder.close)
        queue = RingQueue(house.root / RING, size=settings.capture.buffer_mb << 20)
        capture = Capture(queue, counters=counters)
        open_parts.callback(capture.close)
        reporting = make_reporting(capture, settings=settings, outcomes=house.outcomes, body_bytes=body_bytes)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app=reporting), base_url=USUAL_ADDRESS)
        with Posts(client, counts=lambda _: counters.read(), patience=PATIENCE_SECONDS) as posts:
            yield posts
