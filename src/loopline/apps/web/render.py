"""Templates into pages."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response

from loopline.apps.http.caller import ASKING
from loopline.apps.web import words
from loopline.apps.web.lineage import address

HERE = Path(__file__).parent
STATIC = HERE / "static"
"""Built from ``web/`` when the package is built."""


@cache
def environment() -> Environment:
    """The templates, with everything escaped and every missing name an error."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "count": words.count,
        "percent": words.percent,
        "measured": words.measured,
        "extent": words.extent,
        "gap": words.gap,
        "short": words.short,
        "decimal": words.decimal,
        "evidence": words.evidence,
        "duration": words.duration,
        "moment": words.moment,
        "shown": words.shown,
        "sentence": words.sentence,
        "first_line": words.first_line,
        "address": address,
    }
    made.globals |= {"outcomes": words.OUTCOMES, "phases": words.PHASES, "metrics": words.METRICS, "asset": asset}
    return made


@cache
def asset(name: str) -> str:
    """The address of a built file; it changes with the content, so that browsers may keep it for good."""
    file = STATIC / name
    version = hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file.is_file() else "unbuilt"
    return f"/static/{name}?v={version}"


def text(template: str, **context: Any) -> str:
    """The template filled in."""
    return environment().get_template(template).render(asking=ASKING.get(), **context)


def page(template: str, *, status: int = 200, **context: Any) -> Response[Any]:
    """The template filled in, as an HTML answer."""
    return Response(text(template, status=status, **context), status_code=status, media_type="text/html; charset=utf-8")
