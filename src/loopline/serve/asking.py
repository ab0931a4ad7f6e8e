"""Questions to one version: the answers, each to its own question, or the record of its failure."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from loopline.errors import LooplineError, Unreadable
from loopline.serve.outcome import outcome, told
from loopline.serve.question import Answer, Asked, Question, Record, Said, joined, turn_of
from loopline.serve.table import Loaded, Table, attempts
from loopline.serve.verification import observed

LONGEST_REASON = 500
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Clocks(NamedTuple):
    """Where the time comes from."""

    now: Callable[[], datetime]
    """UTC."""
    timer: Callable[[], int]
    """Nanoseconds since some moment."""


def ask(loaded: Loaded, asked: Sequence[Asked], *, clocks: Clocks, record: Record | None = None) -> list[Answer]:
    """One answer or failure for each question, in order; all rows go through the model together, and are recorded.

    All are asked for the same reason. When the model fails they are asked one by one, so that a question on which it
    fails harms no other. Without ``record`` nothing is recorded.
    """
    questions = [one.question for one in asked]
    extras = loaded.keep.union(*[question.extras for question in questions if question.extras])
    rows = joined(questions)
    started = clocks.timer()
    said = outcome(partial(observed, loaded, rows=rows, extras=extras))
    latency_us = (clocks.timer() - started) // 1_000
    version, contract, at_us = loaded.version, loaded.contract, (clocks.now() - EPOCH) // MICROSECOND
    if isinstance(said, Exception):
        if len(asked) > 1:
            return [answer for one in asked for answer in ask(loaded, (one,), clocks=clocks, record=record)]
        if isinstance(said, Unreadable):
            return [Answer(asked[0], version, contract, at_us, latency_us, unreadable=said)]
        failure = Answer(asked[0], version, contract, at_us, latency_us, failure=told(said)[:LONGEST_REASON])
        if record is not None:
            record(turn_of((failure,), rows=rows, said=None))
        return [failure]
    answers, start = [], 0
    for one in asked:
        stop = start + len(one.question.rows)
        p, members, embedding = said if len(asked) == 1 else _part(said, start, stop)
        answers.append(Answer(one, version, contract, at_us, latency_us, p, members, embedding))
        start = stop
    if record is not None:
        record(turn_of(answers, rows=rows, said=said))
    return answers


def _part(said: Said, start: int, stop: int) -> Said:
    p, members, embedding = said
    return (
        p[start:stop],
        None if members is None else members[start:stop],
        None if embedding is None else embedding[start:stop],
    )


Answers = list[Answer | Exception]
"""One a question: what was answered, or why nothing was."""
Plan = tuple[tuple[Loaded, Asked], ...]
Ask = Callable[[Loaded, Sequence[Asked]], list[Answer]]
"""As ``ask``, its clocks bound."""


class Settled(NamedTuple):
    """What became of one question."""

    answer: Answer | None
    """None when nobody could answer."""
    failures: tuple[Answer, ...] = ()
    """Of the versions that were tried and failed, in order."""
    refusal: Exception | None = None
    """Why nobody was asked, or could be."""

    @property
    def is_open(self) -> bool:
        """Whether another version may be asked."""
        return self.answer is None and self.refusal is None

    def after(self, answer: Answer) -> "Settled":
        """The same, once a version has answered, failed, or found that there is nothing to answer."""
        if answer.failure:
            return self._replace(failures=(*self.failures, answer))
        return self._replace(refusal=answer.unreadable) if answer.unreadable else self._replace(answer=answer)

    @property
    def is_incumbents(self) -> bool:
        """Whether the incumbent answered, and was asked first."""
        return self.answer is not None and self.answer.asked.arm == "incumbent" and not self.failures

    @property
    def result(self) -> Answer | Exception:
        """What to tell whoever asked."""
        return self.answer or self.refusal or failed(self.failures)


def settle(table: Table, questions: Sequence[Question], *, ask: Ask) -> list[Settled]:
    """What becomes of each question, in order; those that go to one version for one reason are asked together.

    A question whose canary failed goes on to the incumbent, in a second round.
    """
    plans = [_planned(table, question) for question in questions]
    settled = [Settled(None, refusal=plan if isinstance(plan, Exception) else None) for plan in plans]
    places = [place for place, plan in enumerate(plans) if not isinstance(plan, Exception)]
    turn = 0
    while places:
        groups: dict[tuple[str, str], list[int]] = {}
        for place in places:
            loaded, asked = plans[place][turn]  # type: ignore[index]
            groups.setdefault((loaded.version.name, asked.reason), []).append(place)
        for group in groups.values():
            trials = [plans[place][turn] for place in group]  # type: ignore[index]
            for place, answer in zip(group, ask(trials[0][0], [asked for _, asked in trials]), strict=True):
                settled[place] = settled[place].after(answer)
        turn += 1
        places = [p for p in places if settled[p].is_open and turn < len(plans[p])]  # type: ignore[arg-type]
    return settled


def _planned(table: Table, question: Question) -> Plan | LooplineError:
    try:
        return attempts(table, question=question)
    except LooplineError as error:
        return error


def failed(failures: Sequence[Answer]) -> LooplineError:
    """What to tell whom no version could answer: the same question is not worth asking again."""
    last = failures[-1]
    return LooplineError(f"model: version {last.version.name} failed with {last.failure}; the failure is on record")
