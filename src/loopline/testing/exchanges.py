"""Exchanges as the answering process hands them over, for the text loop and the tables of the tests."""

from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np

from loopline.records.exchange import Exchange, Turn
from loopline.records.ids import VersionName
from loopline.testing.factories import NOW, SIGNATURE, digest

P = (0.1, 0.2, 0.7)
AT_US = (NOW - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def exchange(request: str = "p1", *texts: str, **changes: object) -> Exchange:
    """The texts of one request, "good" when there are none, each answered with 0.1, 0.2, 0.7 by ``v1`` as incumbent."""
    rows = texts or ("good",)
    default = Exchange(
        request=request,
        at_us=AT_US,
        model=VersionName("v1"),
        artifact=digest(b"v1"),
        signature=SIGNATURE.digest,
        arm="incumbent",
        reason="",
        group="",
        inputs=rows,
        rows=len(rows),
        probabilities=np.array([P] * len(rows), "<f4").tobytes(),
        latency_us=150,
    )
    return msgspec.structs.replace(default, **changes)


def failed_exchange(request: str = "p1", *texts: str, **changes: object) -> Exchange:
    """The same, but ``v1`` failed."""
    changes = {"probabilities": b"", "failure": "ValueError: no such word", **changes}
    return exchange(request, *texts, **changes)


def table_exchange(request: str = "p1", *rows: tuple[float, ...], **changes: object) -> Exchange:
    """Rows of a table, each answered with 0.1, 0.2, 0.7."""
    table = rows or ((1.0, 2.5),)
    inputs, p = np.array(table, "<f8").tobytes(), np.array([P] * len(table), "<f4").tobytes()
    return exchange(request, **{"inputs": inputs, "rows": len(table), "probabilities": p, **changes})


def turn(*exchanges: Exchange) -> Turn:
    """What was asked in one call: these exchanges, alike in all but requests, rows, groups, traces and segments."""
    first = exchanges[0]
    fields = {name: getattr(first, name) for name in Turn.__struct_fields__ if name in Exchange.__struct_fields__}
    joined = {
        name: type(getattr(first, name))().join(getattr(one, name) for one in exchanges)
        if isinstance(getattr(first, name), bytes)
        else tuple(row for one in exchanges for row in getattr(one, name))
        for name in ("inputs", "probabilities", "members", "embedding")
    }
    return Turn(
        requests=tuple(one.request for one in exchanges),
        counts=tuple(one.rows for one in exchanges),
        groups=tuple(one.group for one in exchanges),
        traces=tuple(one.trace for one in exchanges),
        segments=tuple(one.segment for one in exchanges),
        **{**fields, **joined, "rows": sum(one.rows for one in exchanges)},
    )
