"""Records written by this schema version stay readable: one golden line a kind.

After a change on purpose: ``LOOPLINE_GOLDEN=1 pytest tests/golden`` writes the files anew; read the difference.
"""

import os
from pathlib import Path

import msgspec
import pytest

from loopline.adapters.sql.codec import SCHEMA_VERSION, decode, encode
from loopline.records.keys import KINDS, key_of_record
from loopline.records.lineage import Stored
from loopline.testing import factories as make
from loopline.testing import staff
from loopline.testing.role_book import access

GOLDEN = Path(__file__).parent / f"records.v{SCHEMA_VERSION}.jsonl"
RECORDS: tuple[Stored, ...] = (
    make.selection(make.candidate()),
    make.label_batch(make.label()),
    make.dataset_version(),
    make.anchor(),
    make.tag(),
    make.model_version(),
    make.run_spec(),
    make.verdict(comparisons=(make.comparison(),)),
    make.rollout(),
    make.split(),
    make.measurement(reference=(1, 2), latest=(0, 1), clean=((1, 1),), evidence=(0.5,)),
    make.signal(),
    make.cycle(),
    make.cadence(),
    make.standing(),
    make.api_key(per_second=100.0),
    access(),
    make.strategy_comparison(),
    staff.user(),
    staff.guideline(),
    staff.remark(),
    staff.decision(),
)


def golden() -> dict[str, bytes]:
    """Kind -> the stored JSON."""
    if os.environ.get("LOOPLINE_GOLDEN"):
        lines = [msgspec.json.encode({"kind": KINDS[type(r)], "body": encode(r).decode()}) for r in RECORDS]
        GOLDEN.write_bytes(b"\n".join(lines) + b"\n")
    lines_read = [msgspec.json.decode(line) for line in GOLDEN.read_bytes().splitlines()]
    return {line["kind"]: line["body"].encode() for line in lines_read}


def test_every_kind_has_its_golden_record() -> None:
    assert sorted(golden()) == sorted(KINDS.values())


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: KINDS[type(record)])
def test_what_was_stored_reads_back_as_the_same_record(record: Stored) -> None:
    body = golden()[KINDS[type(record)]]
    assert decode(type(record), body, version=SCHEMA_VERSION, key=key_of_record(record)) == record
