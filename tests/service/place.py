"""An endpoint over memory behind a real server within this process: what the tests of the short way talk to."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any, NamedTuple

import numpy as np
import uvicorn
from tests.service.live import PATIENCE, TOKEN, Wire

from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.memory.ledger import MemoryLedger
from loopline.apps.access import Keys, keep, mint
from loopline.apps.http.admission import Admission
from loopline.apps.http.crew import Crew
from loopline.apps.http.dispatch import Lodge, make_dispatch
from loopline.apps.http.endpoint import Endpoint
from loopline.apps.http.identity import Identity
from loopline.apps.http.inference import make_inference
from loopline.apps.http.meter import Meter
from loopline.apps.http.shortway import ShortWay, connections_of
from loopline.records.exchange import Exchange
from loopline.records.rollout import TrafficSplit
from loopline.records.settings import ServeSettings
from loopline.serve.stage import Gateway
from loopline.serve.table import Loaded, Pace, Table
from loopline.testing.factories import LOOP, NOW, SIGNATURE, model_version, settings

SLOW = f"/v2/models/{LOOP}/versions/slow/infer"


class Place:
    """An endpoint over memory: ``v1`` and ``v2`` are quick for up to four rows, ``slow`` waits for its gate."""

    def __init__(self, *, most_connections: int = 1_000, seconds: float = 30.0) -> None:
        self.recorded: list[Exchange] = []
        self.long: list[str] = []
        """Paths of the requests that took the long way."""
        self.gate = Event()
        self.gate.set()
        self.settings = settings(serve=ServeSettings(timeout_seconds=seconds, body_mb=1, batch_rows=2_000))
        self.gateway = Gateway(
            self.settings, clock=ManualClock(NOW), counters=MemoryCounters(), record=self.recorded.append
        )
        self.meter, self.ledger = Meter(), MemoryLedger()
        self.keys = Keys(self.ledger, loop=LOOP)
        self.route("v1")
        self.endpoint = Endpoint(self.gateway, settings=self.settings, meter=self.meter)
        self.crew = Crew(self.endpoint.ask, seconds=PATIENCE, workers=2)
        identity = Identity(token=TOKEN, secret=b"s")
        dispatched = make_dispatch(
            control=self._control,
            inference=make_inference(self.endpoint, crew=self.crew, load=print, unload=print),
            identity=identity,
            lodge=Lodge(keys=self.keys, meter=self.meter),
        )

        async def application(scope: Any, receive: Any, send: Any) -> None:
            self.long.append(scope["path"])
            await dispatched(scope, receive, send)

        self.application = application
        admission = Admission(identity, keys=self.keys, meter=self.meter)
        self.way = ShortWay(self.endpoint, admission=admission, most_connections=most_connections)

    def route(self, name: str) -> None:
        """Send all traffic to this version, from now on."""
        split = TrafficSplit(loop=LOOP, revision=1, incumbent=name)
        self.gateway.table = Table(split=split, loaded={one.version.name: one for one in self._loaded()})

    def key(self, *scopes: str, per_second: float = 0) -> str:
        """A new key, shown."""
        made = mint("a program", loop=LOOP, scopes=scopes, per_second=per_second, at=NOW)
        keep(made.key, ledger=self.ledger)
        self.keys.reread()
        return made.shown

    def close(self) -> None:
        self.gate.set()
        self.crew.close()
        self.gateway.close()

    def _loaded(self) -> Iterator[Loaded]:
        paces = {"v1": Pace(quick_rows=4), "v2": Pace(quick_rows=4), "slow": Pace()}
        for number, (name, pace) in enumerate(paces.items()):
            weights = linear({"good": (0.0, 0.0, 1.0 + number), "bad": (1.0 + number, 0.0, 0.0)})
            observe = MemoryEngine().load(weights, engine="sklearn", signature=SIGNATURE).observe
            chosen = self._gated(observe) if name == "slow" else observe
            yield Loaded.of(model_version(name), chosen, keep=())._replace(pace=pace)

    def _gated(self, observe: Any) -> Any:
        def gated(rows: Any, *, extras: frozenset[str]) -> tuple[np.ndarray, Any, Any]:
            assert self.gate.wait(PATIENCE)
            return observe(rows, extras=extras)

        return gated

    async def _control(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"7")]})
        await send({"type": "http.response.body", "body": b"control"})


class Served(NamedTuple):
    """A place behind a real server."""

    place: Place
    port: int
    server: uvicorn.Server
    thread: Thread

    def wire(self, **options: Any) -> Wire:
        return Wire(self.port, **options)

    def stop(self) -> None:
        """Ask the server to stop, without waiting."""
        self.server.should_exit = True


@contextmanager
def serving(place: Place, *, idle_seconds: int = 75) -> Iterator[Served]:
    """The place behind a real server, until the end."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    config = uvicorn.Config(
        place.application,
        http=connections_of(place.way),
        ws="none",
        lifespan="off",
        log_level="error",
        access_log=False,
        timeout_keep_alive=idle_seconds,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield Served(place, listener.getsockname()[1], server, thread)
    finally:
        place.gate.set()
        server.should_exit = True
        thread.join()
        listener.close()
        place.close()
