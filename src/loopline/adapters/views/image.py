"""A sample as an image, fetched by its own address so that it can be loaded and decoded ahead."""

from collections.abc import Sequence
from typing import Final

from loopline.ports.view import Shown, Usual
from loopline.records.signature import Signature

ALT: Final = "the image that is asked about"
"""It says no more: what the image shows is the question."""


class ImageView:
    """``{kind: "image", src, bytes, alt}``; whether the bytes are an image shows when a browser decodes them."""

    @property
    def script(self) -> str:
        """The page itself draws it."""
        return ""

    def shown(self, inputs: bytes, *, signature: Signature, usual: Sequence[Usual], address: str) -> Shown:  # noqa: ARG002  the port's
        """Where the image is, and how large.

        >>> signature = Signature(input="image", labels=("cat", "dog"))
        >>> ImageView().shown(b"GIF89a", signature=signature, usual=(), address="/api/tasks/t1/input")["bytes"]
        6
        """
        return {"kind": "image", "src": address, "bytes": len(inputs), "alt": ALT}
