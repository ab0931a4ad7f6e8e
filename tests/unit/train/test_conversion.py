"""Native or converted: which of the two is served, and what is said of it."""

import re
import sys

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from loopline.apps.worker.conversion import AWKWARD, carried_out, convert, difference, ordered, spread
from loopline.apps.worker.packing import Wish, checks_of, fastest, pack
from loopline.records.signature import Signature
from loopline.records.soundness import checks_in

TABLE = Signature(input="tabular", width=2, labels=("low", "high"))
TEXT = Signature(input="text", labels=("no", "yes"))
X = np.random.default_rng(0).normal(size=(300, 2))
ROWS = [tuple(map(float, row)) for row in X]
Y = np.where(X[:, 0] > 0, "high", "low")


def packed(model, signature=TABLE):
    return pack(model, signature=signature, entry="train.py:train")


def tried(model, *, signature=TABLE, rows=ROWS):
    """As in the process that converts, but in this one."""
    return carried_out(ordered(packed(model, signature).artifact, signature=signature, rows=rows))


def test_a_model_that_says_the_same_is_served_by_onnx_and_says_how_far_it_is_off():
    found = tried(LogisticRegression().fit(X, Y))
    assert found.artifact
    assert found.told.startswith("converted to ONNX: largest difference ")
    assert found.told.endswith(", 0 of 300 labels differ")
    assert found == tried(LogisticRegression().fit(X, Y))


def test_double_precision_is_tried_when_single_is_not_enough():
    stamps = [(1.7e9 + place, 0.0) for place in range(200)]
    model = LogisticRegression().fit(np.array(stamps) - (1.7e9, 0), np.arange(200) % 7 > 3)
    model.coef_ = np.array([[0.05, 0.0]])
    model.intercept_ = -model.coef_[:, 0] * (1.7e9 + 100)
    model.classes_ = np.array(["low", "high"])
    found = tried(model, rows=stamps)
    assert found.told.startswith("converted to ONNX in double precision: largest difference ")
    assert found.artifact


def test_what_cannot_be_converted_is_served_natively_and_says_why_in_one_line():
    model = make_pipeline(Nystroem(n_components=5), LogisticRegression()).fit(X, Y)
    found = tried(model)
    assert found.artifact == b""
    assert found.told.startswith("served natively by scikit-learn: it cannot be converted: Unable to find a shape calc")
    assert "\n" not in found.told


def test_a_conversion_that_differs_is_not_served():
    texts = [" ".join(words) for words in np.random.default_rng(1).choice(["good", "bad", "so", "it"], (200, 6))]
    rated = np.array(["yes" if "good" in text else "no" for text in texts])
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=10))
    found = tried(model.fit(texts, rated), signature=TEXT, rows=texts)
    assert found.artifact == b""
    told = r"served natively by scikit-learn: converted to ONNX it differs by up to 0\.\d+, \d+ of 244 labels differ"
    assert re.fullmatch(told, found.told), found.told


def test_texts_are_verified_on_awkward_ones_too():
    order = ordered(b"", signature=TEXT, rows=["a row", "another"])
    assert order.texts[:2] == ("a row", "another")
    assert set(AWKWARD) <= set(order.texts)
    assert order.texts[-1] == f"another {AWKWARD[1]} another"
    assert ordered(b"", signature=TABLE, rows=ROWS).rows == tuple(ROWS)
    assert len(ordered(b"", signature=TABLE, rows=ROWS * 10).rows) == 2_000


def test_a_tie_that_rounding_turns_is_no_flip_and_a_wide_turn_is_one():
    tie = np.array([[0.5, 0.5], [0.500004, 0.499996]])
    assert difference(tie, tie[:, ::-1]).is_none
    turned = difference(np.array([[0.50002, 0.49998]]), np.array([[0.49998, 0.50002]]))
    assert (turned.flips, turned.rows, turned.is_none) == (1, 1, False)
    assert not difference(np.array([[0.9, 0.1]]), np.array([[0.90002, 0.09998]])).is_none
    assert not difference(np.array([[0.9, 0.1]]), np.array([[np.nan, np.nan]])).is_none


def test_rows_are_spread_over_all():
    assert spread(range(100), most=4) == [0, 33, 66, 99]
    assert spread(range(3), most=16) == [0, 1, 2]


@pytest.mark.slow
def test_the_process_that_converts_gives_what_it_found():
    native = packed(LogisticRegression().fit(X, Y)).artifact
    found = convert(native, signature=TABLE, rows=ROWS)
    assert found == carried_out(ordered(native, signature=TABLE, rows=ROWS))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("native", "seconds", "why"),
    [
        (b"junk", 30.0, "it cannot be converted: model: no skops file"),
        (b"junk", 0.5, "no time was left to convert it"),
    ],
)
def test_nothing_that_goes_wrong_there_is_raised_here(native, seconds, why):
    found = convert(native, signature=TABLE, rows=ROWS, seconds=seconds)
    assert found.artifact == b""
    assert found.told.startswith(f"served natively by scikit-learn: {why}")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("exec sleep 60", "the conversion takes more than 1 s"),
        ("kill -9 $$", "the conversion ended with code -9"),
        ("", "the conversion ended with code 0"),
        (None, "the conversion did not start: "),
    ],
)
@pytest.mark.slow
def test_a_process_that_dies_or_hangs_is_told(program, why, tmp_path, monkeypatch):
    path = tmp_path / "python"
    if program is not None:
        path.write_text(f"#!/bin/sh\n{program}\n")
        path.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(path))
    found = convert(b"", signature=TABLE, rows=ROWS, seconds=1.0)
    assert found.told.startswith(f"served natively by scikit-learn: {why}")


def test_a_committee_whose_members_are_wanted_is_not_converted():
    forest = packed(RandomForestClassifier(3, random_state=0).fit(X, Y))
    kept = fastest(forest, signature=TABLE, rows=ROWS, wish=Wish(frozenset({"members", "embedding"})))
    assert (kept.engine, kept.artifact) == ("sklearn", forest.artifact)
    assert kept.conversion == "served natively by scikit-learn: converted to ONNX it would lose its members"


@pytest.mark.slow
def test_whatever_is_served_is_what_its_checks_hold():
    model = packed(RandomForestClassifier(3, random_state=0).fit(X, Y))
    served = fastest(model, signature=TABLE, rows=ROWS)
    assert served.engine == "onnx"
    checks = checks_in(checks_of(served, rows=ROWS, signature=TABLE), signature=TABLE)
    assert (len(checks.rows), checks.rows[0], checks.rows[-1]) == (16, ROWS[0], ROWS[-1])
    assert fastest(served, signature=TABLE, rows=ROWS) == served


def test_a_model_that_is_not_to_be_converted_is_served_as_it_is_and_says_so():
    forest = packed(RandomForestClassifier(3, random_state=0).fit(X, Y))
    kept = fastest(forest, signature=TABLE, rows=ROWS, wish=Wish(convert="never"))
    assert (kept.engine, kept.artifact) == ("sklearn", forest.artifact)
    assert kept.conversion == "served natively by scikit-learn: [serve] convert asks for it"
