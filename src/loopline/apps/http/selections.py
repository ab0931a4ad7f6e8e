"""What another strategy or budget would have chosen, and whether a stored selection comes out again."""

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from loopline.apps import imagining, replaying
from loopline.apps.http.views import Console, House
from loopline.apps.imagining import WhatIf
from loopline.apps.replaying import Replayed


def selection_routes(house: House, console: Console) -> list[HTTPRouteHandler]:
    """The routes; none of them writes."""

    @get("/api/cycles/{number:int}/what-if", sync_to_thread=True)
    def what_if(number: FromPath[int], strategy: FromQuery[str] = "", budget: FromQuery[int | None] = None) -> WhatIf:
        """What the cycle would have asked about by another strategy or budget; nothing is stored."""
        return imagining.what_if(house, console, number, strategy=strategy, budget=budget)

    @get("/api/cycles/{number:int}/replay", sync_to_thread=True)
    def replay(number: FromPath[int], threads: FromQuery[int] = 0, shards: FromQuery[int] = 0) -> Replayed:
        """Whether the stored selection comes out again, byte for byte; nothing is stored."""
        return replaying.replay(house, console, number, threads=threads, shards=shards)

    return [what_if, replay]
