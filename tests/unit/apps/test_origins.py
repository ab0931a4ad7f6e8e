"""Where a request comes from, and whom a proxy may name: only the peer of the connection is believed to be one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.apps.http.origins import Origins
from loopline.errors import InvalidRecord
from loopline.records.settings import PeopleSettings

PROXIES = ("10.0.0.5/32", "10.1.0.0/16", "fd00::/8")
US = Origins(PeopleSettings(header="X-Forwarded-User", proxies=PROXIES))


def scope(client="10.0.0.5", scheme="http", **headers):
    lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"client": (client, 4711) if client else None, "scheme": scheme, "headers": lines}


def named(*values, client="10.0.0.5"):
    return {"client": (client, 1), "headers": [(b"x-forwarded-user", value) for value in values]}


@pytest.mark.parametrize("client", ["10.0.0.5", "10.1.200.7", "fd00::1", "::ffff:10.0.0.5"])
def test_a_proxy_names_who_it_has_signed_in(client):
    assert US.introduced(scope(client, X_Forwarded_User="ana@loop.example")) == "ana@loop.example"


@pytest.mark.parametrize(
    "client", ["127.0.0.1", "10.0.0.6", "10.2.0.1", "::1", "", "testclient", "10.0.0.5.evil.example"]
)
@pytest.mark.parametrize(
    "more", [{}, {"x_forwarded_for": "10.0.0.5"}, {"forwarded": "for=10.0.0.5"}, {"x_real_ip": "10.0.0.5"}]
)
def test_nobody_else_does_whatever_they_say_they_come_through(client, more):
    assert US.introduced(scope(client, x_forwarded_user="ana", **more)) == ""


def test_without_a_header_in_the_settings_none_is_believed():
    for settings in (PeopleSettings(), PeopleSettings(proxies=PROXIES)):
        assert Origins(settings).introduced(scope(x_forwarded_user="ana")) == ""
    assert Origins(PeopleSettings(header="X-Forwarded-User")).introduced(scope(x_forwarded_user="ana")) == ""


@pytest.mark.parametrize("values", [(), (b"",)])
def test_a_proxy_may_name_nobody(values):
    assert US.introduced(named(*values)) == ""


def test_two_names_at_once_are_refused():
    with pytest.raises(
        InvalidRecord, match=r"header x-forwarded-user: 2 of them, expected one; let the proxy take away"
    ):
        US.introduced(named(b"ana", b"root"))


@pytest.mark.parametrize(
    "value", [b"a\nb", b" ana", b"token", b"x" * 300, b"a/b", b"lk_1", b"a\x00b", "a\u202eb".encode()]
)
def test_what_can_be_no_name_is_refused(value):
    with pytest.raises(InvalidRecord, match=r"^name of the user: "):
        US.introduced(named(value))


def test_a_name_is_utf8():
    assert US.introduced(named("王芳".encode())) == "王芳"
    with pytest.raises(InvalidRecord, match=r"^header x-forwarded-user: bytes that are no UTF-8"):
        US.introduced(named(b"\xff\xfe"))


@given(st.binary(max_size=80))
def test_no_value_does_anything_but_name_somebody_or_be_refused(value):
    try:
        name = US.introduced(named(value))
    except InvalidRecord:
        return
    assert name.isprintable()


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),  # nobody's word counts but a proxy's
        ("10.0.0.5", "", "10.0.0.5"),
        ("10.0.0.5", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.5", "127.0.0.1, 198.51.100.1", "198.51.100.1"),  # what the browser claimed stands first
        ("10.0.0.5", "198.51.100.1, 10.1.0.9", "198.51.100.1"),
        ("10.0.0.5", "198.51.100.1, nonsense", "10.0.0.5"),
        ("10.0.0.5", "10.1.0.1, 10.1.0.2", "10.1.0.1"),
        ("", "198.51.100.1", ""),
    ],
)
def test_the_address_that_asks(client, forwarded, address):
    assert US.address(scope(client, x_forwarded_for=forwarded)) == address


@pytest.mark.parametrize(
    ("client", "scheme", "said", "is_secure"),
    [("10.0.0.5", "http", "https", True), ("10.0.0.5", "http", "http", False), ("192.0.2.7", "http", "https", False),
     ("192.0.2.7", "https", "http", True), ("10.0.0.5", "http", "https, http", False)],
)  # fmt: skip
def test_whether_the_browser_speaks_https(client, scheme, said, is_secure):
    assert US.is_secure(scope(client, scheme, x_forwarded_proto=said)) is is_secure
