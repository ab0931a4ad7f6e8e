"""People over HTTP: how each does, pausing and letting back in, asking again about what rests on them, agreement."""

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from loopline.apps.agreement import Agreements, AgreementTable
from loopline.apps.http.answers import strictly
from loopline.apps.http.caller import about, caller_of
from loopline.apps.supervision import Act, Acted, PersonDetail, Supervision
from loopline.apps.track_record import PersonRow


class NewAct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done about a person, and why."""

    reason: str = ""
    """One line; not needed with ``dry_run``."""
    dry_run: bool = False
    """Only say what it would affect."""


def people_routes(supervision: Supervision, agreements: Agreements) -> list[HTTPRouteHandler]:
    """The routes of who looks after people."""

    @get("/api/people", sync_to_thread=True)
    def everybody() -> tuple[PersonRow, ...]:
        """Everybody who answers, paused ones first, then the least accurate."""
        return supervision.everybody()

    @get("/api/people/{name:str}", sync_to_thread=True)
    def person(name: FromPath[str]) -> PersonDetail:
        """One of them, with what rests on their answers."""
        return supervision.person(name)

    @get("/api/agreement", sync_to_thread=True)
    def agreement(cycle: FromQuery[int] = 0) -> AgreementTable:
        """How far people agree, by stratum and pair by pair: of one labelled batch, or of all."""
        return agreements.table(cycle)

    return [everybody, person, agreement, *_act_routes(supervision)]


def _act_routes(supervision: Supervision) -> list[HTTPRouteHandler]:
    def acted(request: Request[Any, Any, Any], act: Act, name: str, wanted: NewAct) -> Acted:
        about(request, name)
        by = caller_of(request).name
        return supervision.act(act, name, by=by, reason=wanted.reason, dry_run=wanted.dry_run)

    @post("/api/people/{name:str}/pause", sync_to_thread=True, status_code=200, before_request=strictly(NewAct))
    def pause(request: Request[Any, Any, Any], name: FromPath[str], data: JSONBody[NewAct]) -> Acted:
        """No more tasks for them; in open batches their answers stop counting."""
        return acted(request, "pause", name, data)

    @post("/api/people/{name:str}/resume", sync_to_thread=True, status_code=200, before_request=strictly(NewAct))
    def resume(request: Request[Any, Any, Any], name: FromPath[str], data: JSONBody[NewAct]) -> Acted:
        """They get tasks again; their answers count again."""
        return acted(request, "resume", name, data)

    @post("/api/people/{name:str}/recall", sync_to_thread=True, status_code=200, before_request=strictly(NewAct))
    def recall(request: Request[Any, Any, Any], name: FromPath[str], data: JSONBody[NewAct]) -> Acted:
        """Ask others once more about the samples whose labels rest on them."""
        return acted(request, "recall", name, data)

    return [pause, resume, recall]
