"""Models from outside: which become versions, with what lineage, and which are refused."""

import sys

import msgspec
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from loopline.adapters.onnx.conversion import converted
from loopline.adapters.onnx.engine import OnnxEngine
from loopline.adapters.python.engine import PythonEngine
from loopline.adapters.sklearn.engine import SklearnEngine, package
from loopline.adapters.subprocess.folder import CHECKS, MODEL, RunFolder
from loopline.apps.cli.asking import why
from loopline.apps.cli.models import app
from loopline.apps.registration import register, register_first
from loopline.apps.wiring import FOLDER, hold
from loopline.errors import Conflict, InvalidRecord, LooplineError, NotFound
from loopline.orchestrate.lineage import orphans
from loopline.records.dataset import LabelledRow
from loopline.records.keys import entity_of
from loopline.records.model import ModelVersion, RunResult
from loopline.records.rollout import TrafficSplit
from loopline.records.settings import CaptureSettings, ServeSettings
from loopline.records.signature import Signature
from loopline.records.soundness import checks_for, checks_in, require_replay
from loopline.testing import factories as make
from loopline.testing.factories import NOW
from loopline.testing.rooms import rooms

TABLE = Signature(input="tabular", width=2, labels=("low", "high"))
X = np.random.default_rng(0).normal(size=(80, 2))
ROWS = tuple(
    LabelledRow(id=f"r{i}", inputs=TABLE.encode(tuple(row)), label="high" if row[0] > 0 else "low")
    for i, row in enumerate(X.tolist())
)
Y = [row.label for row in ROWS]


class Engines:
    def load(self, artifact, *, engine, signature):
        found = {"sklearn": SklearnEngine(), "onnx": OnnxEngine(), "python": PythonEngine()}[engine]
        return found.load(artifact, engine=engine, signature=signature)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    model = LogisticRegression().fit(X, Y)
    (tmp_path / "model.onnx").write_bytes(converted(model, width=2))
    (tmp_path / "model.skops").write_bytes(package(model, signature=TABLE))
    (tmp_path / "forest.skops").write_bytes(package(RandomForestClassifier(3).fit(X, Y), signature=TABLE))
    (tmp_path / "model.joblib").write_bytes(b"\x80\x04.")
    (tmp_path / "mine.py").write_text(
        "import numpy as np\nclass M:\n    def predict(self, rows):\n"
        "        p = 1 / (1 + np.exp(-rows[:, 0]))\n        return np.column_stack([1 - p, p])\n"
    )
    yield tmp_path
    for name in [name for name, one in sys.modules.items() if str(tmp_path) in str(getattr(one, "__file__", ""))]:
        del sys.modules[name]


@pytest.fixture
def house(home):
    return a_house(home)


def a_house(home, **changes):
    settings = make.settings(signature=TABLE, folder=str(home), **changes)
    return rooms(now=NOW, settings=settings, engine=Engines(), base=lambda: ROWS)


def stored(house, kind):
    return house.ledger.all(kind, house.settings.name)


@pytest.mark.parametrize(
    ("source", "engine", "told"),
    [
        ("model.onnx", "onnx", "served as the ONNX file that it is"),
        pytest.param("model.skops", "onnx", "converted to ONNX: largest difference ", marks=pytest.mark.slow),
        ("mine.py:M", "python", "made by mine.py:M"),
        ("mine:M", "python", "made by mine:M"),
    ],
)
def test_the_first_version_goes_live_and_can_be_explained(house, source, engine, told):
    version = register(house, source, checks_rows=ROWS)
    assert (version.name, version.engine, version.dataset, version.cycle) == ("v1", engine, None, 0)
    assert version.conversion.startswith(told)
    assert version.metrics["accuracy"] > 0.95
    assert (stored(house, ModelVersion), stored(house, TrafficSplit)[0].incumbent) == ((version,), "v1")
    (activity,) = house.ledger.activities(house.settings.name)
    assert activity.generated == ("model:v1", "split:1")
    assert orphans(map(entity_of, (version, *stored(house, TrafficSplit))), [activity]) == ()
    (event,) = house.ledger.events(house.settings.name, newest=5)
    assert (event.type, event.subject) == ("model.registered", "model:v1")
    assert event.text.startswith(f"v1 was registered from {source}: {told}")
    assert event.text.endswith(" of 80 labels right; v1 answers all traffic")


def test_what_was_stored_serves_and_repeats_its_checks(house):
    version = register(house, "model.onnx", checks_rows=ROWS)
    predictor = Engines().load(house.objects.get(version.artifact), engine=version.engine, signature=TABLE)
    checks = checks_in(house.objects.get(version.checks), signature=TABLE)
    assert len(checks.rows) == 16
    require_replay(predictor.predict, checks, thing="v1")


def test_a_later_version_waits_for_a_rollout_unless_told_otherwise(house):
    register(house, "model.onnx", checks_rows=ROWS)
    assert register(house, "mine.py:M", checks_rows=ROWS).name == "v2"
    assert len(stored(house, TrafficSplit)) == 1
    assert register(house, "model.onnx", checks_rows=ROWS, name="mine", is_live=True).name == "mine"
    newest = stored(house, TrafficSplit)[-1]
    assert (newest.revision, newest.incumbent, newest.keep) == (2, "mine", ("v1",))
    assert register(house, "model.onnx", checks_rows=ROWS).name == "v4"


def test_no_version_jumps_into_a_rollout(house):
    register(house, "model.onnx", checks_rows=ROWS)
    trial = TrafficSplit(loop=house.settings.name, revision=2, incumbent="v1", challenger="v2", basis_points=100)
    house.ledger.commit(make.entry("trial", trial))
    with pytest.raises(Conflict, match=r"^version v2: a rollout of v2 under way, expected none; register it without"):
        register(house, "model.onnx", checks_rows=ROWS, is_live=True)
    assert len(stored(house, ModelVersion)) == 1


@pytest.mark.parametrize("name", ["v7", "a/b", "v1~v2", "-x", "x" * 65])
def test_a_name_that_another_version_will_have_is_refused(house, name):
    with pytest.raises(InvalidRecord, match=r"^name of the version: .*of the names v1, v2, \.\.\. only v1$"):
        register(house, "model.onnx", checks_rows=ROWS, name=name)


def test_a_name_is_given_once(house):
    register(house, "model.onnx", checks_rows=ROWS, name="mine")
    with pytest.raises(Conflict, match=r"^version mine: there already, expected a new name"):
        register(house, "model.skops", checks_rows=ROWS, name="mine")


@pytest.mark.parametrize("name", ["model.joblib", "model.pkl", "model.PICKLE", "model.pt"])
def test_a_pickle_is_refused_with_the_remedy_and_never_opened(house, name):
    told = r"^model .*: a pickle, which runs code of its own .*; save it with skops.io.dump\(model, 'model.skops'\)"
    with pytest.raises(InvalidRecord, match=told):
        register(house, name, checks_rows=ROWS)


@pytest.mark.parametrize(
    ("source", "error", "told"),
    [
        ("lost.onnx", NotFound, "no file '.*lost.onnx'"),
        ("lost", NotFound, "no model 'lost'"),
        ("mine.py", InvalidRecord, "model mine.py: a file that ends in .py, expected an .onnx or .skops file"),
        ("mine.py:lost", NotFound, "no function in mine.py 'lost'; known: M"),
        (".", InvalidRecord, "a folder without a result, expected that of a training run"),
        ("http://169.254.169.254/v2/models/m", InvalidRecord, "which is 169.254.169.254"),
    ],
)
def test_what_is_no_model_is_refused(house, source, error, told):
    with pytest.raises(error, match=told):
        register(house, source, checks_rows=ROWS)
    assert stored(house, ModelVersion) == ()


def test_a_model_of_other_labels_or_without_probabilities_is_refused(house, home):
    other = LogisticRegression().fit(X, np.where(X[:, 0] > 0, "up", "down"))
    (home / "other.skops").write_bytes(
        package(other, signature=Signature(input="tabular", width=2, labels=("up", "down")))
    )
    with pytest.raises(InvalidRecord, match=r"classes \['down', 'up'\], expected \['low', 'high'\]"):
        register(house, "other.skops", checks_rows=ROWS)
    (home / "scores.py").write_text("class M:\n    def predict(self, rows):\n        return rows\n")
    with pytest.raises(InvalidRecord, match=r"^model scores.py:M: values from -.*, expected probabilities"):
        register(house, "scores.py:M", checks_rows=ROWS)
    with pytest.raises(
        InvalidRecord, match=r"^checks: no rows, expected labelled rows to verify the model on; name a f"
    ):
        register(house, "model.onnx", checks_rows=())


@pytest.mark.slow
def test_a_committee_keeps_its_members_when_they_are_to_be_kept(home):
    house = a_house(home, capture=CaptureSettings(keep=("members",)))
    version = register(house, "forest.skops", checks_rows=ROWS)
    assert (version.engine, version.conversion.partition(": ")[0]) == ("sklearn", "served natively by scikit-learn")
    assert register(a_house(home), "forest.skops", checks_rows=ROWS).engine == "onnx"


def test_a_run_that_training_packaged_is_taken_with_its_own_checks(house, home):
    folder = RunFolder(home / "run")
    folder.path.mkdir()
    model = converted(LogisticRegression().fit(X, Y), width=2)
    said = OnnxEngine().load(model, engine="onnx", signature=TABLE).predict(X[:3])
    checks = checks_for([tuple(row) for row in X[:3].tolist()], said, signature=TABLE)
    (folder.path / MODEL).write_bytes(model)
    (folder.path / CHECKS).write_bytes(checks)
    result = RunResult(
        engine="onnx", artifact_file=MODEL, checks_file=CHECKS, code=make.digest(b"code"), metrics={}, conversion="so"
    )
    folder.finish(result)
    version = register(house, "run", checks_rows=ROWS)
    assert (house.objects.get(version.checks), version.conversion) == (checks, "so")

    (folder.path / CHECKS).write_bytes(checks_for([(9.0, 9.0)], said[:1], signature=TABLE))
    with pytest.raises(InvalidRecord, match=r"^model run: check 0 differs by "):
        register(house, "run", checks_rows=ROWS)
    (folder.path / "result.json").unlink()
    folder.finish(msgspec.structs.replace(result, engine="python"))
    with pytest.raises(InvalidRecord, match="engine python, expected onnx or sklearn; name its factory"):
        register(house, "run", checks_rows=ROWS)


def test_the_model_of_the_settings_becomes_the_first_version_once(home):
    house = a_house(home, serve=ServeSettings(model="model.onnx"))
    assert register_first(house).name == "v1"
    assert register_first(house) is None
    assert len(stored(house, ModelVersion)) == 1


def test_its_checks_may_be_a_file_of_their_own(home):
    lines = [f'{{"features": {list(row)}, "label": "{label}"}}' for row, label in zip(X[:9].tolist(), Y, strict=False)]
    (home / "checks.jsonl").write_text("\n".join(lines))
    house = a_house(home, serve=ServeSettings(model="mine.py:M", checks="checks.jsonl"))
    version = register_first(house)
    assert len(checks_in(house.objects.get(version.checks), signature=TABLE).rows) == 9


@pytest.mark.parametrize("model", ["", "elsewhere"])
def test_without_a_model_of_its_own_nothing_is_registered(home, model):
    assert register_first(a_house(home, serve=ServeSettings(model=model))) is None


LOOP = """[loop]
name = "c"
labels = ["low", "high"]
input = "tabular"
width = 2
[serve]
model = "model.onnx"
checks = "checks.jsonl"
"""


@pytest.mark.slow
def test_the_command_adds_lists_and_shows_and_keeps_out_of_a_running_loop(home, capsys):
    lines = [f'{{"features": {list(row)}, "label": "{label}"}}' for row, label in zip(X.tolist(), Y, strict=True)]
    (home / "checks.jsonl").write_text("\n".join(lines))
    (home / "loop.toml").write_text(LOOP)

    def models(*words):
        app([*words, "--loop", str(home / "loop.toml")], standalone_mode=False)
        return capsys.readouterr().out

    assert models("list") == "no version yet; loopline status says what is awaited\n"
    told = "served as the ONNX file that it is"
    assert models("add", str(home / "model.onnx")).startswith(f"v1: {told}\naccuracy ")
    assert models("list").endswith(f"onnx  {told}\n")
    assert f"  how       {told}\n" in models("show", "v1")
    with pytest.raises(LooplineError, match="keys"):
        models("show", "../keys")
    why("v1", loop=home / "loop.toml")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("model:v1  Register  ")
    assert lines[1].strip().startswith(f"v1 was registered from {home / 'model.onnx'}: {told}; ")
    with hold(home / FOLDER), pytest.raises(Conflict, match=r"in use by process \d+, expected free; stop that one fir"):
        models("add", str(home / "model.onnx"))
