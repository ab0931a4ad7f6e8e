"""Millions of rows to a few: what stands for each sample, the best of each piece, and the exact merge of pieces.

A row's key is (answered by another version, urgency, position); of rows with equal content the least stands for the
sample. Samples go by (answered by another version, urgency, content key): what is best does not depend on how the
pool was cut into pieces, on their order, or on who looked at them.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from loopline.ports.columns import PoolColumns, Sifted, Sketch
from loopline.ports.strategy import Strategy
from loopline.select.keys import hashed, salts

Keys = NDArray[np.uint64]
Indices = NDArray[np.int64]
Urgencies = NDArray[np.float32]

OTHER = np.uint64(1 << 32)
SCATTERING = 4
"""The salt of the uniform kernel: one after those of the draw."""
DIGEST = 64
"""Hex digits of a BLAKE3."""
PORTION = 1 << 16
"""Rows looked at together: a few hundred kilobytes, which stay in the cache of a core."""
Score = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def sift(columns: PoolColumns, most: int, *, score: Score, sign: int) -> Sifted:
    """The samples of one piece and its ``most`` best: the kernel of every selection.

    Time n log n; memory about 60 bytes a row. A score that is NaN counts as the least informative.

    >>> columns = PoolColumns(np.array([7, 5, 7], np.uint64), np.ones(3, bool), np.array([0.4, 0.9, 0.2], np.float32))
    >>> found = sift(columns, 1, score=lambda margin: margin, sign=1)
    >>> found.content.tolist(), found.copies.tolist(), found.best.tolist(), found.top.tolist()
    ([5, 7], [1, 2], [1, 2], [2])
    """
    keys = np.concatenate([np.zeros(0, np.uint64), *keyed(columns, score=score, sign=sign)])
    by_content = ascending(columns.content)
    ordered = columns.content[by_content]
    starts = np.flatnonzero(np.concatenate([np.ones(min(1, len(ordered)), np.bool_), ordered[1:] != ordered[:-1]]))
    count = np.diff(np.append(starts, len(ordered)))
    content, best = ordered, by_content
    if len(starts) < len(ordered):
        content, best = ordered[starts], _standing(keys, by_content, starts=starts, count=count)
    found = keys[best]
    top = best[least((found[part] for part in _portions(len(found))), content, most)]
    return Sifted(content, count.astype(np.int32), best, top, unpacked(keys[top]))


def _standing(keys: Keys, by_content: Indices, *, starts: Indices, count: Indices) -> Indices:
    """The row of each group of equal contents whose key is least, the earliest of those that tie."""
    grouped = keys[by_content]
    is_least = grouped == np.repeat(np.minimum.reduceat(grouped, starts), count)
    return np.minimum.reduceat(np.where(is_least, by_content, len(keys)), starts)


def keyed(columns: PoolColumns, *, score: Score, sign: int) -> Iterator[Keys]:
    """The keys of the rows, a portion at a time."""
    for part in _portions(len(columns.value)):
        yield packed(urgency_of(score(columns.value[part]), sign=sign), is_current=columns.is_current[part])


def _portions(rows: int) -> Iterator[slice]:
    return (slice(start, min(start + PORTION, rows)) for start in range(0, rows, PORTION))


def ascending(keys: Keys) -> Indices:
    """The places of these keys in ascending order; of equal ones the earlier first.

    First by the leading 16 bits, which numpy sorts by counting; what is left to a sort by comparison is then nearly in
    place. Takes a third of the time that one sort by comparison takes.

    >>> ascending(np.array([1 << 60, 9, 1 << 60, 3], np.uint64)).tolist()
    [3, 1, 0, 2]
    """
    nearly = np.argsort((keys >> np.uint64(48)).astype(np.uint16), kind="stable")
    return nearly[np.argsort(keys[nearly], kind="stable")]


def scatter(columns: PoolColumns, most: int, *, seed: int) -> Sifted:
    """The samples of one piece and a uniform draw of them: the kernel of strategies that read no score.

    A sample's urgency is a hash of its content key and the seed, so that every row of it draws the same lot.
    """
    lots = (hashed(columns.content, salts(seed, SCATTERING)[-1]) >> np.uint64(40)).astype(np.float32)  # 24 bits: exact
    return sift(columns._replace(value=lots), most, score=_itself, sign=1)


def kernel_of(strategy: Strategy, *, seed: int) -> tuple[str, Callable[[PoolColumns, int], Sifted]]:
    """The kernel of a strategy, and the name under which what it finds may be kept; ``once:`` says that it may not."""
    if not strategy.reads:
        return f"once:{strategy.name}", partial(scatter, seed=seed)
    return strategy.name, partial(sift, score=strategy.score, sign=strategy.sign)


def _itself(value: NDArray[np.float32]) -> NDArray[np.float32]:
    return value


def urgency_of(scores: NDArray[np.float32], *, sign: int) -> Urgencies:
    """Scores turned so that the smallest is the most informative; +inf where there is none.

    >>> urgency_of(np.array([0.5, np.nan], np.float32), sign=-1).tolist()
    [-0.5, inf]
    """
    turned = scores.astype(np.float32) * np.float32(sign)
    return np.where(np.isnan(turned), np.float32(np.inf), turned + np.float32(0.0))  # -0.0 becomes 0.0


def packed(urgency: Urgencies, *, is_current: NDArray[np.bool_]) -> Keys:
    """One number a row that orders as (not current, urgency) does.

    >>> keys = packed(np.array([0.5, -1.0, 0.1], np.float32), is_current=np.array([True, True, False]))
    >>> np.argsort(keys).tolist()
    [1, 0, 2]
    """
    bits = np.ascontiguousarray(urgency, np.float32).view(np.uint32)
    # IEEE 754 orders as integers once negative numbers are turned over and positive ones lifted above them.
    turned = np.where(bits >> np.uint32(31) == 1, ~bits, bits | np.uint32(1 << 31))
    return turned.astype(np.uint64) | np.where(is_current, np.uint64(0), OTHER)


def unpacked(keys: Keys) -> Urgencies:
    """The urgency in each of these numbers.

    >>> unpacked(packed(np.array([-2.0, 3.0], np.float32), is_current=np.array([True, False]))).tolist()
    [-2.0, 3.0]
    """
    turned = keys.astype(np.uint32)
    return np.where(turned >> np.uint32(31) == 1, turned & np.uint32(0x7FFFFFFF), ~turned).view(np.float32)


def least(parts: Iterable[Keys], content: Keys, most: int) -> Indices:
    """The places of the ``most`` least by (key, content), least first: one pass over parts that follow one another.

    A key above the ``most``-th least so far is compared once and forgotten. Memory: a few times ``most``, and what
    ties with the last of them, since there the content decides.

    >>> least([np.array([5, 1], np.uint64), np.array([1, 4], np.uint64)], np.array([0, 9, 8, 0], np.uint64), 2).tolist()
    [2, 1]
    """
    bound, start, held = ~np.uint64(0), 0, 0
    waiting = [(np.zeros(0, np.int64), np.zeros(0, np.uint64))]
    for part in parts:
        at = np.flatnonzero(part <= bound)
        waiting.append((at + start, part[at]))
        start += len(part)
        # Twice what came through the last time, so that ties without end are not gone through for every part.
        if sum(len(places) for places, _ in waiting) > 2 * max(most, held):
            waiting = [_narrowed(waiting, most)]
            held, bound = len(waiting[0][0]), waiting[0][1].max(initial=0)
    places, keys = _narrowed(waiting, most)
    return places[np.lexsort((content[places], keys))][:most]


def _narrowed(waiting: Sequence[tuple[Indices, Keys]], most: int) -> tuple[Indices, Keys]:
    """The places and keys of the ``most`` least keys and of all that tie with the last of these."""
    places, keys = (np.concatenate(one) for one in zip(*waiting, strict=True))
    if not 0 < most < len(keys):
        return places, keys
    stays = keys <= np.partition(keys, most - 1)[most - 1]
    return places[stays], keys[stays]


class Merged(NamedTuple):
    """The pool of one selection."""

    content: Keys
    """(N,) content keys of its samples, ascending."""
    found: int
    """Rows in the window."""
    rows: int
    """Of them, of samples that were not taken before."""
    piece: Indices
    """(C,) the piece that each of the best samples' row lies in, best first."""
    row: Indices
    """(C,) its place among the rows of that piece's sketch."""
    best: Keys
    """(C,) its content key."""
    urgency: Urgencies
    """(C,) not descending among the rows that the current version answered."""
    is_whole: bool
    """Whether the best are all there are; otherwise a pass that keeps more finds more."""


def merged(sketches: Sequence[Sketch], *, taken: Keys) -> Merged:
    """The samples of all pieces without those ``taken`` (ascending keys), and as many of the best as are certain.

    What a cut-off piece left out is worse than the last that it kept; so all that is no worse than the best such last
    one is certain. Memory beside the sketches: 8 bytes a sample of each piece, and half as much while they are sorted.
    """
    content = freed(_union([sketch.content for sketch in sketches]), taken)
    sizes = [len(sketch.urgency) for sketch in sketches]
    piece = np.repeat(np.arange(len(sketches)), sizes)
    row = np.concatenate([np.arange(size) for size in (*sizes, 0)])
    keys = np.concatenate([np.zeros(0, np.uint64), *(packed(s.urgency, is_current=s.is_current) for s in sketches)])
    held = np.concatenate([np.zeros(0, np.uint64), *(keys_of(s.rows.content) for s in sketches)])
    position = np.concatenate([np.zeros(0, np.int64), *(s.rows.position for s in sketches)])
    ends = np.cumsum(sizes) - 1
    cut = [(at, int(ends[at])) for at, sketch in enumerate(sketches) if sizes[at] < len(sketch.content)]
    # Of a piece that kept no row of its samples nothing is certain.
    bound = min(((int(keys[end]), int(held[end])) if sizes[at] else (-1, -1) for at, end in cut), default=None)
    order = np.lexsort((position, held, keys))
    _, first = np.unique(held[order], return_index=True)
    order = order[np.sort(first)]
    if bound is not None:
        order = order[(keys[order] < max(bound[0], 0)) | ((keys[order] == bound[0]) & (held[order] <= bound[1]))]
    order = order[~_among(held[order], taken)]
    lost = int(copies(sketches, taken).sum())
    found = sum(int(s.copies.sum()) for s in sketches)
    return Merged(
        content=content, found=found, rows=found - lost, piece=piece[order], row=row[order], best=held[order],
        urgency=unpacked(keys[order]), is_whole=bound is None,
    )  # fmt: skip


def copies(sketches: Sequence[Sketch], content: Keys) -> Indices:
    """How many rows hold each of these samples, (n,)."""
    total = np.zeros(len(content), np.int64)
    for sketch in sketches:
        places, is_there = _places(sketch.content, content)
        total[is_there] += sketch.copies[places[is_there]]
    return total


def positions(sketches: Sequence[Sketch], content: Keys) -> Indices:
    """Where a row of each of these samples lies, one a piece that holds it, ascending."""
    found = [np.zeros(0, np.int64)]
    for sketch in sketches:
        places, is_there = _places(sketch.content, content)
        found.append(sketch.first + sketch.position[places[is_there]].astype(np.int64))
    return np.sort(np.concatenate(found))


def keys_of(contents: Sequence[str] | NDArray[np.object_]) -> Keys:
    """The content keys of hex digests, (n,); of any other text, of its BLAKE3.

    >>> keys_of(["00000000000000ff" + "0" * 48]).tolist()
    [255]
    """
    return np.array([_key(content) for content in contents], np.uint64)


def _key(content: str) -> int:
    digest = content if len(content) == DIGEST else blake3(content.encode()).hexdigest()
    return int(digest[:16], 16)


def without(keys: Keys, known: Keys) -> Keys:
    """The keys that are not among the known; both ascending.

    Takes time for the known, and memory for one copy of the keys at most.

    >>> without(np.array([1, 2, 3], np.uint64), np.array([2], np.uint64)).tolist()
    [1, 3]
    """
    places, is_there = _places(keys, known)
    return np.delete(keys, places[is_there]) if is_there.any() else keys


def freed(keys: Keys, known: Keys) -> Keys:
    """The same as ``without``, in the memory of the keys themselves: they are not to be used any more."""
    places, is_there = _places(keys, known)
    if not is_there.any():
        return keys
    stays = np.ones(len(keys), np.bool_)
    stays[places[is_there]] = False
    return _closed_up(keys, stays)


def _closed_up(keys: Keys, stays: NDArray[np.bool_]) -> Keys:
    """The keys that stay, moved to the front of their own memory."""
    end = 0
    for part in _portions(len(keys)):
        kept = keys[part][stays[part]]
        keys[end : end + len(kept)] = kept
        end += len(kept)
    return keys[:end]


def _union(parts: Sequence[Keys]) -> Keys:
    """All distinct keys of parts that ascend, ascending; made in one copy, with half of one beside it to sort."""
    everything = np.concatenate([np.zeros(0, np.uint64), *parts])
    everything.sort(kind="stable")  # merges what is in order already: a third of the time
    if len(parts) > 1 and len(everything):
        is_first = np.empty(len(everything), np.bool_)
        is_first[0] = True
        np.not_equal(everything[1:], everything[:-1], out=is_first[1:])
        everything = _closed_up(everything, is_first)
    return everything


def _places(held: Keys, wanted: Keys) -> tuple[Indices, NDArray[np.bool_]]:
    """Where each wanted key would stand among those held (ascending), and whether it stands there."""
    places = np.searchsorted(held, wanted)
    within = np.minimum(places, max(len(held) - 1, 0))
    return within, held[within] == wanted if len(held) else np.zeros(len(wanted), np.bool_)


def _among(keys: Keys, known: Keys) -> NDArray[np.bool_]:
    """Which of the keys are among the known (ascending)."""
    return _places(known, keys)[1]
