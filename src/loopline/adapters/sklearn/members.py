"""What each part of a committee says: the trees of a forest, the parts of a bagging, the voters of a vote."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def has_members(estimator: Any) -> bool:
    """Whether it is, or a pipeline ends in, a committee whose parts give probabilities of their own."""
    from sklearn.ensemble import BaggingClassifier, VotingClassifier
    from sklearn.ensemble._forest import ForestClassifier

    parts = getattr(_final(estimator), "estimators_", ())
    is_committee = isinstance(_final(estimator), ForestClassifier | BaggingClassifier | VotingClassifier)
    return is_committee and all(hasattr(part, "predict_proba") for part in parts)


def members(estimator: Any, rows: Any) -> NDArray[np.float64]:
    """What each member says, of shape (n, members, classes), columns as the committee's; see ``has_members``."""
    committee = _final(estimator)
    features = rows if committee is estimator or len(estimator) == 1 else estimator[:-1].transform(rows)
    subsets = getattr(committee, "estimators_features_", None)
    said = np.zeros((features.shape[0], len(committee.estimators_), len(committee.classes_)))
    for place, member in enumerate(committee.estimators_):
        seen = features if subsets is None else features[:, subsets[place]]
        # Members learn classes by number, and one that was fitted on few rows may have met only some of them.
        said[:, place, np.asarray(member.classes_, int)] = member.predict_proba(seen)
    return said


def _final(estimator: Any) -> Any:
    from sklearn.pipeline import Pipeline

    return estimator[-1] if isinstance(estimator, Pipeline) else estimator
