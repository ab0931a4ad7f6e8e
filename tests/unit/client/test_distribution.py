"""What the client may be installed with: Python 3.8, and nothing else."""

import ast
import doctest
import importlib
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "client"
FILES = sorted((CLIENT / "src").rglob("*.py"))
NEWER = {"tomllib", "zoneinfo", "graphlib"}
"""Of the standard library, but not in 3.8."""


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), feature_version=(3, 8))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_only_the_standard_library_is_imported(path):
    names = [alias.name for node in ast.walk(tree(path)) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom)]
    allowed = {"loopline_client"} | set(sys.stdlib_module_names) - NEWER
    assert {name.partition(".")[0] for name in names} <= allowed


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_annotations_are_never_evaluated(path):
    future = [node for node in tree(path).body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    assert path.stem == "__init__" or [alias.name for node in future for alias in node.names] == ["annotations"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_newer_syntax_or_method_is_used(path):
    found = tree(path)
    assert not [node for node in ast.walk(found) if type(node).__name__ in {"Match", "TryStar", "TypeAlias"}]
    called = {node.attr for node in ast.walk(found) if isinstance(node, ast.Attribute)}
    assert not called & {"removeprefix", "removesuffix", "is_relative_to", "batched", "bit_count", "with_stem"}


def test_it_is_declared_as_what_it_is():
    import loopline_client

    project = tomllib.loads((CLIENT / "pyproject.toml").read_text())["project"]
    assert (project["dependencies"], project["requires-python"]) == ([], ">=3.8")
    assert project["version"] == loopline_client.__version__
    assert (CLIENT / "src" / "loopline_client" / "py.typed").is_file()
    assert f"## {project['version']}" in (CLIENT / "CHANGELOG.md").read_text()


def test_the_code_in_the_readme_runs(ear, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", (CLIENT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 5
    code = "\n".join(blocks).replace("http://localhost:8686", ear.url).replace("/var/spool/router", str(tmp_path))
    names = {"x": [1.0, 2.0], "p": [0.25, 0.75], "user_id": "ana"}
    exec(code.replace("print(", "str("), names)
    names["log"].close()
    assert names["accepted"] == 3


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_examples_in_its_docstrings_are_true(path):
    name = "loopline_client" if path.stem == "__init__" else f"loopline_client.{path.stem}"
    assert doctest.testmod(importlib.import_module(name)).failed == 0
