"""What an ONNX file may give beside its probabilities, and the forms in which its rows may come."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from loopline.adapters.onnx.engine import OnnxEngine
from loopline.errors import InvalidRecord
from loopline.records.signature import Signature

TABLE = Signature(input="tabular", width=2, labels=("a", "b"))
ALL = frozenset({"members", "embedding"})


def graph(*outputs, labels=None, dtype=TensorProto.FLOAT, shape=(None, 2)):
    """A file that gives its input's softmax under each of these names, as (n, 1, 2) for members."""
    nodes = [helper.make_node("Softmax", ["rows"], ["p"], axis=-1)]
    nodes += [helper.make_node("Constant", [], ["one"], value_ints=[1])]
    declared = []
    for name in outputs:
        if name == "members":
            nodes.append(helper.make_node("Unsqueeze", ["p", "one"], [name]))
            declared.append(helper.make_tensor_value_info(name, dtype, (None, 1, 2)))
        else:
            nodes.append(helper.make_node("Identity", ["p"], [name]))
            declared.append(helper.make_tensor_value_info(name, dtype, shape))
    rows = helper.make_tensor_value_info("rows", dtype, shape)
    model = helper.make_model(helper.make_graph(nodes, "g", [rows], declared), ir_version=10)
    del model.opset_import[:]
    model.opset_import.append(onnx.helper.make_opsetid("", 20))
    if labels:
        model.metadata_props.add(key="labels", value=labels)
    return model.SerializeToString()


def loaded(*outputs, signature=TABLE, **changes):
    return OnnxEngine().load(graph(*outputs, **changes), engine="onnx", signature=signature)


def test_members_and_embedding_are_given_to_whoever_asks():
    predictor = loaded("members", "probabilities", "embedding")
    rows = np.array([[1.0, 0.0], [0.0, 3.0], [2.0, 2.0]])
    said = predictor.observe(rows, extras=ALL)
    np.testing.assert_array_equal(said.members[:, 0], said.probabilities)
    np.testing.assert_array_equal(said.embedding, said.probabilities)
    part = predictor.observe(rows, extras=frozenset({"embedding"}))
    assert part.members is None
    np.testing.assert_array_equal(part.embedding, said.embedding)


def test_the_columns_of_members_follow_the_labels_and_those_of_an_embedding_do_not():
    straight = loaded("members", "probabilities", "embedding")
    turned = loaded("members", "probabilities", "embedding", labels='["b", "a"]')
    rows = np.array([[1.0, 0.0]])
    said, other = straight.observe(rows, extras=ALL), turned.observe(rows, extras=ALL)
    np.testing.assert_array_equal(said.members, other.members[:, :, ::-1])
    np.testing.assert_array_equal(said.probabilities, other.probabilities[:, ::-1])
    np.testing.assert_array_equal(said.embedding, other.embedding)


def test_an_embedding_is_never_taken_for_the_probabilities():
    assert loaded("p2", "embedding").observe([(1.0, 0.0)], extras=frozenset()).embedding is None
    with pytest.raises(InvalidRecord, match=r"ONNX model: outputs .*, expected one of probabilities"):
        loaded("embedding")


@pytest.mark.parametrize(("name", "found"), [("embedding", r"\(1, 1, 2\)"), ("members", r"\(1, 2\)")])
def test_an_extra_of_another_shape_is_refused_when_the_file_is_loaded(name, found):
    other = {"embedding": "members", "members": "embedding"}[name]
    model = onnx.load_from_string(graph("probabilities", other))
    for node in model.graph.node:
        node.output[:] = [name if each == other else each for each in node.output]
    model.graph.output[1].name = name
    with pytest.raises(InvalidRecord, match=f"ONNX model output {name}: shape {found}, expected . dimensions"):
        OnnxEngine().load(model.SerializeToString(), engine="onnx", signature=TABLE)


def test_a_file_of_double_precision_takes_the_very_numbers():
    predictor = loaded("probabilities", dtype=TensorProto.DOUBLE)
    rows = np.array([[1e300, 1e300 + 1e285]])
    assert predictor.predict(rows).tolist() == [[0.0, 1.0]]


def test_rows_that_are_not_contiguous_are_read_as_they_stand():
    predictor = loaded("probabilities")
    wide = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(predictor.predict(wide[:, ::2]), predictor.predict(wide[:, ::2].copy()))
