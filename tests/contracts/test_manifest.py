"""Every manifest keeps the contract; the one in a database reads no segment twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from sqlalchemy import Engine, event, text

from loopline.adapters.memory.manifest import MemoryManifest
from loopline.adapters.sql.manifest import SqlManifest
from loopline.errors import Conflict
from loopline.testing.factories import LOOP
from loopline.testing.manifest import ManifestContract, filled, merged, segment


class TestMemoryManifest(ManifestContract):
    def make(self) -> MemoryManifest:
        return MemoryManifest()


class TestSqliteManifest(ManifestContract):
    @pytest.fixture(autouse=True)
    def _sqlite(self, sqlite: Callable[[str], Engine]) -> None:
        self.sqlite, self.names = sqlite, count()

    def make(self) -> SqlManifest:
        return self.opened(str(next(self.names)))

    def beside(self, manifest: SqlManifest) -> SqlManifest:
        return self.opened(manifest.name)

    def opened(self, name: str) -> SqlManifest:
        manifest = SqlManifest(self.sqlite(name))
        manifest.name = name
        return manifest


@contextmanager
def asked(engine: Engine) -> Iterator[list[str]]:
    """The statements that the engine runs meanwhile."""
    said: list[str] = []

    def listen(_: object, __: object, statement: str, *___: object) -> None:
        said.append(" ".join(statement.split()))

    event.listen(engine, "before_cursor_execute", listen)
    yield said
    event.remove(engine, "before_cursor_execute", listen)


def test_an_unchanged_manifest_costs_one_look_at_an_index(state: Callable[[], Engine]) -> None:
    engine = state()
    manifest = SqlManifest(engine)
    filled(manifest, *["main"] * 3)
    held = manifest.segments(LOOP)
    with asked(engine) as said:
        assert manifest.segments(LOOP) is held
    assert [each for each in said if not each.startswith("BEGIN")] == [
        "SELECT max(segment.updated) AS max_1 FROM segment WHERE segment.loop = ?"
    ]
    with engine.connect() as connection:
        plan = f"EXPLAIN QUERY PLAN {said[-1].replace('?', repr('x'))}"
        assert "SEARCH segment USING COVERING INDEX segment_updated" in str(connection.execute(text(plan)).all())


def test_a_changed_manifest_reads_only_the_bodies_that_are_new(state: Callable[[], Engine]) -> None:
    engine = state()
    reader, writer = SqlManifest(engine), SqlManifest(state())
    filled(writer, *["main"] * 3)
    before = reader.segments(LOOP)
    writer.add(segment(31))
    writer.replace(before[:2], new=(merged(before[:2]),))
    with asked(engine) as said:
        after = reader.segments(LOOP)
    assert [one.first for one in after] == [1, 21, 31]
    assert after[1] is before[2]
    (bodies,) = [each for each in said if "body" in each]
    assert "segment.updated > ?" in bodies


def test_a_segment_of_a_newer_loopline_is_refused_in_words(state: Callable[[], Engine]) -> None:
    engine = state()
    (held,) = filled(SqlManifest(engine), "main")
    with engine.begin() as connection:
        old, new = '{"schema_version":1', '{"schema_version":9'
        body = connection.execute(text("SELECT body FROM segment")).scalar_one()
        connection.execute(text("UPDATE segment SET body = :body"), {"body": body.replace(old.encode(), new.encode())})
    with pytest.raises(Conflict) as error:
        SqlManifest(engine).segments(LOOP)
    found = "schema version 9, expected at most 1; a newer Loopline wrote it: update this one"
    assert str(error.value) == f"segment {held.digest}: {found}"
