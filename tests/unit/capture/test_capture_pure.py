"""Reserve, sampling, accounting and the buffer: pure, so told as laws."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from loopline.capture.accounting import correction, live_rows
from loopline.capture.buffer import Buffer
from loopline.capture.reserve import role_of
from loopline.capture.sampling import is_sampled, request_of
from loopline.testing.factories import prediction

shares = st.floats(0, 1)
counts = st.integers(0, 1_000)


def test_the_reserve_holds_its_share_of_groups():
    roles = Counter(role_of(f"user-{i}", secret=b"secret", share=0.25) for i in range(20_000))
    assert abs(roles["reserve"] / 20_000 - 0.25) < 4 * (0.25 * 0.75 / 20_000) ** 0.5


@given(st.text(), st.binary(max_size=40), shares, shares)
def test_a_group_keeps_its_side_and_never_leaves_a_reserve_that_grows(group, secret, one, other):
    small, large = sorted((one, other))
    assert role_of(group, secret=secret, share=small) == role_of(group, secret=secret, share=small)
    if role_of(group, secret=secret, share=small) == "reserve":
        assert role_of(group, secret=secret, share=large) == "reserve"


def test_without_the_secret_the_side_of_a_group_is_unknown():
    same = sum(
        role_of(f"g{i}", secret=b"a", share=0.5) == role_of(f"g{i}", secret=b"b", share=0.5) for i in range(4_000)
    )
    assert abs(same / 4_000 - 0.5) < 0.04


def test_the_keyed_hash_is_the_standard_one():
    # The well-known value of HMAC-SHA256 for this key and text begins with f7bc83f430538424, that is 0.96772 of 2^64.
    fox = "The quick brown fox jumps over the lazy dog"
    assert role_of(fox, secret=b"key", share=0.96773) == "reserve"
    assert role_of(fox, secret=b"key", share=0.96772) == "loop"


def test_sampling_keeps_its_share_and_its_choice():
    kept = [i for i in range(20_000) if is_sampled(f"p{i}", share=0.1)]
    assert abs(len(kept) / 20_000 - 0.1) < 4 * (0.1 * 0.9 / 20_000) ** 0.5
    assert kept == [i for i in range(20_000) if is_sampled(f"p{i}", share=0.1)]


def test_sampling_does_not_follow_the_reserve():
    both = sum(
        is_sampled(f"g{i}", share=0.5) and role_of(f"g{i}", secret=b"", share=0.5) == "reserve" for i in range(9_000)
    )
    assert abs(both / 9_000 - 0.25) < 0.03


def test_a_versions_own_copy_is_kept_when_the_answer_is():
    assert request_of(prediction("p1~v2", model="v2", arm="shadow")) == request_of(prediction("p1")) == "p1"
    assert request_of(prediction("p1~v3", model="v2")) == "p1~v3"


def test_live_rows_are_all_but_the_shadows():
    assert live_rows({}) == 0
    assert live_rows({"incumbent": 1, "canary": 2, "direct": 4, "shadow": 8}) == 7


@given(answered=counts, stored=counts, repeated=counts, dropped=counts, sampled_out=counts, held=counts)
def test_after_the_correction_the_account_balances_and_nothing_was_taken_back(held, **totals):
    change = correction(totals, held=held)
    after = {name: amount + getattr(change, name, 0) for name, amount in totals.items()}
    assert after["answered"] == after["stored"] + after["repeated"] + after["dropped"] + after["sampled_out"]
    assert after["stored"] == held
    assert change.answered >= 0
    assert change.dropped >= 0
    assert 0 in (change.answered, change.dropped)


def test_a_balanced_account_needs_no_correction():
    totals = {"answered": 10, "stored": 5, "repeated": 2, "dropped": 2, "sampled_out": 1}
    assert correction(totals, held=5) == (0, 0, 0)


def test_the_buffer_gives_back_in_order_what_it_had_room_for():
    buffer = Buffer(rows=3, size=1_000)
    assert [buffer.put(prediction(f"p{i}")) for i in range(5)] == [True, True, True, False, False]
    assert [row.id for row in buffer.head(2)] == ["p0", "p1"]
    assert len(buffer) == 3
    buffer.remove(2)
    assert buffer.put(prediction("p9"))
    assert [row.id for row in buffer.head(10)] == ["p2", "p9"]


def test_the_buffer_is_bounded_by_bytes_too():
    buffer = Buffer(rows=100, size=100)
    assert buffer.put(prediction("p1", "x" * 90))
    assert not buffer.put(prediction("p2", "x" * 90))
    buffer.remove(1)
    assert buffer.put(prediction("p2", "x" * 90))


def test_a_closed_buffer_takes_nothing_and_keeps_what_it_has():
    buffer = Buffer(rows=3, size=1_000)
    buffer.put(prediction("p1"))
    buffer.close()
    assert not buffer.put(prediction("p2"))
    assert [row.id for row in buffer.head(9)] == ["p1"]


def test_threads_share_the_buffer_without_losing_a_row():
    buffer = Buffer(rows=900, size=1 << 20)
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda i: buffer.put(prediction(f"p{i}")), range(1_000)))
    assert sum(taken) == len(buffer) == 900
    assert len({row.id for row in buffer.head(1_000)}) == 900
