"""Tokens, cookies and names, without a server."""

from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import TimestampSigner

from loopline.apps.http.identity import Identity, hostname, is_same_origin

US = Identity(token="the-token", secret=b"secret", hosts=frozenset({"loop.example"}))


def cookie(identity: Identity) -> str:
    return identity.issue().split(";")[0]


def test_our_cookie_signs_in_and_a_changed_one_does_not():
    given_cookie = cookie(US)
    assert US.is_signed_in(f"other=1; {given_cookie}")
    signed, _, signature = given_cookie.rpartition(".")
    # the first letter: a signature's last one carries bits that no reader looks at
    other_letter = "A" if signature[0] != "A" else "B"
    assert not US.is_signed_in(f"{signed}.{other_letter}{signature[1:]}")
    assert not US.is_signed_in("")
    assert not US.is_signed_in(US.revoke().split(";")[0])


def test_another_installation_has_another_cookie():
    other = Identity(token="the-token", secret=b"other")
    assert other.cookie != US.cookie
    assert not US.is_signed_in(cookie(other))


def test_an_empty_token_opens_nothing():
    assert not Identity(token="", secret=b"s").is_token("")


@given(st.text())
def test_only_the_token_is_the_token(text):
    assert US.is_token(text) == (text == "the-token")


@given(st.text())
def test_no_cookie_header_raises(text):
    assert not US.is_signed_in(text)


@given(st.text())
def test_no_host_header_raises(text):
    hostname(text)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]:8686", "loop.example:443", "LOOP.example"])
def test_names_we_answer_to(host):
    assert US.answers_to(host)


@pytest.mark.parametrize(
    "host", ["", "example", "127.0.0.1.example", "[::1", "localhost@evil", "localhost/evil", "0.0.0.0"]
)
def test_names_we_do_not_answer_to(host):
    assert not US.answers_to(host)


@pytest.mark.parametrize(
    ("origin", "site", "is_ours"),
    [
        ("http://localhost:1", None, True), ("http://localhost:2", None, False), ("null", None, False),
        (None, None, False), (None, "same-origin", True), ("http://localhost:1", "cross-site", False),
        (None, "none", False),
    ],
)  # fmt: skip
def test_where_a_request_comes_from(origin, site, is_ours):
    assert is_same_origin(host="localhost:1", origin=origin, site=site) is is_ours


def test_a_cookie_is_worth_nothing_after_thirty_days(monkeypatch):
    now = int(time())
    for days, is_good in ((29.9, True), (30.1, False)):
        with monkeypatch.context() as then:
            then.setattr(TimestampSigner, "get_timestamp", lambda _, days=days: now - int(days * 86_400))
            old = cookie(US)
        assert US.is_signed_in(old) is is_good
