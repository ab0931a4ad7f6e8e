"""The demo's folder: the frozen world, and the files that a user of the loop would have written."""

import json
from collections.abc import Iterable
from pathlib import Path

from loopline.apps.demo.corpus import SETS, cache_folder, fetch, read_samples
from loopline.apps.demo.digits import digit_world
from loopline.apps.demo.files import DIGITS, SENTENCES
from loopline.apps.demo.sentences import sentence_world
from loopline.apps.demo.whole import write_whole
from loopline.apps.demo.world import Sample, World, read_world, write_world
from loopline.errors import InvalidRecord, Unavailable


def settle(folder: Path, *, offline: bool) -> tuple[World, str]:
    """The world of this folder with its files in place, and one sentence that says which world it is and why.

    A folder keeps the world of its first start, whatever is asked later. Files that are there stay as they are.
    """
    frozen = folder / "demo" / "world.json"
    if frozen.is_file():
        world, why = read_world(frozen), "as this folder began with it"
    else:
        world, why = _chosen(offline=offline)
        write_world(world, frozen)
    write_project(world, folder)
    return world, f"data: {world.dataset} ({why})"


def write_project(world: World, folder: Path) -> None:
    """Write what is not there yet: loop.toml, train.py, base, anchor and gold rows."""
    project = SENTENCES if world.input == "text" else DIGITS
    contents = {
        "train.py": project.train,
        "base.jsonl": _rows(world.base),
        "anchor.jsonl": _rows(world.anchor),
        "gold.jsonl": _rows(world.gold),
        "loop.toml": project.loop,  # last: when it is there, all that it names is there
    }
    for name, content in contents.items():
        if not (folder / name).exists():
            write_whole(folder / name, content.encode())


def _chosen(*, offline: bool) -> tuple[World, str]:
    if offline:
        return digit_world(), "as asked by --offline"
    try:
        cache = fetch(cache_folder())
        return sentence_world({name: read_samples(cache, name) for name in SETS}), "fetched once, then from the cache"
    except (Unavailable, InvalidRecord, OSError) as error:
        return digit_world(), f"the rated sentences cannot be had: {error}"


def _rows(samples: Iterable[Sample]) -> str:
    lines = []
    for sample in samples:
        key = "text" if isinstance(sample.row, str) else "features"
        lines.append(json.dumps({"id": sample.id, key: sample.row, "label": sample.label}, ensure_ascii=False) + "\n")
    return "".join(lines)
