"""Models on Triton, MLServer, KServe or another Loopline: asked over HTTP, and held to their checks like any other."""

import weakref
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import httpx
import msgspec
import numpy as np
from numpy.typing import NDArray

from loopline.adapters.remote.address import checked
from loopline.adapters.remote.wire import DATATYPES, HEADER_LENGTH, Asked, answer, request
from loopline.errors import InvalidRecord, Unavailable
from loopline.ports.engine import Rows, Said
from loopline.records.model import EngineName
from loopline.records.signature import Signature

TIMEOUT_SECONDS = 10.0
CONNECTIONS = 32
HEAD_BYTES, NUMBER_BYTES = 65_536, 32
"""The longest answer: this much, and so much for each number that is asked for; a JSON number is at most 25 long."""
EXTRAS = {"members": 3, "embedding": 2}
"""Outputs beside the probabilities, and their dimensions."""
DIMENSIONS = 65_536
"""Most numbers a row that an extra output may have."""


class RemoteModel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The artefact: where the model is, and how its tensors are called."""

    url: str
    """``http://host:port/v2/models/name``, or ``.../versions/version``."""
    input: str
    datatype: str
    """``FP32``, ``FP64``, or ``BYTES`` for texts."""
    dimensions: int = 2
    """Of the input tensor, when it holds texts."""
    output: str
    """Of probabilities, (n, classes)."""
    labels: tuple[str, ...] = ()
    """Class names in the order of its columns; empty: the signature's."""
    extras: tuple[str, ...] = ()
    """Further outputs that it has: ``members``, ``embedding``."""
    is_binary: bool = False
    """Whether it takes and gives binary tensors."""


class RemoteEngine:
    """Asks another server. Nothing is sent until the first row; the version's checks are that.

    The address comes from the owner's own ``loop.toml`` or command line; see ``address.checked``. Redirects are not
    followed and the environment's proxies are not used.
    """

    def load(self, artifact: bytes, *, engine: EngineName, signature: Signature) -> "RemotePredictor":
        """The predictor behind the address in these bytes. Raises InvalidRecord as ``address.checked`` does."""
        if engine != "remote":
            raise InvalidRecord("model", found=f"engine {engine}", expected="remote")
        try:
            model = msgspec.json.decode(artifact, type=RemoteModel)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidRecord("remote model", found=str(error), expected="url, input and output as JSON") from error
        kinds = ("BYTES",) if signature.input == "text" else tuple(kind for kind in DATATYPES if kind != "BYTES")
        if model.datatype not in kinds:
            raise InvalidRecord("remote model", found=f"datatype {model.datatype}", expected=" or ".join(kinds))
        classes = model.labels or signature.labels
        if sorted(classes) != sorted(signature.labels):
            raise InvalidRecord("remote model", found=f"classes {list(classes)}", expected=f"{list(signature.labels)}")
        url = checked(model.url)
        return RemotePredictor(model, url=url, columns=[classes.index(label) for label in signature.labels])


class RemotePredictor:
    """A model on another server, over a pool of connections that threads may share."""

    def __init__(self, model: RemoteModel, *, url: str, columns: Sequence[int]) -> None:
        self._model, self._url, self._columns = model, f"{url}/infer", list(columns)
        self._client = httpx.Client(
            timeout=TIMEOUT_SECONDS, follow_redirects=False, trust_env=False,
            limits=httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS),
        )  # fmt: skip
        weakref.finalize(self, self._client.close)  # a version that is no longer served gives its connections back

    def predict(self, rows: Rows) -> NDArray[np.float32]:
        """Probabilities of shape (len(rows), classes). Raises Unavailable: no answer, InvalidRecord: no such answer."""
        return self._ask(rows, ())[self._model.output]

    def observe(self, rows: Rows, *, extras: frozenset[str]) -> Said:
        """The same probabilities, with those of ``extras`` that the server has, in one call."""
        wanted = tuple(name for name in self._model.extras if name in extras and name in EXTRAS)
        found = self._ask(rows, wanted)
        return Said(found.pop(self._model.output), **found)

    def _ask(self, rows: Rows, extras: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
        outputs = (self._model.output, *extras)
        model = self._model
        sent = request(rows, Asked(model.input, model.datatype, model.dimensions, outputs, model.is_binary))
        most = HEAD_BYTES + NUMBER_BYTES * len(rows) * (len(self._columns) + len(extras) * DIMENSIONS)
        headers, body = self._exchange(sent.body, sent.headers, most=most)
        found = answer(body, header_length=headers.get(HEADER_LENGTH), wanted=outputs)
        for name, numbers in found.items():
            self._check(name, numbers, rows=len(rows))
        return {name: of if name == "embedding" else of[..., self._columns] for name, of in found.items()}

    def _exchange(self, body: bytes, headers: dict[str, str], *, most: int) -> tuple[httpx.Headers, bytes]:
        try:
            with self._client.stream("POST", self._url, content=body, headers=headers) as reply:
                content = _bounded(reply, most=most if reply.is_success else HEAD_BYTES)
        except httpx.HTTPError as error:
            reason = f"{type(error).__name__}: {error}".removesuffix(": ")
            raise Unavailable(self._thing, reason=reason, remedy="see whether it runs") from error
        if reply.status_code != httpx.codes.OK:
            raise Unavailable(self._thing, reason=f"answered {reply.status_code}{_told(content)}")
        return reply.headers, content

    def _check(self, name: str, found: NDArray[np.float32], *, rows: int) -> None:
        """Raise InvalidRecord unless the output has a row each, and a column a class where it must."""
        dimensions, has_columns = EXTRAS.get(name, 2), name != "embedding"
        is_shaped = found.ndim == dimensions and found.shape[0] == rows
        if not is_shaped or (has_columns and found.shape[-1] != len(self._columns)):
            expected = f"{dimensions} dimensions, {rows} rows" + (f", {len(self._columns)} columns" * has_columns)
            raise InvalidRecord(f"{self._thing} output {name}", found=f"shape {found.shape}", expected=expected)

    @property
    def _thing(self) -> str:
        return f"model server {self._url.removesuffix('/infer')}"


def _bounded(reply: httpx.Response, *, most: int) -> bytes:
    """The body, when it is no longer than ``most`` bytes."""
    content = bytearray()
    for chunk in reply.iter_bytes():
        content += chunk
        if len(content) > most:
            raise InvalidRecord("model server", found=f"an answer of over {most:,} bytes", expected="no more")
    return bytes(content)


def _told(content: bytes) -> str:
    """What the server said of its error, in one line of at most 200 characters."""
    said: Any = content.decode(errors="replace")
    with suppress(msgspec.DecodeError, KeyError, TypeError):
        said = msgspec.json.decode(content)["error"]
    line = " ".join(str(said).split())[:200]
    return f": {line}" if line else ""
