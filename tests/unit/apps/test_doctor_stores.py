"""What the doctor says of a database and an object store that are not in the loop's own folder."""

import pytest

from loopline.apps.cli.health import Check, examine

LOOP = """
[loop]
name = "sentiment"
labels = ["negative", "positive"]
input = "text"
[serve]
model = "elsewhere"
"""


@pytest.fixture
def looked(tmp_path, monkeypatch):
    path = tmp_path / "loop.toml"
    path.write_text(LOOP)

    def look(**variables: str) -> dict[str, Check]:
        for name in ("DATABASE_URL", "OBJECT_STORE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return {check.name: check for check in examine(path, port=0)}

    return look


def test_what_lies_in_the_folder_is_not_looked_at_twice(looked):
    assert not {"database", "object store"} & looked().keys()


def test_stores_that_work_are_used_and_left_as_they_were(looked, tmp_path):
    found = looked(OBJECT_STORE=f"file://{tmp_path}/kept", DATABASE_URL=f"sqlite:///{tmp_path}/state.db")
    assert found["object store"] == Check(
        "object store", True, f"file://{tmp_path}/kept: put, read and deleted an object"
    )
    assert found["database"].is_well
    assert not [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]


def test_stores_that_do_not_work_are_told_in_words(looked, tmp_path):
    found = looked(OBJECT_STORE="ftp://host/x", DATABASE_URL="sqlite:////nowhere/at/all/state.db")
    assert not found["object store"].is_well
    assert "ftp" in found["object store"].found
    assert not found["database"].is_well
    assert "unable to open database file" in found["database"].found
