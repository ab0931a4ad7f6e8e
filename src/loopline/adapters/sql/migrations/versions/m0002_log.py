"""The manifest of the sealed log, its readers, and what the world reported."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "segment",
        sa.Column("loop", NAME, nullable=False),
        sa.Column("first", sa.BigInteger, nullable=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("digest", NAME, nullable=False),
        sa.Column("lane", NAME, nullable=False),
        sa.Column("lane_first", sa.BigInteger, nullable=False),
        sa.Column("tier", NAME, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("updated", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("loop", "first"),
        sa.UniqueConstraint("loop", "lane", "lane_first"),
    )
    op.create_index("segment_updated", "segment", ["loop", "updated"])
    op.create_table(
        "pin",
        sa.Column("loop", NAME, nullable=False),
        sa.Column("holder", NAME, nullable=False),
        sa.Column("after", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("loop", "holder"),
    )
    op.create_table(
        "reader",
        sa.Column("loop", NAME, nullable=False),
        sa.Column("name", NAME, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("loop", "name"),
    )
    op.create_table(
        "outcome",
        sa.Column("loop", NAME, nullable=False),
        sa.Column("id", NAME, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("prediction", NAME, nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("loop", "id"),
    )
    op.create_index("outcome_order", "outcome", ["loop", "position"], unique=True)
    op.create_index("outcome_prediction", "outcome", ["loop", "prediction"])
