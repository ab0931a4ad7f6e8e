"""Reserve, sampling, accounting and frames: pure, so told as laws."""

import hmac
from collections import Counter

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loopline.capture.accounting import correction, dropped, live, live_rows, shares
from loopline.capture.framing import exchanges_in, framed
from loopline.capture.reserve import Sealing
from loopline.capture.sampling import is_sampled
from loopline.testing.exchanges import exchange, failed_exchange, table_exchange, turn

proportions = st.floats(0, 1)
counts = st.integers(0, 1_000)


def test_the_reserve_holds_its_share_of_groups():
    roles = Counter(Sealing(b"secret", share=0.25).role(f"user-{i}") for i in range(20_000))
    assert abs(roles["reserve"] / 20_000 - 0.25) < 4 * (0.25 * 0.75 / 20_000) ** 0.5


@given(st.text(), st.binary(max_size=40), proportions, proportions)
def test_a_group_keeps_its_side_and_never_leaves_a_reserve_that_grows(group, secret, one, other):
    small, large = sorted((one, other))
    assert Sealing(secret, share=small).role(group) == Sealing(secret, share=small).role(group)
    if Sealing(secret, share=small).role(group) == "reserve":
        assert Sealing(secret, share=large).role(group) == "reserve"


def test_without_the_secret_the_side_of_a_group_is_unknown():
    same = sum(Sealing(b"a", share=0.5).role(f"g{i}") == Sealing(b"b", share=0.5).role(f"g{i}") for i in range(4_000))
    assert abs(same / 4_000 - 0.5) < 0.04


def test_the_keyed_hash_is_the_standard_one():
    # The well-known value of HMAC-SHA256 for this key and text begins with f7bc83f430538424, that is 0.96772 of 2^64.
    fox = "The quick brown fox jumps over the lazy dog"
    assert Sealing(b"key", share=0.96773).role(fox) == "reserve"
    assert Sealing(b"key", share=0.96772).role(fox) == "loop"


@given(st.text(), st.binary(max_size=200), proportions)
def test_the_prepared_hash_is_the_librarys_for_keys_of_any_length(group, secret, share):
    keyed = hmac.digest(secret, group.encode("utf-8", "surrogatepass"), "sha256")
    role = "reserve" if (int.from_bytes(keyed[:8], "big") >> 11) / 2**53 < share else "loop"
    sealing = Sealing(secret, share=share)
    assert [sealing.role(group), sealing.role(group)] == [role, role]


def test_sampling_keeps_its_share_and_its_choice():
    kept = [i for i in range(20_000) if is_sampled(f"p{i}", share=0.1)]
    assert abs(len(kept) / 20_000 - 0.1) < 4 * (0.1 * 0.9 / 20_000) ** 0.5
    assert kept == [i for i in range(20_000) if is_sampled(f"p{i}", share=0.1)]


def test_sampling_does_not_follow_the_reserve():
    both = sum(
        is_sampled(f"g{i}", share=0.5) and Sealing(b"", share=0.5).role(f"g{i}") == "reserve" for i in range(9_000)
    )
    assert abs(both / 9_000 - 0.25) < 0.03


def test_live_rows_are_all_but_the_shadows():
    assert live_rows({}) == 0
    assert live_rows({"incumbent": 1, "canary": 2, "direct": 4, "shadow": 8}) == 7


def test_lost_exchanges_count_by_rows_and_one_that_cannot_be_read_as_a_row():
    lost = [exchange("a", "x", "y"), None, exchange("a", "x", "y", "z", arm="shadow"), failed_exchange("b")]
    assert live(lost) == 4
    assert dropped(lost) == {"dropped": 4, "shadow_dropped": 3}


@given(answered=counts, stored=counts, repeated=counts, sampled_out=counts, held=counts, waiting=counts)
def test_after_the_correction_the_account_balances_and_nothing_was_taken_back(held, waiting, **totals):
    change = correction(totals, held=held, waiting=waiting)
    after = {"dropped": 0} | totals
    after = {name: amount + getattr(change, name, 0) for name, amount in after.items()}
    accounted = after["stored"] + after["repeated"] + after["dropped"] + after["sampled_out"]
    assert after["answered"] == accounted + waiting
    assert after["stored"] == held
    assert change.answered >= 0
    assert change.dropped >= 0
    assert 0 in (change.answered, change.dropped)


def test_a_balanced_account_needs_no_correction():
    totals = {"answered": 13, "stored": 5, "repeated": 2, "dropped": 2, "sampled_out": 1}
    assert correction(totals, held=5, waiting=3) == (0, 0, 0)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.data())
def test_what_an_unheard_attempt_stored_is_counted_as_stored_however_it_is_cut_anew(batches, data):
    rows = sum(batches)
    before, again = data.draw(st.integers(0, rows)), data.draw(st.integers(0, 20))
    held, counted, stored, repeated = 100 + before, 100, 0, 0
    left = rows - before  # new rows that the later attempts bring in, besides repetitions
    for batch in batches:
        new = data.draw(st.integers(0, min(left, batch)))
        left, held = left - new, held + new
        share = shares(batch, held=held, counted=counted)
        assert min(share.values()) >= 0
        assert sum(share.values()) == batch
        counted, stored, repeated = counted + share["stored"], stored + share["stored"], repeated + share["repeated"]
    assert stored + repeated == rows
    assert counted <= held
    assert shares(again, held=counted, counted=counted) == {"stored": 0, "repeated": again}


@pytest.mark.parametrize(
    "whole",
    [
        exchange("p1", "good", "ü\U0001f600", ""),
        failed_exchange("p1", reason="asked for", trace="0" * 32),
        table_exchange("p2", (1.0, -0.0), (2.5, 1e300), members=b"1234", embedding=b"5678"),
        exchange("p3", inputs=(b"GIF89a", b"\x00\xff"), rows=2),
    ],
)
def test_an_exchange_crosses_whole(whole):
    assert exchanges_in(framed(whole)) == (whole,)


def test_what_a_failing_model_says_may_hold_letters_that_are_none():
    (read,) = exchanges_in(framed(failed_exchange("p1", failure="OSError: caf\udce9", reason="v1 said \udce9")))
    assert (read.failure, read.reason) == ("OSError: caf?", "v1 said ?")


def test_an_input_that_no_encoding_can_hold_has_no_frame():
    assert framed(exchange("p1", "caf\udce9")) == b""


@given(st.binary(max_size=60))
@example(b"\xdc\x00\x0c\xa4\x00\x00\x00\x80")  # a name that is no text
@example(b"\xdc\x00\x0c\xa1p\x00\xa1v\xa1a\xa1s\xa9incumbent\xa0\xa0" + b"\x91" * 100_000)  # inputs without a bottom
def test_what_is_no_exchange_is_read_as_none(noise):
    assert exchanges_in(noise) == (None,)
    whole = framed(exchange())
    assert exchanges_in(whole[:-1]) == (None,)
    assert exchanges_in(whole + b"\0") == (None,)
    assert exchanges_in(msgspec.msgpack.encode(["p1", "late"])) == (None,)


@pytest.mark.parametrize("make", [exchange, table_exchange])
def test_a_turn_crosses_as_the_exchanges_that_it_is(make):
    rows = {exchange: ("a", "b"), table_exchange: ((1.0, 2.0), (3.0, 4.0))}[make]
    whole = (make("p1"), make("p2", *rows, group="ana", segment="web"), make("p3", trace="4bf9"))
    assert exchanges_in(framed(turn(*whole))) == whole
    bare = msgspec.structs.replace(turn(make("p1"), make("p2")), counts=(), groups=(), traces=(), segments=())
    assert bare.exchanges() == (make("p1"), make("p2"))


def test_frames_of_before_segments_are_read_and_have_none():
    named = exchange("p1", segment="web"), turn(exchange("p1", segment="web"), exchange("p2"))
    for whole in named:
        *fields, segment = msgspec.msgpack.decode(framed(whole))
        assert segment in ("web", ["web", ""])
        found = exchanges_in(msgspec.msgpack.encode(fields))
        assert found == tuple(msgspec.structs.replace(one, segment="") for one in exchanges_in(framed(whole)))


def test_a_turn_whose_parts_do_not_add_up_is_damage():
    odd = msgspec.structs.replace(turn(exchange("p1"), exchange("p2")), groups=("ana",))
    assert exchanges_in(framed(odd)) == (None,)
    odd = msgspec.structs.replace(turn(exchange("p1"), exchange("p2")), segments=("web",))
    assert exchanges_in(framed(odd)) == (None,)
