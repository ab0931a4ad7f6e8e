"""Whether a loaded model is the one that was packaged."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord
from loopline.records.signature import Row, Signature
from loopline.records.soundness import checks_in, require_replay, sound
from loopline.serve.table import Loaded


def prediction_of(loaded: Loaded, *, rows: Sequence[Row]) -> NDArray[np.float32]:
    """What the version says about the rows, once it is known to be sound; raises whatever the model raises."""
    return sound(loaded.predict(rows), rows=len(rows), classes=len(loaded.version.signature.labels))


def verified(loaded: Loaded, *, checks: bytes, signature: Signature) -> Loaded:
    """The version as it is, once it has shown that it may serve under this signature; that also warms it.

    It must be made for the same signature, and repeat what the packager saw. Raises InvalidRecord otherwise, or
    whatever the model raises.
    """
    thing, made_for = f"version {loaded.version.name}", loaded.version.signature
    if made_for.digest != signature.digest:
        raise InvalidRecord(thing, found=f"made for {made_for.spoken}", expected=signature.spoken)
    require_replay(loaded.predict, checks_in(checks, signature=signature), thing=thing)
    return loaded
