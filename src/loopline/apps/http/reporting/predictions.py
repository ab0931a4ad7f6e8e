"""One reported prediction, read: what was asked elsewhere and answered by a model that we do not run."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final

import msgspec
import numpy as np

from loopline.apps.http.reporting.lines import Line, decoded, name_in
from loopline.apps.http.reporting.moments import Moment, microseconds
from loopline.errors import InvalidRecord
from loopline.records.exchange import Exchange
from loopline.records.ids import Digest, VersionName
from loopline.records.prediction import Arm
from loopline.records.settings import Settings
from loopline.records.signature import Row, Signature
from loopline.records.soundness import sound

TRACE: Final = re.compile(r"[0-9a-f]{32}")
KINDS: Final = {"text": "text", "features": "tabular", "image": "image"}
"""Field that holds the input -> kind of input."""
ONE_HOT: Final = "a label alone does not say how sure the model was: send the whole distribution"
Natural = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[float, msgspec.Meta(ge=0)]


class Report(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One prediction as it is reported; the input stands in exactly one of ``text``, ``features`` and ``image``."""

    id: str = ""
    model: str
    text: str | None = None
    features: tuple[float, ...] | None = None
    image: str | None = None
    probabilities: tuple[float, ...] | dict[str, float] = ()
    label: str = ""
    at: Moment = None
    latency_us: Natural | None = None
    latency_ms: Positive | None = None
    group: str = ""
    segment: str = ""
    arm: Arm = "incumbent"
    embedding: tuple[float, ...] = ()
    members: tuple[tuple[float, ...], ...] = ()
    trace: str = ""
    failure: str = ""
    signature: str = ""


class Predictions:
    """Reads the reported predictions of one loop."""

    def __init__(self, settings: Settings) -> None:
        self._signature = settings.signature
        self._digest = settings.signature.digest  # hashed once, not a line

    def read(self, line: Line, *, now: datetime, fresh: str) -> Exchange:
        """The exchange that the line reports; ``fresh``: its id when it has none. Raises InvalidRecord, naming it."""
        thing = f"line {line.number}"
        report = decoded(line.content, Report, thing=thing)
        try:
            self._check(report)
            return Exchange(
                request=name_in(report.id, thing="report", field="id") or fresh,
                at_us=microseconds(report.at, now=now),
                model=VersionName(name_in(report.model, thing="report", field="model")),
                artifact=Digest(""),
                signature=self._digest,
                arm=report.arm,
                reason="",
                group=report.group,
                inputs=_inputs(report, self._signature),
                rows=1,
                probabilities=_distribution(report, self._signature),
                latency_us=_latency(report),
                trace=report.trace,
                failure=report.failure,
                members=_members(report, self._signature),
                embedding=_vector(report.embedding, field="embedding"),
                segment=report.segment,
            )
        except InvalidRecord as error:
            raise InvalidRecord(thing, found=_found(error), expected=error.expected, remedy=error.remedy) from error

    def _check(self, report: Report) -> None:
        if report.signature not in ("", self._digest):
            expected = f"{self._digest}, {self._signature.spoken}"
            raise InvalidRecord("report", found=f"signature {report.signature}", expected=expected)
        if not report.model:
            raise InvalidRecord("report", found="an empty model", expected="a version's name")
        if report.trace and not TRACE.fullmatch(report.trace):
            raise InvalidRecord("report", found=f"trace {report.trace[:60]!r}", expected="32 small hex digits")


def _found(error: InvalidRecord) -> str:
    return error.found if error.thing in ("row", "report") else f"{error.thing} with {error.found}"


def _inputs(report: Report, signature: Signature) -> bytes | tuple[str | bytes, ...]:
    given = [field for field in KINDS if getattr(report, field) is not None]
    field = next(field for field, kind in KINDS.items() if kind == signature.input)
    if given != [field]:
        found = " and ".join(given) or "no input"
        raise InvalidRecord("report", found=found, expected=f"{field}, for {signature.spoken}")
    row: Row = signature.read(getattr(report, field))
    return np.array(row, "<f8").tobytes() if isinstance(row, tuple) else (row,)


def _distribution(report: Report, signature: Signature) -> bytes:
    p = report.probabilities
    if report.failure:
        if p or report.label:
            raise InvalidRecord("report", found="a failure with an answer", expected="one of them")
        return b""
    if not p:
        found = f"label {report.label!r} without probabilities" if report.label else "no probabilities"
        expected = f"one for each of {', '.join(signature.labels)}"
        raise InvalidRecord("report", found=found, expected=expected, remedy=ONE_HOT if report.label else "")
    values = _in_order(p, signature.labels) if isinstance(p, dict) else p
    distribution = sound(np.array([values]), rows=1, classes=len(signature.labels), thing="probabilities")
    most_likely = signature.labels[int(distribution.argmax())]
    if report.label not in ("", most_likely):
        expected = f"{most_likely!r}, the most likely of its probabilities"
        raise InvalidRecord("report", found=f"label {report.label!r}", expected=expected, remedy="leave the label out")
    return distribution.astype("<f4").tobytes()


def _in_order(p: dict[str, float], labels: Sequence[str]) -> tuple[float, ...]:
    if set(p) != set(labels):
        found = f"probabilities of {', '.join(sorted(p))}"
        raise InvalidRecord("report", found=found, expected=f"of {', '.join(labels)}")
    return tuple(p[label] for label in labels)


def _members(report: Report, signature: Signature) -> bytes:
    if not report.members:
        return b""
    classes = len(signature.labels)
    for member in report.members:
        sound(np.array([member]), rows=1, classes=classes, thing="members")
    return np.array(report.members, "<f4").tobytes()


def _vector(values: Sequence[float], *, field: str) -> bytes:
    if not values:
        return b""
    with np.errstate(over="ignore"):  # what is too large for 32 bits becomes infinite, and is refused as such
        vector = np.array(values, "<f4")
    if not np.isfinite(vector).all():
        raise InvalidRecord("report", found=f"{field} with numbers beyond float32", expected="finite ones")
    return vector.tobytes()


def _latency(report: Report) -> int:
    if report.latency_us is not None and report.latency_ms is not None:
        raise InvalidRecord("report", found="latency_us and latency_ms", expected="one of them")
    latency = report.latency_us if report.latency_ms is None else round(report.latency_ms * 1_000)
    if (latency or 0) >= 1 << 53:
        raise InvalidRecord("report", found=f"a latency of {latency} us", expected="less than a lifetime")
    return latency or 0
