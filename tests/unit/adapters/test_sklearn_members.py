"""What the parts of a committee say."""

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier, GradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from loopline.adapters.sklearn.engine import SklearnEngine, package
from loopline.records.signature import Signature

TABLE = Signature(input="tabular", width=4, labels=("c", "a", "b"))
X = np.random.default_rng(5).normal(size=(120, 4))
Y = np.array(["a", "b", "c"])[np.digitize(X[:, 0], (-0.5, 0.5))]
MEMBERS = frozenset({"members"})


def loaded(estimator):
    return SklearnEngine().load(package(estimator.fit(X, Y), signature=TABLE), engine="sklearn", signature=TABLE)


@pytest.mark.parametrize(
    ("committee", "members"),
    [
        (RandomForestClassifier(7, random_state=0), 7),
        (make_pipeline(StandardScaler(), RandomForestClassifier(3, random_state=0)), 3),
        (make_pipeline(RandomForestClassifier(3, random_state=0)), 3),
        (BaggingClassifier(GaussianNB(), 4, max_features=2, random_state=0), 4),
        (VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], voting="soft"), 2),
    ],
    ids=lambda each: type(each).__name__,
)
def test_the_members_of_a_committee_agree_on_average_with_it(committee, members):
    said = loaded(committee).observe(X, extras=MEMBERS)
    assert said.members.shape == (120, members, 3)
    np.testing.assert_allclose(said.members.mean(axis=1), said.probabilities, atol=1e-6)
    assert said.members.std(axis=1).max() > 0.01


def test_a_member_that_never_met_a_class_gives_it_nothing():
    labels = np.where(np.arange(120) == 0, "a", np.where(X[:, 0] > 0, "b", "c"))
    committee = BaggingClassifier(KNeighborsClassifier(2), 8, max_samples=0.1, random_state=0).fit(X, labels)
    known = {len(member.classes_) for member in committee.estimators_}
    assert known == {2, 3}
    predictor = SklearnEngine().load(package(committee, signature=TABLE), engine="sklearn", signature=TABLE)
    said = predictor.observe(X[:5], extras=MEMBERS)
    np.testing.assert_allclose(said.members.sum(axis=2), 1, atol=1e-6)
    np.testing.assert_allclose(said.members.mean(axis=1), said.probabilities, atol=1e-6)


@pytest.mark.parametrize("estimator", [LogisticRegression(), GradientBoostingClassifier(n_estimators=2)])
def test_what_is_no_committee_has_no_members(estimator):
    predictor = loaded(estimator)
    assert predictor.observe(X[:3], extras=MEMBERS).members is None
    assert predictor.extras == frozenset()
