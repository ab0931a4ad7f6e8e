"""Which key gives which label, asked of the module itself."""

import json
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

MODULE = Path(__file__).parents[2] / "web" / "src" / "labels.ts"
ASK = """
const { keysOf } = await import(process.argv[1]);
const keys = keysOf(JSON.parse(process.argv[2]));
console.log(JSON.stringify([Object.fromEntries(keys.labels), keys.skip, keys.undo]));
"""


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
    order = [node[0], "--experimental-strip-types", "--no-warnings", "--input-type=module", "-e", ASK]
    done = subprocess.run(
        [*order, MODULE.as_uri(), json.dumps(labels)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr == ""
    assert json.loads(done.stdout) == [keys, skip, undo]
