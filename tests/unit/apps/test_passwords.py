"""Passwords: what is kept of them, what is checked, and what the time it takes does not tell."""

import threading
import time

import pytest
from argon2 import PasswordHasher, extract_parameters

from loopline.apps import passwords as module
from loopline.apps.passwords import Passwords
from loopline.errors import Busy, InvalidRecord

QUICK = {"time_cost": 1, "memory_cost": 8, "parallelism": 1}
GOOD = "correct horse battery"


@pytest.fixture
def passwords():
    return Passwords(PasswordHasher(**QUICK))


def test_only_a_salted_argon2id_hash_is_kept(passwords):
    one, other = passwords.hashed(GOOD), passwords.hashed(GOOD)
    assert one.startswith("$argon2id$v=19$")
    assert one != other
    assert GOOD not in one


def test_the_parameters_are_those_that_the_library_recommends():
    found = extract_parameters(Passwords().hashed(GOOD))
    assert (found.memory_cost, found.time_cost, found.parallelism) == (65_536, 3, 4)


@pytest.mark.parametrize("given", ["", "correct horse", GOOD + " ", GOOD.upper(), "x" * 1_000_000])
def test_only_the_password_is_the_password(passwords, given):
    stored = passwords.hashed(GOOD)
    assert passwords.check(GOOD, stored)
    assert not passwords.check(given, stored)


def test_whoever_has_no_password_signs_in_with_none(passwords):
    assert not passwords.check("", "")
    assert not passwords.check(module.NOBODYS, "")
    assert not passwords.check(GOOD, "no hash at all")


@pytest.mark.parametrize("length", [0, 9, 201])
def test_a_password_has_10_to_200_characters(passwords, length):
    with pytest.raises(InvalidRecord) as error:
        passwords.hashed("x" * length)
    assert str(error.value).startswith(f"password: {length} characters, expected 10 to 200")
    assert passwords.check("y" * 200, passwords.hashed("y" * 200))


def test_an_accent_is_the_same_however_a_keyboard_composes_it(passwords):
    assert passwords.check("contrasen\u0303a larga", passwords.hashed("contrase\u00f1a larga"))


def test_a_wrong_name_a_wrong_password_and_no_password_are_held_against_a_hash_of_the_same_cost(passwords, monkeypatch):
    stored, verify, seen = passwords.hashed(GOOD), passwords._hasher.verify, []
    watched = type(
        "Watched", (), {"verify": lambda _, kept, said: seen.append(extract_parameters(kept)) or verify(kept, said)}
    )
    passwords._nobodys  # noqa: B018  made once, at the first sign-in
    monkeypatch.setattr(passwords, "_hasher", watched())
    for given, kept in ((GOOD, ""), ("wrong", stored), ("x" * 1_000, stored)):
        assert not passwords.check(given, kept)
    assert len(seen) == 3
    assert len(set(map(str, seen))) == 1


def test_a_hash_under_other_parameters_is_outdated(passwords):
    assert not passwords.is_outdated(passwords.hashed(GOOD))
    assert Passwords().is_outdated(passwords.hashed(GOOD))


def test_no_more_than_a_few_checks_run_and_wait_at_once(passwords, monkeypatch):
    opened, inside, most = threading.Event(), [], []
    passwords.check(GOOD, "")  # what unknown names are held against is made at the first look

    def slow(*_):
        inside.append(1)
        most.append(len(inside))
        assert opened.wait(30)
        inside.pop()
        return True

    monkeypatch.setattr(passwords, "_hasher", type("Slow", (), {"verify": slow})())
    threads = [
        threading.Thread(target=passwords.check, args=(GOOD, "$x")) for _ in range(module.AT_ONCE + module.WAITING)
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while passwords._inside < len(threads):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with pytest.raises(Busy, match=rf"^sign-in: {len(threads)} others are signing in; try again in 2 s"):
        passwords.check(GOOD, "$x")
    opened.set()
    for thread in threads:
        thread.join()
    assert max(most) <= module.AT_ONCE
    assert passwords._inside == 0
