"""Whether a loaded model is the one that was packaged, and whether what it says is a distribution."""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.records.model import Checks
from loopline.records.signature import Row, Signature
from loopline.serve.table import Loaded

TOLERANCE = 1e-6
"""Largest difference to what the packager saw."""


def checks_in(content: bytes, *, signature: Signature) -> Checks:
    """The checks behind their JSON, once they fit the signature. Raises InvalidRecord.

    >>> content = b'{"rows": ["x"], "probabilities": [[0.5, 0.5]]}'
    >>> checks_in(content, signature=Signature(input="text", labels=("a", "b"))).rows
    ('x',)
    """
    try:
        checks = msgspec.json.decode(content, type=Checks)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRecord("checks", found=str(error), expected="rows and their probabilities as JSON") from error
    for row in checks.rows:
        signature.check(row)
    widths, classes = {len(p) for p in checks.probabilities}, len(signature.labels)
    if not checks.rows or len(checks.rows) != len(checks.probabilities) or widths != {classes}:
        found = f"{len(checks.rows)} rows with {len(checks.probabilities)} distributions over {sorted(widths)} classes"
        raise InvalidRecord("checks", found=found, expected=f"as many of each, at least one, over {classes} classes")
    return checks


def sound(p: NDArray[np.float32], *, rows: int, classes: int) -> NDArray[np.float32]:
    """``p`` as it is, when it has shape (rows, classes), is finite and in [0, 1], and every row sums to 1.

    Raises InvalidRecord otherwise: a model that says anything else has failed.
    """
    if p.shape != (rows, classes):
        raise InvalidRecord("model output", found=f"shape {p.shape}", expected=f"({rows}, {classes})")
    if not np.isfinite(p).all() or p.min() < 0 or p.max() > 1 + TOLERANCE:
        found = f"values from {p.min():.4g} to {p.max():.4g}"
        raise InvalidRecord("model output", found=found, expected="probabilities in [0, 1]")
    sums = p.sum(axis=1)
    worst = int(np.abs(sums - 1).argmax())
    if abs(sums[worst] - 1) >= 1e-3:
        raise InvalidRecord("model output", found=f"row {worst} sums to {sums[worst]:.4g}", expected="1")
    return p


def prediction_of(loaded: Loaded, *, rows: Sequence[Row]) -> NDArray[np.float32]:
    """What the version says about the rows, once it is known to be sound; raises whatever the model raises."""
    return sound(loaded.predict(rows), rows=len(rows), classes=len(loaded.version.signature.labels))


def verified(loaded: Loaded, *, checks: bytes, signature: Signature) -> Loaded:
    """The version as it is, once it has shown that it may serve under this signature; that also warms it.

    It must be made for the same signature, and repeat what the packager saw to within 1e-6. Raises InvalidRecord
    that names the row otherwise, or whatever the model raises.
    """
    made_for = loaded.version.signature
    if made_for.digest != signature.digest:
        found = f"made for {_shown(made_for)}"
        raise InvalidRecord(f"version {loaded.version.name}", found=found, expected=_shown(signature))
    seen = checks_in(checks, signature=signature)
    difference = np.abs(prediction_of(loaded, rows=seen.rows) - np.array(seen.probabilities)).max(axis=1)
    worst = int(difference.argmax())
    if difference[worst] > TOLERANCE:
        found = f"check {worst} differs by {difference[worst]:.2g} from what the packager saw"
        raise InvalidRecord(f"version {loaded.version.name}", found=found, expected=f"at most {TOLERANCE:g}")
    prediction_of(loaded, rows=seen.rows[:1])  # warms the path of a single row, which most requests take
    return loaded


def _shown(signature: Signature) -> str:
    width = f" of width {signature.width}" if signature.width else ""
    return f"{signature.input}{width} -> {list(signature.labels)}"
