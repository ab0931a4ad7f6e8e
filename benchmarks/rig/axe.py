"""The source of axe-core, as the lock file of ``web/`` names it."""

import hashlib
import importlib.util
import shutil
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def source() -> str:
    """Fetched by npm once, into a temporary folder that is named for the lock file."""
    web = ROOT / "web"
    version = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"loopline-web-{version}"
    if not (folder / "node_modules" / ".package-lock.json").is_file():
        folder.mkdir(exist_ok=True)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copyfile(web / name, folder / name)
        order = [*_npm(), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(order, cwd=folder, check=True, timeout=120)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def _npm() -> list[str]:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.find_node()[1])
