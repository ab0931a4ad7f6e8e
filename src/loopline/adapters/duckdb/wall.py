"""The first wall: a query is parsed before it runs, and refused unless every part of it is known to be harmless."""

import atexit
import difflib
import re
from collections.abc import Iterator
from functools import cache
from threading import Lock
from typing import Any, NamedTuple

import duckdb
import msgspec

from loopline.adapters.duckdb.vocabulary import FUNCTIONS, TABLE_FUNCTIONS
from loopline.errors import InvalidRecord

LONGEST = 20_000
"""Characters of a query."""
DEEPEST = 600
"""Levels of a parsed query; people write a dozen."""
EXPRESSIONS = frozenset({
    "BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA",
    "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW",
})  # fmt: skip
"""What may compute a value."""
CLAUSES = frozenset({
    "ASCENDING", "CTE_NODE", "DESCENDING", "DISTINCT_MODIFIER", "EMPTY", "EXPRESSION_LIST", "JOIN", "LIMIT_MODIFIER",
    "LIMIT_PERCENT_MODIFIER", "ORDER_DEFAULT", "ORDER_MODIFIER", "RECURSIVE_CTE_NODE", "SELECT_NODE",
    "SET_OPERATION_NODE", "SUBQUERY",
})  # fmt: skip
"""What may hold expressions and tables; tables, table functions and DESCRIBE are looked at one by one."""
PLAIN = re.compile(r"[a-z][a-z0-9_]*")
CATALOGUE = ("duckdb_", "pg_", "pragma_", "sqlite_", "information_schema")
"""How names begin under which the engine tells about itself."""
OPERATOR = re.compile(r"[^a-z0-9_.\s\"']+")
Node = dict[str, Any]


class Place(NamedTuple):
    """A part of the parsed query, and what can be named there."""

    node: Any
    names: frozenset[str]
    """Of tables, in small letters."""
    depth: int


def check(sql: str, *, views: frozenset[str]) -> None:
    """Let one SELECT over these views pass. Raises InvalidRecord that names the first part with no business there.

    ``views``: names in small letters. The check is an allow-list: kinds of clause, of expression, and functions that
    are not known to be harmless are refused, so that a part of SQL which a later engine learns is refused as well.

    >>> check("SELECT count(*) FROM predictions", views=frozenset({"predictions"}))
    >>> check("FROM read_parquet('x')", views=frozenset({"predictions"}))
    Traceback (most recent call last):
    loopline.errors.InvalidRecord: query: a table made by read_parquet(), expected one of predictions
    """
    open_places = [Place(parsed(sql), views, 0)]
    while open_places:
        place = open_places.pop()
        if place.depth > DEEPEST:
            raise InvalidRecord("query", found=f"over {DEEPEST} levels of nesting", expected="a flatter one")
        open_places.extend(_within(place))


def parsed(sql: str) -> Node:
    """The one statement, as a tree. Raises InvalidRecord unless it is one, and a SELECT."""
    if len(sql) > LONGEST:
        raise InvalidRecord("query", found=f"{len(sql):,} characters", expected=f"at most {LONGEST:,}")
    with _lock:
        row = _parser().execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    try:
        answer: Node = msgspec.json.decode(row[0] if row else "{}")
    except RecursionError:
        raise InvalidRecord("query", found="deep nesting", expected="a flatter one") from None
    if answer["error"]:
        raise _unparsed(answer, sql)
    statements = answer["statements"]
    if len(statements) != 1:
        found = f"{len(statements)} statements" if statements else "nothing"
        raise InvalidRecord("query", found=found, expected="one SELECT")
    return statements[0]  # type: ignore[no-any-return]


_lock = Lock()


@cache
def _parser() -> duckdb.DuckDBPyConnection:
    """A connection that sees nothing: it only turns text into trees."""
    bare = duckdb.connect(":memory:", config={"python_enable_replacements": "false", "threads": "1"})
    bare.execute("SET enable_external_access = false")
    bare.execute("SET lock_configuration = true")
    atexit.register(bare.close)  # one that is left open makes the interpreter speak of leaks when it ends
    return bare


def _unparsed(answer: Node, sql: str) -> InvalidRecord:
    if answer["error_type"] == "not implemented":
        verb = re.sub(r"(--[^\n]*|/\*.*?\*/|\s)+", " ", sql, flags=re.DOTALL).strip().partition(" ")[0]
        return InvalidRecord("query", found=f"a statement that begins with {verb[:20].upper()}", expected="one SELECT")
    position = str(answer.get("position", ""))
    before = sql.encode()[: int(position)].decode(errors="replace") if position.isdigit() else ""
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    place = f" (line {line}, column {column})" if position.isdigit() else ""
    reason = str(answer["error_message"]).partition("\n")[0]
    return InvalidRecord("query", found=f"{reason}{place}", expected="one SELECT")


def _within(place: Place) -> Iterator[Place]:
    """The parts of a part that was looked at. Raises InvalidRecord."""
    node, names, depth = place
    if isinstance(node, list):
        yield from (Place(one, names, depth + 1) for one in node)
    elif isinstance(node, dict):
        inner = _named_here(node, names)
        for key in _looked_at(node, names):
            if key != "cte_map":
                yield Place(node[key], inner | _itself(node, key), depth + 1)
        yield from _definitions(node, names, depth + 1)


def _itself(node: Node, key: str) -> frozenset[str]:
    """The name by which the repeated half of a recursive query, and it alone, calls what was found so far."""
    is_repeated = node.get("type") == "RECURSIVE_CTE_NODE" and key == "right"
    return frozenset({_new_name(node["cte_name"])} if is_repeated else ())


def _definitions(node: Node, names: frozenset[str], depth: int) -> Iterator[Place]:
    """The queries behind WITH: each sees the names before its own."""
    for entry in (node.get("cte_map") or {}).get("map", ()):
        yield Place(entry["value"], names, depth)
        names |= {_new_name(entry["key"])}


def _named_here(node: Node, names: frozenset[str]) -> frozenset[str]:
    entries = (node.get("cte_map") or {}).get("map", ())
    return names | {_new_name(entry["key"]) for entry in entries}


def _new_name(name: str) -> str:
    """A name given by WITH, which cannot be mistaken for a file or for the catalogue. Raises InvalidRecord."""
    small = name.lower()
    if not PLAIN.fullmatch(small) or small.startswith(CATALOGUE):
        expected = "small letters, digits and underscores, beginning with a letter"
        raise InvalidRecord("query", found=f"the name {name!r} after WITH", expected=expected)
    return small


def _looked_at(node: Node, names: frozenset[str]) -> tuple[str, ...]:
    """The keys whose values are still to be looked at. Raises InvalidRecord unless the node itself is harmless."""
    kind = node.get("class")
    if kind is not None:
        return _of_expression(node, str(kind))
    kind = node.get("type")
    if kind == "BASE_TABLE":
        return _of_table(node, names)
    if kind == "TABLE_FUNCTION":
        return _of_table_function(node, names)
    if kind == "SHOW_REF":
        if node.get("query") is None:
            raise InvalidRecord("query", found="SHOW", expected="one SELECT, or DESCRIBE and a view")
        return ("query",)
    if isinstance(kind, str) and kind not in CLAUSES:
        raise InvalidRecord("query", found=_spoken(kind), expected="a plain SELECT")
    return tuple(node)


def _of_expression(node: Node, kind: str) -> tuple[str, ...]:
    if kind == "PARAMETER":
        raise InvalidRecord("query", found="a parameter (? or $)", expected="its value")
    if kind not in EXPRESSIONS:
        raise InvalidRecord("query", found=_spoken(kind), expected="a plain SELECT")
    if kind == "CONSTANT":
        return ()
    if kind in ("FUNCTION", "WINDOW"):
        _require_function(node, FUNCTIONS)
    return tuple(node)


def _of_table(node: Node, names: frozenset[str]) -> tuple[str, ...]:
    path = [str(part) for part in node["qualified_name"]["path"]]
    if len(path) != 1 or path[0] != node["table_name"] or path[0].lower() not in names:
        raise InvalidRecord("query", found=f"the table {'.'.join(path)!r}", expected=_one_of(names))
    if node.get("at_clause") is not None:
        raise InvalidRecord("query", found="AT", expected="a table as it is now")
    return ()


def _of_table_function(node: Node, names: frozenset[str]) -> tuple[str, ...]:
    function = node["function"]
    name = str(function.get("function_name", "")).lower()
    if name not in TABLE_FUNCTIONS or len(function["qualified_name"]["path"]) != 1:
        raise InvalidRecord("query", found=f"a table made by {name}()", expected=_one_of(names))
    node["function"] = function["arguments"]  # the function itself is judged; what it is given is not
    return tuple(node)


def _require_function(node: Node, known: frozenset[str]) -> None:
    path = [str(part) for part in node["qualified_name"]["path"]]
    name = str(node["function_name"]).lower()
    if len(path) == 1 and path[0].lower() == name and (name in known or OPERATOR.fullmatch(name)):
        return
    close = difflib.get_close_matches(name, known, n=3)
    remedy = f"nearest: {', '.join(close)}" if close else ""
    expected = "a function that computes from its arguments alone"
    raise InvalidRecord("query", found=f"the function {'.'.join(path)}()", expected=expected, remedy=remedy)


def _one_of(names: frozenset[str]) -> str:
    return f"one of {', '.join(sorted(names))}"


def _spoken(kind: str) -> str:
    return kind.removesuffix("_NODE").removesuffix("_REF").replace("_", " ")
