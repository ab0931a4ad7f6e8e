"""All that runs in the server's process, put together: gateway, doors, capture, controller, pages."""

import asyncio
import logging
import os
import resource
from functools import partial
from typing import Final

from loopline.adapters.ring.queue import RingQueue
from loopline.apps.access import Keys
from loopline.apps.console import Console
from loopline.apps.http.admission import Admission
from loopline.apps.http.control import Doors, make_control
from loopline.apps.http.crew import Crew
from loopline.apps.http.dispatch import App, Lodge, make_dispatch
from loopline.apps.http.endpoint import Endpoint
from loopline.apps.http.identity import Identity
from loopline.apps.http.inference import make_inference
from loopline.apps.http.meter import Meter
from loopline.apps.http.metrics import Reading, TierSize
from loopline.apps.http.reception import Reception
from loopline.apps.http.reporting import make_reporting
from loopline.apps.http.shortway import ShortWay, connections_of
from loopline.apps.http.trouble import SWITCH, UNRECORDED, troubles_of
from loopline.apps.recorder.child import RecorderChild
from loopline.apps.recorder.words import RING
from loopline.apps.wiring import House
from loopline.capture.stage import Capture
from loopline.orchestrate.runner import Runner
from loopline.ports.engine import Shelf
from loopline.records.exchange import Turn
from loopline.serve.stage import Gateway

SPARE_FILES: Final = 256
"""Descriptors that are not given to connections."""
MOST_CONNECTIONS: Final = 20_000
log = logging.getLogger("loopline.server")


class Service:
    """One loop that serves. Made, then driven by the server, then closed."""

    def __init__(self, house: House, *, host: str) -> None:
        settings = house.settings
        self.house, self.meter, self.runner = house, Meter(), Runner(house)
        self.recorder = RecorderChild(settings, house.root)
        self.queue = RingQueue(house.root / RING, size=settings.capture.buffer_mb << 20)
        self.recorder.watch(self.queue)
        self.capture = Capture(self.queue, counters=house.counters)
        self.shelf = Shelf(house.ledger, house.objects, house.engine)
        self._unrecorded = (UNRECORDED,) if os.environ.get(SWITCH) == "off" else ()
        record = None if self._unrecorded else self._record  # without it nothing is even put together
        self.gateway = Gateway(settings, clock=house.clock, counters=house.counters, record=record)
        self.keys = Keys(house.ledger, loop=settings.name)
        self.identity = identity_of(house, host)
        self.people = Reception(house, identity=self.identity, meter=self.meter)
        self._endpoint = Endpoint(self.gateway, settings=settings, meter=self.meter)
        self._crew = Crew(self._endpoint.ask, seconds=settings.serve.timeout_seconds)
        self.meter.show("queued_requests", lambda: self._crew.requests)
        self.meter.show("queued_rows", lambda: self._crew.rows)

    def application(self) -> App:
        """The one ASGI application."""
        hold = partial(self.gateway.hold, shelf=self.shelf)
        inference = make_inference(self._endpoint, crew=self._crew, load=hold, unload=self.gateway.release)
        limit = self.house.settings.serve.body_mb << 20
        reporting = make_reporting(
            self.capture, settings=self.house.settings, outcomes=self.house.outcomes, body_bytes=limit
        )
        doors = Doors(keys=self.keys, meter=self.meter, people=self.people, readings=self, troubles=self.troubles)
        return make_dispatch(
            control=make_control(self.house, Console(self.house, self.runner), doors=doors),
            inference=inference,
            reporting=reporting,
            identity=self.identity,
            lodge=Lodge(keys=self.keys, meter=self.meter, people=self.people),
        )

    def connections(self) -> type[asyncio.Protocol]:
        """The HTTP protocol with the short way to the models."""
        admission = Admission(self.identity, keys=self.keys, meter=self.meter)
        return connections_of(ShortWay(self._endpoint, admission=admission, most_connections=room_for_connections()))

    def reread(self) -> None:
        """Look for keys and people that were changed elsewhere."""
        self.keys.refresh()
        self.people.users.refresh()

    def follow(self) -> None:
        """Look for a new traffic split."""
        self.gateway.refresh(self.shelf)

    def troubles(self) -> tuple[str, ...]:
        """What goes wrong now, a sentence each."""
        found = (*self._unrecorded, *troubles_of(self.gateway, self.recorder.troubles), *self.people.scribe.troubles())
        return tuple(dict.fromkeys((*found, *self.house.log.damage())))  # each process finds what it reads

    def read(self) -> Reading:
        """How things stand now, for the metrics."""
        house, totals = self.house, self.house.counters.read()
        return Reading(
            versions=tuple(version.name for version in self.gateway.table.versions),
            split=self.gateway.table.split,
            totals=totals,
            waiting_rows=waiting_rows(totals),
            queue_bytes=(self.queue.used, self.queue.size),
            tiers=sizes_of(house),
            damage=len(house.log.damage()),
            shadow_dropped=totals["shadow_dropped"],
            troubles=self.troubles(),
        )

    def close(self) -> None:
        """Answer nothing more; have everything stored that was answered."""
        self._crew.close()
        self.gateway.close()
        self.capture.close()
        self.recorder.close()
        self.queue.close()

    def _record(self, turn: Turn) -> None:
        if turn.failure:
            self.meter.failed(turn.model, turn.arm, turn.rows)
        self.capture.offer(turn)


def waiting_rows(totals: dict[str, int]) -> int:
    """Rows that were answered and have no fate yet.

    >>> waiting_rows({"answered": 9, "stored": 4, "repeated": 0, "dropped": 2, "sampled_out": 1})
    2
    """
    fates = ("stored", "repeated", "dropped", "sampled_out")
    return max(0, totals["answered"] - sum(totals[fate] for fate in fates))


def sizes_of(house: House) -> dict[str, TierSize]:
    """What lies in each tier of the log: ``tail``, ``hot``, ``archive``, ``deleted``."""
    segments = house.manifest.segments(house.settings.name)
    sizes = {
        tier: TierSize(len(within), sum(one.rows for one in within), sum(one.size for one in within))
        for tier in ("hot", "archive", "deleted")
        if (within := [one for one in segments if one.tier == tier])
    }
    sealed = segments[-1].first + segments[-1].rows - 1 if segments else 0
    return {"tail": TierSize(0, max(0, house.log.end() - sealed), 0), **sizes}


def identity_of(house: House, *hosts: str) -> Identity:
    """Who may come in, and under which names we may be called."""
    return Identity(token=house.token, secret=house.secret, hosts=frozenset(host.lower() for host in hosts))


def room_for_connections() -> int:
    """How many connections may be open at once, after asking the system for as many as it gives."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + SPARE_FILES
    if soft < wanted:
        soft = min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(MOST_CONNECTIONS, soft - SPARE_FILES))
