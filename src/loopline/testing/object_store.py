"""What every object store must do. Subclass ``ObjectStoreContract`` in your tests and give it ``make``."""

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


class ObjectStoreContract:
    """The laws of ``ports.object_store.ObjectStore``."""

    def make(self) -> ObjectStore:
        """A new, empty store."""
        raise NotImplementedError

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

    @pytest.mark.parametrize("name", [digest(b"absent"), "../../etc/passwd", ""])
    def test_an_unknown_digest_is_named(self, name: str) -> None:
        """Also one that is no digest at all: it never becomes a path."""
        store = self.make()
        with pytest.raises(NotFound) as error:
            store.get(Digest(name))
        assert str(error.value) == f"no object {name!r}"
        with pytest.raises(NotFound):
            store.path(Digest(name))
