"""The tables of the state database. Times are microseconds since 1970 UTC; ids sort by code point on every database."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

# Elsewhere PostgreSQL would sort by the locale of the machine, and ties would break differently.
Name = Text().with_variant(Text(collation="C"), "postgresql")

METADATA = MetaData()

ENTRY = Table(
    "entry",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("sequence", Integer, nullable=False, unique=True),
)
"""Every command that was committed, in order: what makes a commit idempotent."""

RECORD = Table(
    "record",
    METADATA,
    Column("loop", Name, nullable=False),
    Column("kind", Name, nullable=False),
    Column("key", Name, nullable=False),
    Column("cycle", Integer),
    Column("state", Name, nullable=False),
    Column("schema_version", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    PrimaryKeyConstraint("loop", "kind", "key"),
    Index("record_order", "loop", "kind", "sequence", "position"),
    Index("record_state", "loop", "kind", "state", "cycle"),
    Index("record_change", "loop", "kind", "updated"),
)
"""Records by kind and key. ``sequence``, ``position``: the entry of the first commit; ``updated``: of the last."""

ACTIVITY = Table(
    "activity",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("loop", Name, nullable=False),
    Column("kind", Name, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("sequence", Integer, nullable=False),
    Index("activity_order", "loop", "sequence"),
)


def _edges(name: str) -> Table:
    """Edges of the run graph, from an activity to its entities."""
    return Table(
        name,
        METADATA,
        Column("activity", Name, ForeignKey("activity.id"), nullable=False),
        Column("position", Integer, nullable=False),
        Column("entity", Name, nullable=False),
        PrimaryKeyConstraint("activity", "position"),
        Index(f"{name}_entity", "entity"),
    )


USED = _edges("used")
GENERATED = _edges("generated")

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("source", Name, nullable=False),
    Column("id", Name, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("position", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("source", "id"),
    Index("outbox_order", "source", "sequence", "position"),
)

TASK = Table(
    "task",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("loop", Name, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("stratum", Name, nullable=False),
    Column("content", Name, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("wanted", Integer, nullable=False),
    Column("answers", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("skill", Name, nullable=False, server_default=""),
    Column("language", Name, nullable=False, server_default=""),
    Column("cluster_name", Name, nullable=False, server_default=""),
    Column("closed", Boolean, nullable=False, server_default=false()),
    Column("full_us", BigInteger, nullable=False, server_default="0"),
    Index("task_batch", "loop", "cycle", "stratum", "answers", "wanted"),
    Index("task_content", "loop", "content"),
)
"""``answers``: how many were given and not withdrawn, whoever gave them. ``wanted`` here overrules the body's.

``closed``: its batch has labels, or its cycle is closed; gold outlasts its batch. Kept up by ``publishing``.
``full_us``: until then it surely has as many answers and leases as wanted, those of paused people counted; a time that
is past says nothing. ``queue`` and ``publishing`` take it back to 0 where a lease is given back or more are wanted."""
OPEN = "answers < wanted AND NOT closed AND stratum <> 'gold'"
"""What the indexes below are about: neither what is done nor gold is walked past when somebody asks for tasks. A query
has to say this very text, or the databases do not see that they may use them."""
ALIKE = f"{OPEN} AND cluster_name <> ''"
GOLD = "stratum = 'gold'"


def _in_order(name: str, *columns: str, where: str) -> None:
    """An index of the tasks that a condition leaves, in the order in which they are served."""
    served = (*(TASK.c[column] for column in columns), TASK.c.priority.desc(), TASK.c.id)
    looked_at = (TASK.c.full_us, TASK.c.stratum, TASK.c.content)
    Index(name, *served, *looked_at, sqlite_where=text(where), postgresql_where=text(where))


_in_order("task_open", "loop", "skill", "language", where=OPEN)
_in_order("task_alike", "loop", "cluster_name", where=ALIKE)
_in_order("task_gold", "loop", where=GOLD)
UNCLOSED = "NOT closed AND stratum <> 'gold'"
Index("task_unclosed", TASK.c.loop, TASK.c.cycle, sqlite_where=text(UNCLOSED), postgresql_where=text(UNCLOSED))

ANNOTATION = Table(
    "annotation",
    METADATA,
    Column("loop", Name, nullable=False),
    Column("id", Name, nullable=False),
    Column("task", Name, ForeignKey("task.id"), nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("stratum", Name, nullable=False),
    Column("annotator", Name, nullable=False),
    Column("label", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("withdrawn_us", BigInteger),
    Column("comment", Text, nullable=False, server_default=""),
    Column("flagged", Boolean, nullable=False, server_default=false()),
    Column("bulk", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("loop", "id"),
    Index("annotation_batch", "loop", "cycle", "task", "id"),
    Index("annotation_annotator", "loop", "annotator", "cycle", "stratum", "withdrawn_us", "task"),
    Index("annotation_person", "loop", "annotator", "at_us", "id", "withdrawn_us"),
    Index("annotation_stratum", "loop", "stratum", "at_us"),
)
"""Append-only: an undone answer gets ``withdrawn_us`` and stays. ``cycle`` and ``stratum`` are its task's."""
Index(
    "annotation_standing",
    ANNOTATION.c.task,
    ANNOTATION.c.annotator,
    unique=True,
    sqlite_where=text("withdrawn_us IS NULL"),
    postgresql_where=text("withdrawn_us IS NULL"),
)

SKIP = Table(
    "skip",
    METADATA,
    Column("task", Name, ForeignKey("task.id"), nullable=False),
    Column("annotator", Name, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    PrimaryKeyConstraint("task", "annotator"),
    Index("skip_person", "annotator", "at_us"),
)

LEASE = Table(
    "lease",
    METADATA,
    Column("task", Name, ForeignKey("task.id"), nullable=False),
    Column("annotator", Name, nullable=False),
    Column("loop", Name, nullable=False),
    Column("content", Name, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    PrimaryKeyConstraint("task", "annotator"),
    Index("lease_asked", "loop", "annotator", "content", "task"),
    Index("lease_held", "loop", "annotator", "until_us"),
)
"""Who was asked what. An ended lease stays with ``until_us`` 0: it remembers that the person has seen the content."""

SEGMENT = Table(
    "segment",
    METADATA,
    Column("loop", Name, nullable=False),
    Column("first", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("digest", Name, nullable=False),
    Column("lane", Name, nullable=False),
    Column("lane_first", BigInteger, nullable=False),
    Column("tier", Name, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("updated", BigInteger, nullable=False),
    PrimaryKeyConstraint("loop", "first"),
    UniqueConstraint("loop", "lane", "lane_first"),
    Index("segment_updated", "loop", "updated"),
)
"""The manifest of the sealed log. ``body``: the whole record, ``records.segment.Segment``.

``updated``: which of the loop's changes, counted from 1, put the row there."""

PIN = Table(
    "pin",
    METADATA,
    Column("loop", Name, nullable=False),
    Column("holder", Name, nullable=False),
    Column("after", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    PrimaryKeyConstraint("loop", "holder"),
)

READER = Table(
    "reader",
    METADATA,
    Column("loop", Name, nullable=False),
    Column("name", Name, nullable=False),
    Column("position", BigInteger, nullable=False),
    PrimaryKeyConstraint("loop", "name"),
)

OUTCOME = Table(
    "outcome",
    METADATA,
    Column("loop", Name, nullable=False),
    Column("id", Name, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("prediction", Name, nullable=False),
    Column("label", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    PrimaryKeyConstraint("loop", "id"),
    Index("outcome_order", "loop", "position", unique=True),
    Index("outcome_prediction", "loop", "prediction"),
)

SAMPLE_ROLE = Table(
    "sample_role",
    METADATA,
    Column("loop", Name, nullable=False),
    Column("content", Name, nullable=False),
    Column("role", Name, CheckConstraint("role IN ('loop', 'reserve')", name="sample_role_known"), nullable=False),
    PrimaryKeyConstraint("loop", "content"),
    UniqueConstraint("loop", "content", "role", name="sample_role_whole"),
)
"""What a sample may be used for. A trigger forbids every change, so that no sample ever crosses the seal."""


def _of_the_loop(table: str) -> tuple[Column[str], ForeignKeyConstraint]:
    """A column that can only say ``loop``, and a reference that finds no sample which is registered otherwise."""
    is_loop = CheckConstraint("role = 'loop'", name=f"{table}_loop")
    return (
        Column("role", Name, is_loop, nullable=False, server_default="loop"),
        ForeignKeyConstraint(
            ["loop", "content", "role"],
            ["sample_role.loop", "sample_role.content", "sample_role.role"],
            name=f"{table}_role",
        ),
    )


SELECTION_MEMBER = Table(
    "selection_member",
    METADATA,
    Column("loop", Name, nullable=False),
    Column("selection", Name, nullable=False),
    Column("content", Name, nullable=False),
    *_of_the_loop("selection_member"),
    PrimaryKeyConstraint("loop", "selection", "content"),
)
"""The samples of each selection."""

DATASET_MEMBER = Table(
    "dataset_member",
    METADATA,
    Column("loop", Name, nullable=False),
    Column("content", Name, nullable=False),
    Column("since", Integer, nullable=False),
    Column("until", Integer, CheckConstraint("until > since", name="dataset_member_span")),
    *_of_the_loop("dataset_member"),
    PrimaryKeyConstraint("loop", "content", "since"),
)
"""The samples of the log in each dataset version, by the cycle that cut it: from ``since`` up to, without, ``until``.

While ``until`` is NULL it is in the newest one. Rows of the base set were never in the log and are not here."""
Index(
    "dataset_member_open",
    DATASET_MEMBER.c.loop,
    DATASET_MEMBER.c.content,
    unique=True,
    sqlite_where=text("until IS NULL"),
    postgresql_where=text("until IS NULL"),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Name, primary_key=True),
    Column("loop", Name, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Name, nullable=False),
    Column("act", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("address", Text, nullable=False),
    Index("audit_order", "loop", "id"),
    Index("audit_actor", "loop", "actor", "id"),
)
"""Who did what at which door. Triggers forbid every change: lines are only ever added."""
