"""The cookie of a person: what it opens, for how long, and what it does not survive."""

from time import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import TimestampSigner, URLSafeTimedSerializer

from loopline.apps.http import sessions as module
from loopline.apps.http.identity import Identity
from loopline.apps.http.sessions import ABSOLUTE_SECONDS, IDLE_SECONDS, Sessions
from loopline.records.people import User
from loopline.testing import factories as make

ANA = User(loop=make.LOOP, name="Ana María; x=1", roles=("annotator",), made_at=make.NOW, epoch=3)


def of(secret=b"secret", loop=make.LOOP, cookie="loopline_1"):
    return Sessions(secret=secret, loop=loop, cookie=cookie)


def cookie(sessions=None, user=ANA):
    return (sessions or of()).begun(user, is_secure=False).split(";")[0]


def ago(monkeypatch, seconds):
    """Have cookies written as if it were so long ago."""
    monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _: int(time() - seconds))


def test_it_says_who_signed_in_and_when_and_nothing_else():
    found = of().read(f"other=1; {cookie()}")
    assert (found.name, found.epoch) == (ANA.name, 3)
    assert abs(found.begun - time()) < 60
    assert not found.is_old


def test_it_is_out_of_reach_of_scripts_and_of_other_sites():
    plain, secure = (of().begun(ANA, is_secure=is_secure) for is_secure in (False, True))
    for guard in ("Path=/", "HttpOnly", "SameSite=Strict", f"Max-Age={IDLE_SECONDS}"):
        assert guard in plain.split("; ")
    assert ("Secure" in plain.split("; "), "Secure" in secure.split("; ")) == (False, True)
    assert "Domain" not in plain


def test_a_changed_one_and_one_of_elsewhere_are_nobodys():
    name, _, value = cookie().partition("=")
    body, _, signature = value.rpartition(".")
    other_letter = "A" if signature[0] != "A" else "B"
    assert of().read(f"{name}={body}.{other_letter}{signature[1:]}") is None
    assert of().read(f"{name}=x{value}") is None
    for elsewhere in (of(secret=b"other"), of(loop="other")):
        assert elsewhere.read(cookie()) is None
    assert of(cookie="loopline_2").read(cookie()) is None


def test_the_cookie_of_the_token_is_no_persons_and_a_persons_is_not_the_tokens():
    identity = Identity(token="the-token", secret=b"secret")
    own = of(cookie=identity.cookie)
    assert own.read(identity.issue().split(";")[0]) is None
    assert not identity.is_signed_in(cookie(own))
    forged = URLSafeTimedSerializer(b"secret", salt="loopline.session").dumps(["ana", 0, int(time())])
    assert own.read(f"{identity.cookie}={forged}") is None


@pytest.mark.parametrize(("hours", "is_good"), [(11.9, True), (12.1, False)])
def test_it_ends_when_nothing_was_asked_for_twelve_hours(monkeypatch, hours, is_good):
    with monkeypatch.context() as then:
        ago(then, hours * 3_600)
        old = cookie()
    found = of().read(old)
    assert (found is not None) is is_good
    assert found is None or found.is_old


@pytest.mark.parametrize(("days", "is_good"), [(6.9, True), (7.1, False)])
def test_it_ends_after_a_week_however_busy_its_person_was(monkeypatch, days, is_good):
    with monkeypatch.context() as then:
        at = time() - days * 86_400
        then.setattr(module.time, "time", lambda: at)
        begun = of().begun(ANA, is_secure=False)
    session = module.Session(ANA.name, 3, int(time() - days * 86_400), 0)
    renewed = of().renewed(session, is_secure=False)
    assert (of().read(renewed) is not None) is is_good
    assert begun != renewed
    assert int(renewed.split("Max-Age=")[1].split(";")[0]) <= max(0, int(session.begun + ABSOLUTE_SECONDS - time()) + 1)


def test_a_renewed_one_has_the_old_beginning():
    first = of().read(cookie())
    again = of().read(of().renewed(first._replace(begun=first.begun - 1_000), is_secure=False))
    assert (again.name, again.epoch, again.begun) == (first.name, 3, first.begun - 1_000)


@given(st.text())
def test_no_cookie_header_raises(text):
    assert of().read(text) is None
    of().read(f"loopline_1={text}")


@given(st.text(min_size=1, max_size=64).filter(str.isprintable))
def test_no_name_breaks_out_of_its_cookie(name):
    written = of().begun(msgspec.structs.replace(ANA, name=name), is_secure=False)
    assert written.isascii()
    assert written.count(";") == 4
    assert of().read(written.split(";")[0]).name == name
