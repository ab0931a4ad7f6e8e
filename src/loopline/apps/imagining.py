"""What a cycle would have asked about by another strategy or budget, beside what it did, and beside chance."""

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

import msgspec
import numpy as np

from loopline.apps.http.views import Console, House
from loopline.apps.replaying import lost, stored_of
from loopline.apps.turns import TURN
from loopline.errors import InvalidRecord
from loopline.records.selection import Candidate, Selection
from loopline.select.embedding import embed
from loopline.select.strategies.clustering import clustered

SHOWN = 20
"""Samples named on either side of a difference."""
EFFORT_CYCLES = 5
"""Cycles whose answers tell how long a label takes."""
MOST_BUDGET = 10_000
"""Of an imagined batch: three batches and their shortlists are held in memory beside the loop itself."""
CHANCE = "random.v1"


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One way to choose, in numbers."""

    strategy: str
    budget: int
    samples: int
    audit: int
    """Of these, drawn at random."""
    chosen: int
    """Of these, drawn by the strategy; a sample that both drew counts for either."""
    held: int
    """Of the chosen, those whose rows the log still holds: clusters and margin are theirs."""
    clusters: int
    """Of the clusters into which the samples of all three sides fall together, those that the chosen cover."""
    mean_margin: float | None
    """How sure the model was on average, in [0, 1]; None where no row is left."""
    by_label: dict[str, int]
    """Predicted labels of the chosen."""
    minutes: float | None
    """Expected labelling time; None before anyone has answered."""
    reason: str


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """One sample of a difference."""

    id: str
    predicted: str
    text: str
    """The row as JSON has it, cut to 120 characters."""


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """A cycle's batch, what it would have been, and what chance would have given. Nothing of it is stored."""

    cycle: int
    stored: Side
    imagined: Side
    random: Side
    clusters: int
    """All clusters."""
    both: int
    """Samples that the stored and the imagined batch share."""
    only_stored: tuple[Named, ...]
    only_imagined: tuple[Named, ...]
    minutes_from: str
    """What the expected time was measured on."""
    lost: str
    """What of the window the log no longer holds, in words; empty when nothing is missing."""
    sentence: str


def what_if(house: House, console: Console, cycle: int, *, strategy: str = "", budget: int | None = None) -> WhatIf:
    """What the cycle's window would have given; writes nothing. One at a time in this process.

    Raises NotFound for a cycle without a selection or an unknown strategy, InvalidRecord for a wild budget or a
    strategy that cannot work with what the log holds, Busy while too many wait.
    """
    stored = stored_of(house, cycle)
    asked = _budget(stored, budget)
    with TURN.held():
        _, other = console.imagine(cycle, strategy=strategy, budget=asked)
        chance = other if other.strategy == CHANCE else console.imagine(cycle, strategy=CHANCE, budget=asked)[1]
        three = (stored, other, chance)
        pictured = _pictured(house, three)
    seconds, minutes_from = _effort(house, cycle)
    sides = [_side(one, pictured, seconds=seconds) for one in three]
    kept = {one.content for one in stored.candidates} & {one.content for one in other.candidates}
    return WhatIf(
        cycle=cycle,
        stored=sides[0],
        imagined=sides[1],
        random=sides[2],
        clusters=len(set(pictured.cluster.values())),
        both=len(kept),
        only_stored=_only(stored, other, pictured),
        only_imagined=_only(other, stored, pictured),
        minutes_from=minutes_from,
        lost=lost(stored, other),
        sentence=_sentence(sides, kept=len(kept)),
    )


def _budget(stored: Selection, asked: int | None) -> int:
    """The budget to imagine: as asked, or the one that the cycle had. Raises InvalidRecord."""
    most = max(MOST_BUDGET, stored.budget)
    if asked is not None and not 1 <= asked <= most:
        raise InvalidRecord("budget", found=f"{asked:,}", expected=f"1 to {most:,} samples")
    return asked or stored.budget or min(len(stored.candidates), most)


class _Pictured(NamedTuple):
    """What is known of the samples of all sides, by content."""

    cluster: dict[str, int]
    margin: dict[str, float]
    text: dict[str, str]


def _pictured(house: House, sides: Sequence[Selection]) -> _Pictured:
    """The samples of all sides as the log holds them, in clusters made of all together: as many as half a batch."""
    positions = {one.content: one.position for side in sides for one in side.candidates}
    rows = house.log.at(sorted(positions.values()))
    if not len(rows.id):
        return _Pictured({}, {}, {})
    signature = house.settings.signature
    wanted = max(1, max(len(side.candidates) for side in sides) // 2)
    cluster = clustered(embed(rows.inputs.tolist(), signature), wanted)
    contents = [str(content) for content in rows.content]
    spelled = [str(signature.spelled(signature.decode(row)))[:120] for row in rows.inputs]
    return _Pictured(
        dict(zip(contents, cluster.tolist(), strict=True)),
        dict(zip(contents, rows.margin.tolist(), strict=True)),
        dict(zip(contents, spelled, strict=True)),
    )


def _chosen(selection: Selection) -> list[Candidate]:
    return [one for one in selection.candidates if one.draw == "chosen" or one.is_both]


def _side(selection: Selection, pictured: _Pictured, *, seconds: float | None) -> Side:
    chosen = _chosen(selection)
    held = [one.content for one in chosen if one.content in pictured.margin]
    return Side(
        strategy=selection.strategy,
        budget=selection.budget,
        samples=len(selection.candidates),
        audit=sum(one.draw == "audit" for one in selection.candidates),
        chosen=len(chosen),
        held=len(held),
        clusters=len({pictured.cluster[content] for content in held}),
        mean_margin=float(np.mean([pictured.margin[content] for content in held])) if held else None,
        by_label=dict(sorted(Counter(one.predicted for one in chosen).items())),
        minutes=None if seconds is None else seconds * len(selection.candidates) / 60.0,
        reason=selection.reason,
    )


def _only(one: Selection, other: Selection, pictured: _Pictured) -> tuple[Named, ...]:
    there = {candidate.content for candidate in other.candidates}
    return tuple(
        Named(id=c.prediction, predicted=c.predicted, text=pictured.text.get(c.content, ""))
        for c in one.candidates
        if c.content not in there
    )[:SHOWN]


def _effort(house: House, cycle: int) -> tuple[float | None, str]:
    """Seconds that a label takes, over all who answer, and what that was measured on."""
    loop = house.settings.name
    found = [house.book.answers(loop, cycle=n) for n in range(max(1, cycle - EFFORT_CYCLES + 1), cycle + 1)]
    answers = [a.seconds for said in found for a in said.annotations if a.seconds > 0]
    answered = {a.task for said in found for a in said.annotations}
    if not answers:
        return None, "nobody has answered yet"
    each = len(answers) / len(answered)
    return median(answers) * each, (
        f"{median(answers):.2g} s an answer (median of {len(answers):,}) and {each:.2f} answers a label"
    )


def _sentence(sides: Sequence[Side], *, kept: int) -> str:
    stored, other, chance = sides
    asked = f"{other.strategy} with a budget of {other.budget:,}"
    if not other.samples:
        return f"{asked} asks about nothing: {other.reason}"
    told = f"{asked} asks about {other.samples:,} samples, {kept:,} of them the same as {stored.strategy} did"
    if other.mean_margin is None or chance.mean_margin is None:
        return told
    return (
        f"{told}; the {other.chosen:,} that it chose have a mean margin of {other.mean_margin:.3f} and lie in "
        f"{other.clusters:,} clusters, where the {chance.chosen:,} of chance have {chance.mean_margin:.3f} and lie in "
        f"{chance.clusters:,}"
    )
