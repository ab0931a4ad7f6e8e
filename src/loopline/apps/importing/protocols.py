"""The bodies of the V1 and V2 inference protocols: what was asked and what was answered, row by row."""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, Final

from loopline.records.signature import Signature

LIKELY: Final = ("probabilities", "probability", "predict_proba", "output_probability", "scores")
"""Names under which servers answer with a distribution."""


def inputs_of(body: Mapping[str, Any], signature: Signature) -> list[dict[str, Any]]:
    """The input of each row, as the door takes it. Raises ValueError for what does not fit.

    >>> inputs_of({"instances": [[1, 2], [3, 4]]}, Signature(input="tabular", width=2, labels=("a", "b")))
    [{'features': [1.0, 2.0]}, {'features': [3.0, 4.0]}]
    """
    instances, tensors = body.get("instances"), body.get("inputs")
    read: dict[str, Callable[[Any], dict[str, Any]]] = {"text": _text, "tabular": _features, "image": _image}
    if isinstance(instances, list):
        rows = instances
    elif isinstance(tensors, list) and tensors:
        rows = _rows_of(tensors, signature)
    else:
        raise ValueError("a request without instances and inputs, expected one of them")
    if not rows:
        raise ValueError("no rows, expected one or more")
    return [read[signature.input](row) for row in rows]


def distributions_of(body: Mapping[str, Any], *, rows: int, classes: int) -> list[Any]:
    """The distribution of each row: a list in the order of the labels, or an object by label. Raises ValueError.

    >>> distributions_of({"predictions": [[0.25, 0.75]]}, rows=1, classes=2)
    [[0.25, 0.75]]
    """
    predictions, tensors = body.get("predictions"), body.get("outputs")
    if isinstance(predictions, list):
        found = [_chances(each) for each in predictions]
    elif isinstance(tensors, list):
        found = _distribution_in(tensors, size=rows * classes, classes=classes)
    else:
        raise ValueError("a response without predictions and outputs, expected one of them")
    if len(found) != rows:
        raise ValueError(f"{len(found)} answers to {rows} rows, expected as many")
    return found


def _rows_of(tensors: Sequence[Any], signature: Signature) -> list[Any]:
    first = _data(tensors[0])
    if signature.input != "tabular":
        return first
    if len(tensors) == 1:
        width = signature.width
        if len(first) % width:
            raise ValueError(f"{len(first)} numbers, expected rows of {width}")
        return [first[start : start + width] for start in range(0, len(first), width)]
    columns = [_data(tensor) for tensor in tensors]  # one tensor a feature
    if len({len(column) for column in columns}) > 1:
        raise ValueError(f"columns of {sorted({len(column) for column in columns})} rows, expected one length")
    return [list(row) for row in zip(*columns, strict=True)]


def _distribution_in(tensors: Sequence[Any], *, size: int, classes: int) -> list[Any]:
    named = {str(tensor.get("name")): tensor for tensor in tensors if isinstance(tensor, dict)}
    fitting = [name for name, tensor in named.items() if _is_distribution(tensor, size=size)]
    chosen = next((name for name in LIKELY if name in fitting), fitting[0] if len(fitting) == 1 else "")
    if not chosen:
        shown = ", ".join(named) or "none"
        raise ValueError(f"outputs {shown}, expected one of {size} probabilities ({classes} a row)")
    values = _data(named[chosen])
    return [values[start : start + classes] for start in range(0, size, classes)]


def _is_distribution(tensor: Mapping[str, Any], *, size: int) -> bool:
    shape = tensor.get("shape")
    if not str(tensor.get("datatype")).startswith("FP") or not isinstance(shape, list):
        return False
    return all(isinstance(each, int) for each in shape) and prod(shape) == size == len(_data(tensor))


def _data(tensor: Any) -> list[Any]:
    values = tensor.get("data") if isinstance(tensor, dict) else None
    if not isinstance(values, list):
        raise ValueError("a tensor without data, expected its values as JSON; binary tensors are not read")
    while values and isinstance(values[0], list):
        if not all(isinstance(each, list) for each in values):
            raise ValueError("a ragged tensor, expected equal rows")
        values = [value for each in values for value in each]
    return values


def _chances(prediction: Any) -> Any:
    if isinstance(prediction, dict):
        return next((prediction[name] for name in LIKELY if name in prediction), prediction)
    if isinstance(prediction, list):
        return prediction
    raise ValueError(f"prediction {prediction!r}, expected the probabilities of all labels; a label alone is no answer")


def _text(row: Any) -> dict[str, Any]:
    value = row.get("text", next(iter(row.values()), None)) if isinstance(row, dict) else row
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    if not isinstance(value, str):
        raise ValueError(f"{str(row)[:40]}, expected a text")
    return {"text": value}


def _features(row: Any) -> dict[str, Any]:
    values = list(row.values()) if isinstance(row, dict) else row
    try:
        return {"features": [float(value) for value in values]}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{str(row)[:40]}, expected numbers") from error


def _image(row: Any) -> dict[str, Any]:
    value = row
    while isinstance(value, dict):  # {"image_bytes": {"b64": "..."}}
        value = value.get("b64", next(iter(value.values()), None))
    if not isinstance(value, str):
        raise ValueError(f"{str(row)[:40]}, expected an image in base64")
    return {"image": value}
