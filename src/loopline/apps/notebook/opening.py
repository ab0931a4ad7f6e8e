"""A loop opened to be looked at: beside a running server, without its lock, and nothing is made that is not there."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from loopline.adapters.pillow.engine import ImageEngine
from loopline.adapters.spool.log import SpoolLog
from loopline.adapters.sql.database import open_database
from loopline.adapters.sql.ledger import SqlLedger
from loopline.adapters.sql.manifest import SqlManifest
from loopline.adapters.sql.outcomes import SqlOutcomes
from loopline.apps.config import load_settings
from loopline.apps.recorder.opening import open_objects, place_of_state, state_url
from loopline.apps.wiring import FOLDER, SPOOL, Engines
from loopline.errors import Unavailable
from loopline.ports.engine import Engine
from loopline.ports.ledger import Ledger
from loopline.ports.object_store import ObjectStore
from loopline.ports.outcome_book import OutcomeBook
from loopline.records.settings import Settings

BEGIN = "start the loop once: loopline up"


@dataclass(frozen=True)
class Reader:
    """The rooms of a loop that readers look into."""

    settings: Settings
    root: Path
    ledger: Ledger
    objects: ObjectStore
    outcomes: OutcomeBook
    engine: Engine
    manifest: SqlManifest

    @cached_property
    def log(self) -> SpoolLog:
        """Every prediction. Raises Unavailable when none was ever logged."""
        place = self.root / SPOOL
        if not place.is_file():
            raise Unavailable(f"prediction log {place}", reason="nothing was logged yet", remedy=BEGIN)
        return SpoolLog(place, loop=self.settings.name, manifest=self.manifest, objects=self.objects)


def open_reader(loop: Path) -> Reader:
    """The loop that this ``loop.toml`` describes. Raises Unavailable when it was never started."""
    settings = load_settings(loop)
    root = Path(settings.folder) / FOLDER
    missing = [
        name for name in ("secret", *(() if place_of_state(settings) else ("state.db",))) if not (root / name).is_file()
    ]
    if missing:
        raise Unavailable(f"loop {settings.name}", reason=f"{root} holds no {missing[0]}", remedy=BEGIN)
    database = open_database(state_url(settings, root=root))
    secret = (root / "secret").read_text().strip().encode()
    return Reader(
        settings, root, SqlLedger(database), open_objects(settings, root=root, secret=secret), SqlOutcomes(database),
        ImageEngine(Engines()), SqlManifest(database),
    )  # fmt: skip
