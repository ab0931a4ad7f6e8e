# Files and names are quoted here, and nothing that a person wrote is put into SQL.
# ruff: noqa: S608
"""The views a query sees: the loop's own rows with words for columns, and of the reserve nothing but counts."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

PLACE = "offset"
"""Column of a file: the place of a row after the file's first."""
MAIN = "predictions"
OUTCOMES = "outcomes"
COUNTS = "reserve_counts"
VIEWS = (MAIN, OUTCOMES, COUNTS)
OPEN = ("position", "loop", "id", "at_us", "model", "artifact", "signature", "arm", "latency_us", "sampled")
"""Columns that tell nothing of what a sample holds or how it was judged: rows are found by them, so that the engine may
skip whole stretches of a file. Every other column is empty in a reserve row before any condition can see it."""
HIDDEN = ("role",)
"""Always ``loop`` in the view."""
RENAMED = {"group": "group_key"}
"""``group`` is a word of SQL."""
ORDER = (
    "position", "id", "time", "model", "arm", "label", "margin", "entropy", "top", "probabilities", "latency_us",
    "failure", "input", "content", "group_key", "segment", "inputs", "sampled", "reason", "trace", "members",
    "embedding", "payload", "redacted", "artifact", "signature", "loop", "at_us",
)  # fmt: skip
OUTCOME_SCHEMA = pa.schema(
    [("position", pa.int64()), ("id", pa.string()), ("prediction", pa.string()), ("label", pa.string()),
     ("at_us", pa.int64()), ("source", pa.string())]
)  # fmt: skip
"""What ``raise_views`` takes as outcomes; positions are those of arrival."""
_TAIL, _SEALED_TAIL, _REPORTED = "_tail", "_sealed_tail", "_reported"
"""Names that no query can say: the wall lets the views pass, and WITH gives no name that begins with a line."""


class Source(NamedTuple):
    """What a query is asked of."""

    files: tuple[Path, ...]
    """Sealed Parquet, with the columns of a prediction and, where ``firsts`` are given, ``offset``."""
    tail: pa.Table
    """Rows that no file holds, in the same columns, with their ``position``."""
    firsts: tuple[int, ...] = ()
    """Of each file, the position of offset 0."""
    outcomes: pa.Table = OUTCOME_SCHEMA.empty_table()
    """In order of arrival."""


def raise_views(connection: duckdb.DuckDBPyConnection, source: Source, *, loop: str = "") -> None:
    """Make the views over these files and this tail, and one more under the loop's name."""
    files, tail, outcomes = source.files, source.tail, source.outcomes
    is_loop = pc.equal(tail["role"], "loop")
    connection.register(_TAIL, tail.filter(is_loop))
    connection.register(_SEALED_TAIL, tail.filter(pc.invert(is_loop)).select(["at_us", "model"]))
    sealed = f"SELECT * FROM {_TAIL}"
    if files:
        sealed = f"SELECT {_placed(source.firsts)} FROM {_parquet(files)} UNION ALL BY NAME {sealed}"
    found = dict.fromkeys(name for names in (*map(columns_of, files), tuple(tail.column_names)) for name in names)
    columns = [name for name in found if name != PLACE or not source.firsts]
    view = f"SELECT {', '.join(spelled(columns))} FROM ({sealed}) WHERE role = 'loop'"
    for name in (MAIN, *([loop] if loop and loop.lower() not in VIEWS else ())):
        connection.execute(f"CREATE VIEW {_quoted(name)} AS {view}")
    connection.execute(f"CREATE VIEW {COUNTS} AS {_counts(files)}")
    connection.register(_REPORTED, outcomes)
    # A table, not a view: a condition on an outcome of a reserve row must not run before that row is taken out.
    known = f"WHERE prediction IN (SELECT id FROM {MAIN}) ORDER BY position" if outcomes.num_rows else "LIMIT 0"
    connection.execute(
        f"CREATE TABLE {OUTCOMES} AS SELECT position, id, prediction, label, make_timestamptz(at_us) AS time, source "
        f"FROM {_REPORTED} {known}"
    )
    connection.unregister(_REPORTED)


@lru_cache(maxsize=10_000)
def columns_of(file: Path) -> tuple[str, ...]:
    """The names in a file, which never changes. Raises OSError when it is not there, or damaged."""
    try:
        return tuple(pq.read_schema(file).names)
    except pa.ArrowInvalid as error:
        raise OSError(f"{file} is no Parquet file") from error


def spelled(columns: Sequence[str]) -> list[str]:
    """The columns of the view as SQL over these stored ones, in the order that people read them.

    In a row of the reserve all but the ``OPEN`` ones are empty by themselves, whatever the engine does in which order.
    """
    made = {RENAMED.get(name, name): _column(name) for name in columns if name not in HIDDEN}
    made["time"] = "make_timestamptz(at_us) AS time"
    # JSON text is unwrapped; what is no text (an image) has no spelling.
    made["input"] = f"CASE WHEN role = 'loop' THEN {_INPUT} END AS input"
    ranks = {name: rank for rank, name in enumerate(ORDER)}
    return [made[name] for name in sorted(made, key=lambda name: (ranks.get(name, len(ranks)), name))]


_INPUT = "coalesce(try(json_extract_string(decode(inputs), '$')), try(decode(inputs)))"


def _column(name: str) -> str:
    """One column of the view; of a reserve row empty, unless rows are found by it."""
    quoted, shown = _quoted(name), _quoted(RENAMED.get(name, name))
    return f"{quoted} AS {shown}" if name in OPEN else f"CASE WHEN role = 'loop' THEN {quoted} END AS {shown}"


def _placed(firsts: Sequence[int]) -> str:
    """The columns of the files, each row with its position in the log."""
    listed = ", ".join(map(str, firsts))
    return f'* EXCLUDE ("{PLACE}"), [{listed}][file_index::INT + 1] + "{PLACE}" AS position' if firsts else "*"


def _counts(files: Sequence[Path]) -> str:
    rows = f"SELECT at_us, model FROM {_SEALED_TAIL}"
    if files:
        rows = f"SELECT at_us, model FROM {_parquet(files)} WHERE role <> 'loop' UNION ALL {rows}"
    day = "make_timestamptz(at_us)::DATE AS day"
    return f"SELECT {day}, model, count(*) AS rows FROM ({rows}) GROUP BY ALL ORDER BY ALL"


def _parquet(files: Sequence[Path]) -> str:
    """The files as one table; a column that an older one lacks is empty there.

    Only then does the engine have to look into every file before it begins.
    """
    is_mixed = len(set(map(columns_of, files))) > 1
    listed = ", ".join(_quoted(str(file), "'") for file in files)
    return f"read_parquet([{listed}], union_by_name = {str(is_mixed).lower()})"


def _quoted(name: str, mark: str = '"') -> str:
    return f"{mark}{name.replace(mark, 2 * mark)}{mark}"
