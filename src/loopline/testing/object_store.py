"""What every object store must do. Subclass ``ObjectStoreContract`` in your tests and give it ``make``."""

import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from loopline.errors import NotFound
from loopline.ports.object_store import ObjectStore
from loopline.records.ids import Digest
from loopline.testing.factories import digest

NO_OBJECT = [digest(b"absent"), "../../etc/passwd", "..", "", "AB" * 32, digest(b"absent") + "\n"]


class ObjectStoreContract:
    """The laws of ``ports.object_store.ObjectStore``."""

    def make(self) -> ObjectStore:
        """A new, empty store."""
        raise NotImplementedError

    def beside(self, store: ObjectStore) -> ObjectStore:
        """The same store as another process opens it."""
        return store

    def follow(self, link: str) -> bytes:
        """What whoever has the address gets."""
        with urllib.request.urlopen(link) as answer:  # noqa: S310 - an address that the store made
            content: bytes = answer.read()
        return content

    @hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.lists(st.binary(max_size=200), max_size=5))
    def test_every_object_is_got_back_under_the_digest_of_its_content(self, contents: list[bytes]) -> None:
        """Put, get and path agree, the empty object included."""
        store = self.make()
        digests = [store.put(content) for content in contents]
        assert digests == [blake3(content).hexdigest() for content in contents]
        for content, name in zip(contents, digests, strict=True):
            assert store.get(name) == content
            assert Path(store.path(name)).read_bytes() == content

    def test_storing_twice_changes_nothing(self) -> None:
        """The same bytes are one object."""
        store = self.make()
        assert store.put(b"model") == store.put(b"model")
        assert store.get(digest(b"model")) == b"model"

    @pytest.mark.parametrize("name", NO_OBJECT)
    def test_an_unknown_digest_is_named(self, name: str) -> None:
        """Also one that is no digest at all: it never becomes a path."""
        store = self.make()
        with pytest.raises(NotFound) as error:
            store.get(Digest(name))
        assert str(error.value) == f"no object {name!r}"
        with pytest.raises(NotFound):
            store.path(Digest(name))
        with pytest.raises(NotFound):
            store.link(Digest(name), seconds=60)

    def test_a_deleted_object_is_gone(self) -> None:
        """No reader gets it, and who deleted it has no path to it; the others stay, and it may come again."""
        store = self.make()
        other = self.beside(store)
        name, kept = store.put(b"segment"), store.put(b"model")
        assert Path(store.path(name)).read_bytes() == other.get(name) == b"segment"
        store.delete(name)
        for read in (store.get, store.path, other.get):
            with pytest.raises(NotFound):
                read(name)
        assert store.get(kept) == other.get(kept) == b"model"
        assert other.put(b"segment") == name
        assert Path(store.path(name)).read_bytes() == b"segment"

    @pytest.mark.parametrize("name", NO_OBJECT)
    def test_deleting_what_is_not_there_does_nothing(self, name: str) -> None:
        """Twice neither; what is no digest never becomes a path."""
        store = self.make()
        kept = store.put(b"model")
        for _ in range(2):
            store.delete(Digest(name))
        assert store.get(kept) == b"model"

    def test_a_link_hands_out_the_bytes(self) -> None:
        """To whoever has it: nothing else is asked."""
        store = self.make()
        link = store.link(store.put(b"\x89PNG payload"), seconds=60)
        assert self.follow(link) == b"\x89PNG payload"

    def test_writers_at_once_do_not_harm_each_other(self) -> None:
        """Four of them, each with objects of its own and with one that all put."""
        store = self.make()
        writers = [self.beside(store) for _ in range(4)]

        def write(number: int) -> list[Digest]:
            own = (f"{number} {step}".encode() * 1_000 for step in range(5))
            return [writers[number].put(each) for content in own for each in (content, b"shared" * 1_000)]

        with ThreadPoolExecutor(4) as pool:
            names = {name for told in pool.map(write, range(4)) for name in told}
        assert len(names) == 21
        assert {digest(store.get(name)) for name in names} == names
