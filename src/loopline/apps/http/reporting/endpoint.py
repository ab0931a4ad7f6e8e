"""``POST /v1/predictions`` and ``POST /v1/outcomes`` as one raw ASGI function: good lines are kept, bad ones named."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from loopline.apps.http.bodies import (
    Receive,
    Reply,
    Send,
    guarded,
    json_reply,
    received,
    refusal,
    refused,
    send_reply,
    too_large,
    unpacked,
)
from loopline.apps.http.reporting.lines import Line, lines_of
from loopline.apps.http.reporting.outcomes import Numbered, read_outcome, record
from loopline.apps.http.reporting.predictions import Predictions
from loopline.capture.stage import Capture
from loopline.errors import Busy, InvalidRecord, NotFound
from loopline.ports.outcome_book import OutcomeBook
from loopline.records.ids import uuid7
from loopline.records.settings import Settings

PREDICTIONS: Final = "/v1/predictions"
OUTCOMES: Final = "/v1/outcomes"
LOOP: Final = "loopline-loop"
"""Header in which a caller may say which loop it means: a wrong address is found out."""
SLICE: Final = 32
"""Lines read at a stretch: about a millisecond, after which other requests have their turn."""
NAMED: Final = 1_000
"""Bad lines that are named; further ones are counted."""
DURABLE_SECONDS: Final = 10.0
"""How long a caller waits for its predictions to be stored."""
FIRST_LOOK_SECONDS: Final = 0.002
LONGEST_LOOK_SECONDS: Final = 0.02
RETRY_SECONDS: Final = 1
log = logging.getLogger("loopline.reporting")


class Account(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of the lines of a request."""

    error: str = ""
    """Why not all, or none, of it was taken. After 503 send the whole again: what has an id is not stored twice."""
    accepted: int = -1
    """Lines that are stored, and will be found after a crash."""
    repeated: int = 0
    """Of the accepted outcomes, those that were held before."""
    bad: int = 0
    errors: list[dict[str, int | str]] = []
    """The first bad lines, each with its number and a sentence."""
    ids: dict[int, str] = {}
    """Ids that were made here, by line."""

    @property
    def status(self) -> int:
        """200, 207 when some lines are bad, 400 when all are."""
        return (207 if self.accepted else 400) if self.bad else 200


def make_reporting(
    capture: Capture,
    *,
    settings: Settings,
    outcomes: OutcomeBook,
    body_bytes: int = 8 << 20,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """An ASGI application that takes what others predicted, and what turned out to be true.

    It answers once everything accepted is durable. Who may ask is decided outside.
    """
    door = _Door(capture, settings, Predictions(settings), outcomes, body_bytes, now)

    async def reporting(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        reply = await guarded(door.reply(scope, receive), log=log)
        if reply is not None:
            await send_reply(send, reply)

    return reporting


@dataclass
class _Progress:
    """A request's predictions on their way."""

    places: list[int] = field(default_factory=list)
    ids: dict[int, str] = field(default_factory=dict)
    bad: list[tuple[int, str]] = field(default_factory=list)

    @property
    def last(self) -> int:
        """The place of the last one that was taken; 0 before the first."""
        return self.places[-1] if self.places else 0


@dataclass(frozen=True)
class _Door:
    capture: Capture
    settings: Settings
    predictions: Predictions
    outcomes: OutcomeBook
    body_bytes: int
    now: Callable[[], datetime]

    async def reply(self, scope: Mapping[str, Any], receive: Receive) -> Reply | None:
        """The response; None when the caller left before the request was whole."""
        if scope["path"] not in (PREDICTIONS, OUTCOMES):
            raise NotFound("path", scope["path"], known=(OUTCOMES, PREDICTIONS))
        if scope["method"] != "POST":
            return refusal(405, f"method: {scope['method']}, expected POST", (b"allow", b"POST"))
        seconds, headers = self.settings.serve.timeout_seconds, _headers(scope)
        if headers.get(LOOP, self.settings.name) != self.settings.name:
            raise NotFound("loop", headers[LOOP], known=(self.settings.name,))
        try:
            body = await asyncio.wait_for(received(receive, limit=self.body_bytes), seconds)
        except TimeoutError:
            return refusal(
                408, f"request: not whole after {seconds:g} s, expected all of it by then; send less at once"
            )
        if body is None:
            return None
        encoding = headers.get("content-encoding", "")
        content = await asyncio.to_thread(unpacked, body, encoding=encoding, limit=self.body_bytes)
        if len(content) > self.body_bytes:
            return too_large(self.body_bytes)
        lines = lines_of(content, content_type=headers.get("content-type", ""), most=self.settings.serve.batch_rows)
        return await (self._predictions(lines) if scope["path"] == PREDICTIONS else self._outcomes(lines))

    async def _predictions(self, lines: Sequence[Line]) -> Reply:
        progress = await self._taken(lines)
        taken = len(progress.places)
        await self._settled(progress.last)
        stored = sum(map(self.capture.is_settled, progress.places))
        account = _account(stored, progress.bad)
        account.ids = progress.ids
        left = len(lines) - taken - len(progress.bad)
        if stored == taken and not left:
            return json_reply(account, status=account.status)
        late = f"{taken - stored:,} of {len(lines):,} predictions are not stored after {DURABLE_SECONDS:g} s"
        why = f"no room for {left:,} of {len(lines):,} predictions" if left else late
        busy = Busy("prediction log", reason=why, seconds=RETRY_SECONDS)
        account.error = str(busy)
        return refused(busy)._replace(body=msgspec.json.encode(account))

    async def _taken(self, lines: Sequence[Line]) -> _Progress:
        """Offer the lines; when the queue is full, go on once it has taken what it was given before."""
        progress, at, before = _Progress(), 0, -1
        while at < len(lines):
            done = self._offer(lines[at : at + SLICE], progress)
            at += done
            if done == min(SLICE, len(lines) - at + done):
                await asyncio.sleep(0)
            elif progress.last == before or not await self._settled(progress.last):
                break
            else:
                before = progress.last
        return progress

    def _offer(self, lines: Sequence[Line], progress: _Progress) -> int:
        """How many of the lines are done with, before the first that finds no room."""
        now = self.now()
        for done, line in enumerate(lines):
            fresh = uuid7(now_ms=int(now.timestamp() * 1_000), randomness=os.urandom(10))
            try:
                exchange = self.predictions.read(line, now=now, fresh=fresh)
            except InvalidRecord as error:
                progress.bad.append((line.number, str(error)))
                continue
            place = self.capture.offer(exchange)
            if not place:
                return done
            progress.places.append(place)
            if exchange.request is fresh:
                progress.ids[line.number] = fresh
        return len(lines)

    async def _settled(self, place: int) -> bool:
        """Whether the frame at this place is stored now; waits for it, but not for ever."""
        clock, pause = asyncio.get_running_loop().time, FIRST_LOOK_SECONDS
        end = clock() + DURABLE_SECONDS
        while not (is_settled := self.capture.is_settled(place)) and clock() < end:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_LOOK_SECONDS)
        return is_settled

    async def _outcomes(self, lines: Sequence[Line]) -> Reply:
        good: list[Numbered] = []
        bad: list[tuple[int, str]] = []
        now = self.now()
        for place, line in enumerate(lines, start=1):
            try:
                good.append(read_outcome(line, settings=self.settings, now=now))
            except InvalidRecord as error:
                bad.append((line.number, str(error)))
            if place % (SLICE * 4) == 0:
                await asyncio.sleep(0)
        appended, clashes = await asyncio.to_thread(record, good, book=self.outcomes, loop=self.settings.name)
        account = _account(appended.stored + appended.repeated, sorted([*bad, *clashes]))
        account.repeated = appended.repeated
        return json_reply(account, status=account.status)


def _headers(scope: Mapping[str, Any]) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _account(accepted: int, bad: Sequence[tuple[int, str]]) -> Account:
    errors: list[dict[str, int | str]] = [{"line": line, "error": sentence} for line, sentence in bad[:NAMED]]
    error = f"no line can be taken; the first: {bad[0][1]}" if bad and not accepted else ""
    return Account(error=error, accepted=accepted, bad=len(bad), errors=errors)
