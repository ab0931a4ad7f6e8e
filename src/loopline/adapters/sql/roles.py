"""Roles and memberships in SQL: registered in a ledger's transaction, and held apart by the tables themselves."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from loopline.adapters.claims import Claim, claims_of, clash
from loopline.adapters.sql.database import reading
from loopline.adapters.sql.tables import DATASET_MEMBER, SAMPLE_ROLE, SELECTION_MEMBER
from loopline.errors import Conflict
from loopline.records.ids import LoopName
from loopline.records.lineage import Entry
from loopline.records.prediction import Role
from loopline.records.reserve import Membership
from loopline.records.selection import Selection

AT_ONCE: Final = 5_000
"""Contents in one statement: below the smallest number of parameters that a database takes, SQLite's 32,766."""


def store_roles(connection: Connection, entry: Entry) -> None:
    """Register what the entry claims, and write its selections and its membership down. Raises Conflict."""
    for claim in claims_of(entry):
        _register(connection, claim)
    for record in entry.records:
        if isinstance(record, Selection):
            _store_selection(connection, record)
    if entry.members:
        _store_membership(connection, entry.members)


def _register(connection: Connection, claim: Claim) -> None:
    """Give the samples their role. What the tables would refuse is looked for first, so that it can be named."""
    of_loop = SAMPLE_ROLE.c.loop == claim.loop
    others: list[str] = []
    for asked in _portions(claim.contents):
        is_other = SAMPLE_ROLE.c.content.in_(asked) & (SAMPLE_ROLE.c.role != claim.role)
        others += connection.execute(select(SAMPLE_ROLE.c.content).where(of_loop, is_other)).scalars()
    if others:
        raise clash(claim, others)
    rows = [{"loop": claim.loop, "content": content, "role": claim.role} for content in claim.contents]
    _insert(connection, SAMPLE_ROLE, rows)


def _store_selection(connection: Connection, selection: Selection) -> None:
    """The members of a selection, in place of those that it had under an earlier record of this id."""
    of_selection = (SELECTION_MEMBER.c.loop == selection.loop) & (SELECTION_MEMBER.c.selection == selection.id)
    connection.execute(delete(SELECTION_MEMBER).where(of_selection))
    contents = dict.fromkeys(one.content for one in selection.candidates)
    rows = [{"loop": selection.loop, "selection": selection.id, "content": content} for content in contents]
    _insert(connection, SELECTION_MEMBER, rows)


def _store_membership(connection: Connection, members: Membership) -> None:
    table, version = DATASET_MEMBER.c, members.version
    of_loop, is_open = table.loop == members.loop, table.until.is_(None)
    found = connection.execute(select(func.max(table.since), func.max(table.until)).where(of_loop)).one()
    newest = max((number for number in found if number is not None), default=-1)
    if newest >= version:
        raise Conflict(f"membership of version {version}", found=f"version {newest} is stored", expected="a later one")
    held: set[str] = set()
    for asked in _portions(members.added):
        held.update(
            connection.execute(select(table.content).where(of_loop, is_open, table.content.in_(asked))).scalars()
        )
    for asked in _portions(members.removed):
        ended = update(DATASET_MEMBER).where(of_loop, is_open, table.content.in_(asked))
        connection.execute(ended.values(until=version))
    fresh = [content for content in dict.fromkeys(members.added) if content not in held]
    _insert(connection, DATASET_MEMBER, [{"loop": members.loop, "content": one, "since": version} for one in fresh])


def _insert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Add these rows; one whose key is there changes nothing."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    if rows:
        connection.execute(make(table).on_conflict_do_nothing(), list(rows))


def _portions(contents: Iterable[str]) -> Iterator[list[str]]:
    asked = sorted(set(contents))
    return (asked[first : first + AT_ONCE] for first in range(0, len(asked), AT_ONCE))


class SqlRoleBook:
    """Reads the roles in the tables of ``open_database``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reserved(self, loop: LoopName) -> frozenset[str]:
        """Content digests that judge."""
        return self._of(loop, "reserve")

    def selected(self, loop: LoopName) -> frozenset[str]:
        """Content digests that were selected or learned."""
        return self._of(loop, "loop")

    def members(self, loop: LoopName, *, version: int) -> frozenset[str]:
        """Content digests of the samples of the log in this version."""
        table = DATASET_MEMBER.c
        is_in = (table.since <= version) & or_(table.until.is_(None), table.until > version)
        return self._contents(DATASET_MEMBER, (table.loop == loop) & is_in)

    def _of(self, loop: LoopName, role: Role) -> frozenset[str]:
        return self._contents(SAMPLE_ROLE, (SAMPLE_ROLE.c.loop == loop) & (SAMPLE_ROLE.c.role == role))

    def _contents(self, table: Table, where: ColumnElement[bool]) -> frozenset[str]:
        with reading(self._engine) as connection:
            return frozenset(connection.execute(select(table.c.content).where(where)).scalars())
