"""Whether a loaded model is the one that was packaged, what it says when asked, and how long it takes."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.records.signature import Row, Signature
from loopline.records.soundness import TOLERANCE, Replay, checks_in, require_replay, sound
from loopline.serve.question import Rows, Said
from loopline.serve.table import Loaded, Pace

QUICK_NS = 500_000
"""The longest that a single row may take on the thread that also answers everybody else."""
TURN_NS = 1_000_000
"""The longest that all rows together may take there."""
EXTRAS = frozenset({"members", "embedding"})
SWIFT_ENGINES = ("onnx", "sklearn")
"""Those that compute and never wait: a model behind a network, or with code of its own, may stall at any time."""


def observed(loaded: Loaded, *, rows: Rows, extras: frozenset[str]) -> Said:
    """What the version says about the rows, once it is known to be sound; raises whatever the model raises."""
    said = loaded.observe(rows, extras=extras)
    p = said[0]
    if not _is_plainly_sound(p, rows=len(rows), classes=loaded.classes):
        sound(p, rows=len(rows), classes=loaded.classes)
    return said


def _is_plainly_sound(p: NDArray[np.float32], *, rows: int, classes: int) -> bool:
    """Whether a quick look suffices; False for anything odd, NaN included."""
    if p.shape != (rows, classes):
        return False
    if p.size <= 64:  # for a few numbers, Python's own loops cost a fraction of numpy's calls
        return all(abs(sum(row) - 1) < 1e-3 and min(row) >= 0 for row in p.tolist())
    return bool(p.min() >= 0 and p.max() <= 1 + TOLERANCE and np.abs(p.sum(axis=1) - 1).max() < 1e-3)


def verified(loaded: Loaded, *, checks: bytes, signature: Signature, timer: Callable[[], int]) -> Loaded:
    """The version with its pace, once it has shown that it may serve under this signature; that also warms it.

    It must be made for the same signature, and repeat what the packager saw. Raises InvalidRecord otherwise, or
    whatever the model raises.
    """
    thing, made_for = f"version {loaded.version.name}", loaded.version.signature
    if made_for.digest != signature.digest:
        raise InvalidRecord(thing, found=f"made for {made_for.spoken}", expected=signature.spoken)
    found = checks_in(checks, signature=signature)
    require_replay(lambda rows: loaded.observe(rows, extras=loaded.keep)[0], found, thing=thing)
    _, members, embedding = loaded.observe(found.rows[:1], extras=EXTRAS)
    gives = frozenset({"members"} if members is not None else ()) | ({"embedding"} if embedding is not None else set())
    return loaded._replace(gives=gives, pace=_pace(loaded, checks=found, timer=timer))


def _pace(loaded: Loaded, *, checks: Replay, timer: Callable[[], int]) -> Pace:
    """The best of a few tries with one row, and with all: what is slower was slowed by others."""
    rows: Sequence[Row] | NDArray[np.float64] = checks.rows
    if isinstance(checks.rows[0], tuple):
        rows = np.array(checks.rows, np.float64)

    def spent(part: Sequence[Row] | NDArray[np.float64]) -> int:
        started = timer()
        loaded.observe(part, extras=loaded.keep)
        return timer() - started

    one = min(spent(rows[:1]) for _ in range(5))
    many = min(spent(rows) for _ in range(3))
    per_row = max(many - one, 0) / max(len(rows) - 1, 1)
    is_even = loaded.version.signature.input != "image"  # a few bytes may ask for millions of pixels
    is_swift = is_even and loaded.version.engine in SWIFT_ENGINES and one <= QUICK_NS
    return Pace(
        quick_rows=int((TURN_NS - one) / max(per_row, 1.0)) + 1 if is_swift else 0,
        is_batched=len(rows) > 1 and many < 0.7 * one * len(rows),
    )
