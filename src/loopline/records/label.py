"""What we believe about a sample, derived from what people said."""

import msgspec

from loopline.records.ids import Digest, PredictionId
from loopline.records.task import Stratum


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """Derived from annotations by a named method; the same annotations give it again."""

    sample: PredictionId
    content: Digest
    inputs: bytes
    cycle: int
    stratum: Stratum
    label: str
    posterior: tuple[float, ...]
    """One a class, in the order of the loop's labels: summing to 1, or each for itself where several may be right."""
    decided_by: str = ""
    """The adjudicator whose finding it is; empty: it follows from the answers."""
    annotators: tuple[str, ...]
    """Whose answers count here, sorted; they are the lineage of the label."""


class LabelBatch(msgspec.Struct, frozen=True, kw_only=True):
    """All labels of one cycle, with the agreement among the people who gave them."""

    id: str
    loop: str
    cycle: int
    method: str
    """With version: ``dawid-skene.v1``."""
    labels: tuple[Label, ...]
    alpha: float
    """Krippendorff's alpha, nominal, over samples with two or more answers; NaN is stored as -1 with ``alpha_n`` 0."""
    alpha_n: int
    """Samples behind alpha."""
    annotations: int
    reason: str
    answers: tuple[str, ...] = ()
    """Ids of the annotations it was derived from, gold answers included, sorted; what is said later is not among them.

    Empty in batches that were stored before this was kept.
    """
