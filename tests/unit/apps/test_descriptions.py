"""What the endpoint says about itself and its models."""

from loopline.apps.http import descriptions
from loopline.apps.http.meter import Meter
from loopline.records.signature import Signature
from loopline.testing.factories import SIGNATURE, model_version

TABLE = Signature(input="tabular", width=2, labels=("a", "b"))


def test_the_metadata_says_what_the_model_takes_and_gives_and_the_hash_of_that_contract():
    said = descriptions.model("s", signature=TABLE, versions=["v2", "v1"], gives=frozenset({"members"}))
    assert (said["name"], said["versions"], said["platform"]) == ("s", ["v2", "v1"], "loopline")
    assert said["inputs"] == [{"name": "features", "datatype": "FP64", "shape": [-1, 2]}]
    assert said["outputs"] == [
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]},
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "margin", "datatype": "FP64", "shape": [-1]},
        {"name": "entropy", "datatype": "FP64", "shape": [-1]},
        {"name": "members", "datatype": "FP32", "shape": [-1, -1, 2]},
    ]
    assert said["parameters"] == {"signature": TABLE.digest, "labels": ["a", "b"], "input": "tabular"}
    text = descriptions.model("s", signature=SIGNATURE, versions=[], gives=frozenset())
    assert text["inputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1]}]


def test_the_configuration_is_in_the_words_of_triton():
    said = descriptions.configuration("s", signature=TABLE, most_rows=7)
    assert said["max_batch_size"] == 7
    assert said["input"] == [{"name": "features", "data_type": "TYPE_FP64", "dims": [2]}]
    assert said["output"][:2] == [
        {"name": "probabilities", "data_type": "TYPE_FP32", "dims": [2]},
        {"name": "label", "data_type": "TYPE_STRING", "dims": [1]},
    ]


def test_the_statistics_add_up_the_arms_of_a_version():
    meter = Meter()
    meter.answered("v1", "incumbent", 250, 2)
    meter.answered("v1", "direct", 150, 1)
    meter.computed("v1", "incumbent", 200)
    meter.computed("v1", "direct", 100)
    meter.failed("v1", "direct", 4)
    (said,) = descriptions.statistics("s", lines=meter.lines())["model_stats"]
    assert (said["name"], said["version"], said["inference_count"], said["execution_count"]) == ("s", "v1", 3, 2)
    assert said["inference_stats"] == {
        "success": {"count": 2, "ns": 400_000},
        "fail": {"count": 4, "ns": 0},
        "compute_infer": {"count": 2, "ns": 300_000},
    }


def test_the_index_names_refused_versions_with_the_reason():
    said = descriptions.repository("s", loaded=[model_version("v1")], refusals={"v2": "check 0 differs"})
    assert [(one["version"], one["state"], one["reason"]) for one in said] == [
        ("v1", "READY", ""),
        ("v2", "UNAVAILABLE", "check 0 differs"),
    ]
