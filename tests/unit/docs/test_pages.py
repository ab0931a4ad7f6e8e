"""What the documentation says by name is what the code has by name."""

import ast
import inspect
import re
import sys
from pathlib import Path

import pytest

from loopline.apps.access import SCOPES
from loopline.apps.config import load_settings
from loopline.apps.http.oip import DATATYPES
from loopline.records.prediction import Prediction

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "client" / "src"))
DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[\w-]+)?\)")


def rows_of(page: str, heading: str) -> set[str]:
    """The words in code marks of a table's first column, below this heading."""
    section = (DOCS / page).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    firsts = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {word for first in firsts for word in re.findall(r"`([^`]+)`", first)}


def shown(mark: str) -> str:
    """The code block of the README below this mark."""
    block = (ROOT / "README.md").read_text().split(f"<!-- {mark} -->\n```")[1].split("\n```")[0]
    return block.partition("\n")[2] + "\n"


def test_the_model_section_of_the_readme_serves_the_example_without_a_trainer(tmp_path):
    example = (ROOT / "examples" / "own-model" / "loop.toml").read_text().split("[train]")[0]
    for name in ("model.onnx", "rows.csv"):
        (tmp_path / name).touch()
    (tmp_path / "loop.toml").write_text(example + shown("serve"))
    settings = load_settings(tmp_path / "loop.toml")
    assert (settings.serve.model, settings.serve.checks, settings.train.run) == ("model.onnx", "rows.csv", "")


def test_the_two_lines_of_the_readme_are_how_the_client_is_called():
    from loopline_client import Capture

    bring, make = ast.parse(shown("client")).body
    assert ast.unparse(bring) == "from loopline_client import Capture"
    assert isinstance(make, ast.Assign)
    assert isinstance(make.value, ast.Call)
    named = {str(keyword.arg): keyword.value for keyword in make.value.keywords}
    inspect.signature(Capture).bind(*make.value.args, **named)


def test_the_record_is_described_whole():
    assert rows_of("capture.md", "The record") == set(Prediction.__struct_fields__)


def test_every_scope_of_a_key_is_described():
    assert rows_of("serving.md", "Keys") == set(SCOPES)


def test_every_output_is_named():
    section = (DOCS / "serving.md").read_text().split("### Outputs")[1].split("\n## ")[0]
    assert set(DATATYPES) <= set(re.findall(r"`(\w+)`", section))


@pytest.mark.parametrize("page", [*sorted(DOCS.glob("**/*.md")), ROOT / "README.md"], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", ["serving.md", "capture.md", "log.md"])
def test_a_page_can_be_read_in_one_sitting(page):
    assert len((DOCS / page).read_text().splitlines()) <= 225
