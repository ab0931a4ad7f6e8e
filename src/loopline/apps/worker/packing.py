"""What a trainer returned -> the artefact that serving loads, and rows to hold serving to."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from loopline.apps.worker.conversion import NATIVELY, SECONDS, convert, spread
from loopline.errors import InvalidRecord
from loopline.ports.engine import Engine, Predictor
from loopline.records.model import EngineName
from loopline.records.signature import Row, Signature
from loopline.records.soundness import checks_for

CHECK_ROWS = 16
AS_IT_IS = "served as the ONNX file that it is"


class Packed(NamedTuple):
    """A model as bytes, and what loads them."""

    engine: EngineName
    artifact: bytes
    conversion: str = ""
    """How it came about, in words."""


def pack(model: Any, *, signature: Signature, entry: str) -> Packed:
    """The model as an artefact: scikit-learn by skops, ONNX as it is. Raises InvalidRecord for anything else."""
    if isinstance(model, bytes):
        return Packed("onnx", model, AS_IT_IS)
    if type(model).__name__ == "ModelProto" and hasattr(model, "SerializeToString"):
        return Packed("onnx", model.SerializeToString(), AS_IT_IS)
    if hasattr(model, "predict_proba") and hasattr(model, "classes_"):
        from loopline.adapters.sklearn.engine import package

        return Packed("sklearn", package(model, signature=signature))
    raise InvalidRecord(
        entry,
        found=f"returned {_described(model)}",
        expected="a fitted scikit-learn classifier (predict_proba and classes_), an ONNX model, or its bytes",
    )


class Wish(NamedTuple):
    """What serving wants of a model."""

    extras: frozenset[str] = frozenset()
    """Beside the distribution: ``members``, ``embedding``."""
    convert: str = "auto"
    """As ``[serve] convert``."""


NO_WISH = Wish()


def fastest(
    packed: Packed,
    *,
    signature: Signature,
    rows: Sequence[Row],
    wish: Wish = NO_WISH,
    seconds: float = SECONDS,
) -> Packed:
    """A scikit-learn model as ONNX when that answers the rows alike, else as it is; either way it says which and why.

    One whose members serving wants stays as it is: ONNX would lose them. Takes no longer than ``seconds``.
    """
    if packed.engine != "sklearn":
        return packed
    if wish.convert == "never":
        return packed._replace(conversion=f"{NATIVELY}: [serve] convert asks for it")
    if "members" in wish.extras:
        from loopline.adapters.sklearn.engine import opened
        from loopline.adapters.sklearn.members import has_members

        if has_members(opened(packed.artifact)):
            return packed._replace(conversion=f"{NATIVELY}: converted to ONNX it would lose its members")
    made = convert(packed.artifact, signature=signature, rows=rows, seconds=seconds)
    if made.artifact:
        return Packed("onnx", made.artifact, made.told)
    return packed._replace(conversion=made.told)


def checks_of(packed: Packed, *, rows: Sequence[Row], signature: Signature) -> bytes:
    """Up to 16 of the rows, spread over all, with what the packaged model, loaded as serving loads it, says of them."""
    predictor = _engine(packed.engine).load(packed.artifact, engine=packed.engine, signature=signature)
    return checks_by(predictor, rows=rows, signature=signature)


def checks_by(predictor: Predictor, *, rows: Sequence[Row], signature: Signature) -> bytes:
    """Up to 16 of the rows, spread over all, with what the predictor says of them."""
    chosen = spread(rows, most=CHECK_ROWS)
    return checks_for(chosen, predictor.predict(chosen), signature=signature)


def _engine(name: EngineName) -> Engine:
    from loopline.adapters.pillow.engine import ImageEngine

    if name == "onnx":
        from loopline.adapters.onnx.engine import OnnxEngine

        return ImageEngine(OnnxEngine())
    from loopline.adapters.sklearn.engine import SklearnEngine

    return ImageEngine(SklearnEngine())


def _described(model: Any) -> str:
    if model is None:
        return "nothing"
    kind = type(model)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    lacking = [one for one in ("predict_proba", "classes_") if not hasattr(model, one)]
    fitted = hasattr(model, "fit") and lacking
    return f"{name} without {' and '.join(lacking)}" if fitted else f"an object of type {name}"
