"""Native model -> ONNX, in a process of its own: whatever goes wrong there, the native model is still there to serve.

The process reads an ``Order`` from its standard input and writes a ``Conversion`` to its standard output.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.records.signature import Row, Signature

T = TypeVar("T")
SECONDS = 20.0
"""How long a conversion may take."""
MOST_ROWS = 2_000
"""How many rows are held against each other."""
TOLERANCE = 1e-5
"""The largest difference of a probability that is still the same model: single precision against double."""
NATIVELY = "served natively by scikit-learn"
AWKWARD = (
    "", " ", "a", "I", "\n\t", "\u00a0", "don't", "x-ray", "U.S.", "3rd v2.0", "10 %", "snake_case", "GOOD Bad",
    "“good”—bad…", "good🙂bad", "ÇA naïve ÜNDER", "e\u0301tude", "ПРИВЕТ мир", "日本語", "مرحبا", "½ x²", "#a @b a/b",
)  # fmt: skip
"""Texts on which tokenizers differ; each alone, and each within a row of the user's own."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to convert, and the rows that both must answer alike."""

    native: bytes
    signature: Signature
    texts: tuple[str, ...] = ()
    tables: tuple[tuple[float, ...], ...] = ()
    images: tuple[bytes, ...] = ()
    """One of the three, as the signature has it."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows, whatever they are."""
        return self.texts or self.tables or self.images


class Conversion(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    artifact: bytes
    """The ONNX file; empty when the native model is served."""
    told: str
    """Which of the two, and why, in a sentence."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How far two models are apart."""

    largest: float
    """Of any probability."""
    flips: int
    """Rows with another label; where the two labels tie, within twice the tolerance, either one is right."""
    rows: int

    @property
    def is_none(self) -> bool:
        """Whether they are the same model."""
        return self.flips == 0 and self.largest <= TOLERANCE


def convert(native: bytes, *, signature: Signature, rows: Sequence[Row], seconds: float = SECONDS) -> Conversion:
    """The skops file as ONNX, when that answers the rows as it does; else why it does not. Never raises for a model."""
    if seconds < 1:
        return _kept("no time was left to convert it")
    order = ordered(native, signature=signature, rows=rows)
    # Without -P, the files beside the trainer would come before the libraries of the same name.
    command = [sys.executable, "-P", "-m", "loopline.apps.worker.conversion"]
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and module
            command,
            input=msgspec.msgpack.encode(order),
            env=os.environ | {"PYTHONHASHSEED": "0"},  # what a library keeps in sets comes out in the same order
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        return msgspec.msgpack.decode(done.stdout, type=Conversion)
    except subprocess.TimeoutExpired:
        return _kept(f"the conversion takes more than {seconds:.0f} s")
    except OSError as error:
        return _kept(f"the conversion did not start: {error}")
    except msgspec.DecodeError:
        return _kept(f"the conversion ended with code {done.returncode}")


def ordered(native: bytes, *, signature: Signature, rows: Sequence[Row]) -> Order:
    """What to convert, with up to 2,000 of the rows, spread over all; of texts, with awkward ones besides."""
    chosen = spread(rows, most=MOST_ROWS)
    texts = [row for row in chosen if isinstance(row, str)]
    mixed = [f"{text} {odd} {text}" for text, odd in zip(texts, AWKWARD, strict=False)]
    return Order(
        native=native,
        signature=signature,
        texts=(*texts, *AWKWARD, *mixed) if texts else (),
        tables=tuple(row for row in chosen if isinstance(row, tuple)),
        images=tuple(row for row in chosen if isinstance(row, bytes)),
    )


def spread(rows: Sequence[T], *, most: int) -> list[T]:
    """At most so many of the rows, evenly over all, the first and the last included.

    >>> spread("abcdefg", most=3)
    ['a', 'd', 'g']
    """
    return [rows[place] for place in np.unique(np.linspace(0, len(rows) - 1, most).round().astype(int))]


def difference(native: NDArray[np.float32], other: NDArray[np.float32]) -> Difference:
    """How far the second is from the first, both (n, classes).

    >>> apart = difference(np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([[0.499999, 0.500001], [0.3, 0.7]]))
    >>> apart.flips, round(apart.largest, 3), apart.is_none
    (1, 0.6, False)
    """
    here, there = native.argmax(axis=1), other.argmax(axis=1)
    lines = np.arange(len(native))
    gap = native[lines, here] - native[lines, there]
    largest = float(np.abs(native.astype(np.float64) - other).max(initial=0.0))
    flips = int((gap > 2 * TOLERANCE).sum())
    return Difference(largest=largest if np.isfinite(largest) else float("inf"), flips=flips, rows=len(native))


def carried_out(order: Order) -> Conversion:
    """The conversion in single precision, else in double, if either is the same model; else the best reason."""
    told = ""
    for is_double in (False, True):
        try:
            artifact, apart = _tried(order, is_double=is_double)
        except Exception as error:
            told = told or f"it cannot be converted: {_one_line(error)}"
            continue
        labels = f"{apart.flips:,} of {apart.rows:,} labels differ"
        if apart.is_none:
            how = "converted to ONNX in double precision" if is_double else "converted to ONNX"
            return Conversion(artifact=artifact, told=f"{how}: largest difference {apart.largest:.1e}, {labels}")
        if not told.startswith("converted"):
            told = f"converted to ONNX it differs by up to {apart.largest:.2g}, {labels}"
    return _kept(told)


def _tried(order: Order, *, is_double: bool) -> tuple[bytes, Difference]:
    from loopline.adapters.onnx.conversion import converted
    from loopline.adapters.onnx.engine import OnnxEngine
    from loopline.adapters.pillow.engine import ImageEngine
    from loopline.adapters.pillow.preprocessing import parsed
    from loopline.adapters.sklearn.engine import SklearnEngine, opened

    signature = order.signature
    width = int(np.prod(parsed(signature.preprocessing).shape)) if signature.input == "image" else signature.width
    artifact = converted(opened(order.native), width=width, is_double=is_double)
    native = ImageEngine(SklearnEngine()).load(order.native, engine="sklearn", signature=signature)
    other = ImageEngine(OnnxEngine()).load(artifact, engine="onnx", signature=signature)
    return artifact, difference(native.predict(order.rows), other.predict(order.rows))


def _kept(why: str) -> Conversion:
    return Conversion(artifact=b"", told=f"{NATIVELY}: {why}")


def _one_line(error: Exception) -> str:
    """The first sentence of what went wrong, in one line of at most 200 characters."""
    line = " ".join(str(error).split()).partition(". ")[0]
    return (line if len(line) <= 200 else f"{line[:197]}...") or type(error).__name__


def main() -> int:
    """Carry out the order on the standard input. What libraries print on the way goes to the standard error."""
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    order = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Order)
    with answer:
        answer.write(msgspec.msgpack.encode(carried_out(order)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
