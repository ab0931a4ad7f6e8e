"""The pages' modules are well typed: tsc finds nothing."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

WEB = Path(__file__).parents[2] / "web"


def test_tsc_finds_nothing(packages: Path, node: tuple[str, list[str]], tmp_path: Path) -> None:
    shutil.copytree(WEB, tmp_path / "web")
    (tmp_path / "web" / "node_modules").symlink_to(packages / "node_modules")
    tsc = packages / "node_modules" / "typescript" / "bin" / "tsc"
    order = [node[0], str(tsc), "-p", "."]
    done = subprocess.run(order, cwd=tmp_path / "web", capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0
