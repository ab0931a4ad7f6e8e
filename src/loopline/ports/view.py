"""A way of showing a sample to the person who is asked about it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from loopline.records.signature import Signature

Shown = Mapping[str, object]
"""What the page draws from, as JSON; ``kind`` names the view. Built in: ``text`` (text), ``image`` (src, bytes, alt),
``table`` (rows: name, value, low, high, is_unusual), ``json`` (value)."""


class Usual(NamedTuple):
    """The usual range of one feature: nine of ten samples of the base set, or of the batch, lie in it."""

    name: str
    low: float
    high: float


class View(Protocol):
    """One way of showing."""

    @property
    def script(self) -> str:
        """The file that holds the ES module which draws it, of the view's own package, as a whole path.

        It exports ``draw(shown, place)``. Empty for what the page itself draws.
        """
        ...

    def shown(self, inputs: bytes, *, signature: Signature, usual: Sequence[Usual], address: str) -> Shown:
        """What the page draws from; ``address``: where the inputs' own bytes can be fetched.

        Of ``inputs`` and ``usual`` alone, and in the same order of keys for all samples of one kind: nothing of why a
        sample is asked about shows. Never raises on odd input: what cannot be read is shown as text that says so.
        """
        ...
