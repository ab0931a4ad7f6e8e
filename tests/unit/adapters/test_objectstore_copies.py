"""Local copies of objects: which stay, which go, and what is never handed out."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loopline.adapters.objectstore.cache import KEEP_SECONDS, LocalCopies
from loopline.errors import Unavailable
from loopline.testing.factories import digest


def filled(copies: LocalCopies, *contents: bytes) -> list[Path]:
    return [copies.fill(digest(content), [content]) for content in contents]


def unused(place: Path, *, seconds: float) -> None:
    """As if it had been handed out last so long ago."""
    os.utime(place, (time.time() - seconds, place.stat().st_mtime))


def test_a_copy_is_found_whole(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path / "cache", size=100)
    assert copies.find(digest(b"one two")) is None
    place = copies.fill(digest(b"one two"), iter([b"one ", b"", b"two"]))
    assert place.read_bytes() == b"one two"
    assert (
        copies.find(digest(b"one two")) == LocalCopies(tmp_path / "cache", size=100).find(digest(b"one two")) == place
    )


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, size=10)
    places = filled(copies, b"aaaa", b"bbbb")
    for place, hours in zip(places, (1, 2), strict=True):
        unused(place, seconds=3_600 * hours)
    (third,) = filled(copies, b"cccc")
    assert [place.exists() for place in (*places, third)] == [True, False, True]


def test_a_use_puts_a_copy_in_front(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, size=10)
    places = filled(copies, b"aaaa", b"bbbb")
    os.utime(places[0], (0, 0))
    copies.find(digest(b"aaaa"))  # hashed: the next find does not read it, which would count as a use by itself
    for place, hours in zip(places, (2, 1), strict=True):
        unused(place, seconds=3_600 * hours)
    copies.find(digest(b"aaaa"))
    filled(copies, b"cccc")
    assert [place.exists() for place in places] == [True, False]


def test_what_was_handed_out_lately_stays_whatever_the_bound(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, size=1)
    places = filled(copies, b"aaaa", b"bbbb", b"cccc")
    assert all(place.exists() for place in places)
    unused(places[0], seconds=KEEP_SECONDS - 60)
    unused(places[1], seconds=KEEP_SECONDS + 60)
    filled(copies, b"dddd")
    assert [place.exists() for place in places] == [True, False, True]


def test_a_copy_from_the_future_does_not_stay_for_ever(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, size=1)
    (place,) = filled(copies, b"aaaa")
    unused(place, seconds=-10 * 86_400)  # the clock was set back since
    filled(copies, b"bbbb")
    assert not place.exists()


def test_a_damaged_copy_is_not_handed_out(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, size=100)
    (place,) = filled(copies, b"aaaa")
    os.utime(place, (0, 0))
    assert copies.find(digest(b"aaaa")) == place  # hashed, and settled
    place.write_bytes(b"aaab")
    assert copies.find(digest(b"aaaa")) is None
    assert not place.exists()


def test_a_copy_just_written_is_hashed_each_time(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, size=100)
    (place,) = filled(copies, b"aaaa")
    copies.find(digest(b"aaaa"))
    stamp = place.stat().st_mtime_ns
    place.write_bytes(b"aaab")
    os.utime(place, ns=(stamp, stamp))  # within one tick of the file system's clock
    assert copies.find(digest(b"aaaa")) is None


def test_what_does_not_match_is_not_kept(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, size=100)
    with pytest.raises(Unavailable) as error:
        copies.fill(digest(b"aaaa"), [b"aaab"])
    expected = "what is stored no longer matches its digest; restore it from a copy"
    assert str(error.value) == f"object {digest(b'aaaa')}: {expected}"
    assert copies.find(digest(b"aaaa")) is None
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"]


def test_a_broken_transfer_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> object:
        yield b"aa"
        raise Unavailable("object store", reason="it went away")

    copies = LocalCopies(tmp_path, size=100)
    with pytest.raises(Unavailable, match="it went away"):
        copies.fill(digest(b"aaaa"), broken())
    assert not list((tmp_path / "incoming").iterdir())


def test_what_a_dead_process_left_is_removed_and_what_is_being_written_stays(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, size=100)
    filled(copies, b"aaaa")
    left, fresh = tmp_path / "incoming" / "tmpleft", tmp_path / "incoming" / "tmpfresh"
    for half in (left, fresh):
        half.write_bytes(b"half")
    os.utime(left, (time.time(), time.time() - 2 * KEEP_SECONDS))
    os.utime(fresh, (time.time() - 2 * KEEP_SECONDS, time.time()))
    filled(copies, b"bbbb")
    assert (left.exists(), fresh.exists()) == (False, True)


def test_a_dropped_copy_is_gone_and_dropping_nothing_does_nothing(tmp_path: Path) -> None:
    copies = LocalCopies(tmp_path, size=100)
    (place,) = filled(copies, b"aaaa")
    for _ in range(2):
        copies.drop(digest(b"aaaa"))
        assert not place.exists()
        assert copies.find(digest(b"aaaa")) is None


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    copies = LocalCopies(tmp_path / "file", size=100)
    for ask in (lambda: copies.find(digest(b"aaaa")), lambda: filled(copies, b"aaaa")):
        with pytest.raises(Unavailable) as error:
            ask()
        reason = f"cannot keep local copies under {tmp_path}/file: "
        assert str(error.value).startswith(f"object store: {reason}")
        assert str(error.value).endswith("; check its space and its rights")


def test_writers_at_once_do_not_trip_over_each_other(tmp_path: Path) -> None:
    def write(writer: int) -> None:
        copies = LocalCopies(tmp_path, size=100)
        for number in range(60):
            filled(copies, b"%d of %d" % (number, writer))
            copies.drop(digest(b"%d of %d" % (number, writer)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
