"""The audit log: who did what at which door. The database refuses to change or to take away a line."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make the table, and forbid that a line of it is changed."""
    op.create_table(
        "audit",
        sa.Column("id", NAME, nullable=False),
        sa.Column("loop", NAME, nullable=False),
        sa.Column("at_us", sa.BigInteger, nullable=False),
        sa.Column("actor", NAME, nullable=False),
        sa.Column("act", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("audit_order", "audit", ["loop", "id"])
    op.create_index("audit_actor", "audit", ["loop", "actor", "id"])
    for statement in STANDS[op.get_bind().dialect.name]:
        op.execute(sa.text(statement))


STANDS = {
    # The first also stops INSERT OR REPLACE, which takes the old row away without a word to the others.
    "sqlite": (
        "CREATE TRIGGER audit_kept BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id AND "
        "(loop, at_us, actor, act, subject, outcome, address) IS NOT "
        "(NEW.loop, NEW.at_us, NEW.actor, NEW.act, NEW.subject, NEW.outcome, NEW.address)) "
        "BEGIN SELECT RAISE(ABORT, 'the audit log stands'); END",
        "CREATE TRIGGER audit_stands BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log stands'); END",
        "CREATE TRIGGER audit_stays BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log stands'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION audit_stands() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log stands'; END $$",
        "CREATE TRIGGER audit_stands BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_stands()",
    ),
}
