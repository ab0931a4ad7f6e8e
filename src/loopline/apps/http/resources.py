"""The loop's records over JSON, read only, and one switch: tick."""

import logging
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from loopline.apps.accuracy import AccuracyTable, accuracy_table
from loopline.apps.http.archive import Archive
from loopline.apps.http.status import Status, read_status
from loopline.apps.http.trouble import Troubles
from loopline.apps.http.views import Branch, Console, House
from loopline.apps.reserve import opened
from loopline.errors import InvalidRecord, NotFound
from loopline.records.cycle import Cycle
from loopline.records.dataset import DatasetVersion
from loopline.records.evaluation import Verdict
from loopline.records.label import LabelBatch
from loopline.records.model import ModelVersion, RunState
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.selection import Selection
from loopline.records.signal import Signal

LONGEST_QUERY = 200
log = logging.getLogger("loopline.http")


class CycleDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One cycle with everything that it made; what it has not made yet is null."""

    cycle: Cycle
    selection: Selection | None
    labels: LabelBatch | None
    dataset: DatasetVersion | None
    run: RunState | None
    model: ModelVersion | None
    verdict: Verdict | None
    rollout: Rollout | None


class WhyStep(msgspec.Struct, frozen=True, kw_only=True):
    """One thing, the act that made it, and what that act used."""

    entity: str
    act: str
    kind: str
    at: str
    told: str = ""
    """The sentences of that act; of a cycle, also how it ended. Empty once they are older than what is kept at hand."""
    sources: tuple["WhyStep", ...]


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A command that a tick carried out."""

    id: str
    kind: str
    reason: str


def detail_of(archive: Archive, number: int) -> CycleDetail:
    """The cycle and what it made. Raises NotFound."""
    return CycleDetail(
        cycle=archive.cycle(number),
        selection=archive.selection_of(number),
        labels=opened(archive.labels_of(number)),
        dataset=next((record for record in archive.datasets if record.cycle == number), None),
        run=archive.run_of(number),
        model=next((record for record in archive.models if record.cycle == number), None),
        verdict=next((record for record in reversed(archive.verdicts) if record.cycle == number), None),
        rollout=next((record for record in reversed(archive.rollouts) if record.cycle == number), None),
    )


def asked(name: str) -> str:
    """What was typed into the search, if it can be an id. Raises InvalidRecord."""
    if not 1 <= len(name.strip()) <= LONGEST_QUERY:
        raise InvalidRecord("id", found=f"{len(name.strip())} characters", expected=f"1 to {LONGEST_QUERY}")
    return name.strip()


CYCLE = re.compile(r"cycle-\d+")


def readings(name: str) -> tuple[str, ...]:
    """What a person may mean by an id, likeliest first: a cycle shares its id with what it made, a number is no split.

    >>> readings("cycle-4"), readings("5"), readings("v2")
    (('cycle:cycle-4', 'cycle-4'), ('prediction:5', 'cycle:cycle-5'), ('v2',))
    """
    if CYCLE.fullmatch(name):
        return f"cycle:{name}", name
    if name.isascii() and name.isdecimal():
        return f"prediction:{name}", f"cycle:cycle-{name}"
    return (name,)


def explained(console: Console, name: str) -> Branch:
    """Where the thing that a person means by this id came from. Raises NotFound."""
    for reading in readings(name):
        try:
            return console.why(reading)
        except NotFound as error:
            kind, known = error.kind, error.known
    raise NotFound(kind, name, known=known)


def steps(branch: Branch, *, told: Mapping[str, str]) -> WhyStep:
    """A lineage tree as records; ``told``: act, or what one registered -> its sentence."""
    sources = tuple(steps(source, told=told) for source in branch.sources)
    kind, _, name = branch.entity.partition(":")
    end = (f"{branch.act.partition('/')[0]}/{name}/close",) if kind == "cycle" else ()
    said = "\n".join(told[subject] for subject in (branch.act, branch.entity, *end) if subject in told)
    return WhyStep(entity=branch.entity, act=branch.act, kind=branch.kind, at=branch.at, told=said, sources=sources)


def resource_routes(house: House, console: Console, *, troubles: Troubles) -> list[HTTPRouteHandler]:
    """The routes that read records, and those that ask the controller."""
    return [*_controller_routes(house, console, troubles=troubles), *_cycle_routes(house), *_record_routes(house)]


def _controller_routes(house: House, console: Console, *, troubles: Troubles) -> list[HTTPRouteHandler]:
    @get("/api/status", sync_to_thread=True)
    def status() -> Status:
        """The loop now."""
        return read_status(house, console, troubles=troubles())

    @get("/api/why", sync_to_thread=True)
    def why(id: FromQuery[str]) -> WhyStep:  # noqa: A002  the query's own name
        """Where a prediction, version, dataset or cycle came from."""
        return steps(explained(console, asked(id)), told=Archive(house).told)

    @post("/api/tick", sync_to_thread=True, status_code=200)
    def tick() -> list[Done]:
        """Do what is due now."""
        return [Done(id=done.id, kind=type(done).__name__, reason=done.reason) for done in console.tick()]

    return [status, why, tick]


def _cycle_routes(house: House) -> list[HTTPRouteHandler]:
    @get("/api/cycles", sync_to_thread=True)
    def cycles() -> tuple[Cycle, ...]:
        """All cycles, newest first."""
        return Archive(house).cycles

    @get("/api/cycles/{number:int}", sync_to_thread=True)
    def cycle(number: FromPath[int]) -> CycleDetail:
        """One cycle, whole."""
        return detail_of(Archive(house), number)

    @get("/api/accuracy", sync_to_thread=True)
    def accuracy() -> AccuracyTable:
        """How often the live model was right: naively, by the random share, and by weighed labels."""
        return accuracy_table(house.ledger, house.settings.name)

    @get("/api/signals", sync_to_thread=True)
    def signals() -> tuple[Signal, ...]:
        """All signals, raised ones first."""
        return Archive(house).signals

    @get("/api/signals/{name:path}", sync_to_thread=True)
    def signal(name: FromPath[str]) -> Signal:
        """One signal; its id may hold slashes."""
        return Archive(house).signal(name.strip("/"))

    return [cycles, cycle, accuracy, signals, signal]


def _record_routes(house: House) -> list[HTTPRouteHandler]:
    @get("/api/models", sync_to_thread=True)
    def models() -> tuple[ModelVersion, ...]:
        """All model versions, newest first."""
        return Archive(house).models

    @get("/api/models/{name:str}", sync_to_thread=True)
    def model(name: FromPath[str]) -> ModelVersion:
        """One model version."""
        return Archive(house).model(name)

    @get("/api/datasets", sync_to_thread=True)
    def datasets() -> tuple[DatasetVersion, ...]:
        """All dataset versions, newest first."""
        return Archive(house).datasets

    @get("/api/datasets/{name:str}", sync_to_thread=True)
    def dataset(name: FromPath[str]) -> DatasetVersion:
        """One dataset version."""
        return Archive(house).dataset(name)

    return [models, model, datasets, dataset]


def health_routes(house: House) -> list[HTTPRouteHandler]:
    """The two routes that anyone may ask: does the process run, does a version serve."""

    @get("/healthz", sync_to_thread=False)
    def healthz() -> dict[str, Any]:
        """The process runs."""
        return {"live": True}

    @get("/readyz", sync_to_thread=True)
    def readyz() -> Response[dict[str, Any]]:
        """A version is live. Answers 503 and the reason before that, and while the stored state cannot be read."""
        reason = _unready(house)
        return Response(
            {"ready": False, "reason": reason} if reason else {"ready": True}, status_code=503 if reason else 200
        )

    return [healthz, readyz]


def _unready(house: House) -> str:
    try:
        is_live = bool(house.ledger.all(TrafficSplit, house.settings.name))
    except Exception as error:
        log.error("the stored state cannot be read", exc_info=error)
        return f"the stored state cannot be read ({type(error).__name__}); see the log"
    return "" if is_live else "no version is live; the overview says what is awaited"
