"""What the endpoint says about itself and its models, in the words of the Open Inference Protocol."""

from collections.abc import Sequence

from loopline.apps.http.meter import Line, Series
from loopline.apps.http.oip import DATATYPES, EXTRAS, Described
from loopline.records.ids import LoopName, VersionName
from loopline.records.model import ModelVersion
from loopline.records.signature import Signature

EXTENSIONS = ("binary_tensor_data", "model_configuration", "model_repository", "statistics")


def server(version: str) -> Described:
    """What the server says of itself."""
    return {"name": "loopline", "version": version, "extensions": list(EXTENSIONS)}


def model(name: LoopName, *, signature: Signature, versions: Sequence[VersionName], gives: frozenset[str]) -> Described:
    """What the server says of a model: its versions, what it takes, what it gives, and the hash of that contract.

    ``gives``: what all of these versions give beside the distribution.
    """
    return {
        "name": name,
        "versions": list(versions),
        "platform": "loopline",
        "inputs": [{"name": INPUTS[signature.input], "datatype": _taken(signature), "shape": [-1, *_width(signature)]}],
        "outputs": [
            {"name": output, "datatype": datatype, "shape": [-1, *_gives(output, signature=signature)]}
            for output, datatype in DATATYPES.items()
            if output not in EXTRAS or output in gives
        ],
        "parameters": {"signature": signature.digest, "labels": list(signature.labels), "input": signature.input},
    }


def configuration(name: LoopName, *, signature: Signature, most_rows: int) -> Described:
    """The model's configuration as Triton's "Model Configuration Extension" has it."""
    outputs = [
        {"name": output, "data_type": _typed(datatype), "dims": _gives(output, signature=signature) or [1]}
        for output, datatype in DATATYPES.items()
    ]
    taken = {"name": INPUTS[signature.input], "data_type": _typed(_taken(signature)), "dims": _width(signature) or [1]}
    return {
        "name": name,
        "platform": "loopline",
        "backend": "loopline",
        "max_batch_size": most_rows,
        "input": [taken],
        "output": outputs,
        "parameters": {"signature": {"string_value": signature.digest}},
    }


def statistics(name: LoopName, *, lines: Sequence[Line]) -> Described:
    """Counts and times by version, as Triton's "Statistics Extension" has them; times in nanoseconds."""
    versions = sorted({line.model for line in lines})
    return {
        "model_stats": [
            _statistics(name, version, [line.series for line in lines if line.model == version]) for version in versions
        ]
    }


def _statistics(name: LoopName, version: VersionName, of: Sequence[Series]) -> Described:
    answered, asked = sum(sum(one.whole.buckets) for one in of), sum(sum(one.inside.buckets) for one in of)
    whole, inside = (sum(one.whole.microseconds for one in of), sum(one.inside.microseconds for one in of))
    return {
        "name": name,
        "version": version,
        "inference_count": sum(one.rows for one in of),
        "execution_count": asked,
        "inference_stats": {
            "success": {"count": answered, "ns": whole * 1_000},
            "fail": {"count": sum(one.failed_rows for one in of), "ns": 0},
            "compute_infer": {"count": asked, "ns": inside * 1_000},
        },
        "batch_stats": [],
    }


INPUTS = {"text": "text", "tabular": "features", "image": "image"}
"""What the input is called in descriptions; a request may give it any name."""


def _taken(signature: Signature) -> str:
    return "FP64" if signature.input == "tabular" else "BYTES"


def _width(signature: Signature) -> list[int]:
    return [signature.width] if signature.input == "tabular" else []


def _gives(output: str, *, signature: Signature) -> list[int]:
    classes = len(signature.labels)
    return {"probabilities": [classes], "members": [-1, classes], "embedding": [-1]}.get(output, [])


def _typed(datatype: str) -> str:
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"


def repository(
    name: LoopName, *, loaded: Sequence[ModelVersion], refusals: dict[VersionName, str]
) -> list[dict[str, str]]:
    """Every version that is loaded, and every one that was refused, with the reason."""
    ready = [{"name": name, "version": version.name, "state": "READY", "reason": ""} for version in loaded]
    refused = [
        {"name": name, "version": version, "state": "UNAVAILABLE", "reason": reason}
        for version, reason in sorted(refusals.items())
    ]
    return ready + refused
