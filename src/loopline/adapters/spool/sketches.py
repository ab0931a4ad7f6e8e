"""What a pass over the pool makes of some rows: of all of them a few light columns are read, of the best the rest."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from blake3 import blake3
from numpy.typing import NDArray

from loopline.adapters.spool import views
from loopline.adapters.spool.segments import Missing, SegmentFiles, cut
from loopline.ports.columns import PoolColumns, Reads, Sift
from loopline.ports.object_store import ObjectStore
from loopline.records.ids import Digest
from loopline.records.segment import Segment

PORTION_BYTES = 64 << 20
"""Of light columns that a kernel is given at once: a segment with more becomes several sketches."""
KEY_LETTERS, DIGEST_LETTERS = 16, 64
Keys = NDArray[np.uint64]
Positions = NDArray[np.int64]
POSITION, KEY, CURRENT, CLASSES = "position", "key", "is_current", "classes"
LIGHTEST = pa.schema([(POSITION, pa.int64()), (KEY, pa.uint64()), (CURRENT, pa.bool_())])
VALUES: dict[Reads, tuple[str, ...]] = {
    "": (),
    "margin": ("margin",),
    "entropy": ("entropy",),
    "top": ("top",),
    "members": ("members", "probabilities"),  # a row has as many classes as probabilities
}
"""The columns of the log that hold what a kernel reads."""


class Part(NamedTuple):
    """A sketch as it is kept: of all rows of the pool, those whose content the reserve shares among them."""

    content: Keys
    copies: NDArray[np.int32]
    position: NDArray[np.uint32]
    """Counted from ``first`` on."""
    urgency: NDArray[np.float32]
    rows: pa.Table
    """``views.POOLED`` and ``position``, least key first."""
    first: int


class Found(NamedTuple):
    """What a pass finds in a piece."""

    parts: tuple[Part, ...]
    reserve: Keys
    """Content keys of its reserve rows, ascending."""
    models: tuple[str, ...]
    """The versions that answered its rows of the pool."""


NOTHING = Found((), np.empty(0, np.uint64), ())


class Piece(NamedTuple):
    """Some rows of one segment."""

    segment: Segment
    span: range
    """Their positions."""
    least: int
    """Rows of least key that must have been kept for what was found before to be used again."""
    most: int
    """Rows of least key that are kept."""

    @property
    def is_whole(self) -> bool:
        """Whether these are all the rows of the segment."""
        return len(self.span) == self.segment.rows


class Answer(NamedTuple):
    """What came of the work on a piece, wherever it was done."""

    found: Found
    damage: Mapping[Digest, str]
    """A sentence when the segment is damaged: nothing is found in it then."""
    is_missing: bool = False
    """Whether the store has no such object."""


class Draft(NamedTuple):
    """A sketch whose best rows are known by position only."""

    content: Keys
    copies: NDArray[np.int32]
    position: Positions
    top: Positions
    urgency: NDArray[np.float32]


def looked_at(piece: Piece, *, sift: Sift, objects: ObjectStore) -> Answer:
    """What a pass finds in a piece; depends on nothing else, and can be done on any machine that reaches the store.

    Raises Unavailable when the store is away.
    """
    files = SegmentFiles(objects)
    try:
        found = _found(files, piece, sift)
    except Missing:
        return Answer(NOTHING, {}, is_missing=True)
    damage = files.damage()
    return Answer(NOTHING if damage else found, damage)


def found_in(position: Positions, table: pa.Table, *, sift: Sift, most: int) -> Found:
    """What a pass finds in rows that are at hand, with the columns ``columns_of(sift)`` and ``views.POOLED``."""
    placed = table.append_column(POSITION, pa.array(position))
    pool = views.is_pool(placed)
    drafts = _drafts([narrowed(pool, sift)], sift, most=most)
    whole, at = pool.select([*views.POOLED, POSITION]), pool[POSITION].to_numpy()
    parts = (_part(draft, whole.take(pa.array(np.searchsorted(at, draft.top)))) for draft in drafts)
    return Found(tuple(parts), reserve_keys(placed), tuple(pc.unique(pool["model"]).to_pylist()))


def columns_of(sift: Sift) -> tuple[str, ...]:
    """The light columns that a pass reads of every row."""
    return tuple(dict.fromkeys((*views.LIGHT, *VALUES[sift.reads])))


def _found(files: SegmentFiles, piece: Piece, sift: Sift) -> Found:
    segment = piece.segment
    reserve: list[Keys] = []
    models: set[str] = set()

    def narrow(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        for table in tables:
            placed = _placed(cut(table, segment, piece.span), segment)
            pool = views.is_pool(placed)
            reserve.append(reserve_keys(placed))
            models.update(pc.unique(pool["model"]).to_pylist())
            yield narrowed(pool, sift)

    def make(tables: Iterator[pa.Table]) -> list[Draft]:
        reserve.clear()
        models.clear()
        return list(_drafts(narrow(tables), sift, most=piece.most))

    drafts = files.fold(segment, piece.span, columns=columns_of(sift), make=make) or []
    parts = tuple(_part(draft, _whole(files, segment, draft.top)) for draft in drafts)
    return Found(parts, np.unique(np.concatenate([NOTHING.reserve, *reserve])), tuple(sorted(models)))


def _placed(table: pa.Table, segment: Segment) -> pa.Table:
    position = table["offset"].to_numpy().astype(np.int64) + segment.first
    return table.append_column(POSITION, pa.array(position))


def _whole(files: SegmentFiles, segment: Segment, top: Positions) -> pa.Table:
    """The rows at these positions, in this order; none when the segment turns out to be damaged."""
    position, table = files.at(segment, top, columns=views.POOLED)
    table = table.append_column(POSITION, pa.array(position))
    return table.take(pa.array(np.searchsorted(position, top))) if len(position) == len(top) else table


def _part(draft: Draft, rows: pa.Table) -> Part:
    first = int(draft.position.min(initial=np.iinfo(np.int64).max))
    position = (draft.position - first).astype(np.uint32)
    return Part(draft.content, draft.copies, position, draft.urgency, rows.combine_chunks(), first)


def narrowed(pool: pa.Table, sift: Sift) -> pa.Table:
    """What a kernel needs of rows of the pool, a few bytes each."""
    columns: dict[str, Any] = {
        POSITION: pool[POSITION],
        KEY: pa.array(content_keys(pool["content"])),
        CURRENT: pc.equal(pool["model"], sift.model),
    }
    for name in VALUES[sift.reads][:1]:
        columns[name] = pool[name]
    if sift.reads == "members":
        columns[CLASSES] = pc.list_value_length(pool["probabilities"])
    return pa.table(columns)


def _drafts(tables: Iterator[pa.Table] | list[pa.Table], sift: Sift, *, most: int) -> Iterator[Draft]:
    """Sketches of the rows of all tables, as few as memory allows."""
    waiting: list[pa.Table] = []
    for table in tables:
        waiting.append(table)
        if sum(each.nbytes for each in waiting) > PORTION_BYTES:
            yield from _sifted(pa.concat_tables(waiting), sift, most=most)
            waiting = []
    if waiting:
        yield from _sifted(pa.concat_tables(waiting), sift, most=most)


def _sifted(table: pa.Table, sift: Sift, *, most: int) -> Iterator[Draft]:
    """A sketch of the rows, one for each shape of value; none of no rows."""
    order = np.argsort(table[POSITION].to_numpy(), kind="stable")
    table = table.take(pa.array(order)).combine_chunks()
    position, key = table[POSITION].to_numpy(), table[KEY].to_numpy()
    is_current = np.asarray(table[CURRENT].to_numpy(zero_copy_only=False), np.bool_)
    for rows, value in _values(table, sift.reads) if len(table) else ():
        at = position[rows]
        sifted = sift.kernel(PoolColumns(key[rows], is_current[rows], value), most)
        yield Draft(sifted.content, sifted.copies, at[sifted.best], at[sifted.top], sifted.urgency)


def _values(table: pa.Table, reads: Reads) -> Iterator[tuple[Any, NDArray[np.float32]]]:
    """Which rows, and their values in one array. Rows without members stand as NaN among those of the usual shape.

    Members of another shape come by themselves: what is made of a row must not depend on what lies beside it.
    """
    if reads != "members":
        yield slice(None), np.asarray(table[reads].to_numpy() if reads else np.zeros(len(table)), np.float32)
        return
    classes = table[CLASSES].to_numpy().astype(np.int64)
    sizes = pc.list_value_length(table["members"]).to_numpy().astype(np.int64)
    numbers = np.asarray(pc.list_flatten(table["members"]).to_numpy(), np.float32)
    starts = np.cumsum(sizes) - sizes
    is_usable = (sizes > 0) & (sizes % np.maximum(classes, 1) == 0) & (classes > 0)
    shapes, counts = np.unique(np.stack([sizes, classes], axis=1)[is_usable], axis=0, return_counts=True)
    if not len(shapes):
        yield slice(None), np.full((len(table), 1, max(1, int(classes.max()))), np.nan, np.float32)
        return
    usual = shapes[counts.argmax()]
    for size, wide in shapes:
        is_shape = is_usable & (sizes == size) & (classes == wide)
        is_here = is_shape | ~is_usable if (size, wide) == tuple(usual) else is_shape
        rows = np.flatnonzero(is_here)
        value = np.full((len(rows), size), np.nan, np.float32)
        value[is_shape[rows]] = numbers[starts[is_shape][:, None] + np.arange(size)]
        yield rows, value.reshape(len(rows), size // wide, wide)


def reserve_keys(table: pa.Table) -> Keys:
    """Content keys of the reserve rows, ascending, each once."""
    return np.unique(content_keys(views.is_held_back(table)["content"]))


def content_keys(column: pa.ChunkedArray) -> Keys:
    """The first 8 bytes of each hex digest as a number; of a text that is none, those of its BLAKE3.

    >>> content_keys(pa.chunked_array([["00000000000000ff" + "0" * 48]])).tolist()
    [255]
    >>> content_keys(pa.chunked_array([["abc"]])) == int(blake3(b"abc").hexdigest()[:16], 16)
    array([ True])
    """
    texts = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not len(texts):
        return np.empty(0, np.uint64)
    _, places, letters = texts.buffers()
    offsets = np.frombuffer(places, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    found = np.zeros(len(texts), np.uint64)
    is_digest = np.diff(offsets) == DIGEST_LETTERS
    if is_digest.any():
        starts = offsets[:-1][is_digest]
        nibbles = HEX[np.frombuffer(letters, np.uint8)[starts[:, None] + np.arange(KEY_LETTERS)]]
        is_hex = (nibbles < 16).all(axis=1)
        is_digest[is_digest] = is_hex
        pairs = nibbles[is_hex, 0::2] << 4 | nibbles[is_hex, 1::2]
        found[is_digest] = np.ascontiguousarray(pairs).view(">u8")[:, 0]
    for row in np.flatnonzero(~is_digest).tolist():
        found[row] = int.from_bytes(blake3(texts[row].as_py().encode()).digest()[:8], "big")
    return found


def _hex() -> NDArray[np.uint8]:
    table = np.full(256, 255, np.uint8)
    table[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)
    return table


HEX = _hex()
Work = Callable[[Piece], Answer]
