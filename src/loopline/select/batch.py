"""How large a batch is, how it splits, and the sentence that says so."""

from typing import NamedTuple


class Shares(NamedTuple):
    """How many samples each draw takes."""

    audit: int
    """Uniformly at random."""
    chosen: int
    """By informativeness and diversity."""


def shares(*, budget: int, explore: float, available: int) -> Shares:
    """The batch of at most ``budget`` samples, ``explore`` of it (rounded half up) for the audit stream.

    >>> shares(budget=150, explore=0.10, available=1204)
    Shares(audit=15, chosen=135)
    >>> shares(budget=150, explore=0.10, available=40)
    Shares(audit=4, chosen=36)
    """
    total = max(0, min(budget, available))
    audit = min(total, int(total * explore + 0.5))
    return Shares(audit=audit, chosen=total - audit)


class Pooled(NamedTuple):
    """What the window held."""

    found: int
    """Rows in the window."""
    rows: int
    """Of them, never labelled or selected before."""
    distinct: int
    """Samples among these after duplicates were folded."""


def sentence(taken: Shares, *, pooled: Pooled, strategy: str, window: tuple[int, int], budget: int) -> str:
    """What was chosen from what, and how, in words.

    >>> sentence(Shares(15, 135), pooled=Pooled(2400, 2310, 1204), strategy="margin.v1", window=(0, 9), budget=150)
    '135 of 1,204 distinct samples (2,310 rows) by margin.v1 and 15 at random'
    """
    after, until = window
    of = f"{pooled.distinct:,} distinct samples ({pooled.rows:,} rows)"
    if not pooled.found:
        return f"nothing to select: the log holds no eligible row in ({after:,}, {until:,}]"
    if not pooled.rows:
        return (
            f"nothing to select: all {pooled.found:,} rows in ({after:,}, {until:,}] were labelled or selected before"
        )
    if budget <= 0:
        return f"nothing selected: the budget is {budget}; {of} were eligible"
    if pooled.distinct <= budget:
        return f"all {of}, since the budget is {budget:,}: {taken.chosen:,} as chosen and {taken.audit:,} as audit"
    return f"{taken.chosen:,} of {of} by {strategy} and {taken.audit:,} at random"
