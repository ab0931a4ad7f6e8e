"""How far each reader of the log has come."""

from typing import Protocol

from loopline.records.ids import LoopName


class Offsets(Protocol):
    """One position for each named reader of each loop; survives everything that the state database survives."""

    def read(self, reader: str, *, loop: LoopName) -> int:
        """The last position that the reader has dealt with; 0 for one never seen."""
        ...

    def advance(self, reader: str, *, loop: LoopName, position: int) -> None:
        """Note that the reader has dealt with everything up to here. Never moves back."""
        ...
