"""The seal of the reserve: no sample that judges can be in a selection or a training set, whatever code tries.

What a running loop has stored is registered. A sample that it used on both sides stays the reserve's, whose tasks are
published already; the selection that also named it is then without that member.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
PORTION = 50_000
"""Rows that are entered at once."""
Sample = tuple[str, str]
"""A loop, and the digest of a content."""


class Sampled(msgspec.Struct):
    """What is read of a candidate or a label; the rest of it is passed over, and takes no memory."""

    content: str
    stratum: str = ""


class Chosen(msgspec.Struct):
    """What is read of a selection."""

    id: str
    candidates: list[Sampled]


class Labelled(msgspec.Struct):
    """What is read of a batch of labels."""

    cycle: int
    labels: list[Sampled]


class Version(msgspec.Struct):
    """What is read of a dataset version."""

    cycle: int


B = TypeVar("B")


def upgrade() -> None:
    """Make the tables, fill them, and forbid that a role is changed."""
    _roles()
    _members()
    _register()
    for statement in STANDS[op.get_bind().dialect.name]:
        op.execute(sa.text(statement))


def _roles() -> None:
    op.create_table(
        "sample_role",
        sa.Column("loop", NAME, nullable=False),
        sa.Column("content", NAME, nullable=False),
        sa.Column("role", NAME, sa.CheckConstraint("role IN ('loop', 'reserve')", "sample_role_known"), nullable=False),
        sa.PrimaryKeyConstraint("loop", "content"),
        sa.UniqueConstraint("loop", "content", "role", name="sample_role_whole"),
    )


def _members() -> None:
    op.create_table(
        "selection_member",
        sa.Column("loop", NAME, nullable=False),
        sa.Column("selection", NAME, nullable=False),
        sa.Column("content", NAME, nullable=False),
        *_of_the_loop("selection_member"),
        sa.PrimaryKeyConstraint("loop", "selection", "content"),
    )
    op.create_table(
        "dataset_member",
        sa.Column("loop", NAME, nullable=False),
        sa.Column("content", NAME, nullable=False),
        sa.Column("since", sa.Integer, nullable=False),
        sa.Column("until", sa.Integer, sa.CheckConstraint("until > since", "dataset_member_span")),
        *_of_the_loop("dataset_member"),
        sa.PrimaryKeyConstraint("loop", "content", "since"),
    )
    is_open = sa.text("until IS NULL")
    op.create_index(
        "dataset_member_open",
        "dataset_member",
        ["loop", "content"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )


def _of_the_loop(table: str) -> tuple[sa.Column[str], sa.ForeignKeyConstraint]:
    own, referred = ["loop", "content", "role"], [f"sample_role.{name}" for name in ("loop", "content", "role")]
    is_loop = sa.CheckConstraint("role = 'loop'", f"{table}_loop")
    return (
        sa.Column("role", NAME, is_loop, nullable=False, server_default="loop"),
        sa.ForeignKeyConstraint(own, referred, name=f"{table}_role"),
    )


STANDS = {
    # The first also stops INSERT OR REPLACE, which takes the old row away without a word to the others.
    "sqlite": (
        "CREATE TRIGGER sample_role_kept BEFORE INSERT ON sample_role WHEN EXISTS (SELECT 1 FROM sample_role WHERE "
        "loop = NEW.loop AND content = NEW.content AND role <> NEW.role) "
        "BEGIN SELECT RAISE(ABORT, 'a sample keeps its role'); END",
        "CREATE TRIGGER sample_role_stands BEFORE UPDATE ON sample_role "
        "BEGIN SELECT RAISE(ABORT, 'a sample keeps its role'); END",
        "CREATE TRIGGER sample_role_stays BEFORE DELETE ON sample_role "
        "BEGIN SELECT RAISE(ABORT, 'a sample keeps its role'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION sample_role_stands() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'a sample keeps its role'; END $$",
        "CREATE TRIGGER sample_role_stands BEFORE UPDATE OR DELETE ON sample_role "
        "FOR EACH ROW EXECUTE FUNCTION sample_role_stands()",
    ),
}


def _register() -> None:
    """Enter what is stored: the reserve first, then what was selected and learned and is not the reserve's."""
    batches = list(_bodies("labels", Labelled))
    sealed = set(_asked())
    sealed |= {(loop, label.content) for loop, batch in batches for label in _labels(batch, "reserve")}
    chosen = {
        (loop, body.id, one.content)
        for loop, body in _bodies("selection", Chosen)
        for one in body.candidates
        if (loop, one.content) not in sealed
    }
    learned = {sample: since for sample, since in _learned(batches).items() if sample not in sealed}
    opened = {(loop, content) for loop, _, content in chosen} | learned.keys()
    for role, samples in (("reserve", sealed), ("loop", opened)):
        _fill("sample_role", "loop content role", ((*sample, role) for sample in sorted(samples)))
    _fill("selection_member", "loop selection content", sorted(chosen))
    _fill("dataset_member", "loop content since", ((*sample, since) for sample, since in sorted(learned.items())))


def _learned(batches: Iterable[tuple[str, Labelled]]) -> dict[Sample, int]:
    """Samples that the loop learned from, with the version that they entered: the first cut at or after their label."""
    cuts: dict[str, list[int]] = defaultdict(list)
    for loop, body in _bodies("dataset", Version):
        cuts[loop].append(body.cycle)
    learned: dict[Sample, int] = {}
    for loop, batch in batches:
        if after := [cut for cut in cuts[loop] if cut >= batch.cycle]:
            since = min(after)
            for label in _labels(batch, "chosen", "audit"):
                sample = loop, label.content
                learned[sample] = min(since, learned.get(sample, since))
    return learned


def _labels(batch: Labelled, *strata: str) -> Iterator[Sampled]:
    return (label for label in batch.labels if label.stratum in strata)


def _bodies(kind: str, form: type[B]) -> Iterator[tuple[str, B]]:
    """The loop of every stored record of a kind, and what is read of it."""
    found = op.get_bind().execute(sa.text("SELECT loop, body FROM record WHERE kind = :kind"), {"kind": kind})
    return ((row.loop, msgspec.json.decode(bytes(row.body), type=form)) for row in found)


def _asked() -> Iterator[Sample]:
    found = op.get_bind().execute(sa.text("SELECT DISTINCT loop, content FROM task WHERE stratum = 'reserve'"))
    return ((row.loop, row.content) for row in found)


def _fill(table: str, columns: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Enter the rows, a portion at a time. In the order of their keys: a tree that grows at its end is soon grown."""
    names = columns.split()
    into, waiting = sa.table(table, *map(sa.column, names)), iter(rows)
    while portion := [dict(zip(names, row, strict=True)) for row in islice(waiting, PORTION)]:
        op.bulk_insert(into, portion)
