from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from loopline.adapters.memory.clock import ManualClock
from loopline.adapters.memory.counters import MemoryCounters
from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.memory.ledger import MemoryLedger
from loopline.adapters.memory.objects import MemoryObjects
from loopline.errors import NotFound, Unavailable
from loopline.records.ids import VersionName
from loopline.records.model import Checks, ModelVersion
from loopline.records.prediction import Prediction
from loopline.records.rollout import TrafficSplit
from loopline.records.signature import Signature
from loopline.serve.shadow import WAITING_REQUESTS
from loopline.serve.stage import Gateway
from loopline.testing.factories import LOOP, NOW, SIGNATURE, entry, model_version, settings
from loopline.testing.scene import digest

KIND = {"good": (-2.0, 0.0, 2.0), "bad": (2.0, 0.0, -2.0)}
GRIM = {"good": (2.0, 0.0, -2.0)}
ONE_CHECK = b'{"rows": ["x"], "probabilities": [[1, 0, 0]]}'
TURNED = Signature(input="text", labels=SIGNATURE.labels[::-1])


class House:
    """Real parts in memory around one gateway."""

    def __init__(self) -> None:
        self.ledger, self.objects, self.counters = MemoryLedger(), MemoryObjects(), MemoryCounters()
        self.recorded: list[Prediction] = []
        self.clock, self.engine = ManualClock(NOW), MemoryEngine()
        self.revision = 0
        self.gateway = Gateway(
            settings(),
            clock=self.clock,
            counters=self.counters,
            role=lambda group: "reserve" if group == "ana" else "loop",
            record=self.recorded.append,
        )

    def register(self, name: str, artifact: bytes, checks: bytes = b"", **changes: object) -> ModelVersion:
        if not checks:
            predictor = MemoryEngine().load(artifact, engine="sklearn", signature=SIGNATURE)
            rows = ("good film", "bad film", "")
            p = tuple(map(tuple, predictor.predict(rows).tolist()))
            checks = msgspec.json.encode(Checks(rows=rows, probabilities=p))
        stored = {"artifact": self.objects.put(artifact), "checks": self.objects.put(checks)}
        version = model_version(name, **stored | changes)
        self.ledger.commit(entry(f"model-{name}-{len(self.ledger.state.entries)}", version))
        return version

    def split(self, incumbent: str, **changes: object) -> bool:
        self.revision += 1
        split = TrafficSplit(loop=LOOP, revision=self.revision, incumbent=VersionName(incumbent), **changes)
        self.ledger.commit(entry(f"split-{self.revision}", split))
        return self.refresh()

    def refresh(self) -> bool:
        return self.gateway.refresh(self.ledger, objects=self.objects, engine=self.engine)

    def ask(
        self,
        *rows: str,
        id: str = "r",  # noqa: A002  the gateway's name for it
        group: str = "",
        version: str | None = None,
    ) -> tuple[Prediction, ...]:
        return self.gateway.answer(rows or ("good",), id=id, group=group, version=version)


@pytest.fixture
def house() -> Iterator[House]:
    house = House()
    yield house
    house.gateway.close()


def test_before_the_first_split_it_says_that_no_version_is_live(house):
    assert not house.refresh()
    assert house.gateway.table.split is None
    with pytest.raises(Unavailable, match="no version is live yet"):
        house.ask()


def test_an_answer_is_a_whole_prediction(house):
    version = house.register("v1", linear(KIND))
    assert house.split("v1")
    (answer,) = house.ask("good", id="p7", group="ana")
    assert (answer.id, answer.loop, answer.at, answer.arm) == ("p7", LOOP, NOW, "incumbent")
    assert (answer.model, answer.artifact, answer.signature) == ("v1", version.artifact, SIGNATURE.digest)
    assert (answer.inputs, answer.content) == (b'"good"', digest(b'"good"'))
    assert (answer.group, answer.role, answer.label, answer.failure) == ("ana", "reserve", "positive", "")
    p = np.exp([-2.0, 0.0, 2.0]) / np.exp([-2.0, 0.0, 2.0]).sum()
    np.testing.assert_allclose(answer.probabilities, p, atol=1e-6)
    assert answer.margin == pytest.approx(p[2] - p[1], abs=1e-6)
    assert answer.entropy == pytest.approx(-(p * np.log(p)).sum(), abs=1e-6)
    assert answer.latency_us >= 0


def test_the_rows_of_a_batch_are_numbered_and_answered_in_order_by_one_version(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    house.split("v1", challenger="v2", basis_points=5_000)
    for number in range(20):
        answers = house.ask("bad", "good", f"other {number}", id="b")
        assert [answer.id for answer in answers] == ["b/0", "b/1", "b/2"]
        assert len({answer.model for answer in answers}) == 1
        assert [answer.group for answer in answers] == [
            digest(text.encode()) for text in ("bad", "good", f"other {number}")
        ]


def test_equal_likely_classes_are_decided_by_the_order_of_labels(house):
    house.register("v1", linear({}))
    house.split("v1")
    (answer,) = house.ask("whatever")
    assert (answer.label, answer.margin) == ("negative", 0.0)


def test_a_canary_gets_its_share_and_every_group_stays_with_its_version(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    house.split("v1", challenger="v2", basis_points=3_000)
    first = {f"user-{i}": house.ask(group=f"user-{i}")[0] for i in range(300)}
    arms = {(answer.model, answer.arm) for answer in first.values()}
    assert arms == {("v1", "incumbent"), ("v2", "canary")}
    assert 50 < sum(answer.arm == "canary" for answer in first.values()) < 130
    assert all(house.ask("bad", group=user)[0].model == answer.model for user, answer in first.items())
    house.split("v1", challenger="v2", basis_points=10_000)
    assert {house.ask(group=f"user-{i}")[0].arm for i in range(50)} == {"canary"}


def test_a_failing_canary_is_recorded_and_the_incumbent_answers(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM, fails_on="boom"))
    house.split("v1", challenger="v2", basis_points=10_000, shadow=True)
    (answer,) = house.ask("boom good", id="p1")
    assert (answer.id, answer.model, answer.arm) == ("p1", "v1", "incumbent")
    house.gateway.close()
    (failure,) = house.recorded
    assert (failure.id, failure.model, failure.arm) == ("p1~v2", "v2", "canary")
    assert failure.failure == "RuntimeError: no answer for 'boom'"
    assert (failure.probabilities, failure.label, failure.content) == ((), "", answer.content)


def test_a_failing_incumbent_is_recorded_and_said(house):
    house.register("v1", linear(KIND, fails_on="boom"))
    house.split("v1")
    expected = "model: version v1 failed with RuntimeError: no answer for 'boom'; the failure is on record; try again"
    with pytest.raises(Unavailable, match=expected):
        house.ask("boom", "good", id="p1")
    assert [(row.id, row.arm) for row in house.recorded] == [("p1/0~v1", "incumbent"), ("p1/1~v1", "incumbent")]


def test_a_version_asked_by_name_answers_directly_and_its_failure_is_its_own(house):
    house.register("v1", linear(KIND))
    house.register("v0", linear(GRIM, fails_on="boom"))
    house.split("v1", keep=("v0",))
    (answer,) = house.ask("good", version="v0")
    assert (answer.model, answer.arm, answer.label) == ("v0", "direct", "negative")
    with pytest.raises(Unavailable, match="version v0 failed"):
        house.ask("boom", version="v0")
    assert [(row.arm, row.model) for row in house.recorded] == [("direct", "v0")]
    with pytest.raises(NotFound, match="no loaded version 'v7'; known: v0, v1"):
        house.ask("good", version="v7")


def test_a_model_that_says_no_distribution_has_failed(house):
    house.register("v1", linear(KIND))
    house.split("v1")
    wide = Signature(input="text", labels=("a", "b", "c", "d"))
    odd = house.gateway.table.loaded["v1"]._replace(version=model_version("v1", signature=wide))
    house.gateway.table = house.gateway.table._replace(loaded={"v1": odd})
    with pytest.raises(Unavailable, match=r"version v1 failed with model output: shape \(1, 3\), expected \(1, 4\)"):
        house.ask()


def test_the_shadow_scores_what_the_incumbent_answered_and_no_caller_sees_it(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM, fails_on="boom"))
    house.split("v1", challenger="v2", shadow=True)
    (one,) = house.ask("good", id="p1", group="ana")
    house.ask("boom", id="p2")
    house.ask("good", id="p3", version="v1")
    house.gateway.close()
    assert one.model == "v1"
    assert [(row.id, row.arm, row.model) for row in house.recorded] == [
        ("p1~v2", "shadow", "v2"),
        ("p2~v2", "shadow", "v2"),
    ]
    seen = house.recorded[0]
    assert (seen.label, seen.role, seen.group, seen.content) == ("negative", "reserve", "ana", one.content)
    assert house.recorded[1].failure == "RuntimeError: no answer for 'boom'"


class Held:
    """The challenger v2 of a house, which answers nothing before ``go`` is set."""

    def __init__(self, house: House) -> None:
        self.started, self.go = Event(), Event()
        house.register("v1", linear(KIND))
        house.register("v2", linear(GRIM))
        house.split("v1", challenger="v2", shadow=True)
        quick = house.gateway.table.loaded["v2"]
        self.predict = quick.predict
        loaded = dict(house.gateway.table.loaded) | {"v2": quick._replace(predict=self.slow)}
        house.gateway.table = house.gateway.table._replace(loaded=loaded)
        house.ask("good", id="first")
        self.started.wait()

    def slow(self, rows: object) -> object:
        self.started.set()
        self.go.wait()
        return self.predict(rows)


@pytest.fixture
def held(house: House) -> Iterator[Held]:
    held = Held(house)
    yield held
    held.go.set()


def test_a_shadow_that_cannot_keep_up_is_counted_and_delays_nobody(house, held):
    for number in range(WAITING_REQUESTS + 5):
        assert house.ask("good", "bad", id=f"p{number}")[0].model == "v1"
    assert house.counters.read()["shadow_dropped"] == 10
    held.go.set()
    house.gateway.close()
    assert len(house.recorded) == 1 + 2 * WAITING_REQUESTS


@pytest.mark.parametrize("requests", [3, WAITING_REQUESTS])
def test_a_challenger_that_hangs_does_not_keep_the_server_from_stopping(house, held, requests):
    for number in range(requests):
        house.ask("good", "bad", id=f"p{number}")
    house.gateway.close(patience=0.01)
    assert house.recorded == []
    assert house.counters.read()["shadow_dropped"] == 2 * requests


def test_a_challenger_that_does_not_verify_gets_no_traffic_and_the_reason_can_be_read(house):
    house.register("v1", linear(KIND))
    house.split("v1")
    lies = msgspec.json.encode(Checks(rows=("good",), probabilities=((1.0, 0.0, 0.0),)))
    house.register("v2", linear(GRIM), checks=lies)
    assert house.split("v1", challenger="v2", basis_points=10_000, shadow=True)
    assert house.ask()[0].model == "v1"
    assert [version.name for version in house.gateway.table.versions] == ["v1"]
    assert house.gateway.refusals["v2"].startswith("version v2: check 0 differs by 0.")
    assert not house.refresh()


def test_a_challenger_that_fails_on_a_single_row_gets_no_traffic_although_it_repeats_its_checks(house):
    class Crowded(MemoryEngine):
        """An engine whose models cannot answer a row alone."""

        def load(self, *parts: object, **named: object) -> object:
            model = super().load(*parts, **named)
            return SimpleNamespace(predict=lambda rows: model.predict(rows) if len(rows) > 1 else 1 / 0)

    house.register("v1", linear(KIND))
    house.split("v1")
    house.engine = Crowded()
    house.register("v2", linear(GRIM))
    assert house.split("v1", challenger="v2", basis_points=10_000, shadow=True)
    assert house.ask()[0].model == "v1"
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
    assert house.ask()[0].model == "v1"
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
    assert house.ask()[0].model == "v1"


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
        house.gateway.refresh(house.ledger, objects=house.objects, engine=engine)
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
    assert house.ask("good")[0].label == "negative"


def test_the_newest_revision_wins_whatever_order_splits_were_stored_in(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    for revision, name in ((12, "v2"), (3, "v1")):
        split = TrafficSplit(loop=LOOP, revision=revision, incumbent=VersionName(name))
        house.ledger.commit(entry(f"split-{revision}", split))
    house.refresh()
    assert house.ask()[0].model == "v2"


def test_while_the_table_is_swapped_each_answer_is_of_one_table(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    house.split("v1")

    def swap() -> None:
        for _ in range(200):
            house.split(("v1", "v2")[house.revision % 2])

    with ThreadPoolExecutor(1) as pool:
        swaps = pool.submit(swap)
        while not swaps.done():
            answers = house.ask("good", "good good", "good film")
            assert {(answer.model, answer.label) for answer in answers} in ({("v1", "positive")}, {("v2", "negative")})
        swaps.result()
