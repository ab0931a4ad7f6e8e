"""Exchange -> predictions: everything that can be derived is derived here, for many exchanges at once."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from blake3 import blake3
from msgspec.structs import replace
from numpy.typing import NDArray

from loopline.capture.accounting import dropped, live
from loopline.capture.redaction import Redactor
from loopline.capture.reserve import role_of
from loopline.capture.sampling import is_sampled
from loopline.errors import InvalidRecord
from loopline.records.exchange import Exchange
from loopline.records.ids import Digest, PredictionId
from loopline.records.prediction import Prediction
from loopline.records.settings import Settings
from loopline.records.signature import Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Scores = tuple[NDArray[np.float64], NDArray[np.float64]]


class Rules(NamedTuple):
    """What turns an exchange into predictions."""

    settings: Settings
    secret: bytes
    """Keys the reserve and what redaction hashes."""
    group_of: Callable[[Row, Digest], str]
    """The group of a row without a group key, from the row and its content."""
    scored: Callable[[NDArray[np.float32]], Scores]
    """Margin and entropy, each of shape (n,), of distributions of shape (n, classes)."""


class Said(NamedTuple):
    """What a model said about one row; all empty and zero when it failed."""

    probabilities: tuple[float, ...] = ()
    label: str = ""
    margin: float = 0.0
    entropy: float = 0.0


NOTHING = Said()
SIZES = {"<f4": 4, "<f8": 8}
"""Bytes of a number."""


class Batch(NamedTuple):
    """What some exchanges come to."""

    predictions: tuple[Prediction, ...]
    """For the log, in order."""
    live: int
    """How many of them were somebody's answer."""
    amounts: dict[str, int]
    """How the rows that do not go to the log are counted."""


class Completing:
    """The rules, made ready to be applied again and again."""

    def __init__(self, rules: Rules) -> None:
        self._rules, self._signature = rules, rules.settings.signature
        self._capture = rules.settings.capture
        self._redactor = Redactor(self._capture.redact, secret=rules.secret)

    def batch(self, exchanges: Sequence[Exchange | None], *, put: Callable[[bytes], Digest]) -> Batch:
        """All that becomes of these exchanges; None is one that could not be read. ``put`` keeps what is large."""
        lost = dropped(each for each in exchanges if each is None)
        read = [each for each in exchanges if each is not None]
        kept = [each for each in read if self.is_kept(each)]
        predictions = tuple(self._lightened(each, put=put) for each in self.predictions(kept))
        return Batch(predictions, live(kept), lost | {"sampled_out": live(read) - live(kept)})

    def is_kept(self, exchange: Exchange) -> bool:
        """Whether sampling keeps the answers to this request."""
        return self._capture.sample >= 1.0 or is_sampled(exchange.request, share=self._capture.sample)

    def predictions(self, exchanges: Sequence[Exchange]) -> tuple[Prediction, ...]:
        """One prediction a row, in order. Raises InvalidRecord, naming the request that does not add up."""
        rows, said = self._rows(exchanges), self._said(exchanges)
        return tuple(made for exchange in exchanges for made in self._made(exchange, rows=rows, said=said))

    def _lightened(self, prediction: Prediction, *, put: Callable[[bytes], Digest]) -> Prediction:
        """The prediction; large inputs go to the object store, and their digest stays."""
        if len(prediction.inputs) <= self._capture.payload_bytes:
            return prediction
        return replace(prediction, inputs=b"", payload=put(prediction.inputs))

    def _made(self, exchange: Exchange, *, rows: Iterator[Row], said: Iterator[Said]) -> Iterator[Prediction]:
        redact, rules, capture, count = self._redactor, self._rules, self._capture, exchange.rows
        members = _shares(exchange, exchange.members if "members" in capture.keep else b"")
        embeddings = _shares(exchange, exchange.embedding if "embedding" in capture.keep else b"")
        at = EPOCH + timedelta(microseconds=exchange.at_us)
        failure, reason, trace = exchange.failure, exchange.reason, exchange.trace
        if not redact.is_idle:
            failure, reason, trace = redact.text(failure), redact.text(reason), redact.trace(trace)
        for number, id_ in enumerate(ids(exchange)):
            row = next(rows)
            inputs = seen = self._signature.encode(row)
            content = Digest(blake3(seen).hexdigest())
            group = key = exchange.group or rules.group_of(row, content)
            if not redact.is_idle and (stored := redact.row(row)) is not row:
                inputs = self._signature.encode(stored)
                content = Digest(blake3(inputs).hexdigest())
            if not redact.is_idle:
                group = redact.group(key) if exchange.group else redact.own_group(key, row=row)
            one = NOTHING if exchange.failure else next(said)
            yield Prediction(
                id=id_,
                loop=rules.settings.name,
                at=at,
                model=exchange.model,
                artifact=exchange.artifact,
                signature=exchange.signature,
                arm=exchange.arm,
                inputs=inputs,
                content=content,
                group=group,
                role=role_of(key, secret=rules.secret, share=capture.reserve),
                probabilities=one.probabilities,
                label=one.label,
                margin=one.margin,
                entropy=one.entropy,
                latency_us=exchange.latency_us,
                sampled=capture.sample,
                failure=failure,
                reason=reason,
                trace=trace,
                members=members and members[number * len(members) // count : (number + 1) * len(members) // count],
                embedding=embeddings
                and embeddings[number * len(embeddings) // count : (number + 1) * len(embeddings) // count],
                redacted=inputs != seen,
            )

    def _rows(self, exchanges: Sequence[Exchange]) -> Iterator[Row]:
        """The rows that the models saw, of all exchanges, in order."""
        if self._signature.input != "tabular":
            return (row for exchange in exchanges for row in self._listed(exchange))
        width = self._signature.width
        tables = [_table(each.inputs, "<f8", rows=each.rows, width=width, of=each) for each in exchanges]
        if not tables:
            return iter(())
        table = np.concatenate(tables)
        if not np.isfinite(table).all():
            for exchange, part in zip(exchanges, tables, strict=True):
                if not np.isfinite(part).all():
                    raise _odd(exchange, found="a value that is not finite", expected="finite numbers")
        return map(tuple, table.tolist())

    def _listed(self, exchange: Exchange) -> Sequence[Row]:
        if isinstance(exchange.inputs, bytes):
            raise _odd(exchange, found="a table", expected=f"one {self._signature.input} a row")
        if len(exchange.inputs) != exchange.rows:
            raise _odd(exchange, found=f"{len(exchange.inputs)} inputs", expected=str(exchange.rows))
        for row in exchange.inputs:
            self._signature.check(row)
        return exchange.inputs

    def _said(self, exchanges: Sequence[Exchange]) -> Iterator[Said]:
        """What was said about each row that was answered, in order."""
        labels = self._signature.labels
        tables = [
            _table(each.probabilities, "<f4", rows=each.rows, width=len(labels), of=each)
            for each in exchanges
            if not each.failure
        ]
        if not tables:
            return
        p: NDArray[np.float32] = np.concatenate(tables)
        margin, entropy = self._rules.scored(p)
        columns = (p.tolist(), p.argmax(axis=1).tolist(), margin.tolist(), entropy.tolist())
        for row, best, gap, nats in zip(*columns, strict=True):
            yield Said(tuple(row), labels[best], gap, nats)


def ids(exchange: Exchange) -> list[PredictionId]:
    """The ids of its rows: the request's own of a single row; a shadow answer and a failure say whose they are.

    The plain id is for whoever did answer.
    """
    own = f"~{exchange.model}" if exchange.failure or exchange.arm == "shadow" else ""
    if exchange.rows == 1:
        return [PredictionId(exchange.request + own)]
    return [PredictionId(f"{exchange.request}/{number}{own}") for number in range(exchange.rows)]


def _table(content: object, kind: str, *, rows: int, width: int, of: Exchange) -> NDArray[Any]:
    """The numbers as a table of shape (rows, width)."""
    if not isinstance(content, bytes) or not rows or len(content) != rows * width * SIZES[kind]:
        found = f"{len(content)} bytes" if isinstance(content, bytes) else "rows that are no table"
        raise _odd(of, found=found, expected=f"{rows} x {width} numbers")
    return np.frombuffer(content, kind).reshape(rows, width)


def _shares(exchange: Exchange, content: bytes) -> bytes:
    """The bytes, once it is known that each row has an equal share of them."""
    if len(content) % (4 * max(exchange.rows, 1)):
        raise _odd(exchange, found=f"{len(content)} bytes", expected=f"as many of each of {exchange.rows} rows")
    return content


def _odd(exchange: Exchange, *, found: str, expected: str) -> InvalidRecord:
    return InvalidRecord(f"exchange {exchange.request}", found=found, expected=expected)
