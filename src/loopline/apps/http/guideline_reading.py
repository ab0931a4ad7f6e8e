"""``GET /api/guideline``: what people are told to go by, beside every task."""

from datetime import datetime

import msgspec
from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from loopline.apps.guideline import versions
from loopline.apps.http.views import House
from loopline.errors import NotFound
from loopline.records.guideline import Example, Guideline


class ReadGuideline(msgspec.Struct, frozen=True, kw_only=True):
    """One version, as people read it."""

    version: int
    """0: none was ever written."""
    text: str
    examples: tuple[Example, ...]
    at: datetime | None
    author: str
    reason: str


def guideline_reading_routes(house: House) -> list[HTTPRouteHandler]:
    """The route; writing a new version is another one."""

    @get("/api/guideline", sync_to_thread=True)
    def read(version: FromQuery[int | None] = None) -> ReadGuideline:
        """The newest version of the guideline, or the one that is named."""
        return reading(versions(house), version)

    return [read]


def reading(found: tuple[Guideline, ...], version: int | None) -> ReadGuideline:
    """The version that is asked for, of all there are, oldest first. Raises NotFound, which lists the known ones."""
    if not found and not version:
        return ReadGuideline(version=0, text="", examples=(), at=None, author="", reason="")
    of = {one.version: one for one in found}
    wanted = found[-1].version if version is None else version
    if wanted not in of:
        raise NotFound("guideline", str(wanted), known=tuple(map(str, reversed(of))))
    one = of[wanted]
    return ReadGuideline(
        version=one.version, text=one.text, examples=one.examples, at=one.at, author=one.author, reason=one.reason
    )
