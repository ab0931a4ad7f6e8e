"""100 versions of a large dataset: what they cost to keep, and how long it takes to read the last one.

``python benchmarks/datasets.py [ROWS] [VERSIONS]`` prints one JSON object as its last line: ``copies`` is the bytes of
every object of all versions over those of one full copy of the last.
"""

import json
import sys
import time

import msgspec
import numpy as np
from blake3 import blake3

from loopline.adapters.memory.objects import MemoryObjects
from loopline.dataset import manifest, parquet, parts
from loopline.dataset.stage import cut, rows_of
from loopline.dataset.table import IMPORTED, LabelledSample, by_class, tabled
from loopline.records.ids import Digest
from loopline.testing import factories as make

ADDED, RELABELLED = 200, 100
"""Of each version."""
WORDS = np.array([f"word{i}" for i in range(5_000)])


def texts(count: int, *, generator: np.random.Generator) -> list[str]:
    """So many distinct sentences of 12 words."""
    words = WORDS[generator.integers(0, len(WORDS), size=(count, 12))]
    return [" ".join(line) for line in words]


def based(rows: int, *, objects: MemoryObjects, generator: np.random.Generator) -> tuple[object, list[bytes]]:
    """Version ``c0`` of so many rows, made without going through every check of an import, and its inputs."""
    inputs = [msgspec.json.encode(text) for text in texts(rows, generator=generator)]
    drawn = generator.choice(np.array(make.LABELS), size=rows)
    samples = [
        LabelledSample(blake3(one).hexdigest(), one, str(label), f"r{i}", 0, IMPORTED)
        for i, (one, label) in enumerate(zip(inputs, drawn, strict=True))
    ]
    table = tabled(sorted(samples))
    held = parts.Contents(parts=(parts.written(table, cycle=0, objects=objects),))
    made = manifest.Manifest(
        loop=make.LOOP, cycle=0, parent=None, held=held, rows=rows, by_class=by_class(table, make.LABELS),
        signature=make.SIGNATURE, method=IMPORTED, selection="",
    )  # fmt: skip
    objects.put(manifest.encoded(made))
    return manifest.version_of(made, cut_at=make.NOW, reason="base"), inputs


def main(rows: int, versions: int) -> dict[str, float]:
    """Cut the versions and measure."""
    generator, objects = np.random.default_rng(7), MemoryObjects()
    version, inputs = based(rows, objects=objects, generator=generator)
    cutting = []
    for number in range(1, versions):
        fresh = [make.SIGNATURE.encode(text) for text in texts(ADDED, generator=generator)]
        again = [inputs[i] for i in generator.choice(rows, RELABELLED, replace=False)]
        labels = [
            make.label(f"p{number}-{i}", inputs=one, content=Digest(blake3(one).hexdigest()), cycle=number)
            for i, one in enumerate(fresh + again)
        ]
        began = time.perf_counter()
        version = cut(
            make.cycle(number), parent=version, batch=make.label_batch(*labels, cycle=number),
            selection=make.selection(), objects=objects, settings=make.settings(), now=make.NOW,
        ).version  # fmt: skip
        cutting.append(time.perf_counter() - began)
    began = time.perf_counter()
    table = rows_of(version, objects=objects)
    reading = time.perf_counter() - began
    whole = len(parquet.encoded(table))
    began = time.perf_counter()
    contents = rows_of(version, objects=objects, columns=("content",))
    return {
        "rows": table.num_rows,
        "versions": versions,
        "parts": len(version.parts),
        "copy_mb": round(whole / 1e6, 1),
        "stored_mb": round(sum(map(len, objects._objects.values())) / 1e6, 1),
        "copies": round(sum(map(len, objects._objects.values())) / whole, 3),
        "cut_seconds_median": round(float(np.median(cutting)), 3),
        "cut_seconds_worst": round(max(cutting), 3),
        "read_seconds": round(reading, 3),
        "read_contents_seconds": round(time.perf_counter() - began, 3),
        "contents": contents.num_rows,
    }


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    print(json.dumps(main(*(arguments or [1_000_000, 100]))))
