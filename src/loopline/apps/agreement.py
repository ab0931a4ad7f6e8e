"""How far people agree beyond chance, by stratum and by pair: what ``/api/agreement`` and the people page show."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import Final, NamedTuple, Protocol

import msgspec
import numpy as np

from loopline.annotate.agreement import agreements
from loopline.annotate.ballots import Ballots
from loopline.annotate.coefficients import Coefficient, alpha, fleiss, gwet, ordinal_alpha
from loopline.annotate.cohen import cohen
from loopline.annotate.distances import masi, nominal
from loopline.annotate.rulings import named
from loopline.apps.peers import heard
from loopline.errors import NotFound
from loopline.ports.ledger import Ledger
from loopline.ports.task_queue import AnswerBook
from loopline.records.label import LabelBatch
from loopline.records.settings import Settings
from loopline.records.task import Stratum

SEED: Final = 5
"""Of the bootstrap: the same answers give the same intervals."""
STRATA: Final[tuple[Stratum, ...]] = ("chosen", "audit", "reserve", "gold", "relabel")
ORDERED, SEVERAL = "rating", "multiple"
"""Kinds of question whose answers are nearer to some than to others."""


class Rooms(Protocol):
    """What is needed of the house."""

    @property
    def settings(self) -> Settings:
        """The loop as its owner wrote it."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Every stored record."""
        ...

    @property
    def book(self) -> AnswerBook:
        """Reads what people said."""
        ...


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One coefficient with its 95 % bootstrap interval over samples; None where it is not defined."""

    coefficient: str
    value: float | None
    """At most 1; 0 is chance."""
    low: float | None
    high: float | None
    samples: int
    """With two answers or more."""


class StratumAgreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far people agreed on the samples of one stratum."""

    stratum: str
    """``all`` stands for all but gold."""
    samples: int
    """That anybody answered."""
    answers: int
    figures: tuple[Figure, ...]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two people who met on samples."""

    one: str
    other: str
    kappa: float | None
    """Cohen's; None where both gave one and the same answer throughout."""
    samples: int


class AgreementTable(msgspec.Struct, frozen=True, kw_only=True):
    """Agreement over labelled batches."""

    cycles: tuple[int, ...]
    """Whose batches are counted."""
    question: str
    people: tuple[str, ...]
    strata: tuple[StratumAgreement, ...]
    """Chosen samples are hard by design: their agreement is lower, and says less of people."""
    pairs: tuple[Pair, ...]
    """Those who met most come first; gold is left out."""


class _Said(NamedTuple):
    """One answer, as far as agreement goes."""

    sample: str
    stratum: Stratum
    person: str
    answer: str


class Agreements:
    """Agreement over the labelled batches of a loop; what was counted is kept until another batch has labels."""

    def __init__(self, house: Rooms) -> None:
        self._house, self._lock = house, Lock()
        self._said: dict[str, tuple[_Said, ...]] = {}
        self._tables: dict[tuple[str, ...], AgreementTable] = {}

    def table(self, cycle: int = 0) -> AgreementTable:
        """Of one cycle, or at 0 of all that have labels. Raises NotFound for a cycle without."""
        batches = {one.cycle: one for one in self._house.ledger.all(LabelBatch, self._house.settings.name)}
        if cycle and cycle not in batches:
            raise NotFound("labelled batch", f"cycle {cycle}", known=tuple(f"cycle {n}" for n in sorted(batches)))
        asked = [batches[number] for number in sorted(batches) if cycle in (0, number)]
        key = tuple(f"{one.id}/{one.annotations}/{len(one.answers)}" for one in asked)
        with self._lock:  # one reckoning at a time: the others find it done
            if key not in self._tables:
                said = tuple(one for batch in asked for one in self._of(batch))
                if len(self._tables) > len(batches):
                    self._tables.clear()
                self._tables[key] = counted(
                    said, cycles=tuple(one.cycle for one in asked), settings=self._house.settings
                )
            return self._tables[key]

    def _of(self, batch: LabelBatch) -> tuple[_Said, ...]:
        """The answers behind the labels of a batch, gold answers too; those it names, where it does."""
        key = f"{batch.id}/{batch.annotations}/{len(batch.answers)}"
        if key not in self._said:
            answers = heard(self._house.book, batch)
            strata = {task.id: task.stratum for task in answers.tasks}
            self._said[key] = tuple(
                _Said(one.task, strata[one.task], one.annotator, one.label) for one in answers.annotations
            )
        return self._said[key]


def counted(said: Sequence[_Said], *, cycles: tuple[int, ...], settings: Settings) -> AgreementTable:
    """The table of these answers."""
    sheet = _Sheet(said, labels=settings.signature.labels)
    kind = settings.annotate.question
    found = {stratum: [one for one in said if one.stratum == stratum] for stratum in STRATA}
    asked = [one for one in said if one.stratum != "gold"]
    parts: dict[str, list[_Said]] = {"all": asked}
    parts.update((name, part) for name, part in found.items() if part)
    return AgreementTable(
        cycles=cycles,
        question=kind,
        people=tuple(sorted({one.person for one in asked})),
        strata=tuple(_stratum(name, sheet, part, kind=kind) for name, part in parts.items()),
        pairs=_pairs(sheet, asked),
    )


class _Sheet:
    """Which answers there are, in a fixed order: those of the loop first."""

    def __init__(self, said: Sequence[_Said], *, labels: tuple[str, ...]) -> None:
        self._labels = labels
        given = {one.answer for one in said}
        self.answers = (*labels, *sorted(given.difference(labels))) if given <= {*labels} else tuple(sorted(given))
        self.rank = {answer: i for i, answer in enumerate(self.answers)}

    @cached_property
    def sets(self) -> tuple[frozenset[str], ...]:
        """The labels that each answer names."""
        return tuple(named(answer, labels=self._labels) for answer in self.answers)

    def ballots(self, said: Sequence[_Said]) -> tuple[Ballots, tuple[str, ...]]:
        """These answers as numbers, and the people behind them."""
        samples = {name: i for i, name in enumerate(sorted({one.sample for one in said}))}
        people = tuple(sorted({one.person for one in said}))
        seat = {name: i for i, name in enumerate(people)}
        ballots = Ballots(
            task=np.array([samples[one.sample] for one in said], np.int64),
            person=np.array([seat[one.person] for one in said], np.int64),
            choice=np.array([self.rank[one.answer] for one in said], np.int64),
            known=np.full(len(samples), -1, np.int64),
            people=len(people),
            classes=len(self.answers),
        )
        return ballots, people


def _coefficients(sheet: _Sheet, kind: str) -> Mapping[str, Coefficient]:
    """Alpha as near as this kind of question has answers near; the other two count equal answers only."""
    if kind == SEVERAL:
        near = alpha(masi(sheet.sets))
    else:
        near = ordinal_alpha if kind == ORDERED else alpha(nominal(len(sheet.answers)))
    return {"alpha": near, "ac1": gwet(np.eye(len(sheet.answers))), "fleiss": fleiss}


def _stratum(name: str, sheet: _Sheet, said: Sequence[_Said], *, kind: str) -> StratumAgreement:
    ballots, _ = sheet.ballots(said)
    if len(said) == 0 or len(sheet.answers) < 2:
        return StratumAgreement(stratum=name, samples=len(ballots.known), answers=len(said), figures=())
    found = agreements(ballots.votes, _coefficients(sheet, kind), rng=np.random.default_rng(SEED))
    figures = tuple(
        Figure(
            coefficient=coefficient,
            value=_known(one.value),
            low=_known(one.low),
            high=_known(one.high),
            samples=one.samples,
        )
        for coefficient, one in found.items()
    )
    return StratumAgreement(stratum=name, samples=len(ballots.known), answers=len(said), figures=figures)


def _pairs(sheet: _Sheet, said: Sequence[_Said]) -> tuple[Pair, ...]:
    if not said:
        return ()
    ballots, people = sheet.ballots(said)
    met = cohen(ballots)
    found = [
        Pair(one=people[i], other=people[j], kappa=_known(float(met.kappa[i, j])), samples=int(met.n[i, j]))
        for i in range(len(people))
        for j in range(i)
        if met.n[i, j]
    ]
    return tuple(sorted(found, key=lambda pair: (-pair.samples, pair.one, pair.other)))


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
