"""The Open Inference Protocol over HTTP: ``/v2`` and what lies below it, as one raw ASGI function."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from loopline import __version__
from loopline.apps.http import descriptions
from loopline.apps.http.bodies import (
    Receive,
    Reply,
    Send,
    guarded,
    json_reply,
    received,
    refusal,
    send_reply,
    too_large,
)
from loopline.apps.http.crew import Crew
from loopline.apps.http.endpoint import Endpoint, Incoming, TooLarge
from loopline.apps.http.targets import Target, target_of
from loopline.errors import InvalidRecord, NotFound
from loopline.records.ids import VersionName
from loopline.records.model import ModelVersion

Hold = Callable[[VersionName], None]
"""Loads a version beside those of the split, or lets go of it. Raises NotFound, Conflict, or what loading raises."""
ACTS_BYTES: Final = 65_536
"""Of a request that carries no rows."""
log = logging.getLogger("loopline.inference")


def make_inference(
    endpoint: Endpoint, *, crew: Crew, load: Hold, unload: Hold
) -> Callable[[Any, Any, Any], Awaitable[None]]:
    """An ASGI application that answers ``/v2`` and ``/v1/predict``. Who may ask is decided outside.

    A model that answers within a millisecond is asked on the spot; any other by the crew.
    """
    door = _Door(endpoint, crew, {"load": load, "unload": unload})

    async def inference(scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        reply = await guarded(door.reply(scope, receive), log=log)
        if reply is not None:
            await send_reply(send, reply)

    return inference


@dataclass(frozen=True)
class _Door:
    endpoint: Endpoint
    crew: Crew
    hold: Mapping[str, Hold]

    async def reply(self, scope: Mapping[str, Any], receive: Receive) -> Reply | None:
        """The response; None when the caller left before the request was whole."""
        target = target_of(scope["path"])
        if scope["method"] != target.method:
            sentence = f"method: {scope['method']}, expected {target.method}"
            return refusal(405, sentence, (b"allow", target.method.encode()))
        if target.act in ("infer", "predict"):
            self._check_model(target.model)
            return await self._answer(target, dict(scope["headers"]), receive)
        if target.act in ("load", "unload"):
            self._check_model(target.model)
            return await self._hold(target, receive)
        return self._about(target)

    async def _answer(self, target: Target, headers: Mapping[bytes, bytes], receive: Receive) -> Reply | None:
        endpoint = self.endpoint
        body = await received(receive, limit=endpoint.limit)
        if body is None:
            return None
        try:
            if target.act == "predict":
                incoming = endpoint.read_plain(headers, body)
            else:
                incoming = endpoint.read(headers, body, version=target.version)
        except TooLarge:
            endpoint.meter.refused(413)
            return too_large(endpoint.limit)
        except InvalidRecord as error:
            return endpoint.refuse(error)
        return await self._asked(incoming)

    async def _asked(self, incoming: Incoming) -> Reply:
        question = incoming.question
        if self.endpoint.share(question) <= 1:
            return self.endpoint.answer([incoming])[0]
        try:
            answer = await self.crew.answer(question, is_batched=self.endpoint.pace(question.version).is_batched)
        except Exception as error:
            return self.endpoint.refuse(error)
        return self.endpoint.write(incoming, answer)

    async def _hold(self, target: Target, receive: Receive) -> Reply | None:
        body = await received(receive, limit=ACTS_BYTES)
        if body is None:
            return None
        version = _version_in(body)
        await _off_the_loop(self.hold[target.act], version)
        return json_reply({})

    def _about(self, target: Target) -> Reply:
        gateway, name = self.endpoint.gateway, self.endpoint.settings.name
        table = gateway.table
        match target.act:
            case "server":
                return json_reply(descriptions.server(__version__))
            case "live":
                return json_reply({"live": True})
            case "ready":
                return json_reply({"ready": table.split is not None}, status=200 if table.split else 503)
            case "index":
                return json_reply(descriptions.repository(name, loaded=table.versions, refusals=gateway.refusals))
            case "stats" if not target.model:
                return json_reply(descriptions.statistics(name, lines=self.endpoint.meter.lines()))
            case _:
                return self._about_model(target)

    def _about_model(self, target: Target) -> Reply:
        self._check_model(target.model)
        settings, found = self.endpoint.settings, self._versions(target.version)
        match target.act:
            case "model-ready":
                return json_reply({"name": settings.name, "ready": bool(found)}, status=200 if found else 503)
            case "config":
                most = settings.serve.batch_rows
                return json_reply(
                    descriptions.configuration(settings.name, signature=settings.signature, most_rows=most)
                )
            case "stats":
                lines = [line for line in self.endpoint.meter.lines() if target.version in (None, line.model)]
                return json_reply(descriptions.statistics(settings.name, lines=lines))
            case _:
                names = [one.name for one in found]
                all_give = [self.endpoint.gateway.table.loaded[name].gives for name in names]
                gives = frozenset.intersection(*all_give) if all_give else frozenset()
                told = descriptions.model(settings.name, signature=settings.signature, versions=names, gives=gives)
                return json_reply(told)

    def _check_model(self, model: str) -> None:
        name = self.endpoint.settings.name
        if model != name:
            raise NotFound("model", model, known=(name,))

    def _versions(self, named: VersionName | None) -> tuple[ModelVersion, ...]:
        loaded = self.endpoint.gateway.table.versions
        found = tuple(one for one in loaded if named in (None, one.name))
        if named is not None and not found:
            raise NotFound("loaded version", named, known=tuple(sorted(one.name for one in loaded)))
        return found


class _Act(msgspec.Struct):
    parameters: dict[str, str] = {}


def _version_in(body: bytes) -> VersionName:
    """The parameter ``version`` of a load or unload. Raises InvalidRecord."""
    try:
        version = msgspec.json.decode(body, type=_Act).parameters.get("version", "") if body else ""
    except msgspec.DecodeError as error:
        raise InvalidRecord("request", found=str(error), expected='{"parameters": {"version": "v2"}}') from error
    if not version:
        remedy = "the versions with traffic come and go with the rollout"
        raise InvalidRecord("request", found="no version", expected='{"parameters": {"version": "v2"}}', remedy=remedy)
    return VersionName(version)


async def _off_the_loop(act: Hold, version: VersionName) -> None:
    import asyncio

    await asyncio.get_running_loop().run_in_executor(None, act, version)
