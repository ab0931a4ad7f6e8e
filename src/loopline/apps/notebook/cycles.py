"""What a notebook sees of a cycle: its selection, the same again, and what it might have been."""

from typing import NamedTuple

from loopline.orchestrate.installation import Installation
from loopline.orchestrate.selecting import imagined, replayed, selection_of
from loopline.records.selection import Candidate, Selection


class Difference(NamedTuple):
    """Two batches from one window."""

    both: tuple[Candidate, ...]
    """Of the first batch: what the second holds too."""
    only_first: tuple[Candidate, ...]
    only_second: tuple[Candidate, ...]


class WhatIf(NamedTuple):
    """A stored selection, and what another strategy or budget would have given."""

    stored: Selection
    imagined: Selection

    def diff(self) -> Difference:
        """Which samples both hold, and which only one of them."""
        stored, other = ({one.content for one in side.candidates} for side in self)
        return Difference(
            tuple(one for one in self.stored.candidates if one.content in other),
            tuple(one for one in self.stored.candidates if one.content not in other),
            tuple(one for one in self.imagined.candidates if one.content not in stored),
        )


class CycleView:
    """One cycle of a loop; nothing here writes."""

    def __init__(self, house: Installation, number: int) -> None:
        self._house, self._number = house, number

    @property
    def selection(self) -> Selection:
        """What was asked about, with scores and probabilities. Raises NotFound when nothing was."""
        return selection_of(self._house, self._number)

    def what_if(self, *, strategy: str = "", budget: int = 0) -> WhatIf:
        """What its window would have given by another strategy or budget. Raises NotFound."""
        return WhatIf(*imagined(self._house, self._number, strategy=strategy, budget=budget))

    def replay(self) -> bool:
        """Whether the stored selection comes out again, equal in every field. Raises NotFound."""
        stored, again = replayed(self._house, self._number)
        return stored == again
