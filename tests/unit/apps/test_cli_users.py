"""``loopline users`` and ``loopline audit``, over a real folder that no server holds."""

import json
import re

import pytest
from typer import Typer
from typer.testing import CliRunner

from loopline.apps.cli import users
from loopline.apps.config import load_settings
from loopline.apps.passwords import Passwords
from loopline.apps.wiring import FOLDER, open_house
from loopline.errors import LooplineError
from loopline.records.people import User

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
GOOD = "correct horse battery"
whole = Typer()
whole.add_typer(users.app)
whole.command()(users.audit)


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

    def run(*words, typed=""):
        words = [*words, "--loop", str(loop)]
        found = CliRunner().invoke(whole, words, input=typed, catch_exceptions=False)
        assert found.exit_code == 0, found.output
        return found.stdout

    return run


def kept(loop, name):
    house = open_house(load_settings(loop), root=loop.parent / FOLDER)
    return house.ledger.get(User, name, loop=house.settings.name)


@pytest.mark.parametrize(
    ("words", "typed"), [([], f"{GOOD}\n{GOOD}\n"), (["--password-stdin"], f"{GOOD}\n"), (["--password-stdin"], GOOD)]
)
def test_the_first_user_is_added_without_a_word_of_the_password(run, loop, words, typed):
    assert run("users", "list") == "no users yet; add one: loopline users add NAME --role lead\n"
    told = run("users", "add", "ana", "--role", "lead", "--role", "annotator", *words, typed=typed)
    assert told.split("\n")[-2:] == ["ana: annotator, lead", ""]
    assert GOOD not in told
    ana = kept(loop, "ana")
    assert Passwords().check(GOOD, ana.password)
    listed = json.loads(run("users", "list", "--json"))
    assert [(user["name"], user["has_password"]) for user in listed] == [("ana", True)]
    assert "argon2" not in json.dumps(listed)


def test_everything_about_a_user_can_be_said_in_the_terminal(run, loop):
    run("users", "add", "Ana Mar\u00eda", "--role", "annotator", "--by-proxy")
    name = "Ana Mar\u00eda"
    assert run("users", "skills", name, "law", "tax").endswith("skills law, tax; signs in by the proxy\n")
    run("users", "languages", name, "es")
    run("users", "quota", name, "300")
    run("users", "roles", name, "adjudicator", "viewer")
    run("users", "password", name, "--password-stdin", typed=f"{GOOD}\n")
    line = "Ana Mar\u00eda: adjudicator, viewer; skills law, tax; languages es; at most 300 answers a day"
    assert run("users", "list") == f"{line}\n"
    assert re.fullmatch(re.escape(line) + r"; disabled \d{4}-.*\n", run("users", "disable", name))
    assert run("users", "enable", name) == f"{line}\n"
    before = kept(loop, name).epoch
    run("users", "sign-out", name)
    assert kept(loop, name).epoch == before + 1
    assert json.loads(run("users", "skills", name, "--json"))["skills"] == []
    acts = json.loads(run("audit", "--json", "--actor", "console"))
    assert [act["act"] for act in acts] == ["PATCH /api/users/{name}"] * 9 + ["POST /api/users"]
    assert {act["subject"] for act in acts} == {name}
    assert GOOD not in json.dumps(acts)
    told = run("audit", "--newest", "1")
    assert re.fullmatch(
        r"\d{4}-\S+ \S+  console  PATCH /api/users/\{name\}  Ana Mar\u00eda  200(  127\.0\.0\.1)?\n", told
    )


def test_what_the_loop_refuses_is_told_in_its_own_words(run):
    assert run("audit") == "no acts yet\n"
    with pytest.raises(LooplineError, match="password: 5 characters, expected 10 to 200"):
        run("users", "add", "ana", "--role", "lead", "--password-stdin", typed="short\n")
    with pytest.raises(LooplineError, match="role: 'admin', expected one of annotator"):
        run("users", "add", "ana", "--role", "admin", "--by-proxy")
    with pytest.raises(LooplineError, match="no user 'bob'"):
        run("users", "disable", "bob")
