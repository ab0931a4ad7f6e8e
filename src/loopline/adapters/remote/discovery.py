"""What a model server tells of its model, made into the artefact that is served from then on."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec

from loopline.adapters.remote.address import checked, root_of
from loopline.adapters.remote.engine import EXTRAS, HEAD_BYTES, TIMEOUT_SECONDS, RemoteModel
from loopline.adapters.remote.wire import DATATYPES
from loopline.errors import InvalidRecord, Unavailable
from loopline.records.signature import Signature

OPTIONS = ("input", "datatype", "output", "labels")
"""What may be said behind a ``?``, when the server does not tell it: ``labels`` with commas between them."""


def package(source: str, *, signature: Signature) -> bytes:
    """The artefact of the model at ``http://host/v2/models/name``, by what its server tells and the options say.

    Raises InvalidRecord when no input or output fits the signature, Unavailable when the server does not answer.
    """
    parts = urlsplit(source)
    told = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(set(told) - set(OPTIONS)):
        raise InvalidRecord("model server", found=f"option {unknown[0]!r}", expected=f"one of {', '.join(OPTIONS)}")
    url = checked(source.partition("?")[0])
    with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False) as client:
        server, model = _asked(client, root_of(url)), _asked(client, url)
    inputs, outputs = _tensors(model, "inputs"), _tensors(model, "outputs")
    named = _chosen(inputs, told.get("input"), _kinds(signature), what="input")
    labels = tuple(told["labels"].split(",")) if "labels" in told else ()
    found = RemoteModel(
        url=url,
        input=str(named["name"]),
        datatype=told.get("datatype") or str(named.get("datatype", _kinds(signature)[0])),
        dimensions=1 if len(named.get("shape") or ()) == 1 else 2,
        output=str(_chosen(_plain(outputs), told.get("output"), ("FP32", "FP64"), what="output")["name"]),
        labels=labels,
        extras=tuple(name for name in EXTRAS if name in {output.get("name") for output in outputs}),
        is_binary="binary_tensor_data" in (server.get("extensions") or ()),
    )
    return msgspec.json.encode(found, order="sorted")


def _kinds(signature: Signature) -> tuple[str, ...]:
    return ("BYTES",) if signature.input == "text" else tuple(kind for kind in DATATYPES if kind != "BYTES")


def _plain(outputs: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that may hold the probabilities; the one that is called so stands for all."""
    plain = [output for output in outputs if output.get("name") not in EXTRAS]
    return [output for output in plain if output.get("name") == "probabilities"] or plain


def _chosen(
    tensors: Sequence[Mapping[str, Any]], name: str | None, kinds: tuple[str, ...], *, what: str
) -> Mapping[str, Any]:
    """The tensor of this name, which the server need not have told of; without a name, the only one of these kinds."""
    if name is not None:
        return next((tensor for tensor in tensors if tensor.get("name") == name), {"name": name})
    fitting = [tensor for tensor in tensors if tensor.get("datatype") in kinds and "name" in tensor]
    if len(fitting) != 1:
        listed = ", ".join(f"{tensor.get('name')} {tensor.get('datatype')}" for tensor in tensors)
        found = f"{what}s {listed or 'that it does not tell'}"
        remedy = f"name it: ...?{what}=NAME"
        raise InvalidRecord("model server", found=found, expected=f"one of {' or '.join(kinds)}", remedy=remedy)
    return fitting[0]


def _tensors(model: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = model.get(key) or []
    return [tensor for tensor in found if isinstance(tensor, dict)] if isinstance(found, list) else []


def _asked(client: httpx.Client, url: str) -> Mapping[str, Any]:
    """The JSON object at this address."""
    try:
        reply = client.get(url)
    except httpx.HTTPError as error:
        reason = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise Unavailable(f"model server {url}", reason=reason, remedy="see whether it runs") from error
    if reply.status_code != httpx.codes.OK:
        raise Unavailable(f"model server {url}", reason=f"answered {reply.status_code} when asked for its metadata")
    try:
        found = msgspec.json.decode(reply.content[: HEAD_BYTES * 16])
    except msgspec.DecodeError as error:
        raise InvalidRecord(f"model server {url}", found=str(error), expected="metadata as JSON") from error
    if not isinstance(found, dict):
        raise InvalidRecord(f"model server {url}", found=type(found).__name__, expected="a JSON object")
    return found
