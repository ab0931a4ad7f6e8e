"""Which samples go to the reserve together when the caller names no group: those that a reader would call the same."""

import re

from blake3 import blake3

from loopline.records.ids import Digest
from loopline.records.signature import Row

WORD = re.compile(r"[^\W_]+")
"""Letters and digits of any script."""


def normalised(text: str) -> str:
    r"""The words of the text: casefolded, only letters and digits kept, joined by single spaces; may be empty.

    >>> normalised(" Great,\tFILM! "), normalised(":-)")
    ('great film', '')
    """
    return " ".join(WORD.findall(text.casefold()))


def group_of(row: Row, *, content: Digest) -> str:
    """The group of a row without a group key.

    For a text the hex BLAKE3 of its normalised form, so that texts that differ in case, blanks or punctuation only are
    on one side of the seal; of the text as it is when nothing else is left. For a tabular row the digest of its
    ``content``.

    >>> group_of("Great film!", content=Digest("c1")) == group_of("great  film", content=Digest("c2"))
    True
    >>> group_of((1.0, 2.0), content=Digest("c1"))
    'c1'
    """
    if not isinstance(row, str):
        return content
    return blake3((normalised(row) or row).encode("utf-8", "surrogatepass")).hexdigest()
