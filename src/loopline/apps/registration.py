"""Models from outside become versions: verified on labelled rows, stored, and committed with their lineage.

What may be registered: an ``.onnx`` or ``.skops`` file, the folder of a finished training run, ``module:factory`` or
``file.py:factory``, and the address of a model on another server. Pickles are refused: to look into one is to run it.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from loopline.adapters.subprocess.folder import RunFolder
from loopline.apps.config import read_rows
from loopline.apps.worker.conversion import spread
from loopline.apps.worker.packing import AS_IT_IS, Packed, Wish, checks_by, fastest
from loopline.errors import Conflict, InvalidRecord, NotFound, Unavailable
from loopline.orchestrate.installation import Installation
from loopline.records.command import key_of
from loopline.records.dataset import LabelledRow
from loopline.records.ids import VersionName
from loopline.records.keys import entity_of
from loopline.records.lineage import Activity, Entry, Event, Stored
from loopline.records.model import ModelVersion
from loopline.records.rollout import TrafficSplit
from loopline.records.settings import ELSEWHERE
from loopline.records.signature import Row
from loopline.records.soundness import checks_in, require_replay, sound

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
OURS = re.compile(r"v\d+")
"""Names that training gives: a person may use the next one only."""
PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth")
MOST_ROWS = 2_000
"""How many labelled rows a model is asked about; spread over all."""
FORMS = "an .onnx or .skops file, a training run's folder, module:factory, or http://host:port/v2/models/name"


class Candidate(NamedTuple):
    """A model on its way in."""

    packed: Packed
    checks: bytes
    """Empty: made from the labelled rows."""


def register(
    house: Installation, source: str, *, checks_rows: Sequence[LabelledRow], name: str = "", is_live: bool = False
) -> ModelVersion:
    """The version that the source became, committed with its lineage; it answers all traffic when it is the first.

    ``checks_rows``: rows with known labels; the version's accuracy on them is in its metrics. ``name``: the next free
    ``v<n>`` when empty. ``is_live``: it answers all traffic at once, without shadow and canary.

    Raises:
        InvalidRecord: no such kind of source, no model, one that does not fit the loop or gives no probabilities.
        Conflict: the name is taken, or a rollout is under way that ``is_live`` would cut short.
        NotFound, Unavailable: there is no such file or function, or the server does not answer.
    """
    started = house.clock.now()
    signature = house.settings.signature
    _refuse_pickles(source)
    if not checks_rows:
        remedy = "name a file of them: [serve] checks, or --checks"
        raise InvalidRecord("checks", found="no rows", expected="labelled rows to verify the model on", remedy=remedy)
    called = _name(house, name)
    split = _split(house, called, is_live=is_live)
    labelled = spread(checks_rows, most=MOST_ROWS)
    rows = [signature.decode(row.inputs) for row in labelled]
    packed, checks = candidate(house, source, rows=rows)
    predictor = house.engine.load(packed.artifact, engine=packed.engine, signature=signature)
    p = sound(predictor.predict(rows), rows=len(rows), classes=len(signature.labels), thing=f"model {source}")
    checks = checks or checks_by(predictor, rows=rows, signature=signature)
    require_replay(predictor.predict, checks_in(checks, signature=signature), thing=f"model {source}")
    right = [signature.labels[best] == row.label for best, row in zip(p.argmax(axis=1), labelled, strict=True)]
    version = ModelVersion(
        name=called, loop=house.settings.name, cycle=0, artifact=house.objects.put(packed.artifact),
        engine=packed.engine, signature=signature, checks=house.objects.put(checks), dataset=None, run=None, code=None,
        at=house.clock.now(), metrics={"accuracy": sum(right) / len(right)}, conversion=packed.conversion,
    )  # fmt: skip
    told = f"{called} was registered from {source}: {packed.conversion}; {sum(right):,} of {len(right):,} labels right"
    entry = _entry(house, version, split=split, text=told, started=started)
    house.ledger.commit(entry)
    return version


def register_first(house: Installation) -> ModelVersion | None:
    """The version that ``[serve] model`` became, live; None when the loop has a version, or names no model of its own.

    Raises as ``register`` does.
    """
    settings = house.settings
    if settings.serve.model in ("", ELSEWHERE) or house.ledger.all(ModelVersion, settings.name):
        return None
    return register(house, settings.serve.model, checks_rows=usual_rows(house))


def usual_rows(house: Installation) -> Sequence[LabelledRow]:
    """The rows that models are verified on unless told otherwise: ``[serve] checks``, else the base rows."""
    settings = house.settings
    file = settings.serve.checks
    return read_rows(Path(settings.folder) / file, settings.signature) if file else house.base()


def candidate(house: Installation, source: str, *, rows: Sequence[Row]) -> Candidate:
    """The model behind the source, as serving loads it. Raises as ``register`` does."""
    settings = house.settings
    if source.startswith(("http://", "https://")):
        from loopline.adapters.remote.discovery import package as remote

        told = f"asked for at {source.partition('?')[0]}"
        return Candidate(Packed("remote", remote(source, signature=settings.signature), told), b"")
    path = Path(settings.folder) / Path(source).expanduser()
    if path.is_dir():
        return _of_run(path)
    if path.suffix in (".onnx", ".skops"):
        return Candidate(_of_file(house, path, rows=rows), b"")
    if ":" in source:
        from loopline.adapters.python.engine import package as python

        packed = Packed("python", python(source, folder=Path(settings.folder)), f"made by {source}")
        return Candidate(packed, b"")
    if not path.exists():
        raise NotFound("model", source)
    raise InvalidRecord(f"model {source}", found=f"a file that ends in {path.suffix or 'nothing'}", expected=FORMS)


def _refuse_pickles(source: str) -> None:
    if Path(source).suffix.lower() in PICKLES:
        raise InvalidRecord(
            f"model {source}",
            found="a pickle, which runs code of its own when it is opened",
            expected=FORMS,
            remedy="save it with skops.io.dump(model, 'model.skops') where it was trained, or as ONNX",
        )


def _of_file(house: Installation, path: Path, *, rows: Sequence[Row]) -> Packed:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound("file", str(path)) from error
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise Unavailable(str(path), reason=reason, remedy="name a file that can be read") from error
    if path.suffix == ".onnx":
        return Packed("onnx", content, AS_IT_IS)
    settings = house.settings
    wish = Wish(frozenset((*settings.capture.keep, *settings.serve.outputs)), settings.serve.convert)
    native = Packed("sklearn", content)
    house.engine.load(content, engine="sklearn", signature=settings.signature)  # what is no model ends here
    return fastest(native, signature=settings.signature, rows=rows, wish=wish)


def _of_run(path: Path) -> Candidate:
    """What a finished training run left in its folder, its checks included."""
    thing = f"model {path}"
    result = RunFolder(path).result()
    if result is None:
        raise InvalidRecord(thing, found="a folder without a result", expected="that of a training run that succeeded")
    if result.engine not in ("onnx", "sklearn"):
        remedy = "name its factory or its address yourself"
        raise InvalidRecord(thing, found=f"engine {result.engine}", expected="onnx or sklearn", remedy=remedy)
    told = result.conversion or f"packaged for {result.engine}"
    packed = Packed(result.engine, Path(result.artifact_file).read_bytes(), told)
    return Candidate(packed, Path(result.checks_file).read_bytes())


def _name(house: Installation, name: str) -> VersionName:
    """The name as it was wished for, or the next free one."""
    models = house.ledger.all(ModelVersion, house.settings.name)
    following = f"v{len(models) + 1}"
    if not name:
        return VersionName(following)
    if not NAME.fullmatch(name) or (OURS.fullmatch(name) and name != following):
        expected = f"letters, digits, -, _ and ., at most 64; of the names v1, v2, ... only {following}"
        raise InvalidRecord("name of the version", found=repr(name), expected=expected)
    if name in {model.name for model in models}:
        raise Conflict(f"version {name}", found="there already", expected="a new name", remedy="choose another")
    return VersionName(name)


def _split(house: Installation, name: VersionName, *, is_live: bool) -> TrafficSplit | None:
    """The traffic split that goes with the version; None when it waits for a rollout."""
    loop = house.settings.name
    newest = max(house.ledger.all(TrafficSplit, loop), key=lambda split: split.revision, default=None)
    if newest is None:
        return TrafficSplit(loop=loop, revision=1, incumbent=name)
    if not is_live:
        return None
    if newest.challenger is not None:
        raise Conflict(
            f"version {name}",
            found=f"a rollout of {newest.challenger} under way",
            expected="none",
            remedy="register it without --live, or wait for the rollout to end",
        )
    return TrafficSplit(loop=loop, revision=newest.revision + 1, incumbent=name, keep=(newest.incumbent,))


def _entry(
    house: Installation, version: ModelVersion, *, split: TrafficSplit | None, text: str, started: datetime
) -> Entry:
    """What is committed: the version, its split, who did it, and the sentence that tells of it."""
    loop, ended = house.settings.name, house.clock.now()
    id = key_of(loop, "register", version.name)  # noqa: A001  the records' field
    records: tuple[Stored, ...] = (version, split) if split else (version,)
    live = f"; {version.name} answers all traffic" if split else ""
    return Entry(
        id=id,
        records=records,
        activity=Activity(
            id=id, loop=loop, kind="Register", cycle=-1, started=started, ended=ended, actor=house.actor,
            used=(), generated=tuple(map(entity_of, records)),
        ),
        events=(
            Event(id=f"{id}/event", type="model.registered", source=f"/loops/{loop}", subject=entity_of(version),
                  time=ended, text=text + live),
        ),
    )  # fmt: skip
