"""Which samples may judge a model and which may be learned from, as the database keeps them apart."""

from typing import Protocol

from loopline.records.ids import LoopName


class RoleBook(Protocol):
    """Reads the role of each sample that was ever selected, learned, or asked about to judge with.

    A sample is one content. Its role is registered when an entry that needs it is committed to the ledger of the same
    state, and never changes: a commit that needs the other one is refused whole. What no commit needed yet has none.
    """

    def reserved(self, loop: LoopName) -> frozenset[str]:
        """Content digests that judge: of reserve tasks, and of the anchor. None of them can be selected or learned."""
        ...

    def selected(self, loop: LoopName) -> frozenset[str]:
        """Content digests that were selected or learned. None of them can judge."""
        ...

    def members(self, loop: LoopName, *, version: int) -> frozenset[str]:
        """Content digests of the samples of the log in the dataset version that this cycle cut, or the last before."""
        ...
