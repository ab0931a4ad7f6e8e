"""A kind of question: what an answer may be, how answers become labels, and how far two answers are apart."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loopline.ports.sheet import Consensus, Sheet


class Question(Protocol):
    """One kind of question about samples of a loop with these ``labels``."""

    @property
    def method(self) -> str:
        """How it makes labels of answers, with version: ``dawid-skene.v1``."""
        ...

    def canonical(self, answer: str | Sequence[str], *, labels: tuple[str, ...]) -> str:
        """The one spelling of this answer, a text that is not empty; spelling it again changes nothing.

        A text as it came, or a list of texts whose order means nothing. Raises InvalidRecord for what is no answer.
        """
        ...

    def agreed(self, sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
        """What the answers say together; the same sheet gives the same bytes.

        What is known stays as it is, and a task without an answer has some canonical answer.
        """
        ...

    def sure(self, sheet: Sheet, accuracy: NDArray[np.float64], *, labels: tuple[str, ...]) -> NDArray[np.float64]:
        """(tasks,) The posterior of the leading answer, for stopping; ``accuracy``: (people,), in (0, 1).

        One more person who says the same makes it surer, one who says something else less sure.
        """
        ...
