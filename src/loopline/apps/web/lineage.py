"""Where on the pages an entity of the run graph is shown."""

import re
from urllib.parse import quote

HOMES = {"model": "/models/", "dataset": "/data/", "signal": "/signals/"}
CYCLE = re.compile(r"cycle-(\d+)")


def address(entity: str) -> str:
    """The page of ``kind:id``; empty when it has none.

    >>> address("model:v2"), address("tasks:cycle-3"), address("annotator:ana")
    ('/models/v2', '/cycles/3', '')
    """
    kind, _, name = entity.partition(":")
    if kind in HOMES:
        return HOMES[kind] + quote(name)
    if kind == "annotator":
        return ""
    cycle = CYCLE.search(name)
    return f"/cycles/{cycle[1]}" if cycle else ""
