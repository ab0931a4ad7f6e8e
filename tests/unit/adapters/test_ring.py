"""The ring file: two processes share it, either may be killed, the disk may lie, the size may change."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loopline.adapters.ring.file import HEADER, WORDS
from loopline.adapters.ring.queue import FRAME, RingQueue, RingReader
from loopline.errors import Conflict, InvalidRecord, Unavailable

SIZE = 4_096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log" / "ring"


@pytest.fixture
def ring(path: Path) -> Iterator[RingQueue]:
    queue = RingQueue(path, size=SIZE)
    yield queue
    queue.close()


def fill(queue: RingQueue, *frames: bytes) -> None:
    for frame in frames:
        assert queue.put(frame)


def damage(path: Path, position: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(HEADER + position)
        file.write(content)


def test_another_process_takes_what_this_one_puts(path, ring):
    reader = RingReader(path, size=SIZE)
    fill(ring, b"one", b"two")
    assert (list(reader.head(9)), len(reader)) == ([b"one", b"two"], 2)
    reader.remove(1)
    assert (list(ring.head(9)), ring.removed(), len(ring)) == ([b"two"], 1, 1)
    assert reader.put(b"never") == 0
    reader.close()


def test_what_waits_is_found_by_the_next_process_and_places_go_on(path):
    ring = RingQueue(path, size=SIZE)
    fill(ring, b"one", b"two", b"three")
    ring.remove(2)
    ring.close()
    again = RingQueue(path, size=SIZE)
    assert (list(again.head(9)), again.removed(), again.put(b"four")) == ([b"three"], 2, 4)
    again.remove(2)
    again.close()
    empty = RingQueue(path, size=SIZE)
    assert (len(empty), empty.removed(), empty.put(b"five")) == (0, 4, 5)
    empty.close()


def test_once_closed_there_is_no_room(path):
    ring = RingQueue(path, size=SIZE)
    ring.put(b"x" * 100)
    ring.close()
    assert ring.put(b"late") == 0


def test_a_second_process_that_would_put_is_refused(path, ring):
    with pytest.raises(Conflict) as caught:
        RingQueue(path, size=SIZE)
    assert str(caught.value) == (
        f"ring {path}: another process puts frames into it, expected no other; stop that one first"
    )
    fill(ring, b"undisturbed")


def test_the_hold_ends_with_the_process_and_not_with_its_children(path):
    program = f"""
        import subprocess, sys
        from pathlib import Path
        from loopline.adapters.ring.queue import RingQueue
        ring = RingQueue(Path({str(path)!r}), size={SIZE})
        child = subprocess.Popen(["sleep", "60"], stdout=subprocess.DEVNULL, close_fds=False)
        print(child.pid, flush=True)
        import os; os._exit(0)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True, stdout=subprocess.PIPE)
    RingQueue(path, size=SIZE).close()
    os.kill(int(done.stdout), signal.SIGKILL)


def test_a_frame_goes_round_the_end_at_every_offset(path):
    ring = RingQueue(path, size=256)
    for number in range(2_000):
        frame = bytes([number % 256]) * (number % 97)
        assert ring.put(frame) == number + 1
        assert list(ring.head(9)) == [frame]
        ring.remove(1)
    assert ring.removed() == 2_000
    ring.close()


def test_a_frame_that_fills_the_ring_goes_in_wherever_the_ring_stands(path):
    ring = RingQueue(path, size=256)
    largest = b"x" * (256 - 8 - FRAME)
    for _ in range(20):
        assert ring.put(largest + b"x") == 0
        assert ring.put(largest)
        assert ring.put(b"") == 0
        assert list(ring.head(9)) == [largest]
        ring.remove(1)
        fill(ring, b"shift")
        ring.remove(1)
    ring.close()


def test_a_flipped_bit_costs_one_frame_which_keeps_its_place(path, ring):
    fill(ring, b"a" * 50, b"b" * 50, b"c" * 50)
    damage(path, 72 + 8 + 10, b"!")
    assert list(ring.head(9)) == [b"a" * 50, b"", b"c" * 50]
    ring.remove(2)
    assert (list(ring.head(9)), ring.removed()) == ([b"c" * 50], 2)


@pytest.mark.parametrize("where", ["length", "place"])
def test_where_lengths_are_lost_all_frames_behind_are_damaged_and_still_counted(path, ring, where):
    fill(ring, b"a" * 50, b"b" * 50, b"c" * 50, b"d" * 50)
    damage(path, 72 if where == "length" else 2 * 72 - 8, b"\xff\xff\xff\x7f")
    assert list(ring.head(9)) == [b"a" * 50, b"", b"", b""]
    ring.remove(2)
    assert (len(ring), ring.removed()) == (2, 2)
    fill(ring, b"e" * 50)
    assert list(ring.head(9)) == [b"", b"", b"e" * 50]
    ring.remove(3)
    assert (len(ring), ring.removed(), ring.put(b"f")) == (0, 5, 6)


def test_a_frame_of_an_earlier_round_is_not_taken_for_a_new_one(path):
    ring = RingQueue(path, size=256)
    for _ in range(4):
        fill(ring, b"old" * 10)
        ring.remove(1)
    ring.close()
    old = path.read_bytes()
    ring = RingQueue(path, size=256)
    fill(ring, b"new" * 10)
    ring.close()
    kept = path.read_bytes()[:HEADER]
    path.write_bytes(kept + old[HEADER:])  # a power cut: the header reached the disk, the frame did not
    ring = RingQueue(path, size=256)
    assert list(ring.head(9)) == [b""]
    ring.remove(1)
    assert ring.put(b"next") == ring.removed() + 1
    ring.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(
    noise=st.lists(st.tuples(st.integers(0, 1_016), st.binary(min_size=1, max_size=40)), max_size=6),
    seed=st.integers(0, 99),
)
@pytest.mark.slow
def test_whatever_bytes_are_lost_no_wrong_frame_comes_out_and_the_ring_goes_on(tmp_path, noise, seed):
    path = tmp_path / "ring"
    path.unlink(missing_ok=True)
    ring = RingQueue(path, size=1_024)
    for number in range(seed):
        fill(ring, b"before %d" % number)
        ring.remove(1)
    frames = [bytes([65 + i]) * (i * 13 % 60 + 1) for i in range(10)]
    fill(ring, *frames)
    ring.close()
    for position, content in noise:
        damage(path, position, content[: 1_024 - position])
    ring = RingQueue(path, size=1_024)
    found = list(ring.head(99))
    assert set(found) <= {b"", *frames}
    assert [frame for frame in found if frame] == [frame for frame in frames if frame in found]
    ring.remove(len(found))
    assert len(ring) == 0
    place = ring.put(b"after")
    assert (place, list(ring.head(9))) == (ring.removed() + 1, [b"after"])
    ring.close()


def test_kill_9_while_putting_leaves_whole_frames_only(path):
    program = f"""
        import sys
        from pathlib import Path
        from loopline.adapters.ring.queue import RingQueue
        ring = RingQueue(Path({str(path)!r}), size={SIZE})
        number = 0
        while True:
            number += 1
            frame = b"%d " % number * (number % 50 + 1)
            while not ring.put(frame):
                pass
    """
    reader = RingReader(path, size=SIZE)
    number = 0
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)]) as process:
            started = number
            while number < started + 5_000:
                number = _taken(reader, number, first=started)
            process.kill()
        while len(reader):
            number = _taken(reader, number, first=started)
        assert reader.removed() == number
    reader.close()


def _taken(reader: RingReader, number: int, *, first: int) -> int:
    frames = reader.head(20)
    for frame in frames:
        number += 1
        count = number - first
        assert frame == b"%d " % count * (count % 50 + 1)
    reader.remove(len(frames))
    return number


def test_an_empty_ring_takes_another_size_and_a_reader_follows(path):
    ring = RingQueue(path, size=SIZE)
    reader = RingReader(path, size=SIZE)
    fill(ring, b"one")
    reader.remove(1)
    ring.close()
    for size in (2 * SIZE, SIZE // 2):
        ring = RingQueue(path, size=size)
        assert (ring.size, ring.removed(), reader.removed()) == (size, reader.removed(), ring.removed())
        before = ring.removed()
        while ring.put(b"x" * 84):
            pass
        assert len(ring) == len(reader) == (size - 8) // 104
        assert set(reader.head(999)) == {b"x" * 84}
        reader.remove(len(reader))
        assert reader.removed() == ring.removed() == before + (size - 8) // 104
        ring.close()
    reader.close()


def test_a_ring_in_which_something_waits_keeps_its_size_until_it_is_empty(path):
    ring = RingQueue(path, size=SIZE)
    fill(ring, b"waiting")
    ring.close()
    ring = RingQueue(path, size=2 * SIZE)
    assert (ring.size, list(ring.head(9))) == (SIZE, [b"waiting"])
    ring.remove(1)
    ring.close()
    ring = RingQueue(path, size=2 * SIZE)
    assert (ring.size, ring.used) == (2 * SIZE, 0)
    ring.close()


def test_the_file_is_allocated_whole_before_it_is_used(path, ring):
    assert path.stat().st_blocks * 512 >= HEADER + SIZE
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_disk_without_room_for_it_is_told(path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(Unavailable) as caught:
        RingQueue(path, size=SIZE)
    assert str(caught.value) == (
        f"ring {path}: No space left on device, for 4096 bytes; free some space, or make capture.buffer_mb smaller"
    )
    monkeypatch.undo()
    RingQueue(path, size=SIZE).close()


def test_a_file_whose_making_was_cut_short_is_completed(path):
    path.parent.mkdir()
    path.write_bytes(bytes(100))
    ring = RingQueue(path, size=SIZE)
    fill(ring, b"x")
    ring.close()


def test_a_header_that_cannot_be_true_is_made_anew(path):
    ring = RingQueue(path, size=SIZE)
    fill(ring, b"x", b"y")
    ring.close()
    with path.open("r+b") as file:
        file.write(WORDS.pack(b"LOOPRNG1", SIZE, 32, 64))
    ring = RingQueue(path, size=SIZE)
    assert (len(ring), ring.removed(), ring.put(b"z")) == (0, 0, 1)
    ring.close()


def test_a_foreign_file_is_refused_and_left_alone(path):
    path.parent.mkdir()
    path.write_bytes(b"%PDF-1.7".ljust(9_000, b"x"))
    with pytest.raises(InvalidRecord) as caught:
        RingQueue(path, size=SIZE)
    assert str(caught.value) == (
        f"ring {path}: a file that begins with b'%PDF-1.7', expected a ring; move it away; it is made anew"
    )
    assert path.read_bytes() == b"%PDF-1.7".ljust(9_000, b"x")
