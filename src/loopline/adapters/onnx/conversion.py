"""A scikit-learn classifier as an ONNX file. Whether the two say the same is for the caller to find out."""

import copy
import json
import warnings
from collections.abc import Iterator
from typing import Any

from loopline.adapters.onnx.engine import LABELS_KEY

LOCALE = "C.UTF-8"
"""For lower case, in every script. Python alone writes a dotted I as two characters, and knows a final sigma."""
WORD = r"[\p{L}\p{N}_]"
"""What ``\\w`` means to Python, in the words of RE2, which onnxruntime reads."""


def converted(estimator: Any, *, width: int, is_double: bool = False) -> bytes:
    """The fitted classifier as the bytes of an ONNX file; the same estimator gives the same bytes.

    ``width``: features in a row, 0 for texts. ``is_double``: takes and computes with double precision where it can.
    Raises whatever skl2onnx raises when it cannot: there is no family of its errors.
    """
    from skl2onnx import convert_sklearn  # type: ignore[import-untyped]
    from skl2onnx.common.data_types import (  # type: ignore[import-untyped]
        DoubleTensorType,
        FloatTensorType,
        StringTensorType,
    )
    from sklearn.ensemble import HistGradientBoostingClassifier

    numbers = DoubleTensorType if is_double else FloatTensorType
    kind = numbers([None, width]) if width else StringTensorType([None, 1])
    model = _tamed(estimator)
    options = {id(model): {"zipmap": False}} | {id(one): _spelling(one) for one in _vectorizers(model)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = convert_sklearn(
            model,
            name="loopline",  # else it is a random word, and no two conversions are the same
            initial_types=[("rows", kind)],
            options=options,
            custom_conversion_functions={HistGradientBoostingClassifier: _with_whole_numbers},
        )
    labels = json.dumps([str(name) for name in estimator.classes_], ensure_ascii=False)
    graph.metadata_props.add(key=LABELS_KEY, value=labels)
    graph.opset_import.sort(key=lambda one: one.domain)  # they come out of a set
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def _tamed(estimator: Any) -> Any:
    """The same classifier, without a setting that is of no consequence here and that skl2onnx stumbles over."""
    if not hasattr(estimator, "flatten_transform"):
        return estimator
    vote = copy.copy(estimator)
    vote.flatten_transform = False
    return vote


def _vectorizers(estimator: Any) -> Iterator[Any]:
    """All that count words, in pipelines and unions of them."""
    from sklearn.feature_extraction.text import CountVectorizer

    if isinstance(estimator, CountVectorizer):
        yield estimator
    for _, part in (*getattr(estimator, "steps", ()), *getattr(estimator, "transformer_list", ())):
        yield from _vectorizers(part)


def _spelling(vectorizer: Any) -> dict[str, str]:
    """How a vectorizer cuts texts, as RE2 spells it: skl2onnx alone would know English letters only."""
    if vectorizer.analyzer != "word":
        return {"locale": LOCALE}
    pattern = vectorizer.token_pattern.removeprefix("(?u)").replace(r"\b", "").replace(r"\w", WORD)
    return {"locale": LOCALE, "tokenexp": pattern}


def _with_whole_numbers(scope: Any, operator: Any, container: Any) -> None:
    """skl2onnx's own conversion, with truth values as 0 and 1: it gives booleans where ONNX wants numbers."""
    from skl2onnx.common._registration import get_converter  # type: ignore[import-untyped]

    plain = container.add_node

    def add_node(*place: Any, **attributes: Any) -> None:
        plain(*place, **{name: _whole(value) for name, value in attributes.items()})

    container.add_node = add_node
    try:
        get_converter(operator.type)(scope, operator, container)
    finally:
        del container.add_node


def _whole(value: Any) -> Any:
    return (
        [int(one) if type(one).__name__ in ("bool", "bool_") else one for one in value]
        if type(value) is list
        else value
    )
