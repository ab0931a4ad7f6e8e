"""The one way to the labelled reserve from outside: numbers come out, rows do not, and every use is on record."""

import math
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import numpy as np
from msgspec import structs

from loopline.dataset.parity import require_parity
from loopline.dataset.stage import anchor_rows
from loopline.errors import Conflict, InvalidRecord
from loopline.evaluate.gate import LEAST_ROWS
from loopline.evaluate.leakage import Sample, anchor_samples, fresh_samples
from loopline.evaluate.metrics import METRICS, measure
from loopline.evaluate.scores import joined, truth_of
from loopline.ports.engine import Engine
from loopline.ports.ledger import Ledger
from loopline.ports.object_store import ObjectStore
from loopline.ports.role_book import RoleBook
from loopline.records.dataset import Anchor
from loopline.records.ids import CommandId, uuid7
from loopline.records.keys import entity_of
from loopline.records.label import Label, LabelBatch
from loopline.records.lineage import Activity, Entry, Event
from loopline.records.model import ModelVersion
from loopline.records.reserve import ReserveAccess
from loopline.records.selection import Selection
from loopline.records.settings import Settings
from loopline.records.signature import Row

MOST_USES: Final = 20
"""Decisions that a batch of fresh labels serves; who looks more often tunes on it."""
LONGEST: Final = 200
"""Characters of a purpose or a name."""
CHUNK: Final = 512
"""Rows that a model is asked about at once."""
Predict = Callable[[Sequence[Row]], Any]
"""Rows -> probabilities, (n, classes), rows sum to 1, classes in the order of the loop's labels."""


class Recorded(Protocol):
    """The rooms in which uses are looked up."""

    @property
    def settings(self) -> Settings:
        """The loop as its owner wrote it."""
        ...

    @property
    def ledger(self) -> Ledger:
        """Every stored record."""
        ...


class Judging(Recorded, Protocol):
    """The rooms that judging a model takes."""

    @property
    def objects(self) -> ObjectStore:
        """Bytes by their digest."""
        ...

    @property
    def engine(self) -> Engine:
        """Loads models."""
        ...


class Measured(NamedTuple):
    """How good a model is on one part of the reserve."""

    n: int
    metrics: dict[str, float]
    """Metric -> value, a multiple of ``step``."""
    step: float
    """Differences smaller than this are noise at this n, and are not told."""


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """One access, as it is shown."""

    at: datetime
    actor: str
    purpose: str
    rows: int
    versions: tuple[str, ...]


class BatchUse(msgspec.Struct, frozen=True, kw_only=True):
    """The fresh labels of one cycle."""

    cycle: int
    labelled: int
    uses: int
    left: int
    """Uses that it has still to give."""


class ReserveStanding(msgspec.Struct, frozen=True, kw_only=True):
    """How much is sealed, how much of it can judge, and who made use of it."""

    sealed: int
    """Rows of the log."""
    asked: int
    """Samples that people were asked about to judge with, and the anchor's."""
    labelled: int
    """Fresh samples with a label."""
    anchor: int
    """Rows of the fixed part."""
    crossed: int
    """Samples that were selected before the database kept the two sides apart; they judge, and teach nobody."""
    batches: tuple[BatchUse, ...]
    """Of each cycle, oldest first."""
    uses: tuple[Use, ...]
    """Newest first."""


def evaluate(house: Judging, predict: Predict | str, *, purpose: str, actor: str, now: datetime) -> dict[str, Measured]:
    """Part (``fresh``, ``anchor``) -> how good the model is on it, as rounded numbers; a part of under 30 is left out.

    ``predict``: the name of a version, or a function; a function is handed inputs, never labels. The use is committed
    before it is shown a row. Numbers are multiples of the largest standard error of a share at this n, rounded up
    to 1, 2 or 5 times a power of ten: what a finer number would tell is how the labels fell (Blum and Hardt, The
    Ladder, ICML 2015, arXiv 1502.04585). Raises NotFound for an unknown version, Conflict when no part can serve.
    """
    parts = _parts(house)
    ask, version = _asking(house, predict)
    use = _use(house, parts, version=version, now=now)
    _note(house, structs.replace(use, purpose=_told("purpose", purpose), actor=_told("actor", actor)))
    return {name: _measured(part.samples, ask, house.settings) for name, part in parts.items()}


def standing(house: Recorded, *, roles: RoleBook, sealed: int) -> ReserveStanding:
    """The reserve of this loop. ``sealed``: how many rows of the log are, as the view ``reserve_counts`` tells."""
    ledger, loop = house.ledger, house.settings.name
    batches, reserved = ledger.all(LabelBatch, loop), roles.reserved(loop)
    uses, anchors = _uses(house), ledger.all(Anchor, loop)
    chosen = {one.content for selection in ledger.all(Selection, loop) for one in selection.candidates}
    accesses = ledger.all(ReserveAccess, loop)[::-1]
    told = [(batch, sum(1 for _ in _sealed(batch)), uses[entity_of(batch)]) for batch in batches]
    return ReserveStanding(
        sealed=sealed,
        asked=len(reserved),
        labelled=len({label.content for batch in batches for label in _sealed(batch)}),
        anchor=anchors[-1].rows if anchors else 0,
        crossed=len(reserved & chosen),
        batches=tuple(
            BatchUse(cycle=batch.cycle, labelled=n, uses=used, left=max(0, MOST_USES - used))
            for batch, n, used in told
            if n
        ),
        uses=tuple(
            Use(at=one.at, actor=one.actor, purpose=one.purpose, rows=one.rows, versions=one.versions)
            for one in accesses
        ),
    )


def opened(batch: LabelBatch | None) -> LabelBatch | None:
    """The batch as anyone may see it: without the labels that judge. Its sentence still counts them."""
    if batch is None:
        return None
    return msgspec.structs.replace(batch, labels=tuple(one for one in batch.labels if one.stratum != "reserve"))


class _Part(NamedTuple):
    samples: tuple[Sample, ...]
    entities: tuple[str, ...]
    """What it was read from."""


def _parts(house: Judging) -> dict[str, _Part]:
    """What can judge now. Raises Conflict, saying why, when nothing can."""
    loop, uses = house.settings.name, _uses(house)
    batches = house.ledger.all(LabelBatch, loop)
    able = [batch for batch in batches if uses[entity_of(batch)] < MOST_USES and any(_sealed(batch))]
    anchors = house.ledger.all(Anchor, loop)[-1:]
    found = {
        "fresh": _Part(_latest(batches, able), tuple(map(entity_of, able))),
        "anchor": _Part(
            anchor_samples(row for anchor in anchors for row in anchor_rows(anchor, objects=house.objects)),
            tuple(map(entity_of, anchors)),
        ),
    }
    parts = {name: part for name, part in found.items() if len(part.samples) >= LEAST_ROWS}
    if not parts:
        worn = sum(1 for batch in batches if any(_sealed(batch))) - len(able)
        told = ", ".join(f"{len(part.samples):,} {name}" for name, part in found.items())
        spent = f" ({worn} {'batch has' if worn == 1 else 'batches have'} served {MOST_USES} decisions)" if worn else ""
        expected, remedy = f"{LEAST_ROWS} of either", "the next cycle labels more"
        raise Conflict("reserve", found=f"{told} labelled rows{spent}", expected=expected, remedy=remedy)
    return parts


def _latest(batches: Sequence[LabelBatch], able: Sequence[LabelBatch]) -> tuple[Sample, ...]:
    """One sample a content; it counts when the batch of its latest label still serves."""
    latest = {label.content: label for batch in batches for label in _sealed(batch)}
    serving = {batch.cycle for batch in able}
    return fresh_samples(label for label in latest.values() if label.cycle in serving)


def _sealed(batch: LabelBatch) -> Iterable[Label]:
    return (label for label in batch.labels if label.stratum == "reserve")


def _uses(house: Recorded) -> Counter[str]:
    """How often each batch was used, by entity."""
    accesses = house.ledger.all(ReserveAccess, house.settings.name)
    return Counter(entity for access in accesses for entity in access.batches)


def _asking(house: Judging, predict: Predict | str) -> tuple[Predict, ModelVersion | None]:
    """What answers, and the version that it is, if it is one. Raises NotFound; InvalidRecord for another signature."""
    if not isinstance(predict, str):
        return predict, None
    version = house.ledger.get(ModelVersion, predict, loop=house.settings.name)
    require_parity(f"model {version.name}", found=version.signature, expected=house.settings.signature)
    artifact = house.objects.get(version.artifact)
    return house.engine.load(artifact, engine=version.engine, signature=version.signature).predict, version


def _use(house: Recorded, parts: dict[str, _Part], *, version: ModelVersion | None, now: datetime) -> ReserveAccess:
    return ReserveAccess(
        id=uuid7(now_ms=int(now.timestamp() * 1_000), randomness=secrets.token_bytes(10)),
        loop=house.settings.name,
        at=now,
        actor="",
        purpose="",
        rows=sum(len(part.samples) for part in parts.values()),
        versions=(version.name,) if version else (),
        batches=tuple(entity for part in parts.values() for entity in part.entities),
    )


def _note(house: Recorded, use: ReserveAccess) -> None:
    """Commit the use, with its lineage and its event."""
    used = (*use.batches, *(f"model:{name}" for name in use.versions))
    activity = Activity(
        id=CommandId(f"{use.loop}/reserve/{use.id}"), loop=use.loop, kind="Evaluate", cycle=-1, started=use.at,
        ended=use.at, actor=use.actor, used=used, generated=(entity_of(use),),
    )  # fmt: skip
    text = f"{use.actor} judged a model on {use.rows:,} sealed rows: {use.purpose}"
    event = Event(
        id=f"{activity.id}/event", type="reserve.used", source=f"/loops/{use.loop}", subject=activity.id,
        time=use.at, text=text,
    )  # fmt: skip
    house.ledger.commit(Entry(id=activity.id, records=(use,), activity=activity, events=(event,)))


def _measured(samples: Sequence[Sample], ask: Predict, settings: Settings) -> Measured:
    signature = settings.signature
    rows = [signature.decode(sample.inputs) for sample in samples]
    answers = [np.asarray(ask(rows[start : start + CHUNK]), np.float32) for start in range(0, len(rows), CHUNK)]
    p = joined(answers, thing="predict", rows=len(rows), classes=len(signature.labels))
    truth, step = truth_of(samples, labels=signature.labels), step_of(len(samples))
    return Measured(len(samples), {name: _rounded(measure(name, p, truth), step) for name in METRICS}, step)


def step_of(n: int) -> float:
    """The fineness of what is told about n rows: at least 0.5 / sqrt(n), as 1, 2 or 5 times a power of ten.

    >>> step_of(30), step_of(500), step_of(2_500), step_of(10_000)
    (0.1, 0.05, 0.01, 0.005)
    """
    error = 0.5 / math.sqrt(n)
    power = 10.0 ** math.floor(math.log10(error))
    return round(next(m * power for m in (1, 2, 5, 10) if m * power >= error * (1 - 1e-9)), 12)


def _rounded(value: float, step: float) -> float:
    return round(round(value / step) * step, 12)


def _told(thing: str, text: str) -> str:
    """The text, if it says something in one line. Raises InvalidRecord."""
    if not 1 <= len(text.strip()) <= LONGEST or not text.isprintable():
        found, expected = repr(text[:40]), f"1 to {LONGEST} printable characters"
        raise InvalidRecord(thing, found=found, expected=expected, remedy="it is kept with the use of the reserve")
    return text.strip()
