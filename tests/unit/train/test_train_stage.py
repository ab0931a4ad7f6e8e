import msgspec
import numpy as np
import pytest

from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.memory.launcher import Finished, MemoryLauncher
from loopline.adapters.memory.objects import MemoryObjects
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.ports.launcher import Package
from loopline.records.model import Checks, RunResult
from loopline.records.settings import TrainSettings
from loopline.testing.factories import NOW, SIGNATURE, cycle, dataset_version, digest, settings
from loopline.train.stage import collect, plan

MODEL = linear({"good": [0, 0, 4], "bad": [4, 0, 0]})
SETTINGS = settings(train=TrainSettings(run="train.py:train", memory_mb=512, seconds=90), folder="/loops/sentiment")


def checks(*, shift=0.0, rows=("good", "bad", "so so")):
    answers = MemoryEngine().load(MODEL, engine="sklearn", signature=SIGNATURE).predict(rows).astype(float)
    answers[0] += [shift, 0, -shift]
    return msgspec.json.encode(Checks(rows=tuple(rows), probabilities=tuple(map(tuple, answers.tolist()))))


class House:
    def __init__(self, package=None, *, fate=None):
        self.objects = MemoryObjects()
        self.dataset = dataset_version(
            "c3", id=self.objects.put(b"manifest"), parts=(self.objects.put(b"one"), self.objects.put(b"two"))
        )
        result = RunResult(
            engine="sklearn", artifact_file="m", checks_file="c", code=digest(b"code"), metrics={"loss": 0.5}
        )
        fate = fate or Finished(result, package or Package(MODEL, checks()))
        self.launcher = MemoryLauncher(lambda spec: fate)

    def plan(self, **changes):
        asked = {"dataset": self.dataset, "objects": self.objects, "settings": SETTINGS, "attempt": 2}
        return plan(cycle(3, seed=77), **{**asked, **changes})

    def collect(self, engine=None):
        spec = self.plan()
        self.launcher.submit(spec)
        return collect(
            spec, launcher=self.launcher, objects=self.objects, engine=engine or MemoryEngine(), name="v4",
            dataset=self.dataset, now=NOW,
        )  # fmt: skip


def test_the_plan_holds_everything_the_run_needs():
    house = House()
    spec = house.plan()
    assert spec.id == "sentiment/run/3/2"
    assert (spec.loop, spec.cycle, spec.seed, spec.entry) == ("sentiment", 3, 77, "train.py:train")
    assert (spec.dataset, spec.dataset_file) == (house.dataset.id, house.objects.path(house.dataset.id))
    assert spec.dataset_parts == tuple(map(house.objects.path, house.dataset.parts))
    assert (spec.memory_mb, spec.seconds, spec.folder) == (512, 90, "/loops/sentiment")
    assert spec == house.plan()
    assert house.plan(attempt=3).id != spec.id


def test_a_loop_without_a_trainer_is_told_what_to_write():
    remedy = r"^\[train\] run: empty, expected 'train.py:train'; name the function that trains your model$"
    with pytest.raises(InvalidRecord, match=remedy):
        House().plan(settings=settings())


def test_a_dataset_of_another_contract_is_refused():
    with pytest.raises(InvalidRecord, match=r"^dataset c3: signature 000000000000, expected [0-9a-f]{12}$"):
        House().plan(dataset=dataset_version("c3", signature="0" * 64))


def test_a_dataset_without_its_file_is_refused():
    with pytest.raises(NotFound):
        House().plan(dataset=dataset_version("c9"))


def test_the_challenger_carries_its_whole_origin():
    house = House()
    version = house.collect()
    assert (version.name, version.loop, version.cycle, version.at) == ("v4", "sentiment", 3, NOW)
    assert (version.dataset, version.run, version.code) == (house.dataset.id, "sentiment/run/3/2", digest(b"code"))
    assert (version.engine, version.signature, version.metrics) == ("sklearn", SIGNATURE, {"loss": 0.5})
    assert house.objects.get(version.artifact) == MODEL
    assert house.objects.get(version.checks) == checks()


def test_a_model_that_does_not_repeat_its_numbers_is_refused_with_the_difference():
    expected = (
        r"^model of run sentiment/run/3/2: check 0 differs by 2e-06 from what the packager saw, "
        r"0 of 3 labels different, expected at most 1e-06$"
    )
    with pytest.raises(InvalidRecord, match=expected):
        House(Package(MODEL, checks(shift=2e-6))).collect()
    assert House(Package(MODEL, checks(shift=5e-7))).collect().name == "v4"


def test_a_flipped_label_is_counted():
    with pytest.raises(InvalidRecord, match="1 of 3 labels different"):
        House(Package(MODEL, checks(shift=0.9))).collect()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"{", "checks of run sentiment/run/3/2: "),
        (b'{"rows": [], "probabilities": []}', "checks of run .*: 0 rows with 0 dist"),
    ],
)
def test_broken_or_missing_checks_are_refused(content, found):
    with pytest.raises(InvalidRecord, match=found):
        House(Package(MODEL, content)).collect()


class Says:
    """An engine whose every model says the same of each row, whatever it is."""

    def __init__(self, *said, alone=None):
        self.said, self.alone = said, alone or said

    def load(self, artifact, *, engine, signature):
        return self

    def predict(self, rows):
        return np.array([self.alone if len(rows) == 1 else self.said] * len(rows), np.float32)

    def checks(self):
        probabilities = tuple(tuple(map(float, line)) for line in self.predict(("good", "bad")))
        return msgspec.json.encode(Checks(rows=("good", "bad"), probabilities=probabilities))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ((-2.0, 0.5, 2.5), r"values from -2 to 2.5, expected probabilities in \[0, 1\]"),
        ((0.5, 0.5, 0.5), "a sum of 1.5, expected 1"),
        ((0.0, 0.0, 0.0), "a sum of 0, expected 1"),
    ],
)
def test_a_version_that_gives_no_probabilities_is_refused_before_it_is_judged(said, told):
    engine = Says(*said)
    with pytest.raises(InvalidRecord, match=f"^model of run sentiment/run/3/2: {told}$"):
        House(Package(MODEL, engine.checks())).collect(engine)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ((0.5, 0.5), r"^checks of run .*: 2 rows with 2 distributions over \[2\] classes, expected .* over 3 classes$"),
        ((np.nan, 0.5, 0.5), "^checks of run .*got `null`"),
    ],
)
def test_checks_that_serving_would_refuse_are_refused_with_the_run(said, told):
    engine = Says(*said)
    with pytest.raises(InvalidRecord, match=told):
        House(Package(MODEL, engine.checks())).collect(engine)


@pytest.mark.parametrize(
    ("alone", "told"),
    [
        ((np.nan, 0.5, 0.5), "values from nan to nan, expected probabilities"),
        ((0.5, 0.5), r"shape \(1, 2\), expected \(1, 3\)"),
    ],
)
def test_a_version_that_cannot_answer_a_single_row_is_refused(alone, told):
    engine = Says(0.25, 0.25, 0.5, alone=alone)
    with pytest.raises(InvalidRecord, match=told):
        House(Package(MODEL, engine.checks())).collect(engine)


def test_bytes_that_are_no_model_are_refused():
    with pytest.raises(InvalidRecord, match="sklearn model"):
        House(Package(b"junk", checks())).collect()


def test_nothing_is_stored_for_a_model_that_was_refused():
    house = House(Package(MODEL, checks(shift=0.1)))
    with pytest.raises(InvalidRecord):
        house.collect()
    with pytest.raises(NotFound):
        house.objects.get(digest(MODEL))


def test_a_failed_run_is_not_collected():
    with pytest.raises(Conflict, match=r"^run sentiment/run/3/2: failed: spilled, expected succeeded$"):
        House(fate="spilled").collect()


def test_a_run_on_another_dataset_is_not_collected():
    house = House()
    spec = house.plan()
    with pytest.raises(InvalidRecord, match=r"^run sentiment/run/3/2: dataset "):
        collect(
            spec, launcher=house.launcher, objects=house.objects, engine=MemoryEngine(), name="v4",
            dataset=dataset_version("c4"), now=NOW,
        )  # fmt: skip


def test_verification_is_not_fooled_by_rounding_of_single_precision():
    stored = msgspec.json.decode(checks(), type=Checks)
    again = MemoryEngine().load(MODEL, engine="onnx", signature=SIGNATURE).predict(stored.rows)
    assert np.abs(again - np.array(stored.probabilities)).max() == 0.0
