"""A task as a person sees it: nothing tells gold, reserve or audit apart, nor what others said."""

from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from loopline.apps.http.caller import Caller
from loopline.apps.http.usual import UsualRanges
from loopline.apps.http.views import House
from loopline.records.ids import VersionName
from loopline.records.task import Task


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the model would say, and which version says so."""

    label: str
    model: VersionName


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked: the same for every task of the loop."""

    kind: str
    """``single``, ``binary``, ``multiple``, ``rating``, or the name of an installed kind."""
    labels: tuple[str, ...]
    """In the loop's order; of a rating, the scale from its low end."""
    text: str
    """In words; empty where the kind's own do."""


class ShownTask(msgspec.Struct, frozen=True, kw_only=True):
    """One task; its keys and their order are the same for every stratum."""

    id: str
    question: Asking
    view: dict[str, Any]
    """What the page draws from; ``kind`` names the view."""
    suggestion: Suggestion | None
    language: str
    """Of the sample; empty: not known, or told by no task since it is not known of all."""
    guideline: int
    """The version under which it was published."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who works: a signed-in user, or whom a program names."""

    name: str
    is_named: bool = False
    """Whether a program named them: then addresses name them too."""
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    quota: int = 0
    """Most answers in a UTC day; 0: any number."""


def person_of(caller: Caller, annotator: str, *, house: House) -> Person:
    """The person of this name behind this caller; who did not sign in has no skills and no languages."""
    user, quota = caller.user, house.settings.annotate.quota
    if user is None:
        return Person(name=annotator, is_named=True, quota=quota)
    return Person(name=annotator, skills=user.skills, languages=user.languages, quota=user.quota or quota)


class Showing:
    """Makes what people see of tasks, over one house."""

    def __init__(self, house: House) -> None:
        self._house, self._usual = house, UsualRanges(house)
        settings = house.settings
        self._asking = Asking(kind=settings.annotate.question, labels=settings.signature.labels, text="")

    def task(self, task: Task, person: Person) -> ShownTask:
        """The task without anything that this person must not know."""
        suggestion = Suggestion(label=task.suggestion, model=task.suggested_by) if task.suggestion else None
        language = self.language(task, person)
        return ShownTask(
            id=task.id,
            question=self._asking,
            view=self.view(task, address=address_of(task, person), language=language),
            suggestion=suggestion,
            language=language,
            guideline=task.guideline,
        )

    def view(self, task: Task, *, address: str, language: str = "") -> dict[str, Any]:
        """What draws the sample; ``address``: where its bytes can be fetched."""
        signature, usual = self._house.settings.signature, self._usual.of(task.cycle)
        shown = dict(self._house.view.shown(task.inputs, signature=signature, usual=usual, address=address))
        return {**shown, "language": language} if shown["kind"] == "text" else shown

    def language(self, task: Task, person: Person) -> str:
        """The sample's own; else the only one that this person reads; else the only one of the loop.

        Gold comes from a file that knows no languages: shown without one it would stand out. So where neither the
        person nor the loop has just one, no task of a loop that knows languages is shown with any.
        """
        of_loop = {language for _, language in self._house.settings.annotate.languages}
        if not of_loop:
            return task.language
        only = next((known[0] for known in (person.languages, tuple(of_loop)) if len(known) == 1), "")
        return (task.language or only) if only else ""


def address_of(task: Task, person: Person) -> str:
    """Where the bytes of a task's sample are, for this person."""
    asked = f"?{urlencode({'annotator': person.name})}" if person.is_named else ""
    return f"/api/tasks/{quote(task.id, safe='')}/input{asked}"
