"""Pools to select from, small enough to check by eye, and cut into pieces in any way."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from loopline.ports.columns import PoolColumns, PoolRows, Sift, Sifted, Sketch
from loopline.select.batch import value_of
from loopline.select.sifting import keys_of, sift


def rows_of(drawn: Sequence[tuple[int, bool, float]]) -> tuple[PoolRows, NDArray[np.float32]]:
    """Rows of (content, whether v1 answered, margin), and the margins."""
    n = len(drawn)
    margin = np.array([value for *_, value in drawn], np.float32)
    top = (1 + np.nan_to_num(margin)) / 2
    return PoolRows(
        position=np.arange(1, n + 1),
        id=objects([f"p{at}" for at in range(n)]),
        content=objects([digest(content) for content, *_ in drawn]),
        inputs=objects([f'"row {content}"'.encode() for content, *_ in drawn]),
        model=objects(["v1" if is_current else "v0" for _, is_current, _ in drawn]),
        label=objects(["bad"] * n),
        segment=objects([""] * n),
        at_us=np.zeros(n, np.int64),
        probabilities=np.stack([top, 1 - top], axis=1).astype(np.float32).reshape(n, 2),
        margin=margin,
        members=objects([np.zeros(0, np.float32)] * n),
        embedding=objects([np.zeros(0, np.float32)] * n),
    ), margin


def digest(content: int) -> str:
    """A digest of 64 hex digits that differs in the first ones."""
    return f"{content:064x}"[::-1]


def objects(values: Sequence[object]) -> NDArray[np.object_]:
    """An array of these very objects."""
    column = np.empty(len(values), object)
    for at, value in enumerate(values):
        column[at] = value
    return column


def columns_of(rows: PoolRows, value: NDArray[np.float32], *, model: str) -> PoolColumns:
    """What a kernel sees of these rows."""
    return PoolColumns(keys_of(rows.content), np.asarray(rows.model == model, np.bool_), value)


def sketch_of(rows: PoolRows, value: NDArray[np.float32], part: range, *, model: str, most: int) -> Sketch:
    """What a pass keeps of these rows when they are one piece."""
    at = np.array(part, np.int64)
    piece = PoolRows._make(column[at] for column in rows)
    columns = columns_of(piece, value[at], model=model)
    return sketched(piece, columns, sift(columns, most, score=_margin, sign=1))


def sketched(piece: PoolRows, columns: PoolColumns, found: Sifted) -> Sketch:
    """What was found, with the rows themselves; positions counted from the first row of the piece on."""
    first = int(piece.position[0]) if len(piece.position) else 0
    return Sketch(
        content=found.content,
        copies=found.copies,
        position=piece.position[found.best] - first,
        rows=PoolRows._make(column[found.top] for column in piece),
        is_current=columns.is_current[found.top],
        urgency=found.urgency,
        first=first,
    )


class PiecedPool:
    """A pool of these rows that is surveyed in so many pieces, in any order of rows."""

    def __init__(self, rows: PoolRows, *, pieces: int = 1) -> None:
        self.held, self.pieces, self.passes = rows, pieces, 0

    def rows(self, *, after: int, until: int) -> PoolRows:
        """The rows in (after, until]."""
        inside = (self.held.position > after) & (self.held.position <= until)
        return PoolRows._make(column[inside] for column in self.held)

    def at(self, positions: Sequence[int]) -> PoolRows:
        """The rows at these positions."""
        wanted = np.isin(self.held.position, np.array(positions, np.int64))
        return PoolRows._make(column[wanted] for column in self.held)

    def survey(self, one: Sift, *, after: int, until: int) -> Iterator[Sketch]:
        """A sketch a piece."""
        self.passes += 1
        rows = self.rows(after=after, until=until)
        for part in np.array_split(np.arange(len(rows.id)), self.pieces):
            piece = PoolRows._make(column[part] for column in rows)
            value = value_of(piece, one.reads)
            columns = columns_of(piece, value, model=one.model)
            most = min(one.most, 64 + 4 * one.most // self.pieces)
            yield sketched(piece, columns, one.kernel(columns, most))


def _margin(value: NDArray[np.float32]) -> NDArray[np.float32]:
    return value
