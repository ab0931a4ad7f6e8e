"""Any pool-based query strategy of scikit-activeml as a Strategy."""

import inspect
from functools import partial
from importlib import import_module, metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopline.errors import Conflict, InvalidRecord, NotFound, Unavailable
from loopline.ports.strategy import Arrangement, Shortlist, Strategy

PREFIX = "scikit-activeml:"
GIVEN = {"self", "X", "y", "candidates", "batch_size", "return_utilities"}
MODELS = {"clf", "estimator", "ensemble", "discriminator"}
"""Arguments of a query that ask for a model that Loopline can stand in for."""
SETTINGS: dict[str, dict[str, Any]] = {"ProbabilisticAL": {"metric": "rbf"}}
"""Without a metric it wants class frequencies of the model, which probabilities do not hold."""
FACTOR = 20


def query_strategy(name: str) -> Strategy:
    """The query strategy of this name: ``scikit-activeml:CoreSet``, or ``scikit-activeml:CoreSet@1.0.1``.

    The Strategy's own name carries the version of the library. It sees a uniform draw of the pool, what has labels,
    the serving model's own answers as classifier and, where it asks for an ensemble, the members of the log.
    Raises Unavailable without scikit-activeml, NotFound for an unknown name, Conflict when another version is asked
    for, InvalidRecord for a strategy that needs what Loopline cannot give: a regression, or a model that it refits.
    """
    wanted, _, version = name.removeprefix(PREFIX).partition("@")
    found = _class(wanted)
    installed = metadata.version("scikit-activeml")
    if version not in ("", installed):
        remedy = f"install scikit-activeml {version} to replay it, or name it without a version"
        raise Conflict(f"strategy {name}", found=f"scikit-activeml {installed}", expected=version, remedy=remedy)
    asked = set(inspect.signature(found.query).parameters)
    foreign = {
        each.name
        for of in (found.query, found)
        for each in inspect.signature(of).parameters.values()
        if each.default is each.empty and each.kind is not each.VAR_KEYWORD
    } - (GIVEN | MODELS | {"classes"})
    if foreign or "ignore_partial_fit" in asked:
        needs = ", ".join(sorted(foreign)) or "a model that it fits anew for every candidate"
        known = "no more than samples, labels and the answers of a model"
        raise InvalidRecord(f"strategy {name}", found=f"it needs {needs}", expected=known, remedy="choose another")
    return Strategy(
        f"{PREFIX}{wanted}@{installed}", reads="", score=_unscored, sign=1, arrange=partial(arrange, name=wanted),
        factor=FACTOR, needs_members="ensemble" in asked, needs_labelled=True,
    )  # fmt: skip


def arrange(shortlist: Shortlist, wanted: int, rng: np.random.Generator, *, name: str) -> Arrangement:
    """The candidates that the query strategy picks, in its order, then the others as they stand."""
    rows, labelled = len(shortlist.vectors), len(shortlist.labelled)
    each = np.arange(rows)
    if not rows or wanted < 1:
        return Arrangement(each, each)
    found, classes = _class(name), shortlist.probabilities.shape[1]
    settings = SETTINGS.get(name, {}) | {"random_state": int(rng.integers(1 << 31))}
    if "classes" in inspect.signature(found).parameters:
        settings["classes"] = list(range(classes))
    x = np.concatenate([shortlist.labelled, shortlist.vectors]).astype(np.float64)
    y = np.concatenate([shortlist.labels, np.full(rows, np.nan)])
    asked = MODELS & set(inspect.signature(found.query).parameters)
    models = {each: _model(each, shortlist) for each in sorted(asked)}
    picks = np.asarray(found(**settings).query(x, y, **models, batch_size=min(wanted, rows)), np.int64) - labelled
    return Arrangement(np.concatenate([picks, each[~np.isin(each, picks)]]), each)


def _model(kind: str, shortlist: Shortlist) -> Any:
    """What stands for the model that a query asks for."""
    from skactiveml.classifier import ParzenWindowClassifier

    from loopline.adapters.skactiveml.answering import Answering

    classes = shortlist.probabilities.shape[1]
    known = np.concatenate([shortlist.vectors, shortlist.labelled]).astype(np.float64)
    sure = np.eye(classes)[shortlist.labels]

    def said(answers: NDArray[np.float32]) -> Answering:
        return Answering(known, np.concatenate([answers.astype(np.float64), sure]), classes=list(range(classes)))

    if kind == "discriminator":  # it tells labelled samples from others: a small model of its own
        return ParzenWindowClassifier(classes=[0, 1])
    if kind == "ensemble":
        return [said(shortlist.members[:, member]) for member in range(shortlist.members.shape[1])]
    return said(shortlist.probabilities)


def _class(name: str) -> Any:
    try:
        pool = import_module("skactiveml.pool")
    except ImportError as error:
        remedy = "pip install 'loopline[skactiveml]'"
        raise Unavailable(f"strategy {PREFIX}{name}", reason=f"{error}", remedy=remedy) from error
    known = {each: getattr(pool, each) for each in pool.__all__ if hasattr(getattr(pool, each), "query")}
    if name not in known:
        raise NotFound("query strategy", name, known=tuple(sorted(known)))
    return known[name]


def _unscored(column: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.zeros(len(column), np.float32)
