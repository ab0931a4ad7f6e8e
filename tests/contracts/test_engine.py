import os
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.onnx.conversion import converted as as_onnx
from loopline.adapters.onnx.engine import OnnxEngine
from loopline.adapters.pillow.engine import ImageEngine
from loopline.adapters.python.engine import PythonEngine
from loopline.adapters.python.engine import package as by_factory
from loopline.adapters.sklearn.engine import SklearnEngine, package
from loopline.errors import InvalidRecord
from loopline.ports.engine import Engine
from loopline.records.signature import Signature
from loopline.testing.engine import REVERSED, TEXTS, EngineContract
from loopline.testing.engine import TABLE as TWO
from loopline.testing.scene import LABELS, SIGNATURE

TABLE = Signature(input="tabular", width=4, labels=("a", "b", "c"))
DRAWN = np.random.default_rng(7)
X = DRAWN.normal(size=(90, 4))
Y = np.array(TABLE.labels)[np.clip(X[:, 0] + 1.5, 0, 2).astype(int)]
CORPUS = ["good film", "good good", "so so", "it is", "bad film", "bad bad"] * 5
RATED = [LABELS[i] for i in (2, 2, 1, 1, 0, 0)] * 5


@cache
def of_texts() -> object:
    words = make_union(TfidfVectorizer(ngram_range=(1, 2)), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3)))
    return make_pipeline(words, LogisticRegression(C=10)).fit(CORPUS, RATED)


@cache
def of_numbers() -> object:
    x = np.random.default_rng(3).normal(size=(60, 2)) * 3
    return LogisticRegression().fit(x, np.array(LABELS)[np.digitize(x[:, 0], (-1, 1))])


class TestMemoryEngine(EngineContract):
    engine_name = "sklearn"

    def make(self) -> Engine:
        return MemoryEngine()

    def artifact(self) -> bytes:
        return linear({"good": (-1.0, 0.0, 1.0), "bad": (1.0, 0.0, -1.0)})

    def table(self) -> bytes:
        return linear({"0": (-1.0, 0.0, 1.0)})

    def test_it_fails_when_it_is_told_to(self) -> None:
        model = MemoryEngine().load(linear({}, fails_on="boom"), engine="sklearn", signature=SIGNATURE)
        assert model.predict(["quiet"]).shape == (1, 3)
        with pytest.raises(RuntimeError, match="no answer for 'boom'"):
            model.predict(["quiet", "a boom"])


class TestMemoryCommittee(EngineContract):
    engine_name = "onnx"

    def make(self) -> Engine:
        return MemoryEngine()

    def artifact(self) -> bytes:
        return linear({"good": (-1.0, 0.0, 1.0), "bad": (1.0, 0.0, -1.0)}, is_committee=True)

    def table(self) -> bytes:
        return linear({"0": (-1.0, 0.0, 1.0)}, is_committee=True)

    def test_it_gives_what_it_is_asked_for(self) -> None:
        said = self.loaded().observe(["good", "bad"], extras=frozenset({"members", "embedding"}))
        assert (said.members.shape, said.embedding.tolist()) == ((2, 3, 3), [[-1, 0, 1], [1, 0, -1]])


class TestSklearnEngine(EngineContract):
    engine_name = "sklearn"

    def make(self) -> Engine:
        return SklearnEngine()

    def artifact(self) -> bytes:
        return package(of_texts(), signature=SIGNATURE)

    def table(self) -> bytes:
        return package(of_numbers(), signature=TWO)

    def test_it_says_what_the_estimator_says(self) -> None:
        expected = of_texts().predict_proba(list(TEXTS))
        np.testing.assert_allclose(self.loaded().predict(TEXTS), expected, atol=1e-6)

    def test_columns_follow_the_signature_not_the_estimator(self) -> None:
        straight, turned = self.loaded().predict(TEXTS), self.loaded(REVERSED).predict(TEXTS)
        np.testing.assert_array_equal(straight, turned[:, ::-1])

    @pytest.mark.parametrize(
        "estimator",
        [
            RandomForestClassifier(5, random_state=0),
            GradientBoostingClassifier(n_estimators=3),
            HistGradientBoostingClassifier(max_iter=3),
            KNeighborsClassifier(),
            GaussianNB(),
            MLPClassifier((4,), solver="lbfgs", max_iter=500, random_state=0),
            CalibratedClassifierCV(GaussianNB(), cv=2),
            make_pipeline(StandardScaler(), LogisticRegression()),
        ],
        ids=lambda estimator: type(estimator).__name__,
    )
    def test_the_usual_classifiers_are_trusted(self, estimator: object) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(X, Y)
        rows = [tuple(row) for row in X.tolist()]
        predictor = SklearnEngine().load(package(estimator, signature=TABLE), engine="sklearn", signature=TABLE)
        np.testing.assert_allclose(predictor.predict(rows), estimator.predict_proba(X), atol=1e-6)

    def test_a_model_that_brings_its_own_code_is_refused_by_name(self) -> None:
        import skops.io

        sly = make_pipeline(FunctionTransformer(os.system), LogisticRegression()).steps[0][1]
        content = skops.io.dumps(sly)
        expected = "untrusted types posix.system, expected parts of scikit-learn, numpy and scipy; keep own code out"
        with pytest.raises(InvalidRecord, match=expected):
            SklearnEngine().load(content, engine="sklearn", signature=SIGNATURE)

    def test_packaging_refuses_what_could_not_be_served(self) -> None:
        with pytest.raises(InvalidRecord, match="Perceptron without probabilities or not fitted, expected a fitted"):
            package(Perceptron().fit(X, Y), signature=TABLE)
        with pytest.raises(InvalidRecord, match="LogisticRegression without probabilities or not fitted"):
            package(LogisticRegression(), signature=TABLE)
        with pytest.raises(InvalidRecord, match=r"classes \['a', 'b', 'c'\], expected \['x', 'y'\]"):
            package(GaussianNB().fit(X, Y), signature=Signature(input="tabular", width=4, labels=("x", "y")))

    def test_whole_number_classes_stand_for_labels_of_their_digits(self) -> None:
        digits = Signature(input="tabular", width=4, labels=("2", "0", "1"))
        estimator = GaussianNB().fit(X, np.searchsorted(TABLE.labels, Y))
        predictor = SklearnEngine().load(package(estimator, signature=digits), engine="sklearn", signature=digits)
        expected = estimator.predict_proba(X)[:, [2, 0, 1]]
        np.testing.assert_allclose(predictor.predict([tuple(row) for row in X.tolist()]), expected, atol=1e-6)

    def test_another_engines_model_is_refused(self) -> None:
        with pytest.raises(InvalidRecord, match="model: engine onnx, expected sklearn"):
            SklearnEngine().load(self.artifact(), engine="onnx", signature=SIGNATURE)


@cache
def converted(*, zipmap: bool) -> bytes:
    import skl2onnx
    from skl2onnx.common.data_types import StringTensorType

    model = make_pipeline(TfidfVectorizer(lowercase=False), LogisticRegression(C=10)).fit(CORPUS, RATED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = skl2onnx.to_onnx(
            model, initial_types=[("words", StringTensorType([None, 1]))], options={id(model): {"zipmap": zipmap}}
        )
    return graph.SerializeToString()


class TestOnnxEngine(EngineContract):
    engine_name = "onnx"

    def make(self) -> Engine:
        return OnnxEngine()

    def artifact(self) -> bytes:
        return converted(zipmap=False)

    def table(self) -> bytes:
        return as_onnx(of_numbers(), width=2)


class TestConvertedOnnxEngine(EngineContract):
    engine_name = "onnx"

    def make(self) -> Engine:
        return ImageEngine(OnnxEngine())

    def artifact(self) -> bytes:
        model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10))
        return as_onnx(model.fit(CORPUS, RATED), width=0)

    def table(self) -> bytes:
        return as_onnx(of_numbers(), width=2)


class TestPythonEngine(EngineContract):
    engine_name = "python"

    def make(self) -> Engine:
        return PythonEngine()

    def artifact(self) -> bytes:
        return by_factory("factories.py:of_texts", folder=Path(__file__).parent)

    def table(self) -> bytes:
        return by_factory("factories.py:of_numbers", folder=Path(__file__).parent)


class TestOnnxEngineWithMaps(EngineContract):
    engine_name = "onnx"

    def make(self) -> Engine:
        return OnnxEngine()

    def artifact(self) -> bytes:
        return converted(zipmap=True)

    def table(self) -> bytes:
        return as_onnx(of_numbers(), width=2, is_double=True)

    def test_maps_name_their_classes_whatever_the_order(self) -> None:
        straight, turned = self.loaded().predict(TEXTS), self.loaded(REVERSED).predict(TEXTS)
        np.testing.assert_array_equal(straight, turned[:, ::-1])


def converted_table(**metadata: str) -> tuple[GaussianNB, bytes]:
    import skl2onnx

    model = GaussianNB().fit(X, Y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = skl2onnx.to_onnx(model, X[:1].astype(np.float32), options={id(model): {"zipmap": False}})
    for key, value in metadata.items():
        graph.metadata_props.add(key=key, value=value)
    return model, graph.SerializeToString()


def test_onnx_answers_numbers_as_the_estimator_does():
    model, content = converted_table()
    predictor = OnnxEngine().load(content, engine="onnx", signature=TABLE)
    rows = X.astype(np.float32)
    np.testing.assert_allclose(
        predictor.predict([tuple(r) for r in rows.tolist()]), model.predict_proba(rows), atol=1e-5
    )


def test_onnx_columns_follow_the_labels_that_the_file_names():
    turned = Signature(input="tabular", width=4, labels=("c", "a", "b"))
    model, content = converted_table(labels='["a", "b", "c"]')
    predictor = OnnxEngine().load(content, engine="onnx", signature=turned)
    rows = X.astype(np.float32)
    expected = model.predict_proba(rows)[:, [2, 0, 1]]
    np.testing.assert_allclose(predictor.predict([tuple(r) for r in rows.tolist()]), expected, atol=1e-5)


@pytest.mark.parametrize("labels", ["a, b, c", "3", '"abc"', '{"a": 0, "b": 1, "c": 2}', "null", "[" * 100_000])
def test_onnx_labels_that_are_no_list_are_refused_and_not_tried_for_ever(labels):
    _, content = converted_table(labels=labels)
    with pytest.raises(InvalidRecord, match=r"^ONNX model: labels.*, expected a JSON list of \['a', 'b', 'c'\]$"):
        OnnxEngine().load(content, engine="onnx", signature=TABLE)


def test_onnx_labels_that_are_no_text_are_refused():
    _, content = converted_table(labels="[?]")
    with pytest.raises(InvalidRecord, match=r"^ONNX model: labels: 'utf-8' codec can't decode byte 0xff"):
        OnnxEngine().load(content.replace(b"[?]", b"[\xff]"), engine="onnx", signature=TABLE)


def test_onnx_of_another_input_kind_or_width_is_refused():
    _, content = converted_table()
    with pytest.raises(InvalidRecord, match=r"ONNX model: inputs \['tensor\(float\)'\], expected one tensor\(string\)"):
        OnnxEngine().load(content, engine="onnx", signature=SIGNATURE)
    wide = Signature(input="tabular", width=5, labels=TABLE.labels)
    with pytest.raises(InvalidRecord, match=r"ONNX model: .*expected one probability for each of \['a', 'b', 'c'\]"):
        OnnxEngine().load(content, engine="onnx", signature=wide)
