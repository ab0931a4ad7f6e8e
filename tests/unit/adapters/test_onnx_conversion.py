"""The conversion of scikit-learn models, trap by trap."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline, make_union

from loopline.adapters.onnx.conversion import converted
from loopline.adapters.onnx.engine import OnnxEngine
from loopline.apps.worker.conversion import AWKWARD
from loopline.records.signature import Signature

TABLE = Signature(input="tabular", width=4, labels=("low", "high", "middle"))
TEXT = Signature(input="text", labels=("no", "yes"))
DRAWN = np.random.default_rng(5)
X = DRAWN.normal(size=(200, 4))
Y = np.array(["low", "middle", "high"])[np.digitize(X[:, 0], (-0.5, 0.5))]
WORDS = ["café", "naïve", "good", "bad", "x", "3rd", "日本語", "it's", "½", "été"]
TEXTS = [" ".join(DRAWN.choice(WORDS, 6)) for _ in range(200)] + list(AWKWARD)
RATED = np.array(["yes" if "good" in text else "no" for text in TEXTS])


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        HistGradientBoostingClassifier(max_iter=4),
        RandomForestClassifier(5, random_state=0),
        VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], voting="soft"),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_tables_are_answered_as_before_and_the_file_is_always_the_same(estimator):
    estimator.fit(X, Y)
    content = converted(estimator, width=4)
    assert content == converted(estimator, width=4)
    p = OnnxEngine().load(content, engine="onnx", signature=TABLE).predict(X)
    columns = [list(estimator.classes_).index(label) for label in TABLE.labels]
    np.testing.assert_allclose(p, estimator.predict_proba(X)[:, columns], atol=1e-5)


@pytest.mark.parametrize(
    "words",
    [
        TfidfVectorizer(),
        TfidfVectorizer(ngram_range=(1, 2)),
        TfidfVectorizer(lowercase=False),
        TfidfVectorizer(token_pattern=r"(?u)\b\w+\b"),
        make_union(TfidfVectorizer(), TfidfVectorizer(token_pattern=r"\w+")),
    ],
    ids=["plain", "bigrams", "cased", "letters", "union"],
)
def test_texts_of_every_script_are_cut_into_the_same_words(words):
    model = make_pipeline(words, LogisticRegression(C=10)).fit(TEXTS, RATED)
    predictor = OnnxEngine().load(converted(model, width=0), engine="onnx", signature=TEXT)
    np.testing.assert_allclose(predictor.predict(TEXTS), model.predict_proba(TEXTS), atol=1e-5)


@pytest.mark.slow
def test_every_process_makes_the_same_file():
    program = (
        "import sys, numpy as np; from hashlib import sha256; from sklearn.pipeline import make_pipeline;"
        "from sklearn.feature_extraction.text import TfidfVectorizer;"
        "from sklearn.linear_model import LogisticRegression;"
        "from loopline.adapters.onnx.conversion import converted;"
        "model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(['good', 'bad'] * 5, [0, 1] * 5);"
        "print(sha256(converted(model, width=0)).hexdigest())"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in "123"
    }
    assert len(made) == 1


def test_the_estimator_itself_is_left_as_it_was():
    vote = VotingClassifier([("a", GaussianNB()), ("b", LogisticRegression())], voting="soft").fit(X, Y)
    converted(vote, width=4)
    assert vote.flatten_transform is True


def test_double_precision_keeps_what_single_precision_cannot_tell_apart():
    stamps = 1.7e9 + np.arange(200.0)[:, None] * [1.0, 0, 0, 0]
    model = LogisticRegression().fit(stamps - 1.7e9, Y)
    model.intercept_ = model.intercept_ - (model.coef_[:, 0] * 1.7e9)
    expected = model.predict_proba(stamps)
    columns = [list(model.classes_).index(label) for label in TABLE.labels]
    apart = {}
    for is_double in (False, True):
        content = converted(model, width=4, is_double=is_double)
        p = OnnxEngine().load(content, engine="onnx", signature=TABLE).predict(stamps)
        apart[is_double] = np.abs(p - expected[:, columns]).max()
    assert apart[True] < 1e-5 < apart[False]
