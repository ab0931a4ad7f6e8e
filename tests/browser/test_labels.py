"""Which key gives what, and how far ahead tasks are fetched: asked of the modules themselves."""

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

SOURCES = Path(__file__).parents[2] / "web" / "src"
KEYS = """
const { keysOf } = await import(process.argv[1]);
const keys = keysOf(...JSON.parse(process.argv[2]));
console.log(JSON.stringify([Object.fromEntries(keys.labels), keys.commands]));
"""
DEPTH = """
const { depth } = await import(process.argv[1]);
console.log(JSON.stringify(JSON.parse(process.argv[2]).map(depth)));
"""


def told(node, script, module, asked):
    order = [node[0], "--experimental-strip-types", "--no-warnings", "--input-type=module", "-e", script]
    done = subprocess.run(
        [*order, (SOURCES / module).as_uri(), json.dumps(asked)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("labels", "keys", "skip", "undo"),
    [
        (["bad", "good"], {"1": "bad", "2": "good", "b": "bad", "g": "good"}, "s", "u"),
        (["spam", "ham"], {"1": "spam", "2": "ham", "s": "spam", "h": "ham"}, "x", "u"),
        (["good", "great", "ugly"], {"1": "good", "2": "great", "3": "ugly", "u": "ugly"}, "s", "z"),
        (["0", "7"], {"0": "0", "7": "7"}, "s", "u"),
    ],
)
def test_labels_come_first_and_commands_take_what_is_left(node, labels, keys, skip, undo):
    found, commands = told(node, KEYS, "labels.ts", [labels])
    assert (found, commands["skip"], commands["undo"]) == (keys, skip, undo)


def test_every_label_of_many_has_a_key_and_no_key_gives_two_things(node):
    labels = [f"topic {number}" for number in range(20)]
    found, commands = told(node, KEYS, "labels.ts", [labels])
    assert set(found.values()) == set(labels)
    given = [*found, *(key for key in commands.values() if key)]
    assert len(given) == len(set(given))


def test_a_chosen_key_replaces_the_usual_ones_and_is_taken_from_nobody_else(node):
    found, commands = told(node, KEYS, "labels.ts", [["bad", "good"], {"label:bad": "s", "undo": "2"}])
    assert found == {"s": "bad", "g": "good"}
    assert (commands["skip"], commands["undo"]) == ("x", "2")


def test_faster_people_slower_ways_and_bigger_pictures_need_more_ahead_within_bounds(node):
    calm = {"pace": 2, "claim": 0.1, "load": 0.1, "bytes": 180_000}
    asked = [
        calm, {**calm, "pace": 0.2}, {**calm, "pace": 0.2, "load": 1}, {**calm, "pace": 0.2, "load": 10},
        {**calm, "pace": 0.2, "load": 10, "bytes": 6_000_000}, {**calm, "bytes": 60_000_000},
    ]  # fmt: skip
    depths = told(node, DEPTH, "ahead.ts", asked)
    assert depths == [*sorted(depths[:4]), 8, 4]
    assert depths[0] == 4
    assert depths[3] == 20
