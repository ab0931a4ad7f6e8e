"""The guideline page: what holds, how it came to be, how two versions differ, and the threads about its gaps."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec
from litestar import Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery, URLEncodedBody

from loopline.apps import guideline as kept
from loopline.apps.guideline import Draft
from loopline.apps.http.caller import Caller, caller_of
from loopline.apps.http.errors import status_of
from loopline.apps.http.guideline import NewRemark, said
from loopline.apps.http.task_input import is_sealed_to
from loopline.apps.http.views import House
from loopline.apps.web.render import page
from loopline.apps.web.words import shown
from loopline.errors import LooplineError, NotFound
from loopline.records.decision import Decision
from loopline.records.guideline import Example, Guideline
from loopline.records.task import Task

Html = Response[Any]
Fields = Mapping[str, Any]
SPARE = 2
"""Empty places for further examples on the form."""
OFFERED = 20
"""Decisions that are offered as examples, the latest."""
DISCLOSED = frozenset({"chosen", "audit", "relabel"})
"""Strata whose samples may stand in a guideline: what judges models or people is not told to those who are judged."""


class Offer(NamedTuple):
    """A decided sample that can become an example."""

    task: str
    example: Example


class Form(NamedTuple):
    """What stands in the form."""

    text: str
    examples: tuple[Example, ...]
    reason: str
    after: int
    settles: tuple[str, ...]


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the forms under a thread send."""

    text: str = ""
    thread: str = ""
    act: str = "reply"


def tasks_of(house: House, decisions: tuple[Decision, ...]) -> dict[str, Task]:
    """The tasks that these decisions are about, by id."""
    loop, cycles = house.settings.name, sorted({one.cycle for one in decisions})
    found = (task for cycle in cycles for task in house.book.answers(loop, cycle=cycle).tasks)
    wanted = {one.task for one in decisions}
    return {task.id: task for task in found if task.id in wanted}


def offers(house: House) -> tuple[Offer, ...]:
    """The latest decided samples that may stand in a guideline, newest first: none of the reserve, no gold."""
    decisions = sorted(house.ledger.all(Decision, house.settings.name), key=lambda one: one.at, reverse=True)
    judging = house.roles.reserved(house.settings.name)
    usable = tuple(
        one for one in decisions if one.finding == "label" and not one.is_gold and one.content not in judging
    )
    tasks = tasks_of(house, usable)
    return tuple(
        Offer(one.task, Example(text=sample_of(tasks[one.task].inputs), label=one.label, why=one.reason))
        for one in usable
        if one.task in tasks and tasks[one.task].stratum in DISCLOSED
    )[:OFFERED]


def sample_of(inputs: bytes) -> str:
    """One row as a line of text; of an image, how large it is.

    >>> sample_of(b'"so good"'), sample_of(b"GIF89a")
    ('so good', 'an image of 6 bytes')
    """
    try:
        return shown(inputs)
    except msgspec.DecodeError:
        return f"an image of {len(inputs):,} bytes"


def samples_for(house: House, decisions: tuple[Decision, ...], *, caller: Caller) -> dict[str, str]:
    """Task -> its sample as text, of those that these decisions are about and that this caller may read here."""
    tasks = tasks_of(house, decisions)
    return {name: sample_of(one.inputs) for name, one in tasks.items() if not is_sealed_to(house, one, caller)}


def many(fields: Fields, name: str) -> list[str]:
    """Every value of a field, in order: a form sends one as itself, several as a list.

    >>> many({"a": "x", "b": ["y", "z"]}, "a"), many({"b": ["y", "z"]}, "b"), many({}, "c")
    (['x'], ['y', 'z'], [])
    """
    value = fields.get(name, [])
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def one(fields: Fields, name: str) -> str:
    """The first value of a field; empty when it was not sent."""
    return next(iter(many(fields, name)), "")


def form_of(fields: Fields) -> Form:
    r"""What was typed; examples without any word are left out, line ends are as on this side.

    >>> form_of({"text": "a\r\nb", "sample": ["x", ""], "label": ["good", ""], "why": ["", ""], "after": "2"}).examples
    (Example(text='x', label='good', why=''),)
    """
    rows = zip(many(fields, "sample"), many(fields, "label"), many(fields, "why"), strict=False)
    examples = tuple(
        Example(text=_plain(text), label=label.strip(), why=_plain(why))
        for text, label, why in rows
        if (text + why).strip()
    )
    after = one(fields, "after")
    number = int(after) if after.isascii() and after.isdecimal() and len(after) < 10 else 0
    return Form(_plain(one(fields, "text")), examples, one(fields, "reason"), number, tuple(many(fields, "settles")))


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def begun(house: House, *, picked: str) -> Form:
    """The form as it opens: the newest version, with a decided sample when one was picked. Raises NotFound."""
    last = kept.newest(house)
    examples = last.examples if last else ()
    if picked:
        found = next((offer for offer in offers(house) if offer.task == picked), None)
        if found is None:
            raise NotFound("decided sample", picked[:80])
        examples = (*examples, found.example)
    return Form(last.text if last else "", examples, "", last.version if last else 0, ())


def compared(versions: tuple[Guideline, ...], old: int, new: int) -> tuple[Guideline | None, Guideline] | None:
    """The two versions to compare: those that were asked for, else the newest and the one before it.

    None where there is nothing to compare. Raises NotFound for a version that does not exist.
    """
    numbers = {one.version: one for one in versions}
    for asked in (old, new):
        if asked and asked not in numbers:
            raise NotFound("guideline version", str(asked), known=tuple(map(str, numbers)))
    later = numbers[new] if new else versions[-1] if versions else None
    if later is None or (len(versions) < 2 and not old):
        return None
    return numbers[old] if old else numbers.get(later.version - 1), later


def guideline_page_routes(house: House) -> list[HTTPRouteHandler]:
    """The page, its form, and what is said in its threads."""

    @get("/guideline", sync_to_thread=True, include_in_schema=False)
    def shown_guideline(request: Request[Any, Any, Any], old: FromQuery[int] = 0, new: FromQuery[int] = 0) -> Html:
        """What holds, its history, its threads."""
        return _page(house, caller_of(request), old=old, new=new)

    @get("/guideline/edit", sync_to_thread=True, include_in_schema=False)
    def edit(example: FromQuery[str] = "") -> Html:
        """The form of a new version."""
        return _form(house, begun(house, picked=example))

    @post("/guideline/publish", sync_to_thread=True, include_in_schema=False)
    def publish(request: Request[Any, Any, Any], data: URLEncodedBody[dict[str, Any]]) -> Html:
        """A new version; the form again, with what was typed, when it cannot be one."""
        form = form_of(data)
        draft = Draft(form.text, form.reason, form.examples, form.after, form.settles)
        try:
            made = kept.publish(house, draft, author=caller_of(request).name)
        except LooplineError as error:
            return _form(house, form, problem=str(error), status=status_of(error))
        return Response(None, status_code=303, headers={"location": f"/guideline#version-{made.version}"})

    @post("/guideline/remark", sync_to_thread=True, include_in_schema=False)
    def remark(request: Request[Any, Any, Any], data: URLEncodedBody[Said]) -> Html:
        """A word in a thread, or its end; the page again, with the problem, when it cannot be said."""
        kind: Literal["gap", "reply", "settled"] = "reply" if data.thread else "gap"
        if data.act == "settle":
            kind = "settled"
        try:
            made = said(
                house, NewRemark(text=_plain(data.text), thread=data.thread, kind=kind), author=caller_of(request).name
            )
        except LooplineError as error:
            return _page(house, caller_of(request), problem=str(error), status=status_of(error))
        return Response(None, status_code=303, headers={"location": f"/guideline#thread-{made.thread}"})

    return [shown_guideline, edit, publish, remark]


def _page(house: House, caller: Caller, *, old: int = 0, new: int = 0, problem: str = "", status: int = 200) -> Html:
    versions, threads = kept.versions(house), kept.threads(house)
    pair = compared(versions, old, new)
    found = tuple(d for d in house.ledger.all(Decision, house.settings.name) if d.finding == "guideline gap")
    return page(
        "guideline.html",
        status=status,
        here="guideline",
        loop_name=house.settings.name,
        versions=versions[::-1],
        threads=threads,
        samples=samples_for(house, found, caller=caller),
        pair=pair,
        lines=kept.difference(*pair) if pair else (),
        problem=problem,
        most=kept.LONGEST_WORD,
    )


def _form(house: House, form: Form, *, problem: str = "", status: int = 200) -> Html:
    return page(
        "guideline_edit.html",
        status=status,
        here="guideline",
        loop_name=house.settings.name,
        form=form,
        spare=max(SPARE, 1 - len(form.examples)),
        labels=house.settings.signature.labels,
        offers=offers(house),
        open_threads=[one for one in kept.threads(house) if one.settled is None],
        problem=problem,
        limits=kept,
    )
