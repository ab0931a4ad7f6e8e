from pathlib import Path
from tempfile import TemporaryDirectory

from loopline.adapters.memory.frames import MemoryFrames
from loopline.adapters.ring.queue import RingQueue
from loopline.ports.frame_queue import FrameQueue
from loopline.testing.frame_queue import SIZE, FrameQueueContract


class TestMemoryFrames(FrameQueueContract):
    def make(self) -> FrameQueue:
        return MemoryFrames(size=SIZE)


class TestRingQueue(FrameQueueContract):
    def setup_method(self) -> None:
        self.folder, self.made = TemporaryDirectory(), list[RingQueue]()

    def teardown_method(self) -> None:
        for queue in self.made:
            queue.close()
        self.folder.cleanup()

    def make(self) -> FrameQueue:
        self.made.append(RingQueue(Path(self.folder.name) / f"ring-{len(self.made)}", size=SIZE))
        return self.made[-1]
