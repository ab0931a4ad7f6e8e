"""A selection from what the house held at the time: for a cycle, for its replay, and for what might have been."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from loopline.errors import NotFound
from loopline.orchestrate import known
from loopline.orchestrate.installation import Installation
from loopline.ports.engine import Shelf
from loopline.records.cycle import Cycle
from loopline.records.ids import VersionName
from loopline.records.selection import Selection
from loopline.records.settings import SelectSettings
from loopline.select import stage as select

KEPT = 4
"""Versions, the selecting one among them, that stand in for a committee."""
LEARNED = 10_000
"""Labelled samples that a strategy looks at: the latest."""


def select_for(house: Installation, cycle: Cycle, *, model: VersionName, choice: SelectSettings) -> Selection:
    """The batch of a cycle, from the window and from what was known before the cycle; nothing is stored."""
    return select.select(
        cycle,
        pool=house.log,
        taken=known.asked(house, before=cycle.number),
        model=model,
        strategy=house.strategy(choice.strategy),
        settings=structs.replace(house.settings, select=choice),
        learned=partial(known.latest, house, before=cycle.number, most=LEARNED),
        placing=partial(_placed, house, model),
        committee=_committee(house, cycle, model=model),
    )


def selection_of(house: Installation, cycle: int) -> Selection:
    """The stored selection of this cycle. Raises NotFound."""
    found = {s.cycle: s for s in house.ledger.all(Selection, house.settings.name)}
    if cycle not in found:
        raise NotFound("selection", f"cycle-{cycle}", known=tuple(f"cycle-{number}" for number in sorted(found)))
    return found[cycle]


def replayed(house: Installation, cycle: int) -> tuple[Selection, Selection]:
    """A stored selection, and what its pinned window gives again by the same strategy and seed.

    Raises NotFound without a stored selection, or when the strategy is no longer there.
    """
    stored = selection_of(house, cycle)
    again = structs.replace(_again(house, stored, choice_of(house, stored)), id=stored.id)
    if all(candidate.cluster < 0 for candidate in stored.candidates):  # of before clusters were kept, or without any
        again = structs.replace(again, candidates=tuple(structs.replace(c, cluster=-1) for c in again.candidates))
    return stored, again


def imagined(house: Installation, cycle: int, *, strategy: str = "", budget: int = 0) -> tuple[Selection, Selection]:
    """A stored selection, and what its window would have given by another strategy or budget; nothing is stored."""
    stored = selection_of(house, cycle)
    choice = choice_of(house, stored)
    other = structs.replace(choice, strategy=strategy or choice.strategy, budget=budget or stored.budget)
    return stored, _again(house, stored, other)


def choice_of(house: Installation, stored: Selection) -> SelectSettings:
    """The settings that a selection was made by."""
    return structs.replace(
        house.settings.select,
        strategy=stored.strategy,
        budget=stored.budget,
        quota_by=stored.quota_by,
        quota_share=stored.quota_share,
    )


def _again(house: Installation, stored: Selection, choice: SelectSettings) -> Selection:
    cycle = next(c for c in house.ledger.all(Cycle, house.settings.name) if c.number == stored.cycle)
    asked = structs.replace(cycle, budget=choice.budget, explore=stored.explore, seed=stored.seed)
    return select_for(house, asked, model=stored.model, choice=choice)


def _placed(house: Installation, model: VersionName, inputs: Sequence[bytes]) -> NDArray[np.float32]:
    """Where the version itself puts these rows, (n, d); d = 0 when it has no embedding."""
    predictor, _ = Shelf(house.ledger, house.objects, house.engine).load(known.model(house, model))
    rows = [house.settings.signature.decode(row) for row in inputs]
    vectors = predictor.observe(rows, extras=frozenset({"embedding"})).embedding
    return np.zeros((len(rows), 0), np.float32) if vectors is None else vectors


def _committee(
    house: Installation, cycle: Cycle, *, model: VersionName
) -> Callable[[Sequence[bytes]], NDArray[np.float32]] | None:
    """The selecting version and those promoted before it, latest first; None when there is only one."""
    kept = known.promoted(house, before=cycle.number)
    names = [model, *(name for name in reversed(kept) if name != model)][:KEPT]
    if len(names) < 2:
        return None
    shelf, signature = Shelf(house.ledger, house.objects, house.engine), house.settings.signature

    def ask(inputs: Sequence[bytes]) -> NDArray[np.float32]:
        rows = [signature.decode(row) for row in inputs]
        answers = [shelf.load(known.model(house, name))[0].predict(rows) for name in names]
        return np.stack(answers, axis=1).astype(np.float32)

    return ask
