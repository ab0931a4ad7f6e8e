"""Which addresses are asked, what is sent there, and what is made of the answer."""

import socket
from contextlib import suppress

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.adapters.remote.address import checked
from loopline.adapters.remote.engine import RemoteEngine, RemoteModel
from loopline.adapters.remote.wire import HEADER_LENGTH, Asked, answer, request
from loopline.errors import InvalidRecord, Unavailable
from loopline.records.signature import Signature

TABLE = Signature(input="tabular", width=2, labels=("a", "b"))
URL = "http://127.0.0.1:8080/v2/models/mood"


@pytest.mark.parametrize("url", [URL, f"{URL}/versions/3", "https://127.0.0.1/v2/models/m", "http://[::1]/v2/models/m"])
def test_private_addresses_may_be_asked_since_the_owner_names_them(url):
    assert checked(url) == url


@pytest.mark.parametrize(
    "url",
    ["ftp://127.0.0.1/v2/models/m", "file:///v2/models/m", "http:///v2/models/m", "http://127.0.0.1/models/m",
     "http://me:word@127.0.0.1/v2/models/m", "http://127.0.0.1/v2/models/m?x=1", "http://127.0.0.1/v2/models/m#x",
     "http://127.0.0.1:99999/v2/models/m", "http://127.0.0.1/v2/models/m/infer"],
)  # fmt: skip
def test_another_form_of_address_is_refused(url):
    with pytest.raises(InvalidRecord, match=r"^model server: .*, expected http://host:port/v2/models/name, or "):
        checked(url)


@pytest.mark.parametrize(
    "host",
    ["169.254.169.254", "[fe80::1]", "0.0.0.0", "224.0.0.1", "100.100.100.200", "[fd00:ec2::254]",
     "[::ffff:169.254.169.254]", "2852039166"],
)  # fmt: skip
def test_addresses_that_hand_out_credentials_or_are_nobodys_are_refused(host):
    with pytest.raises(InvalidRecord, match=r"^model server: .*, which is .*, expected the address of a machine that"):
        checked(f"http://{host}/v2/models/m")


def test_a_name_is_judged_by_where_it_leads(monkeypatch):
    metadata = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: metadata)
    with pytest.raises(InvalidRecord, match=r"innocent.example, which is 169.254.169.254"):
        checked("http://innocent.example/v2/models/m")


def test_a_name_that_leads_nowhere_is_told_apart():
    with pytest.raises(Unavailable, match=r"^model server nowhere.invalid: .*check the name"):
        checked("http://nowhere.invalid/v2/models/m")


ROWS = np.array([[1.5, -2.0], [0.1, 3.0]])
ASKED = Asked("x", "FP64", 2, ("p", "members"), True)


def test_numbers_go_as_they_are_in_binary():
    sent = request(ROWS, ASKED)
    length = int(sent.headers[HEADER_LENGTH])
    head = msgspec.json.decode(sent.body[:length])
    assert head["inputs"] == [
        {"name": "x", "datatype": "FP64", "shape": [2, 2], "parameters": {"binary_data_size": 32}}
    ]
    assert head["outputs"][1] == {"name": "members", "parameters": {"binary_data": True}}
    np.testing.assert_array_equal(np.frombuffer(sent.body[length:]).reshape(2, 2), ROWS)


def test_numbers_go_as_json_to_whoever_takes_no_binary():
    sent = request([(1.5, -2.0)], ASKED._replace(is_binary=False))
    assert HEADER_LENGTH not in sent.headers
    tensor = msgspec.json.decode(sent.body)["inputs"][0]
    assert (tensor["shape"], tensor["data"]) == ([1, 2], [1.5, -2.0])


@pytest.mark.parametrize(("dimensions", "shape"), [(1, [2]), (2, [2, 1])])
def test_texts_go_in_the_dimensions_that_the_server_tells(dimensions, shape):
    sent = request(["good", "ünï"], Asked("x", "BYTES", dimensions, ("p",), True))
    tensor = msgspec.json.decode(sent.body)["inputs"][0]
    assert (tensor["shape"], tensor["data"], tensor["datatype"]) == (shape, ["good", "ünï"], "BYTES")


def outputs(*named):
    return msgspec.json.encode({"model_name": "m", "outputs": list(named)})


def tensor(name, numbers, **parameters):
    array = np.asarray(numbers)
    plain = {"name": name, "datatype": "FP32", "shape": list(array.shape)}
    return plain | ({"parameters": parameters} if parameters else {"data": array.ravel().tolist()})


def test_an_answer_may_mix_json_binary_and_what_nobody_asked_for():
    p = np.array([[0.25, 0.75]], np.float32)
    label = {"name": "label", "datatype": "BYTES", "shape": [1], "data": ["b"]}
    head = outputs(label, tensor("p", p, binary_data_size=8), tensor("embedding", [[1.0, 2.0, 3.0]]))
    found = answer(head + p.tobytes(), header_length=str(len(head)), wanted=("p", "embedding"))
    assert (found["p"].tolist(), found["embedding"].tolist()) == ([[0.25, 0.75]], [[1.0, 2.0, 3.0]])
    nested = tensor("p", p) | {"data": [[0.25, 0.75]]}
    assert answer(outputs(nested), header_length=None, wanted=("p",))["p"].tolist() == [[0.25, 0.75]]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"<html>", "an answer that cannot be read"),
        (b"[]", "an answer that cannot be read"),
        (b"{}", "an answer without 'outputs'"),
        (outputs(), "an answer without 'p'"),
        (outputs({"name": "p"}), "an answer without 'datatype'"),
        (outputs(tensor("p", [[1.0]]) | {"shape": [2, 2]}), "an answer that cannot be read"),
        (outputs(tensor("p", [[1.0]], binary_data_size=400)), "an answer that cannot be read"),
        (outputs(tensor("p", [[1.0]], binary_data_size="all")), "an answer that cannot be read"),
        (outputs(tensor("p", [[1.0]]) | {"data": ["x"]}), "an answer that cannot be read"),
    ],
)
def test_an_answer_that_is_none_is_told(body, found):
    with pytest.raises(InvalidRecord, match=f"^model server: {found}"):
        answer(body, header_length=None, wanted=("p",))


@given(st.binary(max_size=60), st.one_of(st.none(), st.text(max_size=4), st.integers(0, 99).map(str)))
def test_whatever_comes_back_is_an_answer_or_a_refusal(body, length):
    with suppress(InvalidRecord):
        answer(body, header_length=length, wanted=("p",))


def artifact(**changes):
    whole = RemoteModel(url=URL, input="x", datatype="FP64", output="p")
    return msgspec.json.encode(msgspec.structs.replace(whole, **changes))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (artifact(datatype="BYTES"), "remote model: datatype BYTES, expected FP32 or FP64"),
        (artifact(labels=("a", "c")), r"remote model: classes \['a', 'c'\], expected \['a', 'b'\]"),
        (artifact(url="http://169.254.169.254/v2/models/m"), "which is 169.254.169.254"),
        (b"{}", "remote model: .*, expected url, input and output as JSON"),
    ],
)
def test_an_artefact_that_does_not_fit_is_refused_before_anything_is_sent(content, told):
    with pytest.raises(InvalidRecord, match=told):
        RemoteEngine().load(content, engine="remote", signature=TABLE)


def test_another_engines_model_is_refused():
    with pytest.raises(InvalidRecord, match="engine onnx, expected remote"):
        RemoteEngine().load(artifact(), engine="onnx", signature=TABLE)
