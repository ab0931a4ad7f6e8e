"""Five simulated annotators, who answer through the same API that people use.

A process of its own: ``python -m loopline.apps.demo.people DIR URL``. What was accepted is noted in
``DIR/demo/people.jsonl``; answers have deterministic ids, so that giving one again changes nothing.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from loopline.apps.demo.door import Door, Ending
from loopline.apps.demo.world import PEOPLE, Sample, World, answer, known_samples, read_world
from loopline.errors import LooplineError, NotFound
from loopline.records.signature import Row

AT_A_TIME = 10
"""Tasks in one claim."""
THINKING_SECONDS = 0.02
"""A simulated person's time with one task."""
RESTING_SECONDS = 0.4
"""Before asking again when there was nothing to do."""

Note = Callable[[Mapping[str, Any]], None]


def answers_to(
    tasks: Sequence[Mapping[str, Any]], *, annotator: str, world: World, samples: Mapping[Row, Sample]
) -> list[dict[str, Any]]:
    """This person's answers, as ``POST /api/annotations`` takes them. Raises NotFound for a row nobody ever rated."""
    given = []
    for task in tasks:
        row = row_of(task["view"])
        if row not in samples:
            raise NotFound("rating of", str(row)[:80])
        label = answer(world, samples[row], annotator)
        key = f"{task['id']}-{annotator}"
        given.append({"id": key, "task": task["id"], "label": label, "seconds": THINKING_SECONDS})
    return given


def run_annotator(annotator: str, *, url: str, folder: Path, world: World, note: Note) -> None:
    """Claim, think, answer, until told to stop or paused."""
    ending = Ending(folder)
    samples = known_samples(world)
    with closing(Door(url, token=ending.wait_for_token(folder))) as door:
        while not ending.is_due():
            claim = partial(door.post, "/api/claim", {"annotator": annotator, "count": AT_A_TIME})
            claimed = ending.insist(claim) or {"tasks": [], "paused": ""}
            if claimed["paused"]:
                note({"annotator": annotator, "paused": claimed["paused"]})
                return
            if not claimed["tasks"]:
                time.sleep(RESTING_SECONDS)
                continue
            time.sleep(THINKING_SECONDS * len(claimed["tasks"]))
            given = answers_to(claimed["tasks"], annotator=annotator, world=world, samples=samples)
            parcel = {"annotator": annotator, "annotations": given}
            if ending.insist(partial(door.post, "/api/annotations", parcel)) is not None:
                for one in given:
                    note({"annotator": annotator, "id": one["id"], "task": one["task"], "label": one["label"]})


def run_people(folder: Path, *, url: str) -> None:
    """All five at once, until told to stop."""
    world = read_world(folder / "demo" / "world.json")
    lock = threading.Lock()

    def note(line: Mapping[str, Any]) -> None:
        with lock, (folder / "demo" / "people.jsonl").open("a") as journal:
            journal.write(json.dumps(line) + "\n")

    def live(annotator: str) -> None:
        run_annotator(annotator, url=url, folder=folder, world=world, note=note)

    threads = [threading.Thread(target=live, args=(name,), name=name) for name in PEOPLE]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def row_of(view: Mapping[str, Any]) -> Row:
    """The row behind what a person sees of it: a text, or the values of a table. Raises NotFound for any other view.

    >>> row_of({"kind": "table", "rows": [{"name": "age", "value": 7.0}]})
    (7.0,)
    """
    if view["kind"] == "text":
        return str(view["text"])
    if view["kind"] == "table":
        return tuple(feature["value"] for feature in view["rows"])
    raise NotFound("row in view", str(view["kind"]), known=("text", "table"))


if __name__ == "__main__":
    try:
        run_people(Path(sys.argv[1]), url=sys.argv[2])
    except LooplineError as error:
        sys.exit(f"people: {error}")
