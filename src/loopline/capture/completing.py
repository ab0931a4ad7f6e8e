"""Exchange -> predictions: everything that can be derived is derived here, for many exchanges at once."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate
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


Said = tuple[tuple[float, ...], str, float, float]
"""What a model said about one row: probabilities, label, margin, entropy."""
NOTHING: Said = ((), "", 0.0, 0.0)
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
        most = self._capture.payload_bytes
        predictions = tuple(
            [one if len(one.inputs) <= most else _lightened(one, put=put) for one in self.predictions(kept)]
        )
        return Batch(predictions, live(kept), lost | {"sampled_out": live(read) - live(kept)})

    def is_kept(self, exchange: Exchange) -> bool:
        """Whether sampling keeps the answers to this request."""
        return self._capture.sample >= 1.0 or is_sampled(exchange.request, share=self._capture.sample)

    def predictions(self, exchanges: Sequence[Exchange]) -> tuple[Prediction, ...]:
        """One prediction a row, in order. Raises InvalidRecord, naming the request that does not add up."""
        rows, said = self._rows(exchanges), self._said(exchanges)
        made: list[Prediction] = []
        for exchange in exchanges:
            self._make(exchange, rows=rows, said=said, into=made)
        return tuple(made)

    def _make(self, exchange: Exchange, *, rows: Iterator[Row], said: Iterator[Said], into: list[Prediction]) -> None:
        redact, rules, capture = self._redactor, self._rules, self._capture
        members = _shares(exchange, exchange.members) if exchange.members and "members" in capture.keep else b""
        embeddings = (
            _shares(exchange, exchange.embedding) if exchange.embedding and "embedding" in capture.keep else b""
        )
        at = EPOCH + timedelta(microseconds=exchange.at_us)
        failure, reason, trace = exchange.failure, exchange.reason, exchange.trace
        if not redact.is_idle:
            failure, reason, trace = redact.text(failure), redact.text(reason), redact.trace(trace)
        for number, id_ in enumerate(ids(exchange)):
            row = next(rows)
            inputs = seen = self._signature.encode(row)
            content = Digest(blake3(seen).hexdigest())
            group = key = exchange.group or rules.group_of(row, content)
            if not redact.is_idle:
                inputs = self._redacted(row, seen)
                content = content if inputs is seen else Digest(blake3(inputs).hexdigest())
                group = redact.group(key) if exchange.group else redact.own_group(key, row=row)
            p, label, margin, entropy = NOTHING if exchange.failure else next(said)
            one = Prediction(
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
                probabilities=p,
                label=label,
                margin=margin,
                entropy=entropy,
                latency_us=exchange.latency_us,
                sampled=capture.sample,
                failure=failure,
                reason=reason,
                trace=trace,
                members=_share(members, number, of=exchange.rows),
                embedding=_share(embeddings, number, of=exchange.rows),
                redacted=inputs != seen,
            )
            into.append(one)

    def _redacted(self, row: Row, seen: bytes) -> bytes:
        """The row's bytes as they may be stored; the very same when no rule touches them."""
        stored = self._redactor.row(row)
        return seen if stored is row else self._signature.encode(stored)

    def _rows(self, exchanges: Sequence[Exchange]) -> Iterator[Row]:
        """The rows that the models saw, of all exchanges, in order."""
        if self._signature.input != "tabular":
            return iter([row for exchange in exchanges for row in self._listed(exchange)])
        table = _table([(each, each.inputs) for each in exchanges], "<f8", width=self._signature.width)
        if not np.isfinite(table).all():
            odd = int(np.argwhere(~np.isfinite(table))[0, 0])
            whose = next(
                each for each, end in zip(exchanges, accumulate(e.rows for e in exchanges), strict=True) if odd < end
            )
            raise _odd(whose, found="a value that is not finite", expected="finite numbers")
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
        answered = [(each, each.probabilities) for each in exchanges if not each.failure]
        if not answered:
            return iter(())
        p = _table(answered, "<f4", width=len(labels))
        margin, entropy = self._rules.scored(p)
        best = [labels[place] for place in p.argmax(axis=1).tolist()]
        return zip(map(tuple, p.tolist()), best, margin.tolist(), entropy.tolist(), strict=True)


def ids(exchange: Exchange) -> list[PredictionId]:
    """The ids of its rows: the request's own of a single row; a shadow answer and a failure say whose they are.

    The plain id is for whoever did answer.
    """
    own = f"~{exchange.model}" if exchange.failure or exchange.arm == "shadow" else ""
    if exchange.rows == 1:
        return [PredictionId(exchange.request + own)]
    return [PredictionId(f"{exchange.request}/{number}{own}") for number in range(exchange.rows)]


def _table(parts: Sequence[tuple[Exchange, object]], kind: str, *, width: int) -> NDArray[Any]:
    """The numbers of all exchanges as one table of so many columns."""
    size = width * SIZES[kind]
    for exchange, content in parts:
        if not isinstance(content, bytes) or not exchange.rows or len(content) != exchange.rows * size:
            found = f"{len(content)} bytes" if isinstance(content, bytes) else "rows that are no table"
            raise _odd(exchange, found=found, expected=f"{exchange.rows} x {width} numbers")
    return np.frombuffer(b"".join([content for _, content in parts]), kind).reshape(-1, width)  # type: ignore[misc]


def _lightened(prediction: Prediction, *, put: Callable[[bytes], Digest]) -> Prediction:
    """The prediction; its inputs go to the object store, and their digest stays."""
    return replace(prediction, inputs=b"", payload=put(prediction.inputs))


def _shares(exchange: Exchange, content: bytes) -> bytes:
    """The bytes, once it is known that each row has an equal share of them."""
    if len(content) % (4 * max(exchange.rows, 1)):
        raise _odd(exchange, found=f"{len(content)} bytes", expected=f"as many of each of {exchange.rows} rows")
    return content


def _share(content: bytes, number: int, *, of: int) -> bytes:
    size = len(content) // of
    return content[number * size : (number + 1) * size] if size else b""


def _odd(exchange: Exchange, *, found: str, expected: str) -> InvalidRecord:
    return InvalidRecord(f"exchange {exchange.request}", found=found, expected=expected)
