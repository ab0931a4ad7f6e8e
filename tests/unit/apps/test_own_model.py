"""The README's own-model example: what a reader copies is what the project runs."""

import re
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from loopline.adapters.subprocess.folder import RunFolder
from loopline.apps.cli.starter import write_starter
from loopline.apps.config import load_settings, read_rows
from loopline.apps.config.files import check_files
from loopline.apps.http import oip
from loopline.apps.http.answering import checked
from loopline.apps.http.answers import AnswersRequest, ClaimRequest
from loopline.apps.worker.dataset import Dataset
from loopline.apps.worker.packing import pack
from loopline.apps.worker.run import Run
from loopline.records.dataset import LabelledRow
from loopline.records.ids import Digest, RunId
from loopline.records.model import RunSpec
from loopline.records.settings import Settings
from loopline.testing.factories import NOW
from loopline.testing.rooms import rooms

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "own-model"


def shown(name: str) -> str:
    """The code block that the README marks as this file of the example."""
    page = (ROOT / "README.md").read_text()
    block = page.split(f"<!-- examples/own-model/{name} -->\n```")[1].split("\n```")[0]
    return block.partition("\n")[2] + "\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the example's README builds it."""
    labelled = tmp_path / "labelled.csv"
    monkeypatch.setattr(sys, "argv", ["rows.py", str(labelled)])
    runpy.run_path(str(EXAMPLE / "rows.py"))
    write_starter(tmp_path / "here", rows=labelled)
    for name in ("loop.toml", "train.py"):
        (tmp_path / "here" / name).write_text(shown(name))
    return tmp_path / "here"


def sent(block: str) -> list[bytes]:
    """The bodies that a marked block of the README sends."""
    code = (ROOT / "README.md").read_text().split(f"<!-- {block} -->\n```")[1].split("\n```")[0]
    return [body.encode() for body in re.findall(r"-d '([^']*)'", code)]


def test_the_request_in_the_readme_is_one_that_the_endpoint_takes(home):
    (body,) = sent("ask")
    signature = load_settings(home / "loop.toml").signature
    assert len(oip.parse(body, header_length=None, accepts=oip.Accepts(signature)).rows) == 1


def test_the_labelling_in_the_readme_is_what_the_api_takes(home):
    claim, answers = sent("label")
    assert msgspec.json.decode(claim, type=ClaimRequest).annotator == "ana"
    (given,) = msgspec.json.decode(answers, type=AnswersRequest).annotations
    assert checked(given, rooms(now=NOW, settings=load_settings(home / "loop.toml"))) == given.label


def test_the_files_of_the_example_are_in_order(home):
    check_files(load_settings(home / "loop.toml"))


@pytest.mark.parametrize("name", ["loop.toml", "train.py"])
def test_the_readme_shows_the_example_as_it_is(name):
    assert shown(name) == (EXAMPLE / name).read_text()


def test_it_is_as_short_as_the_readme_says():
    assert len(shown("loop.toml").splitlines()) <= 15
    assert len(shown("train.py").splitlines()) <= 15


def test_what_the_readme_shows_is_accepted_trained_and_packaged(home):
    settings = load_settings(home / "loop.toml")
    signature = settings.signature
    train = runpy.run_path(str(home / "train.py"))["train"]
    base = table_of(read_rows(home / settings.train.base, signature))
    model = train(Dataset(base, signature=signature), run_of(settings, folder=home))

    assert pack(model, signature=signature, entry=settings.train.run).engine == "sklearn"
    anchor = table_of(read_rows(home / settings.gate.anchor_file, signature))
    assert model.score(*Dataset(anchor, signature=signature).to_numpy()) > 0.9


def table_of(rows: Sequence[LabelledRow]) -> pa.Table:
    return pa.table(
        {
            "inputs": [row.inputs for row in rows],
            "label": [row.label for row in rows],
            "weight": [1.0] * len(rows),
            "sample": [row.id for row in rows],
            "cycle": [0] * len(rows),
            "stratum": ["base"] * len(rows),
        }
    )


def run_of(settings: Settings, *, folder: Path) -> Run:
    spec = RunSpec(
        id=RunId("run"),
        loop=settings.name,
        cycle=0,
        dataset=Digest("0" * 64),
        dataset_file="",
        signature=settings.signature,
        entry=settings.train.run,
        folder=settings.folder,
        seed=7,
        memory_mb=0,
        seconds=60,
    )
    return Run(spec, folder=RunFolder(folder / "run"))


def test_every_problem_that_the_readme_shows_is_what_is_said(home):
    broken = (home / "loop.toml").read_text().replace('"tabular"\nwidth = 30', '"sound"').replace("budget", "budgte")
    (home / "loop.toml").write_text(broken)
    with pytest.raises(ValueError, match="2 problems") as caught:
        load_settings(home / "loop.toml")
    assert f"loopline: {caught.value}" in (ROOT / "README.md").read_text()
