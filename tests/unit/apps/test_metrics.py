"""What ``/metrics`` says, read back by Prometheus' own parser."""

import asyncio
from dataclasses import dataclass

import httpx
import pytest
from litestar import Litestar
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from loopline.apps.http.errors import HANDLERS
from loopline.apps.http.meter import Meter
from loopline.apps.http.metrics import MOST_REASONS, Board, Reading, TierSize, metrics_route
from loopline.ports.counters import NAMES
from loopline.testing import factories as make

TOTALS = {name: number for number, name in enumerate(NAMES)}


@dataclass
class Fixed:
    reading: Reading

    def read(self) -> Reading:
        return self.reading


def samples(meter=None, reading=None):
    """(name, labels) -> value, of everything that the text holds."""
    registry = CollectorRegistry()
    registry.register(Board(meter or Meter(), Fixed(reading) if reading else None))
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in plain(text)
        for sample in family.samples
    }


def named(found, name):
    return {labels: value for (sample, labels), value in found.items() if sample == name}


def busy():
    meter = Meter()
    meter.answered("v1", "incumbent", 450, 8)
    meter.answered("v1", "incumbent", 40_000_000, 1)
    meter.computed("v1", "incumbent", 200)
    meter.failed("v1", "incumbent", 2)
    meter.refused(429)
    meter.show("in_flight", lambda: 3)
    return meter


V1 = (("arm", "incumbent"), ("model", "v1"))


def test_answers_failures_and_latencies_are_told_by_version_and_arm():
    found = samples(busy())
    assert found["loopline_answers_total", V1] == 9
    assert found["loopline_failures_total", V1] == 2
    assert found["loopline_answer_seconds_count", V1] == 2
    assert found["loopline_answer_seconds_sum", V1] == pytest.approx(40.00045)
    assert found["loopline_model_seconds_count", V1] == 1
    assert found["loopline_refused_total", (("status", "429"),)] == 1
    assert found["loopline_in_flight", ()] == 3


def test_buckets_count_all_that_lies_at_or_below_their_end():
    found = named(samples(busy()), "loopline_answer_seconds_bucket")
    ends = {float(dict(labels)["le"]): value for labels, value in found.items()}
    assert (ends[0.0003], ends[0.0005], ends[30.0], ends[float("inf")]) == (0, 1, 1, 2)
    assert len(ends) == 28


def test_what_became_of_every_answer_is_told_by_every_name_there_is():
    found = samples(reading=Reading(totals=TOTALS, waiting_rows=4, queue_bytes=(10, 100), shadow_dropped=6))
    assert named(found, "loopline_capture_total") == {(("fate", name),): value for name, value in TOTALS.items()}
    assert found["loopline_waiting_rows", ()] == 4
    assert (found["loopline_queue_used_bytes", ()], found["loopline_queue_size_bytes", ()]) == (10, 100)
    assert found["loopline_shadow_dropped_rows_total", ()] == 6


def test_the_log_is_told_by_tier():
    tiers = {"tail": TierSize(segments=0, rows=7, bytes=70), "archive": TierSize(segments=2, rows=9, bytes=90)}
    found = samples(reading=Reading(tiers=tiers, damage=1))
    assert named(found, "loopline_log_rows") == {(("tier", "tail"),): 7, (("tier", "archive"),): 9}
    assert named(found, "loopline_log_segments") == {(("tier", "tail"),): 0, (("tier", "archive"),): 2}
    assert named(found, "loopline_log_bytes") == {(("tier", "tail"),): 70, (("tier", "archive"),): 90}
    assert found["loopline_log_damaged", ()] == 1


@pytest.mark.parametrize(
    ("split", "share", "shadow"),
    [
        (make.split(), {"v1": 1.0}, {}),
        (make.split(2, challenger="v2", basis_points=500), {"v1": 0.95, "v2": 0.05}, {}),
        (make.split(3, challenger="v2", shadow=True), {"v1": 1.0, "v2": 0.0}, {"v2": 1.0}),
    ],
)
def test_traffic_is_told_by_version(split, share, shadow):
    found = samples(reading=Reading(split=split, versions=("v1", "v2")))
    assert named(found, "loopline_traffic_share") == {(("model", name),): part for name, part in share.items()}
    assert named(found, "loopline_shadow") == {(("model", name),): part for name, part in shadow.items()}
    assert found["loopline_versions_loaded", ()] == 2


def test_troubles_are_one_or_none_and_told_in_few_and_short_words():
    assert samples(reading=Reading(troubles=()))["loopline_trouble", ()] == 0
    many = (*(f"part {number} is gone\nTraceback" for number in range(50)), "x" * 1_000)
    found = samples(reading=Reading(troubles=many))
    assert found["loopline_trouble", ()] == 1
    told = [dict(labels)["reason"] for labels in named(found, "loopline_trouble_reason")]
    assert told[0] == "part 0 is gone"
    assert len(told) == MOST_REASONS
    long = samples(reading=Reading(troubles=(r'x"\ ' * 300,)))
    assert [len(dict(labels)["reason"]) for labels in named(long, "loopline_trouble_reason")] == [200]


def test_parts_that_do_not_exist_are_left_out():
    names = {name for name, _ in samples()}
    assert names == {"loopline_build_info"}


def test_only_loaded_versions_are_labels():
    meter = Meter()
    for number in range(500):
        meter.answered(f"v{number}", "direct", 10, 1)
    found = samples(meter, Reading(versions=("v499",)))
    assert list(named(found, "loopline_answers_total")) == [(("arm", "direct"), ("model", "v499"))]


def answered(accept):
    reading = Reading(totals=TOTALS, split=make.split(), versions=("v1",), troubles=("the log is full",))
    app = Litestar([metrics_route(busy(), readings=Fixed(reading))], exception_handlers=HANDLERS, logging_config=None)

    async def got():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
            return await client.get("/metrics", headers={"accept": accept} if accept else {})

    return asyncio.run(got())


PROMETHEUS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"


@pytest.mark.parametrize(
    ("accept", "kind", "parse"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8", plain),
        ("text/html,*/*", "text/plain; version=0.0.4; charset=utf-8", plain),
        ("text/plain;version=1.0.0", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores", plain),
        (PROMETHEUS, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores", openmetrics),
        ("application/openmetrics-text;version=none", "text/plain; version=0.0.4; charset=utf-8", plain),
    ],
)
def test_each_scraper_gets_a_text_that_its_own_parser_takes(accept, kind, parse):
    answer = answered(accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    families = {family.name for family in parse(answer.text)}
    counted = {"loopline_answers", "loopline_answer_seconds", "loopline_capture", "loopline_traffic_share"}
    assert counted | {"process_resident_memory_bytes", "loopline_build", "loopline_trouble"} <= families | {
        name.removesuffix("_info") for name in families
    }
