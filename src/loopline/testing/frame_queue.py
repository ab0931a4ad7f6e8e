"""What every adapter of ``FrameQueue`` must keep."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopline.ports.frame_queue import FrameQueue

SIZE = 1_024
"""Bytes that the queue under test has for frames and what surrounds them."""
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.binary(max_size=300)),
        st.tuples(st.just("take"), st.integers(0, 5)),
        st.tuples(st.just("look"), st.integers(0, 5)),
    ),
    max_size=60,
)


class FrameQueueContract:
    """Subclass it, say how to make an empty queue of ``SIZE`` bytes, and run it with pytest."""

    def make(self) -> FrameQueue:
        """An empty queue."""
        raise NotImplementedError

    def test_frames_come_out_as_they_went_in_and_in_order(self) -> None:
        queue = self.make()
        frames = [b"one", b"two two", bytes(range(100))]
        assert [queue.put(frame) for frame in frames] == [1, 2, 3]
        assert (len(queue), queue.removed()) == (3, 0)
        assert list(queue.head(2)) == frames[:2]
        assert list(queue.head(9)) == frames
        assert len(queue) == 3

    def test_an_empty_queue_has_no_head(self) -> None:
        queue = self.make()
        assert (len(queue), list(queue.head(5)), queue.removed()) == (0, [], 0)

    def test_a_frame_is_settled_when_as_many_were_removed_as_its_place_says(self) -> None:
        queue = self.make()
        places = [queue.put(b"frame %d" % i) for i in range(5)]
        queue.remove(3)
        assert [queue.removed() >= place for place in places] == [True, True, True, False, False]
        assert list(queue.head(9)) == [b"frame 3", b"frame 4"]
        queue.remove(2)
        assert (len(queue), queue.removed(), queue.put(b"frame 5")) == (0, 5, 6)

    def test_without_room_nothing_happens_and_removing_makes_room(self) -> None:
        queue = self.make()
        while queue.put(b"x" * 100):
            pass
        waiting = len(queue)
        assert 5 <= waiting <= SIZE // 100
        assert queue.put(b"x" * 100) == 0
        assert (len(queue), list(queue.head(99))) == (waiting, [b"x" * 100] * waiting)
        queue.remove(1)
        assert queue.put(b"y" * 100) == waiting + 1
        assert list(queue.head(99))[-1] == b"y" * 100

    def test_a_frame_larger_than_the_queue_is_refused_and_smaller_ones_still_go(self) -> None:
        queue = self.make()
        assert queue.put(b"x" * (SIZE + 1)) == 0
        assert queue.put(b"x") == 1
        assert list(queue.head(9)) == [b"x"]

    def test_removing_nothing_changes_nothing(self) -> None:
        queue = self.make()
        queue.put(b"x")
        queue.remove(0)
        assert (len(queue), queue.removed()) == (1, 0)

    def test_threads_put_at_once_and_each_frame_has_its_own_place(self) -> None:
        queue = self.make()
        taken: dict[int, bytes] = {}

        def put(thread: int) -> list[int]:
            return [queue.put(b"%d-%d" % (thread, i)) for i in range(300)]

        with ThreadPoolExecutor(4) as pool:
            putting = [pool.submit(put, thread) for thread in range(4)]
            while not all(each.done() for each in putting) or len(queue):
                frames = queue.head(7)
                first = queue.removed() + 1
                taken |= dict(enumerate(frames, start=first))
                queue.remove(len(frames))
        places = [[place for place in each.result() if place] for each in putting]
        assert sorted(place for each in places for place in each) == sorted(taken) == list(range(1, len(taken) + 1))
        for thread, own in enumerate(places):
            numbers = [int(taken[place].split(b"-")[1]) for place in own]
            assert all(taken[place].startswith(b"%d-" % thread) for place in own)
            assert numbers == sorted(numbers)

    @settings(suppress_health_check=[HealthCheck.differing_executors])  # each adapter's suite is a subclass
    @given(STEPS)
    def test_it_behaves_as_a_bounded_queue(self, steps: list[tuple[str, bytes | int]]) -> None:
        queue, model, removed = self.make(), deque[bytes](), 0
        for step, value in steps:
            if isinstance(value, bytes):
                place = queue.put(value)
                assert place in (0, removed + len(model) + 1)
                assert place or model, "an empty queue has room"
                assert sum(map(len, model)) + len(value) <= SIZE or not place
                model.extend([value] if place else [])
            elif step == "take":
                frames = min(value, len(model))
                queue.remove(frames)
                removed += frames
                for _ in range(frames):
                    model.popleft()
            else:
                assert list(queue.head(value)) == list(model)[:value]
            assert (len(queue), queue.removed()) == (len(model), removed)
        assert list(queue.head(len(model))) == list(model)
