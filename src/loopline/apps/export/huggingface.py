"""The layout that Hugging Face ``datasets`` loads: a card, and Parquet with the features in its metadata.

As documented under "Dataset cards" and "Structure your repository", and as ``datasets`` itself writes Parquet.
"""

from collections.abc import Iterable, Iterator

import msgspec
import pyarrow as pa

from loopline.apps.export.columns import Book

DATA = "data/train-00000-of-00001.parquet"
CARD = "README.md"
VALUES = {"weight": "float64", "cycle": "int64"}
"""Columns that are no text."""


def features(book: Book) -> dict[str, dict[str, object]]:
    """Column -> what ``datasets`` calls its feature, as JSON has it."""
    told: dict[str, dict[str, object]] = {"id": _value("string")}
    told |= {name: _value("string" if name == "text" else "float64") for name in book.inputs}
    if "image" in book.inputs:
        told["image"] = {"_type": "Image"}
    told["label"] = {"names": list(book.signature.labels), "_type": "ClassLabel"}
    told |= {name: _value(VALUES.get(name, "string")) for name in ("weight", "cycle", "stratum", "content")}
    return told


def _value(kind: str) -> dict[str, object]:
    return {"dtype": kind, "_type": "Value"}


def numbered(book: Book, batches: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows with labels as numbers of ``ClassLabel``, and images as ``Image`` keeps them."""
    numbers = {label: number for number, label in enumerate(book.signature.labels)}
    for batch in batches:
        labels = pa.array([numbers[label] for label in batch["label"].to_pylist()], pa.int64())
        told = batch.set_column(batch.column_names.index("label"), "label", labels)
        if "image" in told.column_names:
            images = [{"bytes": image, "path": None} for image in batch["image"].to_pylist()]
            held = pa.array(images, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
            told = told.set_column(told.column_names.index("image"), "image", held)
        yield told


def metadata(book: Book) -> dict[str, str]:
    """What ``datasets`` reads from a Parquet file alone."""
    return {"huggingface": msgspec.json.encode({"info": {"features": features(book)}}).decode()}


def card(book: Book, *, held: int, size: int) -> str:
    """The dataset card: YAML that ``datasets`` reads, then words; ``held`` bytes in memory, ``size`` in the file."""
    version = book.version
    rows = f"| {' | '.join(('Class', 'Rows'))} |\n|---|---|\n"
    rows += "".join(f"| {_cell(name)} | {n} |\n" for name, n in version.by_class.items())
    inputs = "by reference: the column `content` holds their BLAKE3 digests" if not book.inputs else "copied"
    return f"""---
{yaml(book, held=held, size=size)}---

# Dataset {version.name} of the loop {version.loop}

{version.rows} labelled rows, inputs {inputs}. Labels by {version.method}, cut at {version.cut_at.isoformat()}.

{rows}
Manifest: `{version.id}` (its bytes are in `manifest.json`). Signature: `{version.signature}`.
Columns: `id` is the sample, `cycle` the one that labelled it (0: imported), `stratum` how it was chosen, `content` the
BLAKE3 of the inputs as the model saw them.
"""


def yaml(book: Book, *, held: int, size: int) -> str:
    """``dataset_info`` and ``configs`` of the card."""
    lines = ["dataset_info:", "  features:"]
    for name, feature in features(book).items():
        lines.append(f"  - name: {name}")
        if feature["_type"] == "ClassLabel":
            lines += ["    dtype:", "      class_label:", "        names:"]
            labels = enumerate(book.signature.labels)
            lines += [f"          '{number}': {_quoted(label)}" for number, label in labels]
        else:
            lines.append(f"    dtype: {feature.get('dtype', 'image')}")
    lines += ["  splits:", "  - name: train", f"    num_bytes: {held}", f"    num_examples: {book.table.num_rows}"]
    lines += [f"  download_size: {size}", f"  dataset_size: {held}"]
    lines += ["configs:", "- config_name: default", "  data_files:", "  - split: train", "    path: data/train-*"]
    return "\n".join(lines) + "\n"


def _quoted(label: str) -> str:
    r"""A YAML scalar that is this text whatever it holds.

    >>> print(_quoted('yes: "no"'), _quoted("ü\x7f"))
    "yes: \"no\"" "ü\U0000007f"
    """
    marks = (f"\\{mark}" if mark in '"\\' else mark if mark.isprintable() else f"\\U{ord(mark):08x}" for mark in label)
    return f'"{"".join(marks)}"'


def _cell(label: str) -> str:
    """A label within a Markdown table."""
    return "".join(mark if mark.isprintable() and mark not in "|<`\\" else f"&#{ord(mark)};" for mark in label)
