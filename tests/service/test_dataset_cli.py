"""``loopline dataset`` as a person meets it, beside a process that holds the loop's folder."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import Result
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

from loopline.adapters.sklearn.engine import package
from loopline.apps.cli.main import app
from loopline.apps.config import load_settings
from loopline.apps.wiring import FOLDER, House, hold, open_house
from loopline.dataset.stage import cut, import_base
from loopline.errors import LooplineError
from loopline.records.dataset import DatasetVersion
from loopline.records.label import Label
from loopline.records.lineage import Activity, Entry
from loopline.testing import factories as make

pytestmark = pytest.mark.service

BASE = "id,text,label\nr1,good,positive\nr2,bad,negative\nr3,so so,neutral\nr4,odd,neutral\nr5,odd,positive\n"
Run = Callable[..., Result]


def committed(house: House, act: str, version: DatasetVersion) -> None:
    activity = Activity(
        id=act, loop=version.loop, kind="CutDataset", cycle=version.cycle, started=version.cut_at,
        ended=version.cut_at, actor="loopline 0.1.0", used=(), generated=(f"dataset:{version.name}",),
    )  # fmt: skip
    house.ledger.commit(Entry(id=act, records=(version,), activity=activity))


def grown(house: House, parent: DatasetVersion, *labels: Label, number: int) -> DatasetVersion:
    version = cut(
        make.cycle(number),
        parent=parent,
        batch=make.label_batch(*labels, cycle=number),
        selection=make.selection(id=f"cycle-{number}"),
        objects=house.objects,
        settings=house.settings,
        now=make.later(60 * number),
    ).version
    committed(house, f"cut-{number}", version)
    return version


@pytest.fixture
def folder(tmp_path: Path, described: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    described(tmp_path, base=BASE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def house(folder: Path) -> Iterator[House]:
    """A loop with three versions, whose folder somebody holds."""
    settings = load_settings(Path("loop.toml"))
    with hold(folder / FOLDER):
        house = open_house(settings, root=folder / FOLDER)
        base, _ = import_base(house.base(), anchor=(), settings=settings, objects=house.objects, now=make.NOW)
        committed(house, "import", base)
        first = grown(house, base, make.label("p1", "=1+1"), number=1)
        grown(house, first, make.label("p2", "good", label="neutral", cycle=2), number=2)
        yield house


@pytest.fixture
def run(house: House) -> Run:
    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["dataset", *arguments])

    return run


def said(result: Result) -> Any:
    assert result.exit_code == 0, result.output + str(result.exception)
    return json.loads(result.stdout)


def refused(result: Result) -> str:
    assert isinstance(result.exception, LooplineError), result.output
    return str(result.exception)


def test_the_list_shows_the_newest_first_with_classes_and_tags(run: Run) -> None:
    run("tag", "prod", "c1")
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["c2", "c1", "c0"]
    assert "4 rows (negative 1, neutral 1, positive 2)  [prod]  c1 = c0 + 1 new row" in lines[1]
    assert [one["tags"] for one in said(run("list", "--json"))] == [[], ["prod"], []]


def test_a_version_shows_its_manifest_provenance_and_conflicts(run: Run) -> None:
    text = run("show", "c0", "--conflicts").stdout
    assert "from      base.csv: 5 rows read, 3 kept, 0 repeated, 0 outvoted, 2 undecided" in text
    assert "r4: positive (cycle 0) to no label (cycle 0, imported): its labels tie, so it is left out" in text
    assert "by loopline 0.1.0" in text
    told = said(run("show", "c2", "--conflicts", "--json"))
    assert told["parent_name"] == "c1"
    (conflict,) = told["contradictions"]
    assert (conflict["sample"], conflict["before"], conflict["now"]) == ("p2", "positive", "neutral")
    assert [part["cycle"] for part in told["manifest"]["held"]["parts"]] == [0, 1, 2]


def test_an_unknown_version_lists_the_known(run: Run) -> None:
    run("tag", "prod", "c1")
    assert refused(run("show", "c9")) == "no dataset version 'c9'; known: c2, c1, c0, prod"


def test_two_versions_are_compared(run: Run) -> None:
    told = said(run("diff", "c0", "c2", "--json"))
    assert (told["added"], told["removed"], told["relabelled"]) == (1, 0, 1)
    assert told["added_examples"][0]["input"] == "=1+1"
    (changed,) = told["relabelled_examples"]
    assert (changed["sample"], changed["before"], changed["label"], changed["input"]) == (
        "p2",
        "positive",
        "neutral",
        "good",
    )
    text = run("diff", "c0", "c2").stdout
    assert "c0 to c2: 1 added, 0 removed, 1 relabelled" in text
    assert "neutral: 1 to 2 (33.3% to 50.0%)" in text


def test_a_whole_version_is_proven_and_its_source_looked_at(run: Run, folder: Path) -> None:
    told = said(run("verify", "c2", "--json"))
    assert (told["rows"], told["parts"]) == (4, 3)
    assert "base.csv still holds the rows that were imported" in run("verify", "c0").stdout
    (folder / "base.csv").write_text(BASE + "r6,new,positive\n")
    assert "base.csv has changed since the import" in run("verify", "c0").stdout


def test_a_damaged_and_a_missing_part_are_named(run: Run, house: House) -> None:
    version = next(one for one in house.ledger.all(DatasetVersion, house.settings.name) if one.name == "c2")
    first, second, _ = (Path(house.objects.path(part)) for part in version.parts)
    content = bytearray(first.read_bytes())
    content[40] ^= 1
    first.write_bytes(bytes(content))
    second.unlink()
    sentence = refused(run("verify", "c2"))
    assert sentence.startswith(f"dataset c2: part 1 of 3: object {version.parts[0]}: what is stored no longer matches")
    assert f"part 2 of 3: no object '{version.parts[1]}'" in sentence
    assert "expected a whole version; restore the objects that are named from a copy" in sentence


def test_a_manifest_that_is_gone_is_named(run: Run, house: House) -> None:
    version = house.ledger.get(DatasetVersion, "c1", loop=house.settings.name)
    house.objects.delete(version.id)
    assert refused(run("verify", "c1")).startswith(f"dataset c1: its manifest: no object '{version.id}'")


def test_a_record_that_says_otherwise_is_found(run: Run, house: House) -> None:
    version = house.ledger.get(DatasetVersion, "c1", loop=house.settings.name)
    house.ledger.commit(Entry(id="forged", records=(msgspec.structs.replace(version, rows=9),)))
    assert "its record says rows 9, its manifest 4" in refused(run("verify", "c1"))


def test_a_tag_stands_for_a_version_until_it_is_moved_on_purpose(run: Run) -> None:
    assert run("tag", "prod", "c1").stdout == "prod stands for c1\n"
    assert run("tag", "prod", "c1").exit_code == 0
    assert refused(run("tag", "prod", "c2")) == (
        "tag prod: on c1, expected free, or on c2; move it: loopline dataset tag prod c2 --move"
    )
    assert run("tag", "prod", "c2", "--move").stdout == "prod stands for c2\n"
    assert said(run("show", "prod", "--json"))["name"] == "c2"
    assert run("tag", "best", "prod").stdout == "best stands for c2\n"


@pytest.mark.parametrize("name", ["c7", "Prod", "", "a b", "-x", "x" * 64])
def test_a_tag_has_a_name_that_is_no_versions(run: Run, name: str) -> None:
    assert refused(run("tag", "--", name, "c1")).startswith(f"tag {name!r}: no name for a tag, expected lower-case")


def test_who_set_a_tag_is_in_the_run_graph(run: Run, house: House) -> None:
    run("tag", "prod", "c1")
    (activity,) = [one for one in house.ledger.activities(house.settings.name) if one.kind == "Tag"]
    assert (activity.used, activity.generated) == (("dataset:c1",), ("tag:prod",))
    assert activity.actor
    assert house.ledger.events(house.settings.name, newest=1)[0].text == "prod stands for c1"


def test_an_export_by_tag_is_written_and_told(run: Run, folder: Path) -> None:
    run("tag", "prod", "c2")
    result = run("export", "prod", "--to", "out.csv")
    assert result.stdout == "c2: 4 rows as csv in out.csv (out.csv)\n"
    assert "1 cell begins like a formula" in result.stderr
    assert '"=1+1"' in (folder / "out.csv").read_text()
    assert refused(run("export", "prod", "--to", "out.csv")).startswith("export out.csv: something of that name")
    told = said(run("export", "prod", "--to", "hf", "--format", "huggingface", "--json"))
    assert told["files"] == ["README.md", "data/train-00000-of-00001.parquet", "manifest.json"]
    assert run("export", "c1", "--to", "x", "--format", "xlsx").exit_code == 2


def test_parity_is_told_where_a_version_is_verified(run: Run, house: House) -> None:
    text = run("verify", "c0", "--parity").stdout
    assert "parity: no row of this version was labelled by the loop" in text
    house.log.append([make.prediction("p1", "=1+1", role="reserve")])
    told = said(run("verify", "c2", "--parity", "--json"))
    assert (told["parity"]["rows"], told["parity"]["gone"], told["parity"]["is_kept"]) == (2, 2, True)
    assert "2 no longer logged" in run("verify", "c2", "--parity").stdout


def test_a_broken_parity_ends_with_code_2(run: Run, house: House) -> None:
    fitted = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(
        ["good", "bad", "so"], sorted(make.LABELS)[::-1]
    )
    artifact = house.objects.put(package(fitted, signature=make.SIGNATURE))
    house.ledger.commit(Entry(id="model", records=(make.model_version("v1", artifact=artifact),)))
    house.log.append([make.prediction("p2", "good", probabilities=(0.1, 0.2, 0.7))])
    result = run("verify", "c2", "--parity")
    assert result.exit_code == 2
    assert "parity BROKEN on 2 rows within 1e-06; 1 no longer logged" in result.stdout
    assert "replay v1 negative: largest difference" in result.stdout
    assert "recompute text: largest difference 0, 0.0% of 1 differ" in result.stdout


def test_a_loop_that_never_ran_is_told_so(folder: Path) -> None:
    result = CliRunner().invoke(app, ["dataset", "list"])
    assert refused(result).endswith("holds no secret; start the loop once: loopline up")
    assert not (folder / FOLDER).exists()
