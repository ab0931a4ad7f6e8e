"""Which versions get traffic: those that were loaded, verified and are warm."""

from types import SimpleNamespace

import msgspec
import pytest

from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.memory.objects import MemoryObjects
from loopline.errors import Unavailable
from loopline.ports.engine import Shelf
from loopline.records.ids import VersionName
from loopline.records.model import Checks
from loopline.records.rollout import TrafficSplit
from loopline.records.signature import Signature
from loopline.testing.factories import LOOP, SIGNATURE, entry

KIND = {"good": (-2.0, 0.0, 2.0), "bad": (2.0, 0.0, -2.0)}
GRIM = {"good": (2.0, 0.0, -2.0)}
ONE_CHECK = b'{"rows": ["x"], "probabilities": [[1, 0, 0]]}'
TURNED = Signature(input="text", labels=SIGNATURE.labels[::-1])


def test_a_challenger_that_does_not_verify_gets_no_traffic_and_the_reason_can_be_read(house):
    house.register("v1", linear(KIND))
    house.split("v1")
    lies = msgspec.json.encode(Checks(rows=("good",), probabilities=((1.0, 0.0, 0.0),)))
    house.register("v2", linear(GRIM), checks=lies)
    assert house.split("v1", challenger="v2", basis_points=10_000, shadow=True)
    assert house.ask().version.name == "v1"
    assert [version.name for version in house.gateway.table.versions] == ["v1"]
    assert house.gateway.refusals["v2"].startswith("version v2: check 0 differs by 0.")
    assert not house.refresh()


def test_a_challenger_that_fails_on_a_single_row_gets_no_traffic_although_it_repeats_its_checks(house):
    class Crowded(MemoryEngine):
        """An engine whose models cannot answer a row alone."""

        def load(self, *parts: object, **named: object) -> object:
            model = super().load(*parts, **named)

            def observe(rows: object, *, extras: object) -> object:
                return model.observe(rows, extras=extras) if len(rows) > 1 else 1 / 0

            return SimpleNamespace(observe=observe)

    house.register("v1", linear(KIND))
    house.split("v1")
    house.engine = Crowded()
    house.register("v2", linear(GRIM))
    assert house.split("v1", challenger="v2", basis_points=10_000, shadow=True)
    assert house.ask().version.name == "v1"
    assert house.gateway.refusals == {"v2": "ZeroDivisionError: division by zero"}


@pytest.mark.parametrize(
    ("artifact", "changes", "reason"),
    [
        (b"not a model", {"checks": ONE_CHECK}, "sklearn model: JSON is malformed"),
        (linear(GRIM), {"checks": b"{}"}, "checks: Object missing required field"),
        (linear(GRIM), {"signature": TURNED}, "version v2: made for text"),
        (linear(GRIM, fails_on="x"), {"checks": ONE_CHECK}, "RuntimeError: no answer"),
    ],
)
def test_whatever_is_wrong_with_an_incumbent_the_old_table_stays(house, artifact, changes, reason):
    house.register("v1", linear(KIND))
    house.split("v1")
    house.register("v2", artifact, **changes)
    assert not house.split("v2")
    assert house.ask().version.name == "v1"
    assert house.gateway.refusals["v2"].startswith(reason)


def test_a_version_that_nobody_registered_is_refused(house):
    assert not house.split("v1")
    assert "v1" in house.gateway.refusals["v1"]
    assert house.gateway.table.split is None


def test_an_object_store_that_was_away_is_asked_again(house):
    class Away:
        def __init__(self, objects: MemoryObjects) -> None:
            self.objects, self.is_back = objects, False

        def get(self, digest: str) -> bytes:
            if not self.is_back:
                raise Unavailable("object store", reason="no answer")
            return self.objects.get(digest)

    house.register("v1", linear(KIND))
    house.objects = Away(house.objects)
    assert not house.split("v1")
    assert house.gateway.refusals == {"v1": "object store: no answer"}
    house.objects.is_back = True
    house.clock.advance(1)
    assert house.refresh()
    assert house.gateway.refusals == {}
    assert house.ask().version.name == "v1"


@pytest.mark.parametrize("trouble", [MemoryError("no room for the model"), OSError("too many open files")])
def test_a_version_that_could_not_be_loaded_once_is_tried_again_after_a_growing_rest(house, trouble):
    class Short:
        """An engine that has no memory for the first three loads."""

        def __init__(self) -> None:
            self.loads = 0

        def load(self, *parts: object, **named: object) -> object:
            self.loads += 1
            if self.loads <= 3:
                raise trouble
            return MemoryEngine().load(*parts, **named)

    house.register("v1", linear(KIND))
    house.split("v1")
    house.register("v2", linear(GRIM))
    split = TrafficSplit(loop=LOOP, revision=9, incumbent=VersionName("v1"), challenger=VersionName("v2"))
    house.ledger.commit(entry("split-9", split))
    engine = Short()
    loads = []
    for _ in range(9):
        house.gateway.refresh(Shelf(house.ledger, house.objects, engine))
        loads.append(engine.loads)
        house.clock.advance(1)
    assert loads == [1, 2, 2, 3, 3, 3, 3, 4, 4]
    assert [version.name for version in house.gateway.table.versions] == ["v1", "v2"]
    assert house.gateway.refusals == {}


def test_a_refused_version_is_not_read_again_until_the_split_changes(house):
    house.register("v1", linear(KIND))
    house.register("v2", b"not a model", checks=b"{}")
    house.split("v1", challenger="v2")
    house.objects = None
    house.clock.advance(3_600)
    assert not house.refresh()


def test_versions_that_stay_are_not_loaded_again_and_those_that_go_are_let_go(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    house.split("v1", challenger="v2")
    before = house.gateway.table.loaded
    assert house.split("v2", keep=("v1",))
    after = house.gateway.table.loaded
    assert list(after) == ["v2", "v1"]
    assert after["v1"] is before["v1"]
    assert house.split("v2")
    assert list(house.gateway.table.loaded) == ["v2"]
    assert house.ask("good").given.argmax() == 0


def test_the_newest_revision_wins_whatever_order_splits_were_stored_in(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    for revision, name in ((12, "v2"), (3, "v1")):
        split = TrafficSplit(loop=LOOP, revision=revision, incumbent=VersionName(name))
        house.ledger.commit(entry(f"split-{revision}", split))
    house.refresh()
    assert house.ask().version.name == "v2"
