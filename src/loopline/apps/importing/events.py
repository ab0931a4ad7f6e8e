"""What KServe's logger leaves behind: a request event and a response event an inference, joined here by their id.

Two forms are read: CloudEvents as JSON (``org.kubeflow.serving.inference.request`` and ``.response``, ``data`` or
``data_base64``), and the records that the logger itself writes to a bucket (``ReqType``, ``Bytes``). Bodies are of
the V1 protocol (``instances``, ``predictions``) or of the V2 protocol (``inputs``, ``outputs``).
"""

from base64 import b64decode
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from loopline.apps.importing.protocols import distributions_of, inputs_of
from loopline.apps.importing.row import Found, Row
from loopline.records.signature import Signature

REQUEST: Final = "org.kubeflow.serving.inference.request"
RESPONSE: Final = "org.kubeflow.serving.inference.response"
PENDING_BYTES: Final = 256 << 20
"""What may wait for its other half; beyond it the oldest is given up, and told."""


class Half(NamedTuple):
    """One event."""

    place: str
    is_request: bool
    body: bytes
    at: Any
    """RFC 3339, or seconds since 1970 at which the file was written."""
    service: str
    """What the event says about who answered; empty when it says nothing."""


def is_event(content: Mapping[str, Any]) -> bool:
    """Whether the object is one of the logger's.

    >>> is_event({"type": "org.kubeflow.serving.inference.request"}), is_event({"type": "text"})
    (True, False)
    """
    return any(content.get(name) in (REQUEST, RESPONSE) for name in ("type", "ReqType"))


class Join:
    """Halves in, rows out: a request with its response becomes one row for each of its inputs.

    ``model``: the version that answered, when no response says it.
    """

    def __init__(self, *, signature: Signature, model: str) -> None:
        self._signature, self._model = signature, model
        self._pending: OrderedDict[tuple[str, bool], Half] = OrderedDict()
        self._bytes = 0

    def take(self, found: Found) -> Iterator[Row]:
        """The rows that this event completes, and those that are given up because too much waits."""
        try:
            name, half = _half(found)
        except ValueError as error:
            yield Row(found.place, {}, str(error))
            return
        other = self._pending.pop((name, not half.is_request), None)
        if other is None:
            again = self._pending.pop((name, half.is_request), None)  # delivery is at least once
            self._bytes -= len(again.body) if again else 0
            self._pending[name, half.is_request] = half
            self._bytes += len(half.body)
            while self._bytes > PENDING_BYTES:
                yield self._given_up()
            return
        self._bytes -= len(other.body)
        request, response = (half, other) if half.is_request else (other, half)
        yield from self._rows(name, request, response)

    def rest(self) -> Iterator[Row]:
        """The halves whose other half never came."""
        while self._pending:
            yield self._given_up()

    def _given_up(self) -> Row:
        (name, is_request), half = self._pending.popitem(last=False)
        self._bytes -= len(half.body)
        kind, other = ("request", "response") if is_request else ("response", "request")
        return Row(half.place, {}, f"{kind} {name} without its {other}, expected both")

    def _rows(self, name: str, request: Half, response: Half) -> Iterator[Row]:
        try:
            asked, said = _body(request), _body(response)
            inputs = inputs_of(asked, self._signature)
            failure = said.get("error")
            answers = [] if failure else distributions_of(said, rows=len(inputs), classes=len(self._signature.labels))
        except ValueError as error:
            yield Row(request.place, {}, f"inference {name}: {error}")
            return
        version = said.get("model_version") or self._model or response.service or request.service
        for number, given in enumerate(inputs):
            fields = given | {"id": name if len(inputs) == 1 else f"{name}/{number}", "at": response.at}
            fields |= {"failure": str(failure)[:1_000]} if failure else {"probabilities": answers[number]}
            yield Row(request.place, fields | ({"model": str(version)} if version else {}))


def _half(found: Found) -> tuple[str, Half]:
    event: dict[str, Any] = found.content
    name = event.get("id") or event.get("Id")
    if not isinstance(name, str):
        raise ValueError(f"an event with id {name!r}, expected a text")
    endpoint, service = (str(event.get(key) or event.get(own) or "") for key, own in _ABOUT)
    about = f"{service}-{endpoint}" if service and endpoint not in ("", "default") else service
    is_request = REQUEST in (event.get("type"), event.get("ReqType"))
    return name, Half(found.place, is_request, _bytes(event), event.get("time") or found.at, about)


_ABOUT: Final = (("endpoint", "Endpoint"), ("inferenceservicename", "InferenceService"))


def _bytes(event: Mapping[str, Any]) -> bytes:
    packed = event.get("data_base64") or event.get("Bytes")
    if isinstance(packed, str):
        return b64decode(packed, validate=True)
    content = event.get("data")
    return content.encode() if isinstance(content, str) else msgspec.json.encode(content)


def _body(half: Half) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(half.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        kind = "request" if half.is_request else "response"
        raise ValueError(f"a {kind} that is no JSON ({error}), expected one; binary tensors are not read") from error
    if not isinstance(body, dict):
        raise ValueError(f"a JSON {type(body).__name__}, expected an object")
    return body
