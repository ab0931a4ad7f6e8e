"""Kinds of question: the built-in ones, and those of the entry point group ``loopline.questions``.

An entry point's name is what ``[annotate] question`` says. It points to a ``loopline.ports.question.Question``, or to a
class of which one is made without arguments::

    [project.entry-points."loopline.questions"]
    "spans" = "mine:SPANS"

Whatever it raises, and any answer of another shape, becomes an InvalidRecord that names it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loopline.annotate.questions import BUILT_IN
from loopline.apps.installed import Group, entries, loaded
from loopline.errors import InvalidRecord, LooplineError, NotFound
from loopline.ports.question import Question
from loopline.ports.sheet import Consensus, Sheet

GROUP: Final = Group("loopline.questions", "question", ("method", "canonical", "agreed", "sure"))
REMEDY: Final = "mend it, or choose another question"


def known() -> tuple[str, ...]:
    """The names that ``loop.toml`` may use, sorted. Imports nothing."""
    return tuple(sorted({*BUILT_IN, *entries(GROUP, built_in=BUILT_IN)}))


def resolved(name: str) -> Question:
    """The question of this name.

    Raises NotFound, which lists the known ones; Unavailable when it cannot be imported; InvalidRecord when it is none.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    installed = entries(GROUP, built_in=BUILT_IN)
    if name not in installed:
        raise NotFound("question", name, known=known())
    return Guarded(name, loaded(GROUP, installed[name]))


class Guarded:
    """A question from elsewhere: what it raises or gives wrongly becomes an InvalidRecord that names it."""

    def __init__(self, name: str, question: Question) -> None:
        self._name, self._question = name, question
        if not isinstance(question.method, str) or not question.method:
            raise self._failure(f"the method {question.method!r}", "a name with a version, such as spans-vote.v1")

    @property
    def method(self) -> str:
        """How it makes labels of answers, with version."""
        return self._question.method

    def canonical(self, answer: str | Sequence[str], *, labels: tuple[str, ...]) -> str:
        """The one spelling of this answer. Raises InvalidRecord for what is no answer."""
        expected = "a text that is not empty"
        try:
            found = self._question.canonical(answer, labels=labels)
        except LooplineError:
            raise
        except Exception as error:
            raise self._failure(f"it raised {_sentence(error)}", expected) from error
        if not isinstance(found, str) or not found:
            raise self._failure(f"the answer {found!r:.80}", expected)
        return found

    def agreed(self, sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
        """What the answers say together."""
        tasks = len(sheet.known)
        expected = f"{tasks:,} answers, as many sure, and posteriors of shape ({tasks}, {len(labels)}), in [0, 1]"
        try:
            found = self._question.agreed(sheet, labels=labels)
            posterior, sure = np.asarray(found.posterior, np.float64), np.asarray(found.sure, np.float64)
            is_sound = len(found.answer) == tasks and posterior.shape == (tasks, len(labels)) and sure.shape == (tasks,)
            is_sound = is_sound and _is_chance(posterior) and _is_chance(sure)
        except LooplineError:
            raise
        except Exception as error:
            raise self._failure(f"it raised {_sentence(error)}", expected) from error
        if not is_sound:
            shapes = f"{len(found.answer):,} answers, {sure.shape} sure, posteriors of {posterior.shape}"
            raise self._failure(shapes, expected)
        return found._replace(answer=tuple(map(str, found.answer)), posterior=posterior, sure=sure)

    def sure(self, sheet: Sheet, accuracy: NDArray[np.float64], *, labels: tuple[str, ...]) -> NDArray[np.float64]:
        """(tasks,) The posterior of the leading answer."""
        expected = f"{len(sheet.known):,} numbers in [0, 1]"
        try:
            found = np.asarray(self._question.sure(sheet, accuracy, labels=labels), np.float64)
        except LooplineError:
            raise
        except Exception as error:
            raise self._failure(f"it raised {_sentence(error)}", expected) from error
        if found.shape != (len(sheet.known),) or not _is_chance(found):
            raise self._failure(f"sure of shape {found.shape}", expected)
        return found

    def _failure(self, found: str, expected: str) -> InvalidRecord:
        return InvalidRecord(f"question {self._name}", found=found, expected=expected, remedy=REMEDY)


def _is_chance(numbers: NDArray[np.float64]) -> bool:
    return bool(((numbers >= 0.0) & (numbers <= 1.0)).all())


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
