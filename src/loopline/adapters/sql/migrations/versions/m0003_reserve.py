"""The seal of the reserve: no sample that judges can be in a selection or a training set, whatever code tries.

What a running loop has stored is registered. A sample that it used on both sides stays the reserve's, whose tasks are
published already; the selection that also named it is then without that member.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
Sample = tuple[str, str]
"""A loop, and the digest of a content."""
Body = dict[str, Any]
"""A stored record, as it is spelled in JSON."""


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
    batches = list(_bodies("labels"))
    sealed = dict.fromkeys(_asked())
    sealed |= {(loop, one["content"]): None for loop, batch in batches for one in _labels(batch, "reserve")}
    chosen = {
        (loop, body["id"], one["content"]): None
        for loop, body in _bodies("selection")
        for one in body["candidates"]
        if (loop, one["content"]) not in sealed
    }
    learned = {sample: since for sample, since in _learned(batches).items() if sample not in sealed}
    opened = dict.fromkeys([*((loop, content) for loop, _, content in chosen), *learned])
    for role, samples in (("reserve", sealed), ("loop", opened)):
        _fill("sample_role", ({"loop": loop, "content": content, "role": role} for loop, content in samples))
    _fill("selection_member", ({"loop": loop, "selection": name, "content": c} for loop, name, c in chosen))
    spans = ({"loop": loop, "content": content, "since": since} for (loop, content), since in learned.items())
    _fill("dataset_member", spans)


def _learned(batches: Iterable[tuple[str, Body]]) -> dict[Sample, int]:
    """Samples that the loop learned from, with the version that they entered: the first cut at or after their label."""
    cuts: dict[str, list[int]] = defaultdict(list)
    for loop, body in _bodies("dataset"):
        cuts[loop].append(body["cycle"])
    learned: dict[Sample, int] = {}
    for loop, batch in batches:
        if after := [cut for cut in cuts[loop] if cut >= batch["cycle"]]:
            for label in _labels(batch, "chosen", "audit"):
                sample = loop, label["content"]
                learned[sample] = min(*after, learned.get(sample, after[0]))
    return learned


def _labels(batch: Body, *strata: str) -> Iterator[Body]:
    return (label for label in batch["labels"] if label["stratum"] in strata)


def _bodies(kind: str) -> Iterator[tuple[str, Body]]:
    """The loop and the fields of every stored record of a kind."""
    found = op.get_bind().execute(sa.text("SELECT loop, body FROM record WHERE kind = :kind"), {"kind": kind})
    return ((row.loop, msgspec.json.decode(bytes(row.body))) for row in found)


def _asked() -> Iterator[Sample]:
    found = op.get_bind().execute(sa.text("SELECT DISTINCT loop, content FROM task WHERE stratum = 'reserve'"))
    return ((row.loop, row.content) for row in found)


def _fill(table: str, rows: Iterable[dict[str, object]]) -> None:
    entered = list(rows)
    if entered:
        op.bulk_insert(sa.table(table, *map(sa.column, entered[0])), entered)
