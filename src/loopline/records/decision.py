"""What an adjudicator made of a task that its answers left in doubt."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.records.ids import Digest, LoopName, TaskId

Finding = Literal["label", "ambiguous", "guideline gap", "withdrawn"]
"""One answer is right; several are, and that is the finding; the guideline does not say; it was taken back."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One finding; a later one about the same task replaces it, and the ledger keeps both in its history."""

    loop: LoopName
    task: TaskId
    content: Digest
    cycle: int
    at: datetime
    adjudicator: str
    finding: Finding
    label: str = ""
    """The right answer; empty where there is none."""
    reason: str
    is_gold: bool = False
    """Whether people are checked with it from now on."""
    answers: tuple[str, ...] = ()
    """Ids of the annotations that were seen, in the order in which they were shown."""
