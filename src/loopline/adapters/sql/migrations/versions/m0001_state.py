"""The first schema: ledger, run graph, outbox, tasks and answers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make every table."""
    _ledger()
    _run_graph()
    _tasks()
    _answers()


def _ledger() -> None:
    op.create_table(
        "entry",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("sequence", sa.Integer, nullable=False, unique=True),
    )
    op.create_table(
        "record",
        sa.Column("loop", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("key", NAME, nullable=False),
        sa.Column("cycle", sa.Integer),
        sa.Column("state", NAME, nullable=False),
        sa.Column("schema_version", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("updated", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("loop", "kind", "key"),
    )
    op.create_index("record_order", "record", ["loop", "kind", "sequence", "position"])
    op.create_index("record_state", "record", ["loop", "kind", "state", "cycle"])
    op.create_index("record_change", "record", ["loop", "kind", "updated"])
    op.create_table(
        "outbox",
        sa.Column("source", NAME, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("source", "id"),
    )
    op.create_index("outbox_order", "outbox", ["source", "sequence", "position"])


def _run_graph() -> None:
    op.create_table(
        "activity",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("loop", NAME, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("started_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("sequence", sa.Integer, nullable=False),
    )
    op.create_index("activity_order", "activity", ["loop", "sequence"])
    for name in ("used", "generated"):
        op.create_table(
            name,
            sa.Column("activity", NAME, sa.ForeignKey("activity.id"), nullable=False),
            sa.Column("position", sa.Integer, nullable=False),
            sa.Column("entity", NAME, nullable=False),
            sa.PrimaryKeyConstraint("activity", "position"),
        )
        op.create_index(f"{name}_entity", name, ["entity"])


def _tasks() -> None:
    op.create_table(
        "task",
        sa.Column("id", NAME, primary_key=True),
        sa.Column("loop", NAME, nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("stratum", NAME, nullable=False),
        sa.Column("content", NAME, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("wanted", sa.Integer, nullable=False),
        sa.Column("answers", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.create_index("task_batch", "task", ["loop", "cycle", "stratum", "answers", "wanted"])
    order = [sa.text("priority DESC") if c == "priority" else c for c in ("loop", "priority", "id")]
    op.create_index("task_queue", "task", [*order, "cycle", "stratum", "answers", "wanted"])
    op.create_table(
        "skip",
        sa.Column("task", NAME, sa.ForeignKey("task.id"), nullable=False),
        sa.Column("annotator", NAME, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("task", "annotator"),
    )
    op.create_table(
        "lease",
        sa.Column("task", NAME, sa.ForeignKey("task.id"), nullable=False),
        sa.Column("annotator", NAME, nullable=False),
        sa.Column("loop", NAME, nullable=False),
        sa.Column("content", NAME, nullable=False),
        sa.Column("until_us", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("task", "annotator"),
    )
    op.create_index("lease_asked", "lease", ["loop", "annotator", "content", "task"])
    op.create_index("lease_held", "lease", ["loop", "annotator", "until_us"])


def _answers() -> None:
    op.create_table(
        "annotation",
        sa.Column("loop", NAME, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("task", NAME, sa.ForeignKey("task.id"), nullable=False),
        sa.Column("cycle", sa.Integer, nullable=False),
        sa.Column("stratum", NAME, nullable=False),
        sa.Column("annotator", NAME, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.Column("withdrawn_us", sa.BigInteger),
        sa.PrimaryKeyConstraint("loop", "id"),
    )
    op.create_index("annotation_batch", "annotation", ["loop", "cycle", "task", "id"])
    by_person = ["loop", "annotator", "cycle", "stratum", "withdrawn_us", "task"]
    op.create_index("annotation_annotator", "annotation", by_person)
    op.create_index("annotation_stratum", "annotation", ["loop", "stratum", "at_us"])
    stands = sa.text("withdrawn_us IS NULL")
    op.create_index(
        "annotation_standing",
        "annotation",
        ["task", "annotator"],
        unique=True,
        sqlite_where=stands,
        postgresql_where=stands,
    )
