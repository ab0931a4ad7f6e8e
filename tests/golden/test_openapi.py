"""The control API changes on purpose only: its OpenAPI document is kept beside this test.

After a change on purpose: ``LOOPLINE_GOLDEN=1 pytest tests/golden`` writes the file anew; read the difference.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from loopline.apps.http.control import make_control
from loopline.testing.rooms import StoredConsole, rooms

GOLDEN = Path(__file__).parent / "openapi.json"


def described() -> dict[str, Any]:
    house = rooms(now=datetime(2026, 1, 5, tzinfo=UTC))
    schema = make_control(house, StoredConsole(house)).openapi_schema.to_schema()
    described: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema))
    described["info"].pop("version")
    return described


def test_the_control_api_is_the_described_one() -> None:
    found = described()
    if os.environ.get("LOOPLINE_GOLDEN"):
        GOLDEN.write_bytes(msgspec.json.format(msgspec.json.encode(found, order="sorted"), indent=1) + b"\n")
    assert found == msgspec.json.decode(GOLDEN.read_bytes())


def test_everything_that_programs_call_is_in_it() -> None:
    paths = described()["paths"]
    assert {"/api/claim", "/api/annotations", "/api/skip", "/api/undo", "/api/status", "/api/why"} <= set(paths)
