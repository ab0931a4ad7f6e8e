"""What the gateway holds at one moment: the split and the loaded versions; replaced whole, never changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import msgspec

from loopline.errors import Conflict, InvalidRecord, NotFound, Unavailable
from loopline.records.ids import Digest, VersionName
from loopline.records.model import ModelVersion
from loopline.records.rollout import TrafficSplit
from loopline.records.signature import Row
from loopline.serve.outcome import outcome, told
from loopline.serve.question import Asked, Question, Rows, Said, route_key
from loopline.serve.routing import is_challengers


class Observe(Protocol):
    """What a model says about rows; of what is only told when asked for, those ``extras`` that it can give."""

    def __call__(self, rows: Rows | Sequence[Row], *, extras: frozenset[str]) -> Said:
        """Raises whatever the model raises."""
        ...


class Pace(NamedTuple):
    """How a version is best asked, measured when it was loaded."""

    quick_rows: int = 0
    """So many rows take less than a millisecond: they are answered at once; more, or 0, on a thread of their own."""
    is_batched: bool = False
    """Whether rows asked together take clearly less time than one by one."""


class Loaded(NamedTuple):
    """A version that was verified and is warm."""

    version: ModelVersion
    observe: Observe
    contract: Digest
    """Of its signature."""
    classes: int
    keep: frozenset[str] = frozenset()
    """Extras that are always asked for, since the log keeps them."""
    gives: frozenset[str] = frozenset()
    """Extras that it has, seen when it was verified."""
    pace: Pace = Pace()

    @classmethod
    def of(cls, version: ModelVersion, observe: Observe, *, keep: Iterable[str]) -> "Loaded":
        """The version, not yet verified."""
        signature = version.signature
        return cls(version, observe, signature.digest, len(signature.labels), frozenset(keep))


class Table(NamedTuple):
    """Who answers now. A version that the split gives any traffic, seen or unseen, is loaded."""

    split: TrafficSplit | None
    """None before the first version is live."""
    loaded: Mapping[VersionName, Loaded]

    @property
    def versions(self) -> tuple[ModelVersion, ...]:
        """The versions that are loaded, verified and warm, the incumbent first."""
        return tuple(one.version for one in self.loaded.values())


EMPTY = Table(split=None, loaded={})


class Survey(NamedTuple):
    """What became of the versions that a split names."""

    table: Table | None
    """None when the incumbent itself was refused."""
    refusals: dict[VersionName, str]
    """Why each version that is missing from the table is missing."""
    is_settled: bool
    """Whether looking again would find the same: each version is loaded, or breaks a rule."""

    def after(self, before: Table, *, held: Iterable[VersionName]) -> Table:
        """The table that follows the one before: this, with the versions that are held as well; or that one still."""
        if self.table is None:
            return before
        kept = {name: before.loaded[name] for name in held if name in before.loaded and name not in self.table.loaded}
        return self.table._replace(loaded={**self.table.loaded, **kept})


def survey(split: TrafficSplit, *, load: Callable[[VersionName], Loaded]) -> Survey:
    """The table that the split leads to, once each version that it names is loaded, or refused for a reason."""
    made = {name: outcome(partial(load, name)) for name in wanted(split)}
    loaded = {name: found for name, found in made.items() if isinstance(found, Loaded)}
    refused = {name: found for name, found in made.items() if isinstance(found, Exception)}
    if split.challenger in refused:  # the incumbent answers its share
        split = msgspec.structs.replace(split, challenger=None, basis_points=0, shadow=False)
    return Survey(
        table=Table(split=split, loaded=loaded) if split.incumbent in loaded else None,
        refusals={name: told(error) for name, error in refused.items()},
        is_settled=all(isinstance(error, InvalidRecord | Conflict) for error in refused.values()),
    )


def wanted(split: TrafficSplit) -> tuple[VersionName, ...]:
    """The versions that the split needs loaded: the incumbent first, each once.

    >>> wanted(TrafficSplit(loop="s", revision=2, incumbent="v1", challenger="v2", keep=("v0", "v1")))
    ('v1', 'v2', 'v0')
    """
    names = (split.incumbent, *((split.challenger,) if split.challenger else ()), *split.keep)
    return tuple(dict.fromkeys(names))


def attempts(table: Table, *, question: Question) -> tuple[tuple[Loaded, Asked], ...]:
    """Who is asked, in order: the version named or routed to; after a canary, the incumbent should it fail.

    Raises NotFound for a named version that is not loaded, Unavailable before the first version is live, InvalidRecord
    when one of them does not give what is asked for.
    """
    split = table.split
    if question.version is not None:
        if question.version not in table.loaded:
            raise NotFound("loaded version", question.version, known=tuple(sorted(table.loaded)))
        named = table.loaded[question.version]
        return ((_giving(named, question), Asked(question, "direct", "asked by name")),)
    if split is None:
        raise Unavailable("model", reason="no version is live yet", remedy="ask again when /v2/health/ready says so")
    incumbent = _giving(table.loaded[split.incumbent], question)
    if split.challenger is None or not split.basis_points:
        return ((incumbent, Asked(question, "incumbent", "")),)
    key = route_key(question, signature=incumbent.version.signature)
    if not is_challengers(key, split=split):
        return ((incumbent, Asked(question, "incumbent", "")),)
    challenger = _giving(table.loaded[split.challenger], question)
    why = f"its key lies in the first {split.basis_points / 100:g} %"
    instead = f"{split.challenger}, whose share it is in, failed"
    return ((challenger, Asked(question, "canary", why)), (incumbent, Asked(question, "incumbent", instead)))


def holding(table: Table, loaded: Loaded) -> Table:
    """The table with one more version."""
    return table._replace(loaded={**table.loaded, loaded.version.name: loaded})


def released(table: Table, name: VersionName) -> Table:
    """The table without this version. Raises NotFound, or Conflict when the split names it.

    >>> released(EMPTY, VersionName("v1"))
    Traceback (most recent call last):
    loopline.errors.NotFound: no loaded version 'v1'
    """
    if name not in table.loaded:
        raise NotFound("loaded version", name, known=tuple(sorted(table.loaded)))
    if table.split is not None and name in wanted(table.split):
        remedy = "it goes when the rollout lets go of it"
        raise Conflict(f"version {name}", found="named by the traffic split", expected="one that is not", remedy=remedy)
    return table._replace(loaded={other: loaded for other, loaded in table.loaded.items() if other != name})


def _giving(loaded: Loaded, question: Question) -> Loaded:
    """The version, once it is known to give what is asked for beside the distribution. Raises InvalidRecord."""
    if lacking := question.extras - loaded.gives:
        found = f"{' and '.join(sorted(lacking))}, which version {loaded.version.name} does not give"
        raise InvalidRecord("outputs", found=found, expected="outputs that it gives")
    return loaded


def pace_of(table: Table, *, version: VersionName | None) -> Pace:
    """The pace of whoever may answer: of the version that was named, or the slowest of those that have traffic."""
    split = table.split
    if version is not None:
        return table.loaded[version].pace if version in table.loaded else Pace()
    if split is None:
        return Pace()
    paces = [table.loaded[split.incumbent].pace]
    if split.challenger is not None and split.basis_points:
        paces.append(table.loaded[split.challenger].pace)
    return Pace(min(pace.quick_rows for pace in paces), is_batched=all(pace.is_batched for pace in paces))


def unseen(table: Table) -> Loaded | None:
    """The version, if any, that also scores in the shadow what the incumbent answers."""
    if table.split is None or table.split.challenger is None or not table.split.shadow:
        return None
    return table.loaded[table.split.challenger]
