"""One request on its way through the gateway: what was asked, who was chosen to answer, what they said."""

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from loopline.errors import Unreadable
from loopline.records.exchange import Turn
from loopline.records.ids import Digest, VersionName
from loopline.records.model import ModelVersion
from loopline.records.prediction import Arm
from loopline.records.signature import Row, Signature
from loopline.serve.grouping import group_of

Rows = tuple[str, ...] | tuple[bytes, ...] | NDArray[np.float64]
"""Texts, images, or a table of shape (rows, width)."""


Said = tuple[NDArray[np.float32], NDArray[np.float32] | None, NDArray[np.float32] | None]
"""Of n rows: probabilities (n, classes); what members say (n, members, classes); embeddings (n, dimensions)."""


class Question(NamedTuple):
    """The rows of one request, decoded."""

    id: str
    """The caller's, or made for it."""
    rows: Rows
    group: str = ""
    """The group key that came along; empty: the rows' own."""
    version: VersionName | None = None
    """Asked for by name; None: whichever the traffic split names."""
    trace: str = ""
    """The trace id of the caller's ``traceparent``."""
    extras: frozenset[str] = frozenset()
    """``members``, ``embedding``: asked for beside the distribution."""
    segment: str = ""
    """The part of the traffic that the request named; empty without one."""


GROUP, TRACE, SEGMENT = attrgetter("group"), attrgetter("trace"), attrgetter("segment")


class Asked(NamedTuple):
    """A question, and why this version is to answer it."""

    question: Question
    arm: Arm
    reason: str


class Answer(NamedTuple):
    """What one version said about the rows of one question, or that it failed."""

    asked: Asked
    version: ModelVersion
    contract: Digest
    """Of the version's signature."""
    at_us: int
    """Microseconds since 1970 UTC."""
    latency_us: int
    """Microseconds inside the model; every row that was asked together waited for all of it."""
    probabilities: NDArray[np.float32] | None = None
    """(rows, classes); rows sum to 1. None when the version failed."""
    members: NDArray[np.float32] | None = None
    """(rows, members, classes); None when the version has none, or none were asked for."""
    embedding: NDArray[np.float32] | None = None
    """(rows, dimensions); likewise."""
    failure: str = ""
    unreadable: Unreadable | None = None
    """Why the question itself cannot be asked: nobody failed."""

    @property
    def given(self) -> NDArray[np.float32]:
        """The probabilities of an answer that did not fail."""
        assert self.probabilities is not None, self.failure  # noqa: S101  callers have answers that did not fail
        return self.probabilities


Record = Callable[[Turn], object]
"""Takes all that is asked and answered, failures and shadow answers included."""


def turn_of(answers: Sequence[Answer], *, rows: Rows, said: Said | None) -> Turn:
    """What was asked and answered in one call, as capture takes it: nothing is derived, arrays as their bytes."""
    first = answers[0]
    questions = [answer.asked.question for answer in answers]
    p, members, embedding = said or (None, None, None)
    return Turn(
        requests=tuple([question.id for question in questions]),
        counts=() if len(rows) == len(questions) else tuple([len(question.rows) for question in questions]),
        groups=tuple(map(GROUP, questions)) if any(map(GROUP, questions)) else (),
        traces=tuple(map(TRACE, questions)) if any(map(TRACE, questions)) else (),
        at_us=first.at_us,
        model=first.version.name,
        artifact=first.version.artifact,
        signature=first.contract,
        arm=first.asked.arm,
        reason=first.asked.reason,
        inputs=rows.tobytes() if isinstance(rows, np.ndarray) else rows,
        rows=len(rows),
        probabilities=b"" if p is None else p.tobytes(),
        latency_us=first.latency_us,
        failure=first.failure,
        members=b"" if members is None else members.tobytes(),
        embedding=b"" if embedding is None else embedding.tobytes(),
        segments=tuple(map(SEGMENT, questions)) if any(map(SEGMENT, questions)) else (),
    )


def route_key(question: Question, *, signature: Signature) -> str:
    """What decides who answers: the group key, or that of the first row when none came along."""
    if question.group:
        return question.group
    first = question.rows[0]
    row: Row = tuple(first.tolist()) if isinstance(first, np.ndarray) else first
    return group_of(row, content=Digest(blake3(signature.encode(row)).hexdigest()))


def joined(questions: Sequence[Question]) -> Rows:
    """The rows of all questions, in order."""
    if len(questions) == 1:
        return questions[0].rows
    if isinstance(questions[0].rows, np.ndarray):
        return np.concatenate([question.rows for question in questions])
    return tuple(row for question in questions for row in question.rows)  # type: ignore[return-value]
