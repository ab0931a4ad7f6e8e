"""Whether what a model says is a distribution, and whether its checks fit its signature: one rule for every stage."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.records.model import Checks
from loopline.records.signature import Row, Signature

TOLERANCE: Final = 1e-6
"""The largest difference of a probability that is still the same answer."""

Real = TypeVar("Real", bound="np.floating[Any]")
Rows = Sequence[Row] | NDArray[np.float64]


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Checks as a model is asked them: of images, the bytes."""

    rows: tuple[Row, ...]
    probabilities: tuple[tuple[float, ...], ...]


def checks_in(content: bytes, *, signature: Signature, thing: str = "checks") -> Replay:
    """The checks behind their JSON, once they fit the signature. Raises InvalidRecord about the ``thing``.

    >>> content = b'{"rows": ["x"], "probabilities": [[0.5, 0.5]]}'
    >>> checks_in(content, signature=Signature(input="text", labels=("a", "b"))).rows
    ('x',)
    """
    try:
        checks = msgspec.json.decode(content, type=Checks)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRecord(thing, found=str(error), expected="rows and their probabilities as JSON") from error
    rows = tuple(signature.read(row) for row in checks.rows)
    widths, classes = {len(p) for p in checks.probabilities}, len(signature.labels)
    if not checks.rows or len(checks.rows) != len(checks.probabilities) or widths != {classes}:
        found = f"{len(checks.rows)} rows with {len(checks.probabilities)} distributions over {sorted(widths)} classes"
        raise InvalidRecord(thing, found=found, expected=f"as many of each, at least one, over {classes} classes")
    return Replay(rows=rows, probabilities=checks.probabilities)


def checks_for(rows: Sequence[Row], probabilities: NDArray[Real], *, signature: Signature) -> bytes:
    """The JSON that ``checks_in`` reads: what a model said, (n, classes), about these rows."""
    said = tuple(tuple(map(float, line)) for line in probabilities)
    return msgspec.json.encode(Checks(rows=tuple(map(signature.spelled, rows)), probabilities=said))


def sound(p: NDArray[Real], *, rows: int, classes: int, thing: str = "model output") -> NDArray[Real]:
    """``p`` as it is, when it has shape (rows, classes), is finite and in [0, 1], and every row sums to 1.

    Raises InvalidRecord about the ``thing`` otherwise: a model that says anything else has failed.

    >>> sound(np.array([[0.25, 0.75]]), rows=1, classes=2).tolist()
    [[0.25, 0.75]]
    """
    if p.shape != (rows, classes):
        raise InvalidRecord(thing, found=f"shape {p.shape}", expected=f"({rows}, {classes})")
    if not np.isfinite(p).all() or p.min() < 0 or p.max() > 1 + TOLERANCE:
        found = f"values from {p.min():.4g} to {p.max():.4g}"
        raise InvalidRecord(thing, found=found, expected="probabilities in [0, 1]")
    sums = p.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) >= 1e-3:
        total = f"{sums[worst]:.4g}"
        raise InvalidRecord(
            thing, found=f"row {worst} sums to {total}" if rows > 1 else f"a sum of {total}", expected="1"
        )
    return p


def require_replay(predict: Callable[[Rows], NDArray[np.float32]], checks: Replay, *, thing: str) -> None:
    """Nothing, when the model answers a single row and repeats all checks to within 1e-6.

    ``checks`` fit the model's signature; a table is asked as one array, as requests are. Raises InvalidRecord about
    the ``thing`` otherwise, naming the check that differs most, or whatever the model raises.
    """
    expected = np.array(checks.probabilities)
    rows: Rows = np.array(checks.rows, np.float64) if isinstance(checks.rows[0], tuple) else checks.rows
    for asked in (rows[:1], rows):  # most requests hold a single row: the path that they take is warm too
        answers = sound(predict(asked), rows=len(asked), classes=expected.shape[1], thing=thing)
    difference = np.abs(answers - expected).max(axis=1)
    worst = int(difference.argmax())
    if difference[worst] > TOLERANCE:
        flips = int((answers.argmax(axis=1) != expected.argmax(axis=1)).sum())
        found = f"check {worst} differs by {difference[worst]:.2g} from what the packager saw"
        found += f", {flips} of {len(expected)} labels different"
        raise InvalidRecord(thing, found=found, expected=f"at most {TOLERANCE:g}")
