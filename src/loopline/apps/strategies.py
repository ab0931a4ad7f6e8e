"""Strategies from elsewhere: the entry point group ``loopline.strategies``, and scikit-activeml by name.

An entry point's name is the strategy's, with its version, and it points to either of::

    [project.entry-points."loopline.strategies"]
    "far-apart.v1" = "mine:STRATEGY"     # a loopline.ports.strategy.Strategy of this name
    "far-apart.v2" = "mine:arrange"      # (shortlist, wanted, rng) -> indices, most wanted first, over smallest margins

Whatever they raise, and any answer that is no order of the candidates, becomes an InvalidRecord that names them.
"""

import re
from functools import partial
from importlib import metadata

import numpy as np
from numpy.typing import NDArray

from loopline.adapters.skactiveml import querying
from loopline.errors import Conflict, InvalidRecord, LooplineError, NotFound, Unavailable
from loopline.ports.strategy import Arrangement, Shortlist, Strategy
from loopline.select.strategies import BUILT_IN
from loopline.select.strategies.margin import logged

GROUP = "loopline.strategies"
VERSIONED = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\.v[0-9]+")
FACTOR = 10
REMEDY = "mend it, or choose another strategy"

Numbers = NDArray[np.float32]


def known() -> tuple[str, ...]:
    """The names that ``loop.toml`` may use, sorted; scikit-activeml's are beside them. Imports nothing."""
    return tuple(sorted({*BUILT_IN, *_entries()}))


def resolved(name: str) -> Strategy:
    """The strategy of this name, imported where it is not built in.

    Raises NotFound, which lists the known ones; Unavailable when it cannot be imported; InvalidRecord when it is no
    strategy, Conflict when two are called so; and whatever ``query_strategy`` raises for scikit-activeml.
    """
    if name.startswith(querying.PREFIX):
        return guarded(querying.query_strategy(name))
    if name in BUILT_IN:
        return BUILT_IN[name]
    entries = _entries()
    if name not in entries:
        raise NotFound("strategy", name, known=known())
    return guarded(_loaded(entries[name]))


def guarded(strategy: Strategy) -> Strategy:
    """The same strategy; when it raises or gives no answer of the right shape, an InvalidRecord names it.

    What it leaves out of an order follows as it stands. A strategy that can be pickled still can.
    """
    return strategy._replace(
        score=partial(_scored, strategy),
        arrange=partial(_arranged, strategy) if strategy.arrange else None,
    )


def _entries() -> dict[str, metadata.EntryPoint]:
    entries: dict[str, metadata.EntryPoint] = {}
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda each: (each.name, each.value)):
        if not VERSIONED.fullmatch(entry.name):
            expected = "a name with a version, such as far-apart.v1"
            raise InvalidRecord(_called(entry), found=f"the name {entry.name!r}", expected=expected)
        twin = entries.get(entry.name, entry)
        if entry.name in BUILT_IN or twin.value != entry.value:
            other = "one that is built in" if entry.name in BUILT_IN else twin.value
            remedy = "uninstall one of them, or give it another version"
            raise Conflict(_called(entry), found=f"{other} has that name", expected="one strategy", remedy=remedy)
        entries[entry.name] = entry
    return entries


def _called(entry: metadata.EntryPoint) -> str:
    return f"strategy {entry.name} ({entry.value})"


def _loaded(entry: metadata.EntryPoint) -> Strategy:
    try:
        thing = entry.load()
    except Exception as error:
        reason, remedy = f"it cannot be imported: {_sentence(error)}", "mend it, or uninstall its package"
        raise Unavailable(_called(entry), reason=reason, remedy=remedy) from error
    if isinstance(thing, Strategy):
        if thing.name != entry.name:
            raise InvalidRecord(_called(entry), found=f"a Strategy named {thing.name}", expected="the same name")
        return thing
    if not callable(thing):
        expected = "a Strategy, or a function (shortlist, wanted, rng)"
        raise InvalidRecord(_called(entry), found=type(thing).__name__, expected=expected)
    return Strategy(entry.name, reads="margin", score=logged, sign=1, arrange=thing, factor=FACTOR, needs_labelled=True)


def _scored(strategy: Strategy, column: Numbers) -> Numbers:
    expected = f"{len(column):,} scores"
    try:
        scores = np.asarray(strategy.score(column), np.float32)
    except LooplineError:
        raise
    except Exception as error:
        raise _failure(strategy, f"it raised {_sentence(error)}", expected) from error
    if scores.shape != (len(column),):
        raise _failure(strategy, f"scores of shape {scores.shape}", expected)
    return scores


def _arranged(strategy: Strategy, shortlist: Shortlist, wanted: int, rng: np.random.Generator) -> Arrangement:
    rows = len(shortlist.vectors)
    each, expected = np.arange(rows), f"an order of {rows:,} candidates"
    if strategy.arrange is None:
        return Arrangement(each, each)
    try:
        said = strategy.arrange(shortlist, wanted, rng)
        order, cluster = said if isinstance(said, Arrangement) else (said, each)
        order, cluster = np.asarray(order), np.asarray(cluster)
    except LooplineError:
        raise
    except Exception as error:
        raise _failure(strategy, f"it raised {_sentence(error)}", expected) from error
    if order.ndim != 1 or order.dtype.kind not in "iu" or cluster.shape != (rows,) or cluster.dtype.kind not in "iu":
        shapes = f"{order.dtype} of shape {order.shape}, clusters {cluster.dtype} of shape {cluster.shape}"
        raise _failure(strategy, shapes, expected)
    if len(np.unique(order)) < len(order) or not np.isin(order, each).all():
        raise _failure(strategy, "a repeated or unknown candidate", expected)
    whole = np.concatenate([order, each[~np.isin(each, order)]]).astype(np.int64)
    return Arrangement(whole, cluster.astype(np.int64))


def _failure(strategy: Strategy, found: str, expected: str) -> InvalidRecord:
    return InvalidRecord(f"strategy {strategy.name}", found=found, expected=expected, remedy=REMEDY)


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
