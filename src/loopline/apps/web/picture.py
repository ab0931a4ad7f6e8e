"""The loop as a picture: where each stage's card lies, and the track that joins them."""

from itertools import pairwise
from typing import NamedTuple

from loopline.apps.http.stages import AT_WORK, StageState
from loopline.apps.web.words import PHASES, shares
from loopline.records.command import Situation
from loopline.records.cycle import Phase

WIDTH, HEIGHT = 1120, 424
CARD_WIDTH, CARD_HEIGHT = 196, 104
GAP = 35
TOP, LOWER = 4, HEIGHT - CARD_HEIGHT - 4
UPPER_ROW, LOWER_ROW = 5, 4
BAR_LEFT, BAR_WIDTH = 480, 440
DOT_PACE = 22
SEALED_X = 404
"""Below the capture card, above the evaluate card."""


class Card(NamedTuple):
    """A stage with its place."""

    stage: StageState
    x: float
    y: float


class Share(NamedTuple):
    """One version's part of the traffic bar."""

    version: str
    role: str
    share: float
    x: float
    width: float


class Dot(NamedTuple):
    """One phase of the cycle on its ring of dots."""

    phase: str
    state: str
    """``done``, ``now``, ``ahead`` or ``failed``."""
    x: float


class Picture(NamedTuple):
    """Everything the drawing needs."""

    cards: tuple[Card, ...]
    arrows: tuple[str, ...]
    """SVG paths from one card to the next, closing the loop."""
    sealed: str
    """The path of the reserve: from capture straight to evaluate, past everything else."""
    shares: tuple[Share, ...]
    beside: tuple[str, ...]
    """Versions without traffic, with their role."""
    dots: tuple[Dot, ...]
    failed: str
    """Which stage failed, in words; empty when none did."""
    width: int = WIDTH
    height: int = HEIGHT
    card_width: int = CARD_WIDTH
    card_height: int = CARD_HEIGHT
    bar_left: int = BAR_LEFT
    bar_width: int = BAR_WIDTH
    sealed_x: int = SEALED_X
    lower: int = LOWER


def picture_of(stages: tuple[StageState, ...], situation: Situation, *, failed: Phase | None = None) -> Picture:
    """Five cards above from left to right, four below from right to left, in between who answers and how far it is.

    ``failed`` is the last phase that the latest cycle reached, if it failed.
    """
    upper = [Card(stage, i * (CARD_WIDTH + GAP), TOP) for i, stage in enumerate(stages[:UPPER_ROW])]
    rest = stages[UPPER_ROW:]
    begin = (WIDTH - len(rest) * CARD_WIDTH - (len(rest) - 1) * GAP) / 2
    places = [begin + (len(rest) - 1 - i) * (CARD_WIDTH + GAP) for i in range(len(rest))]
    lower = [Card(stage, x, LOWER) for stage, x in zip(rest, places, strict=True)]
    everyone = shares(situation.split)
    return Picture(
        cards=(*upper, *lower),
        arrows=_arrows(upper, lower),
        sealed=f"M{SEALED_X} {TOP + CARD_HEIGHT + 4} V{LOWER - 7}",
        shares=_bar([row for row in everyone if row[1] > 0]),
        beside=tuple(f"{version} {role}" for version, part, role in everyone if part == 0),
        dots=_dots(situation, failed=failed),
        failed=f"{AT_WORK[failed]} failed" if failed else "",
    )


def _arrows(upper: list[Card], lower: list[Card]) -> tuple[str, ...]:
    right = [f"M{a.x + CARD_WIDTH + 4} {TOP + 52} H{b.x - 7}" for a, b in pairwise(upper)]
    left = [f"M{a.x - 4} {LOWER + 52} H{b.x + CARD_WIDTH + 7}" for a, b in pairwise(lower)]
    down_x, end_x = upper[-1].x + CARD_WIDTH / 2 + 30, lower[0].x + CARD_WIDTH + 7
    up_x, start_x = upper[0].x + CARD_WIDTH / 2 - 30, lower[-1].x - 4
    down = f"M{down_x} {TOP + CARD_HEIGHT + 4} V{LOWER + 32} Q{down_x} {LOWER + 52} {down_x - 20} {LOWER + 52} H{end_x}"
    up = f"M{start_x} {LOWER + 52} H{up_x + 20} Q{up_x} {LOWER + 52} {up_x} {LOWER + 32} V{TOP + CARD_HEIGHT + 7}"
    return (*right, down, *left, up)


def _bar(rows: list[tuple[str, float, str]]) -> tuple[Share, ...]:
    made, x = [], float(BAR_LEFT)
    for version, part, role in rows:
        width = round(part * BAR_WIDTH, 1)
        made.append(Share(version, role, part, round(x, 1), max(width - (2 if len(rows) > 1 else 0), 1)))
        x += width
    return tuple(made)


def _dots(situation: Situation, *, failed: Phase | None) -> tuple[Dot, ...]:
    names = list(PHASES)
    phase = failed or (situation.cycle.phase if situation.cycle else None)
    reached = names.index(phase) if phase else -1
    tenses = [_tense(i, reached, len(names)) for i in range(len(names))]
    if failed:
        tenses[reached] = "failed"
    return tuple(
        Dot(PHASES[name], tense, i * DOT_PACE) for i, (name, tense) in enumerate(zip(names, tenses, strict=True))
    )


def _tense(place: int, reached: int, phases: int) -> str:
    """A closed cycle has nothing left to do, so its last phase counts as done."""
    if place == reached:
        return "done" if reached == phases - 1 else "now"
    return "done" if place < reached else "ahead"
