"""What the answering process hands to capture: who was asked, what went in, what came out; nothing is derived yet."""

from typing import Any

import msgspec

from loopline.records.ids import Digest, VersionName
from loopline.records.prediction import Arm


class Exchange(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="exchange"):
    """The rows of one request and one version's answers to them, or its failure.

    All that can be derived from it (content, group, role, margin, entropy, the records themselves) is derived by
    capture, off the answer path. Arrays travel as their little-endian bytes, row-major.
    """

    request: str
    """The id that was answered with: of a single row its prediction's, else rows are ``request/0``, ``request/1``..."""
    at_us: int
    """Microseconds since 1970 UTC, when the answer was ready."""
    model: VersionName
    artifact: Digest
    signature: Digest
    arm: Arm
    reason: str
    """Why this arm answered, in words; empty for the incumbent."""
    group: str
    """The group key that came with the request; empty: the rows' own."""
    inputs: bytes | tuple[Any, ...]
    """Of a table float64 (rows, width) as bytes; else of each row its text (str) or the bytes of its image:
    MessagePack keeps the two apart, the type of a field cannot."""
    rows: int
    probabilities: bytes
    """float32 (rows, classes); empty when the model failed."""
    latency_us: int
    """Microseconds inside the model; each row waited for the whole call."""
    trace: str = ""
    """The trace id of the caller's W3C ``traceparent``: 32 hex digits; empty without one."""
    failure: str = ""
    """Why the model gave no answer; empty when it did."""
    members: bytes = b""
    """float32 (rows, members, classes); empty when the model has no members or none were asked for."""
    embedding: bytes = b""
    """float32 (rows, dimensions); empty when the model has none."""
    segment: str = ""
    """The part of the traffic that the request named, such as a channel; empty without one."""


class Turn(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="turn"):
    """Several requests that were answered in one call of one version: as many exchanges, at the cost of one."""

    requests: tuple[str, ...]
    counts: tuple[int, ...]
    """Rows of each request; empty: one of each."""
    groups: tuple[str, ...]
    """One a request; empty: none came along."""
    traces: tuple[str, ...]
    """One a request; empty: none came along."""
    at_us: int
    model: VersionName
    artifact: Digest
    signature: Digest
    arm: Arm
    reason: str
    inputs: bytes | tuple[Any, ...]
    """Of all rows, in the order of the requests, as in an exchange; so are the arrays below."""
    rows: int
    probabilities: bytes
    latency_us: int
    failure: str = ""
    members: bytes = b""
    embedding: bytes = b""
    segments: tuple[str, ...] = ()
    """One a request; empty: none came along."""

    def exchanges(self) -> tuple[Exchange, ...]:
        """The same, request by request."""
        counts = self.counts or (1,) * len(self.requests)
        none = ("",) * len(counts)
        own = self.requests, counts, self.groups or none, self.traces or none, self.segments or none
        at_us, model, artifact, signature = self.at_us, self.model, self.artifact, self.signature
        arm, reason = self.arm, self.reason
        part, found, start = self._part, [], 0
        for request, count, group, trace, segment in zip(*own, strict=True):
            stop = start + count
            one = Exchange(
                request=request, at_us=at_us, model=model, artifact=artifact, signature=signature, arm=arm,
                reason=reason, group=group, trace=trace, inputs=part(self.inputs, start, stop), rows=count,
                probabilities=part(self.probabilities, start, stop), latency_us=self.latency_us, failure=self.failure,
                members=part(self.members, start, stop) if self.members else b"",
                embedding=part(self.embedding, start, stop) if self.embedding else b"", segment=segment,
            )  # fmt: skip
            found.append(one)
            start = stop
        return tuple(found)

    def _part(self, whole: Any, start: int, stop: int) -> Any:
        """Of some rows only: of bytes as many for each row, of a tuple one element for each."""
        if not whole:
            return whole
        share = len(whole) // self.rows
        return whole[start * share : stop * share]


def alone(exchange: Exchange) -> Turn:
    """A turn of one request."""
    return Turn(
        requests=(exchange.request,), counts=(exchange.rows,), groups=(exchange.group,), traces=(exchange.trace,),
        at_us=exchange.at_us, model=exchange.model, artifact=exchange.artifact, signature=exchange.signature,
        arm=exchange.arm, reason=exchange.reason, inputs=exchange.inputs, rows=exchange.rows,
        probabilities=exchange.probabilities, latency_us=exchange.latency_us, failure=exchange.failure,
        members=exchange.members, embedding=exchange.embedding, segments=(exchange.segment,),
    )  # fmt: skip
