"""What comes in from people, checked: names, ids, words and answers."""

import math
from typing import Final

import msgspec

from loopline.apps.http.views import House
from loopline.errors import InvalidRecord

LONGEST_ID: Final = 128
LONGEST_COMMENT: Final = 2_000
LONGEST_REASON: Final = 500
LONGEST_SHOWN: Final = 120
"""Of what was found, in a refusal."""
LONGEST_ANSWER: Final = 1 << 16


class GivenAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One answer: ``label``, or ``labels`` where several may be right. ``id`` is the caller's idempotency key."""

    id: str
    task: str
    label: str | None = None
    labels: tuple[str, ...] | None = None
    seconds: float = 0.0
    comment: str = ""
    is_flagged: bool = False


def identified(thing: str, name: str) -> str:
    """The id, if it can be one. Raises InvalidRecord."""
    if not 1 <= len(name) <= LONGEST_ID:
        raise InvalidRecord(f"{thing} id", found=f"{len(name)} characters", expected=f"1 to {LONGEST_ID}")
    return written(f"{thing} id", name, most=LONGEST_ID)


def written(thing: str, text: str, *, most: int) -> str:
    """The text, if it can be stored: not too long, and without the character that no database takes."""
    if len(text) > most:
        raise InvalidRecord(thing, found=f"{len(text):,} characters", expected=f"at most {most:,}")
    if "\0" in text:
        raise InvalidRecord(thing, found="a NUL character", expected="a text without one")
    return text


def timed(thing: str, seconds: float) -> float:
    """The seconds, if they can be some. Raises InvalidRecord."""
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InvalidRecord(thing, found=f"{seconds} seconds", expected="a finite number of 0 or more")
    return seconds


def canonical_of(house: House, *, thing: str, label: str | None, labels: tuple[str, ...] | None) -> str:
    """The one spelling of an answer, as the loop's question has it.

    Raises InvalidRecord that names ``thing``, what was found and what is expected.
    """
    if (label is None) == (labels is None):
        both = "neither label nor labels" if label is None else "both label and labels"
        raise InvalidRecord(thing, found=both, expected="one of them")
    given = label if label is not None else labels or ()
    try:
        answer = house.question.canonical(given, labels=house.settings.signature.labels)
    except InvalidRecord as error:
        word = "" if error.thing != "answer" else "label " if labels is None else "labels "
        found = f"{word}{error.found}"[:LONGEST_SHOWN]
        raise InvalidRecord(thing, found=found, expected=error.expected, remedy=error.remedy) from error
    return written(thing, answer, most=LONGEST_ANSWER)


def checked(answer: GivenAnswer, house: House) -> str:
    """The canonical spelling of an answer, if all of it can be stored. Raises InvalidRecord."""
    identified("annotation", answer.id)
    thing = f"annotation {answer.id} of task {identified('task', answer.task)}"
    timed(thing, answer.seconds)
    written(f"comment of {thing}", answer.comment, most=LONGEST_COMMENT)
    return canonical_of(house, thing=thing, label=answer.label, labels=answer.labels)
