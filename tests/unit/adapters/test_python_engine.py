"""Models by factory: the owner's own code, as it was when it was registered, or not at all."""

import sys

import msgspec
import numpy as np
import pytest

from loopline.adapters.python.engine import Factory, PythonEngine, package
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.records.signature import Signature

TEXT = Signature(input="text", labels=("no", "yes"))
ENCODER = '''
import numpy as np

VECTORS = {"good": (1.0, 0.0), "bad": (0.0, 1.0)}


class Classifier:
    classes_ = ("yes", "no")

    def embed(self, texts):
        """The mean of the vectors of a text's tokens."""
        tokens = [[VECTORS.get(token, (0.1, 0.1)) for token in text.lower().split()] or [(0.1, 0.1)] for text in texts]
        return np.array([np.mean(row, axis=0) for row in tokens])

    def predict_proba(self, texts):
        raised = np.exp(4 * self.embed(texts))
        return raised / raised.sum(axis=1, keepdims=True)


def make():
    return Classifier()
'''


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "encoder.py").write_text(ENCODER)
    yield tmp_path
    for name in [name for name, one in sys.modules.items() if str(tmp_path) in str(getattr(one, "__file__", ""))]:
        del sys.modules[name]


def load(content, signature=TEXT):
    return PythonEngine().load(content, engine="python", signature=signature)


def test_a_small_encoder_answers_and_gives_its_embedding(home):
    predictor = load(package("encoder.py:make", folder=home))
    said = predictor.observe(["Good good", "bad"], extras=frozenset({"embedding", "members"}))
    assert said.probabilities.argmax(axis=1).tolist() == [1, 0]
    assert (said.embedding.tolist(), said.members) == ([[1.0, 0.0], [0.0, 1.0]], None)
    np.testing.assert_array_equal(said.probabilities, predictor.predict(["Good good", "bad"]))


def test_a_module_is_taken_as_well(home):
    assert load(package("encoder:make", folder=home)).predict(["good"]).argmax() == 1


def test_the_same_source_gives_the_same_artefact(home):
    assert package("encoder.py:make", folder=home) == package("encoder.py:make", folder=home)


def test_source_that_was_changed_since_is_refused(home):
    content = package("encoder.py:make", folder=home)
    (home / "encoder.py").write_text(ENCODER + "# another line\n")
    told = r"^Python model encoder.py:make: source \w{12}, expected \w{12}, as it was registered; put it back, or"
    with pytest.raises(InvalidRecord, match=told):
        load(content)


def test_a_module_that_this_process_imported_before_it_was_changed_is_refused(home):
    package("encoder:make", folder=home)
    (home / "encoder.py").write_text(ENCODER + "# another line\n")
    with pytest.raises(Conflict, match=r"^module encoder: imported before encoder.py was changed, .*start this proc"):
        package("encoder:make", folder=home)


@pytest.mark.parametrize(
    ("entry", "error", "told"),
    [
        ("encoder.py", InvalidRecord, r"^\[serve\] model: 'encoder.py', expected 'model.py:model' or 'package.module:"),
        ("encoder.py:lost", NotFound, "^no function in encoder.py 'lost'; known: Classifier, make$"),
        ("lost.py:make", NotFound, "^no model file '.*lost.py'; known: encoder.py$"),
    ],
)
def test_an_entry_that_names_nothing_is_told_what_there_is(home, entry, error, told):
    with pytest.raises(error, match=told):
        package(entry, folder=home)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ("42", r"Python model odd.py:make: a factory that makes int, expected an object with predict_proba"),
        ("type('M', (), {'classes_': ['a'], 'predict': None})()", "a factory that makes M, expected an object"),
        (
            "type('M', (), {'classes_': ['a', 'b'], 'predict': print})()",
            r"classes \['a', 'b'\], expected \['no', 'yes'",
        ),
    ],
)
def test_what_the_factory_makes_must_be_a_classifier_of_these_labels(home, made, told):
    (home / "odd.py").write_text(f"def make():\n    return {made}\n")
    with pytest.raises(InvalidRecord, match=told):
        load(package("odd.py:make", folder=home))


def test_an_answer_of_another_width_is_a_failure_in_words(home):
    (home / "odd.py").write_text("class M:\n    def predict(self, rows):\n        return [[1.0]]\n")
    with pytest.raises(InvalidRecord, match=r"^Python model: an answer of shape \(1, 1\), expected 2 columns$"):
        load(package("odd.py:M", folder=home)).predict(["x"])


@pytest.mark.parametrize("content", [b"{}", b'{"entry": "a:b", "folder": ".", "digest": "x", "more": 1}', b"\xff"])
def test_bytes_that_name_no_factory_are_refused(content):
    with pytest.raises(InvalidRecord, match=r"^Python model: .*, expected entry, folder and digest as JSON$"):
        load(content)


def test_another_engines_model_is_refused(home):
    content = package("encoder.py:make", folder=home)
    assert msgspec.json.decode(content, type=Factory).entry == "encoder.py:make"
    with pytest.raises(InvalidRecord, match="engine onnx, expected python"):
        PythonEngine().load(content, engine="onnx", signature=TEXT)
