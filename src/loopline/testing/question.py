"""What every kind of question must do: run it over your own before you install it.

::

    class TestSpans(QuestionContract):
        labels = ("person", "place")
        answers = (["person"], ["place"], ["person", "place"])
        refused = ("river", "")

        def make(self) -> Question:
            return SPANS
"""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest

from loopline.errors import InvalidRecord
from loopline.ports.question import Question
from loopline.ports.sheet import Consensus, Sheet

MOST_ORDERS = 6


class QuestionContract:
    """Subclass it, say what may be answered and what may not, and run it with pytest."""

    labels: tuple[str, ...]
    """Of a loop that asks this."""
    answers: Sequence[str | Sequence[str]]
    """Two or more that mean different things, as a page sends them."""
    refused: Sequence[str | Sequence[str]]
    """One or more that are no answers."""

    def make(self) -> Question:
        """The question."""
        raise NotImplementedError

    @property
    def spelt(self) -> tuple[str, ...]:
        """The answers in their canonical spelling."""
        question = self.make()
        return tuple(question.canonical(answer, labels=self.labels) for answer in self.answers)

    def sheet(self, said: Sequence[Sequence[int]], *, known: Sequence[str] = (), model: float = 0.0) -> Sheet:
        """``said[task][person]``: which of the answers that person gave; -1: none. ``model``: its share for label 0."""
        places = [(t, p, a) for t, row in enumerate(said) for p, a in enumerate(row) if a >= 0]
        prior = np.zeros((len(said), len(self.labels)))
        if model:
            prior[:] = (1.0 - model) / (len(self.labels) - 1)
            prior[:, 0] = model
        return Sheet(
            task=np.array([t for t, _, _ in places], np.int64),
            person=np.array([p for _, p, _ in places], np.int64),
            answer=tuple(self.spelt[a] for _, _, a in places),
            known=tuple(known) or ("",) * len(said),
            people=max((len(row) for row in said), default=0),
            prior=prior,
        )

    def test_its_method_has_a_name_with_a_version(self) -> None:
        """``dawid-skene.v1``: labels that were made say how."""
        name, _, version = self.make().method.rpartition(".v")
        assert name
        assert version.isdigit()

    def test_an_answer_has_one_spelling(self) -> None:
        """A text that is not empty; spelling it again changes nothing, and different answers stay different."""
        question = self.make()
        assert all(self.spelt)
        assert len(set(self.spelt)) == len(self.answers)
        assert tuple(question.canonical(one, labels=self.labels) for one in self.spelt) == self.spelt

    def test_the_order_in_which_a_list_was_ticked_does_not_matter(self) -> None:
        """Two people who mean the same say the same."""
        question = self.make()
        for answer, spelt in zip(self.answers, self.spelt, strict=True):
            if not isinstance(answer, str):
                for order in list(permutations(answer))[:MOST_ORDERS]:
                    assert question.canonical(order, labels=self.labels) == spelt

    def test_what_is_no_answer_is_refused_with_what_was_found_and_expected(self) -> None:
        """Never with another error, and never stored."""
        question = self.make()
        for answer in self.refused:
            with pytest.raises(InvalidRecord) as caught:
                question.canonical(answer, labels=self.labels)
            assert caught.value.found
            assert caught.value.expected

    def test_labels_have_the_shape_of_the_sheet_and_lie_between_0_and_1(self) -> None:
        """One answer a task, one posterior a label, and how sure the whole answer is."""
        found = self.agreed(self.sheet([[0, 0, 1], [1, 1, -1], [0, -1, -1]]))
        assert len(found.answer) == 3
        assert found.posterior.shape == (3, len(self.labels))
        assert found.sure.shape == (3,)
        for numbers in (found.posterior, found.sure):
            assert ((numbers >= 0.0) & (numbers <= 1.0)).all()

    def test_a_label_is_an_answer_in_its_canonical_spelling(self) -> None:
        """So that it can be shown, held against gold, and stored like any answer."""
        question = self.make()
        found = self.agreed(self.sheet([[0, 0, 1], [1, 1, 1]]))
        assert tuple(question.canonical(one, labels=self.labels) for one in found.answer) == found.answer

    def test_where_all_say_the_same_that_is_the_label(self) -> None:
        """Of every answer."""
        many = [[number] * 3 for number in range(len(self.answers))] * 4
        assert self.agreed(self.sheet(many)).answer == self.spelt * 4

    def test_the_same_sheet_gives_the_same_bytes(self) -> None:
        """Labels can be derived again, to the last bit."""
        sheet = self.sheet([[0, 1, 1], [1, 0, 0], [0, 0, -1]], model=0.7)
        one, other = self.agreed(sheet), self.agreed(sheet)
        assert one.answer == other.answer
        assert one.posterior.tobytes() == other.posterior.tobytes()
        assert one.sure.tobytes() == other.sure.tobytes()

    def test_what_is_known_stays_as_it_is(self) -> None:
        """Gold and findings teach how people err; no vote overrules them."""
        sheet = self.sheet([[1, 1, 1], [0, 0, 0]], known=(self.spelt[0], ""))
        assert self.agreed(sheet).answer == (self.spelt[0], self.spelt[0])

    def test_agreement_is_told_only_where_two_or_more_answered(self) -> None:
        """NaN where it is not defined; 1 where all agree and not all say the same."""
        alone = self.agreed(self.sheet([[0, -1], [-1, 1]]))
        assert np.isnan(alone.alpha)
        assert alone.alpha_n == 0
        together = self.agreed(self.sheet([[0, 0], [1, 1], [0, 0]]))
        assert together.alpha == pytest.approx(1.0)
        assert together.alpha_n == 3

    def test_an_empty_sheet_gives_no_labels(self) -> None:
        """A batch that nobody answered is no error."""
        question, sheet = self.make(), self.sheet([])
        found = question.agreed(sheet, labels=self.labels)
        assert (found.answer, len(found.sure)) == ((), 0)
        assert question.sure(sheet, np.zeros(0), labels=self.labels).shape == (0,)

    def test_one_more_who_says_the_same_makes_it_surer_and_one_who_differs_less_sure(self) -> None:
        """What sequential stopping rests on."""
        one, same, split = self.sure([[0, -1]]), self.sure([[0, 0]]), self.sure([[0, 1]])
        assert split < one < same

    def test_whom_one_can_rely_on_counts_for_more(self) -> None:
        """The accuracy of people is the stage's to know, and the question's to use."""
        said = [[0]]
        assert self.sure(said, accuracy=0.7) < self.sure(said, accuracy=0.95)

    def agreed(self, sheet: Sheet) -> Consensus:
        """What the question makes of this sheet."""
        return self.make().agreed(sheet, labels=self.labels)

    def sure(self, said: Sequence[Sequence[int]], *, accuracy: float = 0.85) -> float:
        """How sure the first task is, of people who are all as accurate."""
        sheet = self.sheet(said)
        found = self.make().sure(sheet, np.full(sheet.people, accuracy), labels=self.labels)
        assert found.shape == (len(said),)
        assert ((found >= 0.0) & (found <= 1.0)).all()
        return float(found[0])
