"""How often each person says what the others say: on batches that are done, and never on gold."""

from collections import Counter
from collections.abc import Iterable, Sequence
from threading import Lock
from typing import Final, NamedTuple

from loopline.apps.http.views import House
from loopline.ports.task_queue import AnswerBook, Answers
from loopline.records.ids import LoopName, TaskId
from loopline.records.label import LabelBatch
from loopline.records.task import Annotation

BATCHES: Final = 20
"""Latest ones that are looked at."""


class Tally(NamedTuple):
    """Of one person's answers, those that could be held against what the others said."""

    same: int
    n: int


class Peers:
    """Counts each labelled batch once: what people say does not change after it was labelled."""

    def __init__(self, house: House) -> None:
        self._house, self._lock = house, Lock()
        self._counted: dict[tuple[str, int, int], dict[str, Tally]] = {}

    def of(self, annotator: str) -> Tally:
        """This person's answers to the latest 20 labelled batches."""
        loop = self._house.settings.name
        batches = sorted(self._house.ledger.all(LabelBatch, loop), key=lambda batch: batch.cycle)[-BATCHES:]
        with self._lock:
            kept = {(batch.id, batch.annotations, len(batch.labels)): batch for batch in batches}
            new = {key: batch for key, batch in kept.items() if key not in self._counted}
            self._counted = {key: counted for key, counted in self._counted.items() if key in kept}
            for key, batch in new.items():
                self._counted[key] = tallies(heard(self._house.book, batch))
            found = [counted[annotator] for counted in self._counted.values() if annotator in counted]
        return Tally(sum(one.same for one in found), sum(one.n for one in found))


def heard(book: AnswerBook, batch: LabelBatch) -> Answers:
    """The batch with the answers that its labels were derived from, whoever was paused or let back in since.

    Of one that does not say which those were, the answers that stand now.
    """
    loop, counted = LoopName(batch.loop), frozenset(batch.answers)
    said = book.answers(loop, cycle=batch.cycle)
    if not counted:
        return said
    given = book.given(loop, cycle=batch.cycle)
    return said._replace(annotations=tuple(one for one in given if one.id in counted))


def tallies(said: Answers) -> dict[str, Tally]:
    """Person -> how many of their answers equal the one that most others gave to the same task, and of how many.

    The person's own answer is left out of what the others say, so nobody agrees with themselves. Where no answer leads
    among the others, or nobody else answered, the task does not count; nor does gold, nor an answer to a whole cluster.
    """
    asked = {task.id for task in said.tasks if task.stratum != "gold"}
    by_task: dict[TaskId, list[Annotation]] = {}
    for answer in said.annotations:
        if answer.task in asked and not answer.is_bulk:
            by_task.setdefault(answer.task, []).append(answer)
    same, n = Counter[str](), Counter[str]()
    for answers in by_task.values():
        for annotator, is_same in _held_against(answers):
            same[annotator] += is_same
            n[annotator] += 1
    return {annotator: Tally(same[annotator], n[annotator]) for annotator in n}


def _held_against(answers: Sequence[Annotation]) -> Iterable[tuple[str, bool]]:
    votes = Counter(answer.label for answer in answers)
    for answer in answers:
        leading = leader(votes - Counter({answer.label: 1}))
        if leading:
            yield answer.annotator, answer.label == leading


def leader(votes: Counter[str]) -> str:
    """The answer with more votes than any other; empty where there is none.

    >>> leader(Counter({"a": 2, "b": 1})), leader(Counter("ab")), leader(Counter())
    ('a', '', '')
    """
    first = votes.most_common(2)
    is_tied = len(first) > 1 and first[0][1] == first[1][1]
    return "" if not first or is_tied else first[0][0]
