"""The models that labels are bought for: each is fitted again and again on more labels, and answers for every row."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]
TREES, TOGETHER = 50, 5
"""Trees of a forest, and how many of them count as one member of the committee."""


class Answers(NamedTuple):
    """What a model says of all rows."""

    probabilities: Vectors
    """(n, classes), rows sum to 1; 0 for classes that it has not seen."""
    members: Vectors
    """(n, members, classes); (n, 0, classes) where it has none."""


class Learner(Protocol):
    """A model that is fitted on some rows."""

    def fitted(self, at: Indices) -> Answers:
        """What it says of all rows once it has learnt those at these places."""
        ...


Maker = Callable[[int], Learner]
"""A seed -> a fresh learner."""


class Linear:
    """Logistic regression, begun where it ended with fewer labels. Columns that no labelled row fills are left out."""

    def __init__(self, rows: Any, labels: Indices, *, strength: float, tolerance: float = 1e-4) -> None:
        self.rows, self.labels, self.strength, self.tolerance = rows, labels, strength, tolerance
        classes, columns = int(labels.max()) + 1, rows.shape[1]
        self.weights = np.zeros((classes, columns), np.float32)
        self.offset = np.zeros(classes, np.float32)

    def fitted(self, at: Indices) -> Answers:
        from sklearn.linear_model import LogisticRegression

        rows, labels = self.rows[at], self.labels[at]
        seen = np.unique(labels)
        columns = slice(None) if isinstance(rows, np.ndarray) else np.unique(rows.indices)
        model = LogisticRegression(C=self.strength, tol=self.tolerance, max_iter=500, warm_start=True)
        if len(seen) > 2:  # of two classes scikit-learn keeps one row of weights
            model.coef_ = self.weights[np.ix_(seen, np.arange(rows.shape[1])[columns])]
            model.intercept_ = self.offset[seen].copy()
        model.fit(rows[:, columns], labels)
        self.weights[:], self.offset[:] = 0.0, -np.inf
        both = (lambda w: np.concatenate([-w, w]) / 2.0) if len(seen) == 2 else (lambda w: w)
        self.weights[np.ix_(seen, np.arange(rows.shape[1])[columns])] = both(model.coef_)
        self.offset[seen] = both(model.intercept_)
        logits = np.asarray(self.rows @ self.weights.T) + self.offset
        self.offset[~np.isfinite(self.offset)] = 0.0
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p = (p / p.sum(axis=1, keepdims=True)).astype(np.float32)
        return Answers(p, np.zeros((len(p), 0, p.shape[1]), np.float32))


class Forest:
    """Extremely randomised trees; parts of the forest are a committee."""

    def __init__(self, rows: Vectors, labels: Indices, *, seed: int) -> None:
        self.rows, self.labels, self.seed = rows, labels, seed

    def fitted(self, at: Indices) -> Answers:
        from sklearn.ensemble import ExtraTreesClassifier

        model = ExtraTreesClassifier(TREES, random_state=self.seed).fit(self.rows[at], self.labels[at])
        members = np.zeros((len(self.rows), TREES // TOGETHER, int(self.labels.max()) + 1), np.float32)
        for number, tree in enumerate(model.estimators_):
            members[:, number // TOGETHER, model.classes_] += tree.tree_.predict(self.rows).reshape(len(self.rows), -1)
        members /= members.sum(axis=2, keepdims=True)
        return Answers(members.mean(axis=1), members)
