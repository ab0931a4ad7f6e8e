"""``loopline keys``, over a real folder that no server holds."""

import json
import re

import pytest
from typer.testing import CliRunner

from loopline.apps.access import Keys
from loopline.apps.cli.keys import app
from loopline.apps.config import load_settings
from loopline.apps.wiring import FOLDER, open_house
from loopline.errors import LooplineError

pytestmark = pytest.mark.service
LOOP = """
[loop]
name = "mood"
labels = ["bad", "good"]
input = "text"
[train]
run = "train.py:train"
base = "base.csv"
"""


@pytest.fixture
def loop(tmp_path):
    path = tmp_path / "loop.toml"
    path.write_text(LOOP)
    (tmp_path / "train.py").write_text("")
    (tmp_path / "base.csv").write_text("text,label\nok,good\nno,bad\n")
    return path


@pytest.fixture
def run(loop):
    """What the command prints; raises what it raises."""

    def run(*words):
        return CliRunner().invoke(app, [*words, "--loop", str(loop)], catch_exceptions=False).output

    return run


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(run, loop):
    assert run("list") == "no keys yet; make one: loopline keys add NAME --scope predict\n"
    added = run("add", "checkout service", "--scope", "predict", "--scope", "capture", "--per-second", "100")
    secret, line, told = added.splitlines()
    public = secret.rpartition("_")[0]
    assert re.fullmatch(r"lk_[0-9a-f]{12}_[0-9a-f]{64}", secret)
    assert line == f"{public}  checkout service: predict, capture, at most 100 requests a second"
    assert told == "this is the only time the key is shown; send it as 'Authorization: Bearer ...'"
    assert run("list") == f"{line}\n"
    house = open_house(load_settings(loop), root=loop.parent / FOLDER)
    assert Keys(house.ledger, loop=house.settings.name).granted(f"Bearer {secret}".encode()).key == public
    for given in (public, secret):
        assert re.fullmatch(re.escape(line) + r"; revoked \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n", run("revoke", given))
    assert Keys(house.ledger, loop=house.settings.name).granted(f"Bearer {secret}".encode()) is None


def test_programs_get_json(run):
    added = json.loads(run("add", "till", "--scope", "read", "--json"))
    assert json.loads(run("list", "--json")) == [added["key"]]
    revoked = json.loads(run("revoke", added["key"]["id"], "--json"))
    assert revoked["revoked_at"]


def test_what_the_loop_refuses_is_told_in_its_own_words(run):
    with pytest.raises(
        LooplineError, match=re.escape("scope: 'admin', expected one of predict, capture, control, read")
    ):
        run("add", "till", "--scope", "admin")
    with pytest.raises(LooplineError, match="no key 'lk_0'"):
        run("revoke", "lk_0_and_its_secret")
