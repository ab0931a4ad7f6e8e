"""The folder of a loop: what is lost there is told, never quietly made anew."""

from pathlib import Path

import pytest

from loopline.adapters.spool.log import SpoolLog
from loopline.apps.wiring import House, open_house
from loopline.errors import Conflict
from loopline.records.settings import SelectSettings
from loopline.testing.factories import prediction, settings


def opened(root: Path) -> House:
    house = open_house(settings(), root=root)
    house.log.close()
    return house


def test_token_and_secret_are_made_once_for_their_owner_alone(tmp_path):
    first, second = opened(tmp_path), opened(tmp_path)
    assert (first.token, first.secret) == (second.token, second.secret)
    assert first.token.encode() != first.secret
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("token", "secret")} == {0o600}
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_emptied_secret_is_told_and_does_not_reopen_the_seal(tmp_path, content):
    opened(tmp_path)
    (tmp_path / "secret").write_text(content)
    told = r"^file .*secret: empty, expected the word that was written there; restore it from a backup: .*trained on"
    with pytest.raises(Conflict, match=told):
        opened(tmp_path)
    assert (tmp_path / "secret").read_text() == content


def test_a_lost_secret_is_told_and_not_made_anew_over_a_log(tmp_path):
    opened(tmp_path)
    kept = (tmp_path / "secret").read_bytes()
    log = SpoolLog(tmp_path / "log" / "spool.db")
    log.append([prediction("p1")])
    log.close()
    (tmp_path / "secret").unlink()
    told = (
        r"^file .*secret: missing, while .*spool.db holds samples that it sealed, expected the word that the log was "
        r"begun with; restore it from a backup: with another, samples that were sealed to judge models would be "
        r"trained on; without a backup, begin again in a new folder$"
    )
    with pytest.raises(Conflict, match=told):
        opened(tmp_path)
    assert not (tmp_path / "secret").exists()
    (tmp_path / "secret").write_bytes(kept)
    assert opened(tmp_path).secret == kept


def test_a_lost_secret_is_made_anew_while_nothing_was_logged(tmp_path):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "spool.db").touch()
    assert opened(tmp_path).secret


def test_an_emptied_token_is_told_and_a_lost_one_is_made_anew(tmp_path):
    before = opened(tmp_path)
    (tmp_path / "token").write_text("")
    remedy = r"^file .*token: empty, .*; delete the file: a new token is made at the next start$"
    with pytest.raises(Conflict, match=remedy):
        opened(tmp_path)
    (tmp_path / "token").unlink()
    after = opened(tmp_path)
    assert after.token
    assert after.token != before.token
    assert after.secret == before.secret


@pytest.mark.parametrize(
    ("launcher", "fleet", "address"),
    [
        ("threads", "ThreadFleet", None),
        ("daft", "DaftFleet", ""),
        ("ray://head:10001", "DaftFleet", "ray://head:10001"),
    ],
)
def test_the_launcher_of_loop_toml_reads_the_pool(tmp_path, launcher, fleet, address):
    asked = settings(select=SelectSettings(launcher=launcher))
    house = open_house(asked, root=tmp_path)
    assert type(house.log.surveyor.fleet).__name__ == fleet
    assert vars(house.log.surveyor.fleet).get("_address") == address
    assert type(house.read_by(threads=1, shards=3).log.surveyor.fleet).__name__ == "ThreadFleet"
    assert (house.read_by(threads=0, shards=3).log.surveyor.shards, house.log.surveyor.shards) == (3, 0)
