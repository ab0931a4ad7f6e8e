"""``loopline people`` and ``loopline guideline``, over a real folder that no server holds."""

import json

import pytest
from tests.unit.apps.test_cli_keys import loop as loop  # noqa: PLC0414  the folder of the other commands
from typer.testing import CliRunner

from loopline.apps.cli.main import app
from loopline.errors import LooplineError

pytestmark = pytest.mark.service


@pytest.fixture
def run(loop):
    """What a command prints; raises what it raises."""

    def run(*words, **more):
        return CliRunner().invoke(app, [*words, "--loop", str(loop)], catch_exceptions=False, **more).output

    return run


def test_a_guideline_is_written_from_a_file_and_shown_by_its_version(run, tmp_path):
    assert run("guideline", "show").startswith("no guideline yet; write one: loopline guideline set FILE")
    (tmp_path / "text.txt").write_text("be fair\n")
    written = run("guideline", "set", str(tmp_path / "text.txt"), "--reason", "the first")
    assert written == "version 1 holds from now on, with 0 examples\n"
    assert run("guideline", "set", "-", "--reason", "kinder", input="be kind").startswith("version 2 holds")
    assert run("guideline", "show").splitlines()[0] == "be kind"
    assert json.loads(run("guideline", "show", "--version", "1", "--json"))["text"] == "be fair"
    with pytest.raises(LooplineError, match="no guideline version '9'; known: 2, 1"):
        run("guideline", "show", "--version", "9")


def test_people_are_listed_and_a_name_that_nobody_has_is_refused(run):
    assert run("people") == "nobody has answered yet; people label at the page 'Annotate'\n"
    assert json.loads(run("people", "--json")) == []
    for words in (("people", "ana"), ("people", "show", "ana"), ("people", "pause", "ana", "--reason", "x")):
        with pytest.raises(LooplineError, match="no person 'ana'"):
            run(*words)
