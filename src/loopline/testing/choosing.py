"""A cycle that has really chosen from a log: what replay and what-if give again."""

from datetime import datetime

from msgspec import structs

from loopline.dataset.stage import import_base
from loopline.orchestrate.installation import Installation
from loopline.orchestrate.selecting import select_for
from loopline.records.ids import VersionName
from loopline.records.prediction import Prediction
from loopline.records.selection import Selection
from loopline.records.settings import SelectSettings
from loopline.testing import factories as make
from loopline.testing.vocabulary import text_of

ROWS, BUDGET = 240, 24
CHOICE = SelectSettings()


def logged(row: int, *, at: datetime) -> Prediction:
    """One of the log: ``v1`` is sure of the first rows, and unsure of the last."""
    margin = 0.9 - 0.8 * min(row, ROWS) / ROWS
    rest = (1.0 - margin) / 3.0
    text = text_of(row, is_new=row % 2 == 0)
    return make.prediction(f"p{row:03}", text, at=at, probabilities=(rest, rest + margin, rest))


def choose(house: Installation, *, now: datetime, choice: SelectSettings = CHOICE, **changes: object) -> Selection:
    """Cycle 1's selection, committed: 24 of the 240 rows of ``house.log``, which the caller fills with ``logged``.

    ``choice``: what ``[select]`` said then; ``changes``: of its record, before it is committed. Cycle 2 is open and has
    chosen nothing.
    """
    base = [make.labelled_row(f"b{row}", f"known as {label}", label=label) for row, label in enumerate(make.LABELS)]
    version, _ = import_base(base, anchor=(), settings=house.settings, objects=house.objects, now=now)
    cycle = make.cycle(1, phase="published", until=ROWS, budget=BUDGET, explore=0.25, seed=6)
    house.ledger.commit(make.entry("opened", version, make.model_version("v1"), cycle))
    made = select_for(house, cycle, model=VersionName("v1"), choice=choice)
    selection = structs.replace(made, **changes)
    house.ledger.commit(make.entry("selected", selection, make.cycle(2, phase="open")))
    return selection
