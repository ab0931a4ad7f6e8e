"""Exchanges -> predictions: everything that can be derived is derived here, for many exchanges at once."""

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
from loopline.records.exchange import Exchange, Turn, alone
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

    def batch(self, asked: Sequence[Exchange | Turn | None], *, put: Callable[[bytes], Digest]) -> Batch:
        """All that becomes of these; None is one that could not be read. ``put`` keeps what is large."""
        lost = dropped(each for each in asked if each is None)
        read = [each for each in asked if each is not None]
        kept = read if self._capture.sample >= 1.0 else self._sampled(read)
        most = self._capture.payload_bytes
        predictions = tuple(
            [one if len(one.inputs) <= most else _lightened(one, put=put) for one in self.predictions(kept)]
        )
        return Batch(predictions, live(kept), lost | {"sampled_out": live(read) - live(kept)})

    def predictions(self, asked: Sequence[Exchange | Turn]) -> tuple[Prediction, ...]:
        """One prediction a row, in order. Raises InvalidRecord, naming the request that does not add up."""
        turns = [alone(one) if isinstance(one, Exchange) else one for one in asked]
        rows, said = self._rows(turns), self._said(turns)
        made: list[Prediction] = []
        for turn in turns:
            self._make(turn, rows=rows, said=said, into=made)
        return tuple(made)

    def _sampled(self, asked: Sequence[Exchange | Turn]) -> list[Exchange | Turn]:
        """The requests that sampling keeps, each by itself."""
        each = (one for whole in asked for one in (whole.exchanges() if isinstance(whole, Turn) else (whole,)))
        return [one for one in each if is_sampled(one.request, share=self._capture.sample)]

    def _make(self, turn: Turn, *, rows: Iterator[Row], said: Iterator[Said], into: list[Prediction]) -> None:
        redact, rules, capture, encode = self._redactor, self._rules, self._capture, self._signature.encode
        members = _shares(turn, turn.members) if turn.members and "members" in capture.keep else b""
        embeddings = _shares(turn, turn.embedding) if turn.embedding and "embedding" in capture.keep else b""
        at = EPOCH + timedelta(microseconds=turn.at_us)
        failure, reason = redact.text(turn.failure), redact.text(turn.reason)
        for number, (id_, given, trace) in enumerate(asked_in(turn)):
            row = next(rows)
            inputs = seen = encode(row)
            content = Digest(blake3(seen).hexdigest())
            group = key = given or rules.group_of(row, content)
            if not redact.is_idle:
                inputs, trace = self._redacted(row, seen), redact.trace(trace)  # noqa: PLW2901  as it may be stored
                content = content if inputs is seen else Digest(blake3(inputs).hexdigest())
                group = redact.group(key) if given else redact.own_group(key, row=row)
            p, label, margin, entropy = NOTHING if turn.failure else next(said)
            one = Prediction(
                id=id_,
                loop=rules.settings.name,
                at=at,
                model=turn.model,
                artifact=turn.artifact,
                signature=turn.signature,
                arm=turn.arm,
                inputs=inputs,
                content=content,
                group=group,
                role=role_of(key, secret=rules.secret, share=capture.reserve),
                probabilities=p,
                label=label,
                margin=margin,
                entropy=entropy,
                latency_us=turn.latency_us,
                sampled=capture.sample,
                failure=failure,
                reason=reason,
                trace=trace,
                members=_share(members, number, of=turn.rows) if members else b"",
                embedding=_share(embeddings, number, of=turn.rows) if embeddings else b"",
                redacted=inputs != seen,
            )
            into.append(one)

    def _redacted(self, row: Row, seen: bytes) -> bytes:
        """The row's bytes as they may be stored; the very same when no rule touches them."""
        stored = self._redactor.row(row)
        return seen if stored is row else self._signature.encode(stored)

    def _rows(self, turns: Sequence[Turn]) -> Iterator[Row]:
        """The rows that the models saw, of all turns, in order."""
        if self._signature.input != "tabular":
            return iter([row for turn in turns for row in self._listed(turn)])
        table = _table([(turn, turn.inputs) for turn in turns], "<f8", width=self._signature.width)
        if not np.isfinite(table).all():
            odd = int(np.argwhere(~np.isfinite(table))[0, 0])
            ends = accumulate(turn.rows for turn in turns)
            whose = next(turn for turn, end in zip(turns, ends, strict=True) if odd < end)
            raise _odd(whose, found="a value that is not finite", expected="finite numbers")
        return map(tuple, table.tolist())

    def _listed(self, turn: Turn) -> Sequence[Row]:
        if isinstance(turn.inputs, bytes):
            raise _odd(turn, found="a table", expected=f"one {self._signature.input} a row")
        if len(turn.inputs) != turn.rows:
            raise _odd(turn, found=f"{len(turn.inputs)} inputs", expected=str(turn.rows))
        for row in turn.inputs:
            self._signature.check(row)
        return turn.inputs

    def _said(self, turns: Sequence[Turn]) -> Iterator[Said]:
        """What was said about each row that was answered, in order."""
        labels = self._signature.labels
        answered = [(turn, turn.probabilities) for turn in turns if not turn.failure]
        if not answered:
            return iter(())
        p = _table(answered, "<f4", width=len(labels))
        margin, entropy = self._rules.scored(p)
        best = [labels[place] for place in p.argmax(axis=1).tolist()]
        return zip(map(tuple, p.tolist()), best, margin.tolist(), entropy.tolist(), strict=True)


Asked = tuple[PredictionId, str, str]
"""Of a row: its id, the group key that came along, the trace id."""


def asked_in(turn: Turn) -> list[Asked]:
    """Every row of the turn, in order. Its id is the request's own of a single row, else numbered.

    A shadow answer and a failure say whose they are: the plain id is for whoever did answer.
    """
    own = f"~{turn.model}" if turn.failure or turn.arm == "shadow" else ""
    none = ("",) * len(turn.requests)
    requests = zip(turn.requests, turn.groups or none, turn.traces or none, strict=True)
    if not turn.counts:
        found = [(PredictionId(request + own), group, trace) for request, group, trace in requests]
    else:
        found = []
        for (request, group, trace), count in zip(requests, turn.counts, strict=True):
            names = [request] if count == 1 else [f"{request}/{number}" for number in range(count)]
            found += [(PredictionId(name + own), group, trace) for name in names]
    if len(found) != turn.rows:
        raise _odd(turn, found=f"{turn.rows} rows", expected=f"{len(found)}, those of its requests")
    return found


def ids(asked: Exchange | Turn) -> list[PredictionId]:
    """The ids of its rows."""
    return [id_ for id_, _, _ in asked_in(alone(asked) if isinstance(asked, Exchange) else asked)]


def _table(parts: Sequence[tuple[Turn, object]], kind: str, *, width: int) -> NDArray[Any]:
    """The numbers of all exchanges as one table of so many columns."""
    size = width * SIZES[kind]
    for turn, content in parts:
        if not isinstance(content, bytes) or not turn.rows or len(content) != turn.rows * size:
            found = f"{len(content)} bytes" if isinstance(content, bytes) else "rows that are no table"
            raise _odd(turn, found=found, expected=f"{turn.rows} x {width} numbers")
    return np.frombuffer(b"".join([content for _, content in parts]), kind).reshape(-1, width)  # type: ignore[misc]


def _lightened(prediction: Prediction, *, put: Callable[[bytes], Digest]) -> Prediction:
    """The prediction; its inputs go to the object store, and their digest stays."""
    return replace(prediction, inputs=b"", payload=put(prediction.inputs))


def _shares(turn: Turn, content: bytes) -> bytes:
    """The bytes, once it is known that each row has an equal share of them."""
    if len(content) % (4 * max(turn.rows, 1)):
        raise _odd(turn, found=f"{len(content)} bytes", expected=f"as many of each of {turn.rows} rows")
    return content


def _share(content: bytes, number: int, *, of: int) -> bytes:
    size = len(content) // of
    return content[number * size : (number + 1) * size]


def _odd(turn: Turn, *, found: str, expected: str) -> InvalidRecord:
    return InvalidRecord(f"exchange {turn.requests[0] if turn.requests else ''}", found=found, expected=expected)
