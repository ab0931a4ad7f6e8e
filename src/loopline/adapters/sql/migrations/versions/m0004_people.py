"""What tasks ask of people, what people add to an answer, and indexes that do not walk past what is done."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
OPEN = "answers < wanted AND NOT closed AND stratum <> 'gold'"
OVER = (
    "UPDATE task SET closed = TRUE WHERE stratum <> 'gold' AND EXISTS (SELECT 1 FROM record WHERE "
    "record.loop = task.loop AND record.cycle = task.cycle "
    "AND (record.kind = 'labels' OR (record.kind = 'cycle' AND record.state = 'closed')))"
)


def upgrade() -> None:
    """Add the columns, note which batches are over, and change the indexes."""
    for name in ("skill", "language", "cluster_name"):
        op.add_column("task", sa.Column(name, NAME, nullable=False, server_default=""))
    op.add_column("task", sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("task", sa.Column("full_us", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("annotation", sa.Column("comment", sa.Text, nullable=False, server_default=""))
    for name in ("flagged", "bulk"):
        op.add_column("annotation", sa.Column(name, sa.Boolean, nullable=False, server_default=sa.false()))
    op.execute(sa.text(OVER))
    op.drop_index("task_queue", "task")
    op.create_index("task_content", "task", ["loop", "content"])
    _in_order("task_open", "loop", "skill", "language", where=OPEN)
    _in_order("task_alike", "loop", "cluster_name", where=f"{OPEN} AND cluster_name <> ''")
    _in_order("task_gold", "loop", where="stratum = 'gold'")
    unclosed = sa.text("NOT closed AND stratum <> 'gold'")
    op.create_index("task_unclosed", "task", ["loop", "cycle"], sqlite_where=unclosed, postgresql_where=unclosed)
    op.create_index("annotation_person", "annotation", ["loop", "annotator", "at_us", "id", "withdrawn_us"])
    op.create_index("skip_person", "skip", ["annotator", "at_us"])


def _in_order(name: str, *columns: str, where: str) -> None:
    served: list[str | sa.TextClause] = [*columns, sa.text("priority DESC"), "id", "full_us", "stratum", "content"]
    op.create_index(name, "task", served, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
