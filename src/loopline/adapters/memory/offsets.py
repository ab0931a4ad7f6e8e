"""How far each reader of the log has come, in memory."""

from threading import Lock

from loopline.records.ids import LoopName


class MemoryOffsets:
    """Keeps positions in a dictionary."""

    def __init__(self) -> None:
        self._positions: dict[tuple[LoopName, str], int] = {}
        self._lock = Lock()

    def read(self, reader: str, *, loop: LoopName) -> int:
        """The last position that the reader has dealt with; 0 for one never seen."""
        return self._positions.get((loop, reader), 0)

    def advance(self, reader: str, *, loop: LoopName, position: int) -> None:
        """Note that the reader has dealt with everything up to here; never moves back."""
        with self._lock:
            self._positions[loop, reader] = max(position, self.read(reader, loop=loop))
