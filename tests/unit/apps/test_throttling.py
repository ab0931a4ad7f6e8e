"""Guessing made slow, without keeping anybody out for long whom strangers pester."""

from hypothesis import given
from hypothesis import strategies as st

from loopline.apps import throttling
from loopline.apps.throttling import AT_A_NAME, AT_AN_ADDRESS, FORGOTTEN, Throttle

HOME, OFFICE = "192.0.2.1", "192.0.2.2"


def somewhere(number):
    return f"198.51.{number // 250}.{number % 250}"


def fail(throttle, name, address, now):
    """Try until it has failed once; the time at which it did."""
    while wait := throttle.attempt(name, address, now):
        now += wait
    return now


def test_five_failures_are_free_and_each_one_more_doubles_the_wait():
    throttle, now, waits = Throttle(), 0.0, []
    for _ in range(12):
        before, now = now, fail(throttle, "ana", HOME, now)
        waits.append(now - before)
    assert waits[:5] == [0] * 5
    assert waits[5:9] == [1, 2, 4, 8]
    assert waits == sorted(waits)


def test_a_wait_is_refused_until_it_is_over_and_grows_by_no_refusal():
    throttle = Throttle()
    for _ in range(6):
        now = fail(throttle, "ana", HOME, 0.0)
    assert [throttle.attempt("ana", HOME, now) for _ in range(50)] == [2] * 50
    assert throttle.attempt("ana", HOME, now + 2) == 0


def test_a_name_is_guarded_wherever_it_is_tried_from():
    throttle = Throttle()
    tried = [throttle.attempt("ana", somewhere(number), 0.0) for number in range(50)]
    assert tried == [0] * 5 + [1] * 45
    assert throttle.attempt("ben", HOME, 0.0) == 0


def test_an_address_is_held_whatever_names_it_tries():
    throttle = Throttle()
    assert [throttle.attempt(f"name {number}", HOME, 0.0) for number in range(50)] == [0] * 5 + [1] * 45


def test_nobody_waits_more_than_half_a_minute_for_what_strangers_tried_and_not_where_they_signed_in():
    throttle, now = Throttle(), 0.0
    throttle.succeeded("ana", HOME, now)
    for number in range(200):
        now = fail(throttle, "ana", somewhere(number), now)
    assert 0 < throttle.attempt("ana", OFFICE, now) <= AT_A_NAME
    assert throttle.attempt("ana", HOME, now) == 0


def test_an_address_waits_a_quarter_of_an_hour_at_most():
    throttle, now = Throttle(), 0.0
    for number in range(40):
        now = fail(throttle, f"name {number}", HOME, now)
    assert throttle.attempt("another", HOME, now) == AT_AN_ADDRESS


def test_who_knows_one_password_gets_no_more_guesses_at_others():
    throttle, tried = Throttle(), 0
    for number in range(100):
        if not throttle.attempt("mallory", HOME, 0.0):
            throttle.succeeded("mallory", HOME, 0.0)
        tried += throttle.attempt(f"victim {number}", HOME, 0.0) == 0
    assert tried == 5


def test_attempts_at_once_are_counted_before_they_are_checked():
    throttle = Throttle()
    assert sum(throttle.attempt("ana", HOME, 0.0) == 0 for _ in range(100)) == 5


def test_whoever_is_right_begins_anew():
    throttle = Throttle()
    for _ in range(4):
        fail(throttle, "ana", HOME, 0.0)
    for _ in range(20):
        assert throttle.attempt("ana", HOME, 0.0) == 0
        throttle.succeeded("ana", HOME, 0.0)


def test_after_an_hour_all_is_forgotten():
    throttle = Throttle()
    for _ in range(9):
        now = fail(throttle, "ana", HOME, 0.0)
    later = now + FORGOTTEN + 1
    assert [throttle.attempt("ana", HOME, later) for _ in range(6)] == [0] * 5 + [1]


def test_one_household_is_one_address():
    throttle = Throttle()
    tried = [throttle.attempt(f"name {number}", f"2001:db8:1:2::{number}", 0.0) for number in range(9)]
    assert tried == [0] * 5 + [1] * 4


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(throttling, "REMEMBERED", 100)
    throttle = Throttle()
    for number in range(1_000):
        throttle.attempt(f"name {number}", somewhere(number), 0.0)
        throttle.succeeded(f"friend {number}", somewhere(number), 0.0)
    assert len(throttle._counts) <= 100
    assert len(throttle._known) <= 100


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3), st.floats(0, 100)), max_size=80))
def test_no_pattern_gets_more_guesses_at_one_name_than_the_waits_allow(tries):
    throttle, now, guessed = Throttle(), 0.0, {"a": 0, "b": 0}
    for name, place, pause in tries:
        now += pause
        guessed[name] += throttle.attempt(name, somewhere(place), now) == 0
    allowed = next(n for n in range(5, 200) if sum(min(AT_A_NAME, 2.0**i) for i in range(n - 4)) > now)
    assert max(guessed.values()) <= allowed + 1 or now > FORGOTTEN
