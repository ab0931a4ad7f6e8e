"""Exchanges -> predictions: everything that can be derived is derived here, column by column, for many at once."""

from collections.abc import Callable, Sequence
from itertools import accumulate, chain
from typing import Any, NamedTuple

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from loopline.capture.accounting import dropped, live
from loopline.capture.redaction import Redactor
from loopline.capture.reserve import Sealing
from loopline.capture.sampling import is_sampled
from loopline.errors import InvalidRecord
from loopline.records.exchange import Exchange, Turn, alone
from loopline.records.ids import Digest, PredictionId
from loopline.records.prediction import is_distribution, no_distribution
from loopline.records.predictions import PACKED, Lists, Predictions
from loopline.records.settings import Settings
from loopline.records.signature import Row

Scores = tuple[NDArray[np.float64], NDArray[np.float64]]
Columns = dict[str, Any]
SIZES = {"<f4": 4, "<f8": 8}
"""Bytes of a number."""
OF_TURN = ("at_us", "model", "artifact", "signature", "arm", "latency_us")
"""What all rows of a turn share."""


class Rules(NamedTuple):
    """What turns an exchange into predictions."""

    settings: Settings
    secret: bytes
    """Keys the reserve and what redaction hashes."""
    group_of: Callable[[Row, Digest], str]
    """The group of a row without a group key, from the row and its content."""
    scored: Callable[[NDArray[np.float32]], Scores]
    """Margin and entropy, each of shape (n,), of distributions of shape (n, classes)."""


class Batch(NamedTuple):
    """What some exchanges come to."""

    predictions: Predictions
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
        self._sealing = Sealing(rules.secret, share=self._capture.reserve)

    def batch(self, asked: Sequence[Exchange | Turn | None], *, put: Callable[[bytes], Digest]) -> Batch:
        """All that becomes of these; None is one that could not be read. ``put`` keeps what is large."""
        lost = dropped(each for each in asked if each is None)
        read = [each for each in asked if each is not None]
        kept = read if self._capture.sample >= 1.0 else self._sampled(read)
        made = _lightened(self.predictions(kept), most=self._capture.payload_bytes, put=put)
        return Batch(made, live(kept), lost | {"sampled_out": live(read) - live(kept)})

    def predictions(self, asked: Sequence[Exchange | Turn]) -> Predictions:
        """One prediction a row, in order. Raises InvalidRecord, naming the request that does not add up."""
        turns = [alone(one) if isinstance(one, Exchange) else one for one in asked]
        rows, found = self._rows(turns), [asked_in(turn) for turn in turns]
        given = list(chain.from_iterable(one.groups for one in found))
        encode, group_of = self._signature.encode, self._rules.group_of
        inputs = [encode(row) for row in rows]
        contents = [Digest(blake3(one).hexdigest()) for one in inputs]
        keys = [key or group_of(row, content) for key, row, content in zip(given, rows, contents, strict=True)]
        columns: Columns = {
            "id": list(chain.from_iterable(one.ids for one in found)),
            "inputs": inputs,
            "content": contents,
            "group": keys,
            "role": [self._sealing.role(key) for key in keys],
            "trace": list(chain.from_iterable(one.traces for one in found)),
            "segment": list(chain.from_iterable(one.segments for one in found)),
            "redacted": [False] * len(rows),
        }
        if not self._redactor.is_idle:
            columns |= self._redacted(columns, rows=rows, given=given)
        return Predictions(columns=columns | self._said(turns, ids=columns["id"]) | self._shared(turns))

    def _sampled(self, asked: Sequence[Exchange | Turn]) -> list[Exchange | Turn]:
        """The requests that sampling keeps, each by itself."""
        each = (one for whole in asked for one in (whole.exchanges() if isinstance(whole, Turn) else (whole,)))
        return [one for one in each if is_sampled(one.request, share=self._capture.sample)]

    def _redacted(self, columns: Columns, *, rows: Sequence[Row], given: Sequence[str]) -> Columns:
        """The columns that rules may touch, as they may be stored."""
        redact, encode, seen = self._redactor, self._signature.encode, columns["inputs"]
        stored = [redact.row(row) for row in rows]
        inputs = [own if new is old else encode(new) for new, old, own in zip(stored, rows, seen, strict=True)]
        contents = zip(inputs, seen, columns["content"], strict=True)
        groups = zip(columns["group"], rows, given, strict=True)
        return {
            "inputs": inputs,
            "content": [old if new is own else Digest(blake3(new).hexdigest()) for new, own, old in contents],
            "group": [redact.group(key) if own else redact.own_group(key, row=row) for key, row, own in groups],
            "trace": [redact.trace(trace) for trace in columns["trace"]],
            "segment": [redact.segment(segment) for segment in columns["segment"]],
            "redacted": [new != own for new, own in zip(inputs, seen, strict=True)],
        }

    def _shared(self, turns: Sequence[Turn]) -> Columns:
        """What rows have from their turn, and from the loop."""
        redact, rows = self._redactor, sum(turn.rows for turn in turns)
        columns: Columns = {name: _spread(turns, [getattr(turn, name) for turn in turns]) for name in OF_TURN}
        columns["failure"] = _spread(turns, [redact.text(turn.failure) for turn in turns])
        columns["reason"] = _spread(turns, [redact.text(turn.reason) for turn in turns])
        for name in PACKED:
            is_kept = name in self._capture.keep
            columns[name] = _packed(turns, [getattr(turn, name) if is_kept else b"" for turn in turns])
        same = {"loop": self._rules.settings.name, "sampled": self._capture.sample, "payload": ""}
        return columns | {name: [value] * rows for name, value in same.items()}

    def _rows(self, turns: Sequence[Turn]) -> list[Row]:
        """The rows that the models saw, of all turns, in order."""
        if self._signature.input != "tabular":
            return [row for turn in turns for row in self._listed(turn)]
        table = _table([(turn, turn.inputs) for turn in turns], "<f8", width=self._signature.width)
        if not np.isfinite(table).all():
            odd = int(np.argwhere(~np.isfinite(table))[0, 0])
            ends = accumulate(turn.rows for turn in turns)
            whose = next(turn for turn, end in zip(turns, ends, strict=True) if odd < end)
            raise _odd(whose, found="a value that is not finite", expected="finite numbers")
        return list(map(tuple, table.tolist()))

    def _listed(self, turn: Turn) -> Sequence[Row]:
        if isinstance(turn.inputs, bytes):
            raise _odd(turn, found="a table", expected=f"one {self._signature.input} a row")
        if len(turn.inputs) != turn.rows:
            raise _odd(turn, found=f"{len(turn.inputs)} inputs", expected=str(turn.rows))
        for row in turn.inputs:
            self._signature.check(row)
        return turn.inputs

    def _said(self, turns: Sequence[Turn], *, ids: Sequence[PredictionId]) -> Columns:
        """What was said about each row; of a failure nothing."""
        labels, answered = self._signature.labels, [turn for turn in turns if not turn.failure]
        is_answered = np.array(_spread(turns, [not turn.failure for turn in turns]), np.bool_)
        label, margin, entropy = np.full(len(ids), "", object), np.zeros(len(ids)), np.zeros(len(ids))
        p = np.zeros((0, len(labels)), np.float32)
        if answered:
            p = _table([(turn, turn.probabilities) for turn in answered], "<f4", width=len(labels))
            if (odd := np.flatnonzero(~is_distribution(totals := p.sum(axis=1, dtype=np.float64)))).size:
                raise no_distribution(ids[np.flatnonzero(is_answered)[odd[0]]], total=totals[odd[0]])
            label[is_answered] = np.array(labels, object)[p.argmax(axis=1)]
            margin[is_answered], entropy[is_answered] = self._rules.scored(p)
        sizes = is_answered * np.int64(len(labels))
        return {
            "probabilities": Lists(sizes=sizes, values=p.ravel().astype(np.float64)),
            "label": label.tolist(),
            "margin": margin.tolist(),
            "entropy": entropy.tolist(),
        }


class Asked(NamedTuple):
    """Of each row, in order: its id, the group key that came along, the trace id, the segment."""

    ids: Sequence[PredictionId]
    groups: Sequence[str]
    traces: Sequence[str]
    segments: Sequence[str]


def asked_in(turn: Turn) -> Asked:
    """Every row of the turn. Its id is the request's own of a single row, else numbered.

    A shadow answer and a failure say whose they are: the plain id is for whoever did answer.
    """
    own = f"~{turn.model}" if turn.failure or turn.arm == "shadow" else ""
    none = ("",) * len(turn.requests)
    names = [PredictionId(name + own) for name in turn.requests]
    found = Asked(names, turn.groups or none, turn.traces or none, turn.segments or none)
    if turn.counts:
        counted = list(zip(turn.requests, turn.counts, strict=True))
        each = [[name] if n == 1 else [f"{name}/{number}" for number in range(n)] for name, n in counted]
        names = [PredictionId(name + own) for names_of_one in each for name in names_of_one]
        spread = ([one for one, n in zip(values, turn.counts, strict=True) for _ in range(n)] for values in found[1:])
        found = Asked(names, *spread)
    if any(len(part) != turn.rows for part in found):
        raise _odd(turn, found=f"{turn.rows} rows", expected=f"{len(found.ids)}, those of its requests")
    return found


def ids(asked: Exchange | Turn) -> list[PredictionId]:
    """The ids of its rows."""
    return list(asked_in(alone(asked) if isinstance(asked, Exchange) else asked).ids)


def _table(parts: Sequence[tuple[Turn, object]], kind: str, *, width: int) -> NDArray[Any]:
    """The numbers of all exchanges as one table of so many columns."""
    size = width * SIZES[kind]
    for turn, content in parts:
        if not isinstance(content, bytes) or not turn.rows or len(content) != turn.rows * size:
            found = f"{len(content)} bytes" if isinstance(content, bytes) else "rows that are no table"
            raise _odd(turn, found=found, expected=f"{turn.rows} x {width} numbers")
    return np.frombuffer(b"".join([content for _, content in parts]), kind).reshape(-1, width)  # type: ignore[misc]


def _spread(turns: Sequence[Turn], values: Sequence[Any]) -> list[Any]:
    """The value of each turn, for each of its rows."""
    return list(chain.from_iterable([value] * turn.rows for turn, value in zip(turns, values, strict=True)))


def _packed(turns: Sequence[Turn], contents: Sequence[bytes]) -> Lists:
    """The float32 of each turn, an equal share of them for each of its rows."""
    sizes = []
    for turn, content in zip(turns, contents, strict=True):
        size, rest = divmod(len(content), 4 * max(turn.rows, 1))
        if rest:
            raise _odd(turn, found=f"{len(content)} bytes", expected=f"as many of each of {turn.rows} rows")
        sizes += [size] * turn.rows
    return Lists(sizes=np.array(sizes, np.int64), values=np.frombuffer(b"".join(contents), "<f4"))


def _lightened(predictions: Predictions, *, most: int, put: Callable[[bytes], Digest]) -> Predictions:
    """The predictions; inputs of more bytes than this go to the object store, and their digests stay."""
    inputs: list[bytes] = predictions.columns["inputs"]
    if max(map(len, inputs), default=0) <= most:
        return predictions
    payloads = [put(content) if len(content) > most else "" for content in inputs]
    left = [b"" if payload else content for content, payload in zip(inputs, payloads, strict=True)]
    return Predictions(columns={**predictions.columns, "inputs": left, "payload": payloads})


def _odd(turn: Turn, *, found: str, expected: str) -> InvalidRecord:
    return InvalidRecord(f"exchange {turn.requests[0] if turn.requests else ''}", found=found, expected=expected)
