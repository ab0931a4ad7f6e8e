"""The Open Inference Protocol, byte by byte, without a server."""

import base64
import json
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.apps.http import oip
from loopline.apps.http.tensors import NUMBERS, framed
from loopline.errors import InvalidRecord
from loopline.records.signature import Signature
from loopline.serve.question import Answer, Asked, Question
from loopline.testing.factories import SIGNATURE, model_version

TABLE = Signature(input="tabular", width=2, labels=("a", "b"))


def body(data: object = ("so good",), *, shape: object = (1,), datatype: object = "BYTES", **more: object) -> bytes:
    tensor = {"name": "in", "shape": shape, "datatype": datatype, "data": data}
    return json.dumps({"inputs": [tensor]} | more).encode()


def binary(content: bytes, *, shape: object, datatype: str, size: object = None) -> tuple[bytes, int]:
    parameters = {"binary_data_size": len(content) if size is None else size}
    header = json.dumps({"inputs": [{"name": "in", "shape": shape, "datatype": datatype, "parameters": parameters}]})
    return header.encode() + content, len(header)


def parse(content: bytes, signature: Signature = SIGNATURE, header_length: int | None = None) -> oip.Request:
    return oip.parse(content, header_length=header_length, accepts=oip.Accepts(signature))


def test_a_request_is_read_whole():
    request = parse(body(["a", "b"], shape=[2], id="r1", parameters={"user_id": "ana", "n": 7, "on": True}))
    assert request.id == "r1"
    assert request.rows == ("a", "b")
    assert {name: request.parameter(name) for name in ("user_id", "n", "on", "none")} == {
        "user_id": "ana",
        "n": "7",
        "on": "True",
        "none": "",
    }
    assert request.outputs == (("probabilities", False), ("label", False))


def test_without_an_id_it_is_empty_and_unknown_fields_are_passed_over():
    assert parse(body(novelty={"x": [1]})).id == ""


@given(st.lists(st.text(), min_size=1, max_size=9))
def test_texts_come_through_in_every_form(texts):
    n = len(texts)
    assert parse(body(texts, shape=[n])).rows == tuple(texts)
    assert parse(body(texts, shape=[n, 1])).rows == tuple(texts)
    assert parse(body([[text] for text in texts], shape=[n, 1])).rows == tuple(texts)
    content, length = binary(framed(texts), shape=[n, 1], datatype="BYTES")
    assert parse(content, header_length=length).rows == tuple(texts)


@pytest.mark.parametrize("datatype", sorted(NUMBERS))
def test_numbers_come_through_in_every_datatype_and_form(datatype):
    values = np.array([[1, 2], [3, 100], [0, 7]], NUMBERS[datatype])
    expected = [[1.0, 2.0], [3.0, 100.0], [0.0, 7.0]]
    content, length = binary(values.tobytes(), shape=[3, 2], datatype=datatype)
    for request in (
        parse(body(values.ravel().tolist(), shape=[3, 2], datatype=datatype), TABLE),
        parse(body(values.tolist(), shape=[3, 2], datatype=datatype), TABLE),
        parse(content, TABLE, length),
    ):
        assert request.rows.tolist() == expected
        assert (request.rows.dtype, request.rows.shape) == (np.float64, (3, 2))


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=2, max_size=2))
def test_single_precision_is_the_same_row_as_json_and_as_bytes(values):
    content, length = binary(np.array(values, "<f4").tobytes(), shape=[1, 2], datatype="FP32")
    in_json = parse(body(values, shape=[1, 2], datatype="FP32"), TABLE)
    np.testing.assert_array_equal(parse(content, TABLE, length).rows, in_json.rows)


def test_json_values_are_rounded_to_the_datatype_that_they_claim():
    ((value, _),) = parse(body([0.1, 0], shape=[1, 2], datatype="FP32"), TABLE).rows
    assert value == float(np.float32(0.1)) != 0.1


BAD_TEXT = [
    (b"", "request: Input data was truncated, expected an inference request as JSON"),
    (b"{", "request: .*truncated"),
    (b"[1]", "request: Expected `object`, got `array`"),
    (b"\xff\xfe", "request: "),
    (b"[" * 100_000, "request: "),
    (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES", "data": ' + b"[" * 100_000, "request: .*recursion"),
    (b'{"id": "r1"}', "request: Object missing required field `inputs`"),
    (b'{"inputs": []}', "inputs: 0 tensors, expected 1"),
    (b'{"inputs": [{"name": "x"}]}', "missing required field `shape`"),
    (body(id=7), r"Expected `str`, got `int` - at `\$.id`"),
    (body(id="x" * 257), "id: 257 characters, 'xxxxxxxxxxxxxxxxxxxx'..., expected at most 256 printable characters"),
    (body(id="a\nb"), "expected at most 256 printable"),
    (body(shape="1"), r"Expected `array`, got `str` - at `\$.inputs\[0\].shape`"),
    (body(datatype="FP32"), "input 'in': datatype FP32, expected BYTES"),
    (body(shape=[2]), r"input 'in': 1 elements, expected 2 for shape \[2\]"),
    (body(shape=[1, 2]), r"input 'in': shape \[1, 2\], expected \[n\] or \[n, 1\], n from 1 to 100,000"),
    (body(shape=[]), r"shape \[\], expected \[n\]"),
    (body([], shape=[0]), r"shape \[0\], expected .* n from 1"),
    (body(shape=[-1]), r"shape \[-1\]"),
    (body(shape=[1 << 62]), "n from 1 to 100,000"),
    (body([7]), r"input 'in': data: Expected `str`, got `int` - at `\$\[0\]`, expected BYTES elements"),
    (body(None), "data: Expected `array`, got `null`"),
    (body([["a", "b"], []], shape=[2, 1]), "input 'in': 2 elements in row 0, expected 1"),
    (b'{"inputs": [{"name": "x", "shape": [1], "datatype": "BYTES"}]}', "input 'x': no data, expected data, or param"),
    (body(outputs=[{"name": "logits"}]), "outputs: 'logits', expected probabilities or label or margin or entropy or"),
    (
        body(outputs=[{"name": "label", "parameters": {"classification": 3}}]),
        "output 'label': parameter classification, expected none",
    ),
    (body(parameters={"user": [1]}), "got `array`"),
    (body(parameters=[]), "Expected `object`, got `array`"),
]


@pytest.mark.parametrize(("content", "message"), BAD_TEXT)
def test_a_bad_request_is_told_what_was_found_and_expected(content, message):
    with pytest.raises(InvalidRecord, match=message):
        parse(content)


BAD_NUMBERS = [
    (body([1, 2], shape=[2], datatype="FP32"), r"shape \[2\], expected \[n, 2\], n from 1"),
    (body([1, 2, 3], shape=[1, 3], datatype="FP32"), r"shape \[1, 3\], expected \[n, 2\]"),
    (body([1, 2, 3], shape=[1, 2], datatype="FP64"), r"3 elements, expected 2 for shape \[1, 2\]"),
    (body(["a", "b"], shape=[1, 2]), "datatype BYTES, expected FP16 or FP32 or FP64 or INT8"),
    (body([1, 2], shape=[1, 2], datatype="fp32"), "datatype fp32, expected"),
    (body([1.5, 2], shape=[1, 2], datatype="INT64"), "data: Expected `int`, got `float`"),
    (body([1, 300], shape=[1, 2], datatype="INT8"), "300.* expected numbers that fit INT8"),
    (body([1, 1e39], shape=[1, 2], datatype="FP32"), "input 'in': inf in row 0, column 1, expected finite numbers"),
    (body([1, None], shape=[1, 2], datatype="FP32"), "Expected `float`, got `null`"),
    (body([1, float("nan")], shape=[1, 2], datatype="FP32"), "request: NaN in the JSON, expected finite numbers"),
    (body([1, float("-inf")], shape=[1, 2], datatype="FP32"), "request: -Infinity in the JSON, expected finite"),
]


@pytest.mark.parametrize(("content", "message"), BAD_NUMBERS)
def test_bad_numbers_are_told_what_was_found_and_expected(content, message):
    with pytest.raises(InvalidRecord, match=message):
        parse(content, TABLE)


NAN = np.array([1, 2, 3, np.nan], "<f4").tobytes()
BAD_BINARY = [
    (*binary(NAN, shape=[2, 2], datatype="FP32"), TABLE, "nan in row 1, column 1, expected finite numbers"),
    (*binary(NAN[:7], shape=[1, 2], datatype="FP32"), TABLE, "7 bytes, expected a multiple of 4 for FP32"),
    (*binary(NAN, shape=[1, 2], datatype="FP32"), TABLE, "4 elements, expected 2"),
    (*binary(NAN, shape=[2, 2], datatype="FP32", size=12), TABLE, "16 bytes after the JSON, expected .*size 12 alone"),
    (*binary(NAN, shape=[2, 2], datatype="FP32", size="x"), TABLE, "binary_data_size x alone"),
    (body() + b"xx", len(body()), SIGNATURE, "2 bytes after the JSON, expected data, or parameter binary_data_size"),
    (*binary(b"\x05\0\0\0abc", shape=[1], datatype="BYTES"), SIGNATURE, "element 0 that ends after the data"),
    (*binary(framed(["a"]) + b"\x01", shape=[1], datatype="BYTES"), SIGNATURE, "element 1 that ends after the data"),
    (*binary(b"\x01\0\0\0\xff", shape=[1], datatype="BYTES"), SIGNATURE, "bytes that are no text .*, expected UTF-8"),
    (*binary(b"\xff\xff\xff\xff", shape=[1], datatype="BYTES"), SIGNATURE, "expected 4 bytes of length before each"),
    (body(), 10_000, SIGNATURE, "Inference-Header-Content-Length: 10000, expected 0 to"),
]


@pytest.mark.parametrize(("content", "length", "signature", "message"), BAD_BINARY)
def test_a_bad_binary_request_is_told_what_was_found_and_expected(content, length, signature, message):
    with pytest.raises(InvalidRecord, match=message):
        parse(content, signature, length)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_no_bytes_whatever_do_more_than_break_a_rule(content, length):
    for header_length in (None, length):
        with pytest.raises(InvalidRecord):
            parse(content, header_length=header_length)


@given(st.binary(max_size=60))
def test_any_bytes_as_a_text_tensor_are_texts_or_break_a_rule(content):
    whole, length = binary(content, shape=[2], datatype="BYTES")
    try:
        rows = parse(whole, header_length=length).rows
    except InvalidRecord:
        return
    assert framed(rows) == content


P = np.array([[0.1, 0.2, 0.7], [0.75, 0.25, 0.0]], np.float32)
MEMBERS = np.stack([P, P[:, ::-1]], axis=1)


def respond(p: object = P, members: object = None, **more: object) -> tuple[bytes, int | None]:
    request = parse(body(["a", "b"], shape=[2], **more))
    asked = Asked(Question(id="r", rows=request.rows), "incumbent", "")
    answer = Answer(asked, model_version("v1"), SIGNATURE.digest, 0, 0, p, members)
    return oip.respond(request, answer=answer)


def test_a_response_names_model_version_and_id_and_gives_both_outputs():
    content, length = respond()
    assert length is None
    response = msgspec.json.decode(content)
    assert {key: response[key] for key in ("model_name", "model_version", "id")} == {
        "model_name": "sentiment",
        "model_version": "v1",
        "id": "r",
    }
    p, label = response["outputs"]
    assert (p["name"], p["shape"], p["datatype"]) == ("probabilities", [2, 3], "FP32")
    np.testing.assert_allclose(p["data"], [0.1, 0.2, 0.7, 0.75, 0.25, 0.0], atol=1e-7)
    assert label == {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["positive", "negative"]}


def test_binary_outputs_follow_the_json_in_order():
    content, length = respond(parameters={"binary_data_output": True})
    p, label = msgspec.json.decode(content[:length])["outputs"]
    assert p["parameters"] == {"binary_data_size": 24}
    assert "data" not in p
    np.testing.assert_array_equal(np.frombuffer(content[length:][:24], "<f4")[:3], np.array([0.1, 0.2, 0.7], "<f4"))
    assert content[length + 24 :] == struct.pack("<I8sI8s", 8, b"positive", 8, b"negative")
    assert label["parameters"] == {"binary_data_size": 24}


def test_each_output_may_be_asked_for_by_itself_and_in_its_own_form():
    asked = [{"name": "label", "parameters": {"binary_data": True}}, {"name": "probabilities"}]
    content, length = respond(outputs=asked)
    label, p = msgspec.json.decode(content[:length])["outputs"]
    assert (label["name"], p["name"]) == ("label", "probabilities")
    assert len(p["data"]) == 6
    assert len(content) - length == label["parameters"]["binary_data_size"] == 24
    only, none = respond(outputs=[{"name": "label", "parameters": {"binary_data": False}}])
    assert none is None
    assert [output["name"] for output in msgspec.json.decode(only)["outputs"]] == ["label"]


def test_margin_entropy_and_what_the_model_gives_beside_are_answered_when_asked_for():
    names = ["margin", "entropy", "members"]
    content, none = respond(members=MEMBERS, outputs=[{"name": name} for name in names])
    margin, entropy, members = msgspec.json.decode(content)["outputs"]
    assert none is None
    np.testing.assert_allclose(margin["data"], [0.5, 0.5], atol=1e-7)
    np.testing.assert_allclose(entropy["data"], [-(P[0] * np.log(P[0])).sum(), 0.562335], atol=1e-6)
    assert (margin["datatype"], entropy["shape"]) == ("FP64", [2])
    assert members["shape"] == [2, 2, 3]
    np.testing.assert_array_equal(np.array(members["data"], np.float32), MEMBERS.ravel())
    packed, length = respond(members=MEMBERS, outputs=[{"name": "members", "parameters": {"binary_data": True}}])
    assert packed[length:] == MEMBERS.tobytes()


def test_an_output_that_the_version_does_not_give_is_refused():
    with pytest.raises(InvalidRecord, match="output 'embedding': nothing, from version v1, expected an output that it"):
        respond(outputs=[{"name": "embedding"}])


def test_only_what_the_model_must_be_asked_for_is_an_extra():
    asked = [{"name": name} for name in ("margin", "embedding", "members")]
    assert parse(body(outputs=asked)).extras == {"embedding", "members"}
    assert parse(body()).extras == frozenset()


def test_images_come_as_bytes_or_in_base64():
    image = Signature(input="image", labels=("a", "b"), preprocessing="gray-8x8-flat-raw.v1")
    files = [b"\x89PNG\xff", b""]
    in_json = [base64.b64encode(file).decode() for file in files]
    assert parse(body(in_json, shape=[2]), image).rows == tuple(files)
    content, length = binary(b"".join(struct.pack("<I", len(f)) + f for f in files), shape=[2, 1], datatype="BYTES")
    assert parse(content, image, length).rows == tuple(files)
    with pytest.raises(InvalidRecord, match="input 'in': a text that is no base64"):
        parse(body(["?"], shape=[1]), image)


FORMS = {
    "FP16": "<2e", "FP32": "<2f", "FP64": "<2d", "INT8": "<2b", "INT16": "<2h", "INT32": "<2i", "INT64": "<2q",
    "UINT8": "<2B", "UINT16": "<2H", "UINT32": "<2I", "UINT64": "<2Q",
}  # fmt: skip


@pytest.mark.parametrize("datatype", sorted(NUMBERS))
def test_binary_numbers_are_little_endian_as_the_protocol_says(datatype):
    content, length = binary(struct.pack(FORMS[datatype], 1, 100), shape=[1, 2], datatype=datatype)
    assert parse(content, TABLE, length).rows.tolist() == [[1.0, 100.0]]
