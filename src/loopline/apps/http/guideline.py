"""The guideline for programs and leads: its versions, a new one, and the threads about its gaps."""

from typing import Any, Literal

import msgspec
from litestar import Request, get, post, put
from litestar.handlers import HTTPRouteHandler
from litestar.params import JSONBody

from loopline.apps.guideline import Draft, Thread, publish, remark_of, say, settle, threads, versions
from loopline.apps.http.answering import identified
from loopline.apps.http.answers import strictly
from loopline.apps.http.caller import caller_of
from loopline.apps.http.views import House
from loopline.errors import InvalidRecord
from loopline.records.guideline import Example, Guideline, Remark


class NewGuideline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Ask for a new version."""

    text: str
    reason: str
    """What changed, and why."""
    examples: tuple[Example, ...] | None = None
    """None: those of the version before."""
    after: int | None = None
    """The version that its author had before them: somebody else's is not overwritten unread."""
    settles: tuple[str, ...] = ()
    """Threads that it answers."""


class NewRemark(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Say something about the guideline; without a thread it opens one."""

    text: str
    id: str = ""
    """The caller's idempotency key."""
    thread: str = ""
    kind: Literal["gap", "reply", "settled"] = "reply"


class ShownThread(msgspec.Struct, frozen=True, kw_only=True):
    """One gap, and what was said about it."""

    opening: Remark
    replies: tuple[Remark, ...]
    settled: Remark | None


def shown_thread(thread: Thread) -> ShownThread:
    """The thread as JSON."""
    return ShownThread(opening=thread.opening, replies=thread.replies, settled=thread.settled)


def said(house: House, remark: NewRemark, *, author: str) -> Remark:
    """The remark, stored. Raises as ``guideline.say`` does."""
    if remark.id and "/" in identified("remark", remark.id):
        raise InvalidRecord("remark id", found=repr(remark.id), expected="no slash in it")
    if remark.kind == "settled":
        return settle(house, remark.thread, author=author, text=remark.text)
    if remark.kind == "gap" and remark.thread:
        raise InvalidRecord("remark", found="a gap within a thread", expected="one without, or a reply")
    if remark.kind == "reply" and not remark.thread:
        raise InvalidRecord("remark", found="a reply without a thread", expected="the id of one, or a gap")
    return say(house, remark_of(house, author=author, text=remark.text, thread=remark.thread, name=remark.id))


def guideline_routes(house: House) -> list[HTTPRouteHandler]:
    """The routes of who looks after the guideline."""

    @put("/api/guideline", sync_to_thread=True, before_request=strictly(NewGuideline))
    def write(request: Request[Any, Any, Any], data: JSONBody[NewGuideline]) -> Guideline:
        """Publish a new version; tasks that are published from now on carry its number."""
        draft = Draft(data.text, data.reason, data.examples, data.after, data.settles)
        return publish(house, draft, author=caller_of(request).name)

    @get("/api/guideline/versions", sync_to_thread=True)
    def every() -> tuple[Guideline, ...]:
        """All versions, newest first."""
        return versions(house)[::-1]

    @get("/api/remarks", sync_to_thread=True)
    def listed() -> tuple[ShownThread, ...]:
        """All threads about gaps, open ones first."""
        return tuple(map(shown_thread, threads(house)))

    @post("/api/remarks", sync_to_thread=True, status_code=200, before_request=strictly(NewRemark))
    def remark(request: Request[Any, Any, Any], data: JSONBody[NewRemark]) -> Remark:
        """Open a thread, go on with one, or settle it; the same id twice is one remark."""
        return said(house, data, author=caller_of(request).name)

    return [write, every, listed, remark]
