"""Answers as files hold them: of Label Studio, whole, flattened or as a webhook sends them, and of our own exports."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from loopline.apps.tasks.label_studio import ANSWER, COMMENT, OURS, TASK
from loopline.errors import InvalidRecord

MARKS: Final = ("rating", "choices")
"""Kinds of result that hold an answer, and the fields of their values."""
YES: Final = (True, "true", "True", "1")


class Said(NamedTuple):
    """One answer, not yet checked against the loop."""

    id: str
    """As its tool names it; empty where the file says nothing."""
    task: str
    by: tuple[str, ...]
    """Names of its author, the most telling first: an address, a number."""
    answer: object
    """A label, a list of labels, or a ``Stars``; None where nothing was chosen."""
    at: object = None
    seconds: object = None
    comment: str = ""
    is_ours: bool = False
    """Whether the id is our own: an answer that was exported comes back."""
    is_passed: bool = False
    """Whether the task was passed on instead."""
    is_flagged: bool = False
    is_bulk: bool = False
    is_over: bool = False
    """Whether it was taken back before it was exported."""


class Stars(NamedTuple):
    """A rating as Label Studio has it."""

    number: int
    """From 1."""


class _Result(msgspec.Struct, frozen=True):
    type: str
    value: dict[str, Any]
    from_name: str = ""
    meta: dict[str, Any] = {}


class _Author(msgspec.Struct, frozen=True):
    id: int | None = None
    email: str = ""


class _Annotation(msgspec.Struct, frozen=True):
    result: tuple[_Result, ...]
    id: int | None = None
    completed_by: int | str | _Author | None = None
    was_cancelled: bool = False
    updated_at: str | None = None
    created_at: str | None = None
    lead_time: float | None = None


def answers_in(row: Mapping[str, Any]) -> Iterator[Said | str]:
    """Every answer that the row holds, and of each that cannot be read, why.

    Four shapes: a task of Label Studio with its annotations; a line of its JSON_MIN or CSV; what its webhooks send; and
    a plain row with ``task``, ``annotator`` and ``label``, as our own exports have them.

    >>> [said] = answers_in({"task": "t1", "annotator": "ana", "label": "good"})
    >>> said.task, said.by, said.answer
    ('t1', ('ana',), 'good')
    """
    if isinstance(row.get("annotation"), dict) and isinstance(row.get("task"), dict):
        yield from _of_task({**row["task"], "annotations": [row["annotation"]]})
    elif "annotations" in row or "data" in row:
        yield from _of_task(row)
    elif "annotation_id" in row:
        yield _flattened(row)
    elif "task" in row:
        yield _plain(row)
    else:
        yield f"fields {', '.join(map(str, row))[:200] or 'none'}, expected task, annotator and label"


def _of_task(row: Mapping[str, Any]) -> Iterator[Said | str]:
    held, given = row.get("data"), row.get("annotations", [])
    if not isinstance(held, dict) or not isinstance(given, list):
        yield "a task without data, or with annotations that are no list, expected one as Label Studio exports it"
        return
    task = held.get(TASK)
    if given and not (isinstance(task, str) and task):
        yield f"no {TASK} in its data, expected the one that our export wrote there"
        return
    for place, one in enumerate(given):
        try:
            yield _annotated(msgspec.convert(one, _Annotation), task=str(task))
        except msgspec.ValidationError as error:
            yield f"annotation {place + 1}: {error}, expected one as Label Studio exports it"
        except InvalidRecord as error:
            yield f"annotation {place + 1}: {error}"


def _annotated(one: _Annotation, *, task: str) -> Said:
    marks = [result for result in one.result if result.type in MARKS]
    named = [result for result in marks if result.from_name == ANSWER] or marks
    if len(named) > 1:
        raise InvalidRecord("result", found=f"{len(named)} answers", expected=f"one, or one that is called {ANSWER!r}")
    kept: object = named[0].meta.get(OURS) if named else None
    ours = kept if isinstance(kept, dict) else {}
    by = _author(one.completed_by)
    return Said(
        id=str(ours.get("id") or ("" if one.id is None else one.id)),
        task=task,
        by=(str(ours["annotator"]),) if ours.get("annotator") else by,
        answer=_marked(named[0].value, named[0].type) if named else None,
        at=ours.get("at") or one.updated_at or one.created_at,
        seconds=one.lead_time,
        comment=_comment(one.result),
        is_ours=bool(ours.get("id")),
        is_passed=one.was_cancelled,
    )


def _author(given: int | str | _Author | None) -> tuple[str, ...]:
    if isinstance(given, _Author):
        number = () if given.id is None else (str(given.id),)
        return (given.email, *number) if given.email else number
    return () if given in (None, "") else (str(given),)


def _comment(results: tuple[_Result, ...]) -> str:
    texts = [one.value.get("text") for one in results if one.type == "textarea" and one.from_name == COMMENT]
    return _told(texts[0]) if texts else ""


def _told(text: object) -> str:
    """What a text area holds: a text, or a list of them."""
    if isinstance(text, list):
        return "\n".join(one for one in text if isinstance(one, str))
    return text if isinstance(text, str) else ""


def _marked(value: Mapping[str, Any], kind: str) -> object:
    """The labels, or the stars. Raises InvalidRecord."""
    found = value.get(kind)
    if kind == "rating" and isinstance(found, int) and not isinstance(found, bool):
        return Stars(found)
    if kind == "choices" and isinstance(found, list) and all(isinstance(one, str) for one in found):
        return found
    raise InvalidRecord("result", found=f"{kind} {found!r:.80}", expected="a list of labels, or a number of stars")


def _flattened(row: Mapping[str, Any]) -> Said | str:
    """A line of JSON_MIN or of CSV: answers of several labels, and stars, are records, in CSV as JSON."""
    task, by = row.get(TASK), row.get("annotator")
    if not isinstance(task, str) or not task:
        return f"no {TASK}, expected the one that our export wrote"
    try:
        answer = _loose(row.get(ANSWER))
    except InvalidRecord as error:
        return str(error)
    return Said(
        id=str(row["annotation_id"]),
        task=task,
        by=() if by in (None, "") else _author(by if isinstance(by, int | str) else msgspec.convert(by, _Author)),
        answer=answer,
        at=row.get("updated_at") or row.get("created_at"),
        seconds=row.get("lead_time"),
        comment=_told(row.get(COMMENT)),
    )


def _loose(cell: object) -> object:
    """What a flattened label stands for. Raises InvalidRecord."""
    if isinstance(cell, str) and cell[:2] in ('{"', "[{"):
        cell = decoded(cell)
    if isinstance(cell, list) and len(cell) == 1 and isinstance(cell[0], dict):
        cell = cell[0]
    if isinstance(cell, dict):
        kind = next((one for one in MARKS if one in cell), "choices")
        return _marked(cell, kind)
    return None if cell in (None, "") else cell


def decoded(text: str) -> object:
    """The JSON of a cell; the text itself where it is none."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def _plain(row: Mapping[str, Any]) -> Said | str:
    task, by, answer = row.get("task"), row.get("annotator"), row.get("label")
    if not isinstance(task, str) or not task:
        return f"task {task!r:.80}, expected the id of one"
    name = row.get("id")
    return Said(
        id=str(name) if name not in (None, "") else "",
        task=task,
        by=(by,) if isinstance(by, str) and by else (),
        answer=None if answer in (None, "") else answer,
        at=row.get("at"),
        seconds=row.get("seconds"),
        comment=_told(row.get("comment")),
        is_ours=True,
        is_flagged=_is_true(row.get("flagged")),
        is_bulk=_is_true(row.get("bulk")),
        is_over=not _is_true(row.get("stands", True)),
    )


def _is_true(cell: object) -> bool:
    return cell in YES
