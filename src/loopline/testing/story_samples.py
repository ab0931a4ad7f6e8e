"""The samples of the story: what the live model said of each, and the dataset versions that hold them."""

from typing import NamedTuple

from loopline.dataset.stage import import_base
from loopline.ports.object_store import ObjectStore
from loopline.records.dataset import Anchor, DatasetVersion
from loopline.records.selection import Candidate
from loopline.testing import factories as make
from loopline.testing.sentences import SENTENCES

BATCH, RANDOM, SEALED = 40, 6, 24
"""Samples of a cycle, how many of them at random, and reserve rows labelled beside them."""


class Kept(NamedTuple):
    """What the store holds of one dataset version."""

    version: DatasetVersion
    anchor: Anchor


def kept_of(objects: ObjectStore, number: int) -> Kept:
    """Rows and anchor of dataset version ``number``, small: three rows, and the labelled ones of the cycles."""
    base = [
        make.labelled_row(f"b{row}", f"a base row, number {row}", label=label) for row, label in enumerate(make.LABELS)
    ]
    told = [make.labelled_row(f"p{row}", SENTENCES[row][0], label=SENTENCES[row][1]) for row in range(BATCH * number)]
    anchor = [make.labelled_row("a0", "an anchor row", label="neutral")]
    version, held = import_base([*base, *told], anchor=anchor, settings=make.settings(), objects=objects, now=make.NOW)
    assert held is not None
    return Kept(version, held)


def odds(row: int) -> tuple[float, ...]:
    """Probabilities of a prediction: the label that the model said leads by the margin that its sample has as score."""
    place = row % BATCH
    rest = (1.0 - score(place)) / 3.0
    answer = said(row, place)
    return tuple(rest + score(place) if label == answer else rest for label in make.LABELS)


def score(place: int) -> float:
    """The margin of the sample at this place of a batch."""
    return round(0.004 + 0.0031 * place, 4)


def said(row: int, place: int) -> str:
    """What the live model said: wrong on most chosen samples, on few random ones."""
    right = SENTENCES[row][1]
    wrong = "positive" if right != "positive" else "neutral"
    is_wrong = place % 3 == 0 if place >= BATCH - RANDOM else place % 3 != 0
    return wrong if is_wrong else right


def row_of(candidate: Candidate) -> int:
    """Its place among the sentences."""
    return int(candidate.prediction[1:])


def bell(center: float) -> tuple[int, ...]:
    """A histogram of 1,024 bins that rises towards its center."""
    return tuple(max(0, round(40 * (1 - ((i / 1_024 - center) / 0.45) ** 2))) for i in range(1_024))
