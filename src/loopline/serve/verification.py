"""Whether a loaded model is the one that was packaged."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.records.signature import Row, Signature
from loopline.records.soundness import TOLERANCE, checks_in, sound
from loopline.serve.table import Loaded


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
