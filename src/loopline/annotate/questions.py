"""The kinds of question that come with the product, and every named method of making labels of answers."""

import json
import math
from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.annotate.agreement import Agreement, agreements, krippendorff_alpha
from loopline.annotate.ballots import Ballots
from loopline.annotate.coefficients import ordinal_alpha
from loopline.annotate.dawid_skene import dawid_skene
from loopline.annotate.distances import masi
from loopline.annotate.majority import majority
from loopline.annotate.mistakes import nearby
from loopline.annotate.prior import doubted, spoken_for
from loopline.annotate.stopping import believed
from loopline.errors import InvalidRecord, NotFound
from loopline.ports.sheet import Consensus, Sheet

Numbers = NDArray[np.float64]
DIGITS = 9
"""Posteriors are rounded so, before the leading answer is read off: the last bits differ between processors."""


class Method(Protocol):
    """A way from answers to labels."""

    def __call__(self, sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
        """What the answers say together; the same sheet gives the same bytes."""
        ...


class Single:
    """One of the labels; ``binary`` is this with two."""

    method = "dawid-skene.v2"

    def canonical(self, answer: str | Sequence[str], *, labels: tuple[str, ...]) -> str:
        """The label itself, also out of a list of one.

        >>> Single().canonical("good", labels=("bad", "good"))
        'good'
        """
        one = answer if isinstance(answer, str) else answer[0] if len(answer) == 1 else None
        if one not in labels:
            raise _refused(answer, f"one of {', '.join(labels)}")
        return one

    def agreed(self, sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
        """Dawid-Skene, times the model's probabilities where they count; of equal posteriors the first label leads."""
        return method_of(self.method)(sheet, labels=labels)

    def sure(self, sheet: Sheet, accuracy: Numbers, *, labels: tuple[str, ...]) -> Numbers:
        """(tasks,) The posterior of the leading label under the one-coin model."""
        posterior = believed(ballots_of(sheet, labels), accuracy, beforehand=doubted(sheet.prior))
        return np.asarray(posterior.max(axis=1), dtype=np.float64)


class Rating:
    """One of a scale; ``labels`` are its steps, in order."""

    method = "dawid-skene-rating.v1"

    def canonical(self, answer: str | Sequence[str], *, labels: tuple[str, ...]) -> str:
        """The step itself, also out of a list of one."""
        return Single().canonical(answer, labels=labels)

    def agreed(self, sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
        """Dawid-Skene with mistakes near the truth; the answer is the median of the posterior."""
        return method_of(self.method)(sheet, labels=labels)

    def sure(self, sheet: Sheet, accuracy: Numbers, *, labels: tuple[str, ...]) -> Numbers:
        """(tasks,) The posterior of the median step under the one-coin model with mistakes near the truth."""
        ballots, spread = ballots_of(sheet, labels), nearby(len(labels))
        posterior = believed(ballots, accuracy, beforehand=doubted(sheet.prior), mistakes=spread)
        return _at(posterior, median(posterior))


class Multiple:
    """Any of the labels, none and all included."""

    method = "dawid-skene-multiple.v1"

    def canonical(self, answer: str | Sequence[str], *, labels: tuple[str, ...]) -> str:
        """A JSON list in the order of the loop's labels, each once; a text is read as such a list.

        >>> Multiple().canonical(["c", "a"], labels=("a", "b", "c"))
        '["a", "c"]'
        """
        chosen = _listed(answer) if isinstance(answer, str) else list(answer)
        if chosen is None or not set(chosen) <= set(labels):
            raise _refused(answer, f"a list of some of {', '.join(labels)}")
        return _spelt([label in chosen for label in labels], labels)

    def agreed(self, sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
        """Dawid-Skene on yes and no for each label by itself; the answer holds the labels above 1/2."""
        return method_of(self.method)(sheet, labels=labels)

    def sure(self, sheet: Sheet, accuracy: Numbers, *, labels: tuple[str, ...]) -> Numbers:
        """(tasks,) The posterior of the leading set: the product over labels, as if these were independent.

        Whose whole answer is right with probability a has each of L labels right with probability a^(1/L).
        """
        each = np.clip(accuracy, 1e-9, 1.0) ** (1.0 / len(labels))
        said = spoken_for(sheet.prior)
        marked, known = _marks(sheet.answer, labels), _known_marks(sheet, labels)
        sure = np.ones(len(sheet.known))
        for i in range(len(labels)):
            posterior = believed(_yes_or_no(sheet, marked[:, i], known[:, i]), each, beforehand=_both(said[:, i]))
            sure *= posterior.max(axis=1)
        return sure


def method_of(name: str) -> Method:
    """The method of this name. Raises NotFound."""
    if name not in METHODS:
        raise NotFound("method", name, known=tuple(METHODS))
    return METHODS[name]


def ballots_of(sheet: Sheet, labels: tuple[str, ...]) -> Ballots:
    """The sheet as arrays, where an answer is one of the labels. Raises InvalidRecord for one that is not."""
    rank = {label: i for i, label in enumerate(labels)}
    try:
        choice = [rank[answer] for answer in sheet.answer]
        known = [rank[answer] if answer else -1 for answer in sheet.known]
    except KeyError as error:
        raise _refused(error.args[0], f"one of {', '.join(labels)}") from error
    return _ballots(sheet, np.array(choice, dtype=np.int64), np.array(known, dtype=np.int64), classes=len(labels))


def median(posterior: Numbers) -> NDArray[np.int64]:
    """(tasks,) The first step of the scale up to which at least half of the posterior lies.

    >>> median(np.array([[0.5, 0.0, 0.5], [0.3, 0.3, 0.4]])).tolist()
    [0, 1]
    """
    return np.asarray((posterior.cumsum(axis=1) >= 0.5 - 1e-9).argmax(axis=1))


def _voted(sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
    """The share of the answers; a known answer is certain."""
    ballots = ballots_of(sheet, labels)
    posterior = majority(ballots.votes)
    is_known = ballots.known >= 0
    posterior[is_known] = np.eye(len(labels))[ballots.known[is_known]]
    return _led(posterior, ballots, labels)


def _by_people(sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
    """Dawid-Skene from answers alone; no model has a say."""
    ballots = ballots_of(sheet, labels)
    return _led(dawid_skene(ballots).posterior, ballots, labels)


def _by_people_and_model(sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
    """Dawid-Skene, with the model's doubted probabilities in place of the class shares where they count."""
    ballots = ballots_of(sheet, labels)
    return _led(dawid_skene(ballots, beforehand=doubted(sheet.prior)).posterior, ballots, labels)


def _rated(sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
    ballots = ballots_of(sheet, labels)
    fit = dawid_skene(ballots, beforehand=doubted(sheet.prior), mistakes=nearby(len(labels)))
    posterior = fit.posterior.round(DIGITS)
    step = median(posterior)
    agreed = agreements(_open_votes(ballots), {"alpha": ordinal_alpha})["alpha"]
    return _consensus([labels[i] for i in step.tolist()], posterior, _at(posterior, step), agreed)


def _marked(sheet: Sheet, *, labels: tuple[str, ...]) -> Consensus:
    said, marked, known = spoken_for(sheet.prior), _marks(sheet.answer, labels), _known_marks(sheet, labels)
    posterior = np.empty((len(sheet.known), len(labels)))
    for i in range(len(labels)):
        ballots = _yes_or_no(sheet, marked[:, i], known[:, i])
        posterior[:, i] = dawid_skene(ballots, beforehand=_both(said[:, i])).posterior[:, 1]
    posterior = posterior.round(DIGITS)
    chosen = posterior > 0.5
    sure = np.where(chosen, posterior, 1.0 - posterior).prod(axis=1)
    return _consensus([_spelt(row, labels) for row in chosen.tolist()], posterior, sure, _agreement_of_sets(sheet))


METHODS: dict[str, Method] = {
    "majority.v1": _voted,
    "dawid-skene.v1": _by_people,
    "dawid-skene.v2": _by_people_and_model,
    "dawid-skene-multiple.v1": _marked,
    "dawid-skene-rating.v1": _rated,
}
"""Any of these can be named to derive labels anew."""
BUILT_IN: dict[str, Single | Multiple | Rating] = {
    "single": Single(),
    "binary": Single(),
    "multiple": Multiple(),
    "rating": Rating(),
}
"""The kinds that need no installing."""


def _led(posterior: Numbers, ballots: Ballots, labels: tuple[str, ...]) -> Consensus:
    posterior = posterior.round(DIGITS)
    lead = posterior.argmax(axis=1)
    agreed = krippendorff_alpha(_open_votes(ballots))
    return _consensus([labels[i] for i in lead.tolist()], posterior, _at(posterior, lead), agreed)


def _consensus(answers: list[str], posterior: Numbers, sure: Numbers, agreed: Agreement) -> Consensus:
    alpha = round(agreed.value, DIGITS) if not math.isnan(agreed.value) else math.nan
    return Consensus(tuple(answers), posterior, sure.round(DIGITS), alpha, agreed.samples)


def _open_votes(ballots: Ballots) -> Numbers:
    return ballots.votes[ballots.known < 0]


def _agreement_of_sets(sheet: Sheet) -> Agreement:
    """Alpha over tasks that are not known, by how far the answered sets are apart."""
    spelt = sorted(set(sheet.answer))
    place = {text: i for i, text in enumerate(spelt)}
    choice = np.array([place[text] for text in sheet.answer], dtype=np.int64)
    is_known = np.array([bool(text) for text in sheet.known], dtype=np.bool_)
    ballots = _ballots(sheet, choice, np.where(is_known, 0, -1), classes=len(spelt))
    return krippendorff_alpha(_open_votes(ballots), distance=masi([frozenset(_listed(t) or ()) for t in spelt]))


def _ballots(sheet: Sheet, choice: NDArray[np.int64], known: NDArray[np.int64], *, classes: int) -> Ballots:
    return Ballots(sheet.task, sheet.person, choice, known, sheet.people, classes)


def _yes_or_no(sheet: Sheet, marked: NDArray[np.int64], known: NDArray[np.int64]) -> Ballots:
    """The answers about one label: 1 where it was marked."""
    return _ballots(sheet, marked, known, classes=2)


def _both(yes: Numbers) -> Numbers:
    """(tasks, 2): no and yes; zeros where nothing is said."""
    return np.stack([np.where(yes > 0, 1.0 - yes, 0.0), yes], axis=1)


def _marks(answers: Sequence[str], labels: tuple[str, ...]) -> NDArray[np.int64]:
    """(answers, labels): 1 where an answer holds the label."""
    rows = {text: _row(text, labels) for text in set(answers)}
    return np.array([rows[text] for text in answers], dtype=np.int64).reshape(len(answers), len(labels))


def _known_marks(sheet: Sheet, labels: tuple[str, ...]) -> NDArray[np.int64]:
    """(tasks, labels): 1 or 0 where the answer is known, -1 elsewhere."""
    rows = [_row(text, labels) if text else [-1] * len(labels) for text in sheet.known]
    return np.array(rows, dtype=np.int64).reshape(len(rows), len(labels))


def _row(text: str, labels: tuple[str, ...]) -> list[int]:
    chosen = _listed(text)
    if chosen is None or not set(chosen) <= set(labels):
        raise _refused(text, f"a list of some of {', '.join(labels)}")
    return [int(label in chosen) for label in labels]


def _listed(text: str) -> list[str] | None:
    """The labels in a JSON list; None for a text that is none."""
    try:
        return msgspec.json.decode(text, type=list[str])
    except msgspec.DecodeError:
        return None


def _spelt(chosen: Sequence[bool], labels: tuple[str, ...]) -> str:
    listed = [label for label, is_chosen in zip(labels, chosen, strict=True) if is_chosen]
    return json.dumps(listed, ensure_ascii=False)


def _at(posterior: Numbers, place: NDArray[np.int64]) -> Numbers:
    return np.asarray(posterior[np.arange(len(posterior)), place], dtype=np.float64)


def _refused(answer: object, expected: str) -> InvalidRecord:
    found = answer if isinstance(answer, str) else list(answer) if isinstance(answer, Sequence) else answer
    return InvalidRecord("answer", found=repr(found), expected=expected)
