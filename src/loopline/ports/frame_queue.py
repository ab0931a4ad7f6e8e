"""What the answering process has said and nobody has stored yet: a bounded queue that outlives it."""

from collections.abc import Sequence
from typing import Protocol


class FrameQueue(Protocol):
    """Byte frames, first in first out, from any threads of one process to one reader, who may be another process.

    What ``put`` took is not lost by kill -9 of either side. A frame keeps its place until it is removed, so a reader
    that dies is followed by one that finds it again.
    """

    def put(self, frame: bytes) -> int:
        """The frame's place, counted from 1 since the queue was made; 0 without room: nothing happens. Never waits."""
        ...

    def head(self, frames: int) -> Sequence[bytes]:
        """The oldest frames, so many or all that wait; they keep their places.

        A frame that did not survive whole comes as ``b""``, in its place.
        """
        ...

    def remove(self, frames: int) -> None:
        """Forget the oldest ``frames``: they are stored, or counted as lost."""
        ...

    def removed(self) -> int:
        """How many frames were ever removed: the frame at place p is settled once this reaches p."""
        ...

    def __len__(self) -> int:
        """Frames that wait."""
        ...
