"""Links to objects on a disk, and when a file is hashed again."""

import hmac
import os
import pickle
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.adapters.files.objects import FileObjects, is_valid_link
from loopline.errors import Unavailable
from loopline.testing.factories import digest

SECRET = b"of this installation"
ONE, OTHER = digest(b"one"), digest(b"other")


def parts(link: str) -> dict[str, str]:
    address = urlsplit(link)
    assert address.path.startswith("/objects/")
    return {"digest": address.path.removeprefix("/objects/"), **dict(parse_qsl(address.query))}


def is_valid(link: dict[str, str], *, secret: bytes = SECRET, now: float | None = None, **changes: str) -> bool:
    named = link | changes
    return is_valid_link(named.pop("digest"), **named, secret=secret, now=time.time() if now is None else now)


@pytest.fixture
def link(tmp_path: Path) -> dict[str, str]:
    store = FileObjects(tmp_path, secret=SECRET)
    return parts(store.link(store.put(b"one"), seconds=60))


def test_a_link_is_relative_and_names_object_end_and_signature(link: dict[str, str]) -> None:
    assert list(link) == ["digest", "until", "signature"]
    assert link["digest"] == ONE
    assert 0 <= time.time() + 60 - int(link["until"]) < 30
    assert len(link["signature"]) == 64
    assert is_valid(link)


def test_a_link_ends(link: dict[str, str]) -> None:
    until = int(link["until"])
    assert is_valid(link, now=until - 0.001)
    assert not is_valid(link, now=until)
    assert not is_valid(link, now=until + 1e9)


def test_an_end_cannot_be_put_off(link: dict[str, str]) -> None:
    assert not is_valid(link, until=str(int(link["until"]) + 1))


@pytest.mark.parametrize("until", ["", "never", "1e12", "-1", "9" * 40, " 1", "+1", "\u0661", "1\n"])
def test_what_is_no_end_is_refused(link: dict[str, str], until: str) -> None:
    assert not is_valid(link, until=until, now=0.0)


def test_a_signature_is_good_for_its_object_only(link: dict[str, str]) -> None:
    assert not is_valid(link, digest=OTHER)
    assert not is_valid(link, digest=f"{ONE} until {link['until']}")


@given(st.text(max_size=70))
def test_no_made_up_signature_is_taken(signature: str) -> None:
    link = {"digest": ONE, "until": "1000"}
    assert not is_valid(link, signature=signature, now=0.0)


def test_a_signature_of_another_installation_is_refused(link: dict[str, str]) -> None:
    assert not is_valid(link, secret=b"of another")


def test_every_bit_of_a_signature_counts(link: dict[str, str]) -> None:
    said = link["signature"]
    for place in range(64):
        changed = said[:place] + ("0" if said[place] != "0" else "1") + said[place + 1 :]
        assert not is_valid(link, signature=changed)
    assert not is_valid(link, signature=said[:-1])
    assert not is_valid(link, signature=said.upper() + "x")


def test_without_a_secret_nothing_is_signed_and_nothing_valid(tmp_path: Path) -> None:
    store = FileObjects(tmp_path)
    with pytest.raises(Unavailable) as error:
        store.link(store.put(b"one"), seconds=60)
    reason = "the object store has no secret to sign links with; open it with one"
    assert str(error.value) == f"link to object {ONE}: {reason}"
    signed = parts(FileObjects(tmp_path, secret=SECRET).link(ONE, seconds=60))
    message = f"object {ONE} until {signed['until']}".encode()
    assert is_valid(signed, signature=hmac.new(SECRET, message, "sha256").hexdigest())
    assert not is_valid(signed, secret=b"", signature=hmac.new(b"", message, "sha256").hexdigest())


def test_the_secret_does_not_travel_with_a_store_that_is_sent_to_a_cluster(tmp_path: Path) -> None:
    store = FileObjects(tmp_path, secret=SECRET)
    digest_ = store.put(b"one")
    sent = pickle.dumps(store)
    assert SECRET not in sent
    arrived = pickle.loads(sent)
    assert Path(arrived.path(digest_)).read_bytes() == b"one"
    with pytest.raises(Unavailable, match="no secret to sign links with"):
        arrived.link(digest_, seconds=60)
    assert store.link(digest_, seconds=60)


def aged(place: Path, *, seconds: float) -> None:
    """As if it had been written so long ago."""
    then = time.time() - seconds
    os.utime(place, (then, then))


def test_a_file_that_changed_is_hashed_again(tmp_path: Path) -> None:
    store = FileObjects(tmp_path)
    place = Path(store.path(store.put(b"one")))
    aged(place, seconds=3_600)
    for _ in range(2):
        assert Path(store.path(ONE)).read_bytes() == b"one"
    place.write_bytes(b"two")
    with pytest.raises(Unavailable, match="no longer matches its digest"):
        store.path(ONE)


def test_a_file_just_written_is_hashed_each_time(tmp_path: Path) -> None:
    store = FileObjects(tmp_path)
    place = Path(store.path(store.put(b"one")))
    stamp = place.stat().st_mtime_ns
    place.write_bytes(b"two")
    os.utime(place, ns=(stamp, stamp))  # within one tick of the file system's clock
    with pytest.raises(Unavailable, match="no longer matches its digest"):
        store.path(ONE)


def test_an_unchanged_file_is_hashed_once(tmp_path: Path) -> None:
    store = FileObjects(tmp_path)
    place = Path(store.path(store.put(b"one")))
    aged(place, seconds=3_600)
    store.path(ONE)
    stamp = place.stat().st_mtime_ns
    place.write_bytes(b"two")
    os.utime(place, ns=(stamp, stamp))  # what a hash would tell, and nothing else
    assert store.path(ONE) == str(place)
    with pytest.raises(Unavailable, match="no longer matches its digest"):
        store.get(ONE)


def test_a_folder_that_does_not_let_go_says_so(tmp_path: Path) -> None:
    (tmp_path / ONE[:2] / ONE).mkdir(parents=True)  # a folder cannot be unlinked, whoever tries
    with pytest.raises(Unavailable) as error:
        FileObjects(tmp_path).delete(ONE)
    assert str(error.value).startswith(f"object {ONE}: cannot delete under {tmp_path}: ")
    assert str(error.value).endswith("; check its rights")
