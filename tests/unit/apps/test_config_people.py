"""``[people]``: whose word counts about who somebody is."""

import pytest

from loopline.apps.config import InvalidSettings, load_settings
from loopline.records.settings import PeopleSettings

LEAST = '[loop]\nname = "mood"\nlabels = ["bad", "good"]\ninput = "text"\n[serve]\nmodel = "elsewhere"\n[people]\n'
BOTH = 'header = "X-Forwarded-User"\nproxies = ["127.0.0.1"]\n'


@pytest.fixture
def read(tmp_path):
    def read(lines):
        (tmp_path / "loop.toml").write_text(LEAST + lines)
        return load_settings(tmp_path / "loop.toml").people

    return read


def test_nobodys_word_counts_unless_it_is_asked_for(read):
    assert read("") == PeopleSettings() == PeopleSettings(header="", proxies=(), role="annotator")


def test_addresses_are_read_as_networks(read):
    found = read('header = "X-User"\nproxies = ["10.0.0.5", "10.1.0.0/16", "fd00::/8"]\nrole = "none"')
    assert found == PeopleSettings(header="X-User", proxies=("10.0.0.5/32", "10.1.0.0/16", "fd00::/8"), role="none")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ('header = "X-User"', "people.proxies: found a header without proxies, allowed: both, or neither"),
        ('proxies = ["10.0.0.5"]', "people.proxies: found proxies without a header, allowed: both, or neither"),
        (BOTH.replace("X-Forwarded-User", "Cookie"), 'people.header: found "Cookie", allowed: a header of its own'),
        (
            BOTH.replace("X-Forwarded-User", "X-Forwarded-For"),
            'people.header: found "X-Forwarded-For", allowed: a header',
        ),
        (BOTH.replace("X-Forwarded-User", "X User"), 'people.header: found "X User", allowed: the name of a request'),
        (BOTH.replace("127.0.0.1", "0.0.0.0/0"), 'people.proxies: found "0.0.0.0/0", which is everybody, allowed: the'),
        (BOTH.replace("127.0.0.1", "::/0"), 'people.proxies: found "::/0", which is everybody'),
        (BOTH.replace("127.0.0.1", "10.0.0.5/8"), "people.proxies: found"),
        (BOTH.replace("127.0.0.1", "proxy.example"), "people.proxies: found"),
        (BOTH + 'role = "engineer"', 'people.role: found "engineer", allowed:'),
    ],
)
def test_what_would_believe_anybody_is_refused(read, lines, sentence):
    with pytest.raises(InvalidSettings) as error:
        read(lines)
    assert sentence in str(error.value)
