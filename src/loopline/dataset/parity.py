"""One contract for serving, log, dataset and training: equal, or an error that names the difference."""

from loopline.errors import InvalidRecord
from loopline.records.signature import Signature


def require_parity(thing: str, *, found: Signature, expected: Signature) -> None:
    """Nothing, when the signatures are equal; else raises InvalidRecord, naming each field that differs."""
    pairs = [
        (name, getattr(found, name), getattr(expected, name))
        for name in found.__struct_fields__
        if getattr(found, name) != getattr(expected, name)
    ]
    if not pairs:
        return
    raise InvalidRecord(
        f"{thing}: signature",
        found=", ".join(f"{name} {_shown(value)}" for name, value, _ in pairs),
        expected=", ".join(f"{name} {_shown(value)}" for name, _, value in pairs),
        remedy="keep [loop] input and labels as they were, or begin a new loop under another name",
    )


def _shown(value: object) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value) or "none"
