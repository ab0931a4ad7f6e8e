"""What the engine objects to, as one sentence."""

import re
from typing import TYPE_CHECKING

from loopline.errors import InvalidRecord, LooplineError, Unavailable

if TYPE_CHECKING:
    from loopline.adapters.duckdb.query import Limits

KIND = re.compile(r"^(?:Invalid Input Error: )?([A-Z][A-Za-z -]+?) Error: ", re.IGNORECASE)
"""How the engine begins what it says."""
CANDIDATES = re.compile(r"(?:Candidate bindings|Candidates): ?:? ?(.*)")
COLUMN = re.compile(r'(?:Referenced column|column named) "([^"]+)"')
PLACE = re.compile(r"^LINE (\d+):", re.MULTILINE)


def refusal(error: Exception, limits: "Limits", *, is_late: bool) -> LooplineError:
    r"""The error as a person can act on it.

    >>> from loopline.adapters.duckdb.query import Limits
    >>> said = 'Binder Error: Referenced column "margn" not found in FROM clause!\nCandidate bindings: "margin"'
    >>> str(refusal(ValueError(said), Limits(rows=10, seconds=1.0), is_late=False))
    "query: no column 'margn', expected one that its tables have; nearest: margin"
    """
    said = str(error)
    kind = "io" if isinstance(error, OSError) else (KIND.match(said) or [said, ""])[1].lower()
    if is_late or kind == "interrupt":
        remedy = "ask about less time or fewer columns, or allow more with --timeout"
        return InvalidRecord(
            "query", found=f"no answer within {limits.seconds:g} s", expected="a quicker one", remedy=remedy
        )
    if kind == "out of memory":
        found = f"a need for over {limits.memory_mb} MB"
        return InvalidRecord("query", found=found, expected="less", remedy="aggregate, or ask for fewer rows")
    if kind in ("io", "permission", "internal", "fatal"):
        reason = f"a part of it could not be read ({kind} error)"
        return Unavailable("prediction log", reason=reason, remedy="it may just have been repacked: ask again")
    return _mistake(said)


def _mistake(said: str) -> InvalidRecord:
    """A query that the engine understood, and cannot answer."""
    nearest = CANDIDATES.search(said)
    names = re.findall(r'"([^"]+)"', nearest[1]) if nearest else []
    remedy = f"nearest: {', '.join(names[:3])}" if names else ""
    if column := COLUMN.search(said):
        expected = "one that its tables have"
        return InvalidRecord("query", found=f"no column {column[1]!r}", expected=expected, remedy=remedy)
    first = re.split(r"\n|[.!] (?=[A-Z])", KIND.sub("", said), maxsplit=1)[0].rstrip(".! ")  # what follows is advice
    line = PLACE.search(said)
    place = f" (line {line[1]})" if line and line[1] != "1" else ""
    return InvalidRecord("query", found=f"{first}{place}", expected="one SELECT that can be answered", remedy=remedy)
