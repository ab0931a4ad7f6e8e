"""What may be told of the reserve: how much there is, and who made use of it."""

from typing import Protocol

from litestar import get
from litestar.handlers import HTTPRouteHandler

from loopline.apps.query import Queried, ask
from loopline.apps.reserve import Recorded, ReserveStanding, standing
from loopline.ports.role_book import RoleBook

COUNT = "SELECT coalesce(sum(rows), 0)::BIGINT AS rows FROM reserve_counts"


class Rooms(Queried, Recorded, Protocol):
    """What this route looks into."""

    @property
    def roles(self) -> RoleBook:
        """Which samples judge, and which were selected or learned."""
        ...


def seal_routes(house: Rooms) -> list[HTTPRouteHandler]:
    """The route that tells of the reserve."""

    @get("/api/reserve", sync_to_thread=True)
    def reserve() -> ReserveStanding:
        """How many rows are sealed and labelled, and each use that was made of them; no row, no label."""
        sealed = ask(house, COUNT, rows=1).table["rows"].to_pylist()[0]
        return standing(house, roles=house.roles, sealed=int(sealed))

    return [reserve]
