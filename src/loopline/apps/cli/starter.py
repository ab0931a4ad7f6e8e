"""What ``loopline init`` writes: a loop for rows that the user brings."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from blake3 import blake3

from loopline.apps.config import raw_rows, read_rows
from loopline.errors import Conflict, InvalidRecord
from loopline.records.dataset import LabelledRow
from loopline.records.signature import Signature

LOOP = """\
[loop]
name = "{name}"
labels = {labels}
{input}
[train]
run = "train.py:train"
base = "base.jsonl"
[gate]
anchor = "anchor.jsonl"
[select]
when = ["every 6h", "volume 2000"]
budget = 100
[annotate]
gold_file = "gold.jsonl"
"""

TRAIN_TEXT = '''\
"""Called by the loop in a process of its own: ``train(dataset, run)`` returns a fitted model."""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def train(dataset, run):
    rows, labels = dataset.to_numpy()
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    return make_pipeline(words, LogisticRegression(C=4.0, max_iter=300, random_state=run.seed)).fit(rows, labels)
'''

TRAIN_TABULAR = '''\
"""Called by the loop in a process of its own: ``train(dataset, run)`` returns a fitted model."""

from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def train(dataset, run):
    rows, labels = dataset.to_numpy()
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, random_state=run.seed)).fit(rows, labels)
'''

PARTS = {"gold.jsonl": 0.05, "anchor.jsonl": 0.20, "base.jsonl": 1.0}
"""File -> upper end of its share. Equal inputs share a place, so that no row is trained on and judged by."""


def write_starter(folder: Path, *, rows: Path) -> list[str]:
    """Write loop.toml, train.py and the rows in three parts; one sentence for each file written.

    Raises:
        NotFound: there is no file of rows.
        Conflict: one of the files to write exists.
        InvalidRecord: the rows cannot be read, or a part would be empty.
    """
    signature = guess_signature(rows)
    labelled = read_rows(rows, signature)
    train = TRAIN_TEXT if signature.input == "text" else TRAIN_TABULAR
    files = {"loop.toml": loop_file(folder, signature), "train.py": train} | split(labelled, signature)
    taken = [name for name in files if (folder / name).exists()]
    if taken:
        raise Conflict(f"folder {folder}", found=f"already holds {', '.join(taken)}", expected="none of them")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    return [f"wrote {folder / name}" + _count(name, content) for name, content in files.items()]


def loop_file(folder: Path, signature: Signature) -> str:
    """The fifteen lines of a ``loop.toml``."""
    kind = 'input = "text"' if signature.input == "text" else f'input = "tabular"\nwidth = {signature.width}'
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in folder.resolve().name).strip("-") or "loop"
    return LOOP.format(name=name[:64], labels=json.dumps(list(signature.labels), ensure_ascii=False), input=kind)


def split(rows: Iterable[LabelledRow], signature: Signature) -> dict[str, str]:
    """Base, anchor and gold as JSONL, dealt by the hash of the input: the same rows, the same parts."""
    parts: dict[str, list[str]] = {name: [] for name in PARTS}
    for row in rows:
        place = int(blake3(row.inputs).hexdigest()[:8], 16) / 2**32
        part = next(name for name, end in PARTS.items() if place < end)
        key = "text" if signature.input == "text" else "features"
        fields = {"id": row.id, key: signature.decode(row.inputs), "label": row.label}
        parts[part].append(json.dumps(fields, ensure_ascii=False) + "\n")
    for name, lines in parts.items():
        if not lines:
            raise InvalidRecord(
                "labelled rows", found=f"none for {name}", expected="enough for three parts: 100 or more"
            )
    return {name: "".join(lines) for name, lines in parts.items()}


def guess_signature(path: Path) -> Signature:
    """Texts when there is a column ``text``, else features; labels are those that occur, sorted."""
    first, labels = _survey(path)
    columns = [name for name in first if name not in {"id", "label"}]
    if len(labels) < 2:
        raise InvalidRecord(path.name, found=f"labels {sorted(labels)}", expected="two or more in the column label")
    if "text" in columns:
        return Signature(input="text", labels=tuple(sorted(labels)))
    packed = first.get("features")
    width = len(packed) if isinstance(packed, list) else len(columns)
    return Signature(input="tabular", width=width, labels=tuple(sorted(labels)))


def _survey(path: Path) -> tuple[Mapping[str, Any], set[str]]:
    """The first record as it stands, and every label that occurs."""
    if path.suffix not in {".csv", ".jsonl"}:
        raise InvalidRecord(str(path), found=f"ending {path.suffix or 'none'}", expected=".csv or .jsonl")
    records = [record for _, record in raw_rows(path)]
    if not records:
        raise InvalidRecord(path.name, found="no rows", expected="one labelled row or more")
    return records[0], {str(record["label"]) for record in records if record.get("label") is not None}


def _count(name: str, content: str) -> str:
    return f": {content.count(chr(10))} rows" if name in PARTS else ""
