"""Keys without a server: made, checked, revoked; what their holders may do, and how often."""

import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.apps import access
from loopline.apps.access import SCOPES, Bucket, Keys, keep, mint, revoke
from loopline.apps.http.admission import HOSTS_KEPT, Admission
from loopline.apps.http.identity import Identity
from loopline.apps.http.meter import Meter
from loopline.errors import InvalidRecord, NotFound
from loopline.orchestrate.lineage import orphans, why
from loopline.records.access import ApiKey
from loopline.records.keys import entity_of
from loopline.testing import factories as make

HOST = b"127.0.0.1:8686"


@dataclass
class Hand:
    """A clock's hand."""

    at: float = 100.0

    def __call__(self) -> float:
        return self.at


@dataclass
class Place:
    """A ledger with one key in it, and the door that looks at it."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    hand: Hand = field(default_factory=Hand)
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self):
        self.keys = Keys(self.ledger, loop=make.LOOP, now=self.hand)
        identity = Identity(token="the-token", secret=b"secret")
        self.door = Admission(identity, keys=self.keys, meter=self.meter)

    def add(self, *scopes, per_second=0.0, name="till"):
        minted = mint(name, loop=make.LOOP, scopes=scopes, per_second=per_second, at=make.NOW)
        keep(minted.key, ledger=self.ledger)
        self.keys.reread()
        return minted

    def ask(self, shown, need="predict", *, host=HOST, now=0.0):
        """The status of a refusal, 0 for none; and its sentence."""
        refusal = self.door.admit(None if shown is None else f"Bearer {shown}".encode(), host, need, now)
        return (refusal.status, refusal.sentence) if refusal else (0, "")


@pytest.fixture
def place():
    return Place()


def test_a_key_is_its_id_and_256_random_bits_and_only_their_hash_is_kept(place):
    one, other = place.add("predict"), place.add("predict")
    assert re.fullmatch(r"lk_[0-9a-f]{12}_[0-9a-f]{64}", one.shown)
    assert one.shown.startswith(f"{one.key.id}_")
    assert one.shown != other.shown
    secret = one.shown.rpartition("_")[2]
    assert secret not in repr(place.ledger.all(ApiKey, make.LOOP))
    assert one.key.secret == access.hashlib.sha256(secret.encode()).hexdigest()


def test_scopes_are_kept_once_and_in_one_order():
    minted = mint("till", loop=make.LOOP, scopes=(*reversed(SCOPES), "read"), per_second=0, at=make.NOW)
    assert minted.key.scopes == SCOPES


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scopes": ("admin",)}, "scope: 'admin', expected one of predict, capture, control, read"),
        ({"scopes": ()}, "scopes [], expected one or more of predict, capture, control, read"),
        ({"name": ""}, "name of the key: '' (0 characters), expected 1 to 64 printable characters, no blank at"),
        ({"name": " till"}, "name of the key: ' till' (5 characters), expected 1 to 64 printable"),
        ({"name": "a\nb"}, "name of the key: 'a\\nb' (3 characters), expected 1 to 64 printable"),
        ({"per_second": -1.0}, "-1.0 requests a second, expected a finite number, 0 for any number of them"),
        ({"per_second": float("inf")}, "inf requests a second, expected a finite number"),
        ({"per_second": float("nan")}, "nan requests a second, expected a finite number"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused(changes, sentence):
    asked = {"name": "till", "scopes": ("predict",), "per_second": 0.0} | changes
    with pytest.raises(InvalidRecord, match=re.escape(sentence)):
        mint(asked.pop("name"), loop=make.LOOP, at=make.NOW, **asked)


def test_a_key_has_a_maker_and_both_its_acts_are_told(place):
    key = place.add("predict", "capture", per_second=100.0).key
    revoke(key.id, ledger=place.ledger, loop=make.LOOP, at=make.later(60))
    acts = place.ledger.activities(make.LOOP)
    assert orphans([entity_of(key)], acts) == ()
    assert why(entity_of(key), acts).act == f"sentiment/key/{key.id}/made"
    told = [event.text for event in place.ledger.events(make.LOOP, newest=9)]
    assert told == [
        f"key {key.id} of 'till' was revoked",
        f"key {key.id} of 'till' was made: predict, capture, at most 100 requests a second",
    ]


def test_a_key_revoked_twice_was_revoked_the_first_time(place):
    key = place.add("predict").key
    first = revoke(key.id, ledger=place.ledger, loop=make.LOOP, at=make.later(1))
    assert revoke(key.id, ledger=place.ledger, loop=make.LOOP, at=make.later(2)) == first
    assert first.revoked_at == make.later(1)


def test_an_unknown_key_cannot_be_revoked(place):
    known = place.add("predict").key.id
    with pytest.raises(NotFound, match=f"no key 'lk_0'; known: {known}"):
        revoke("lk_0", ledger=place.ledger, loop=make.LOOP, at=make.NOW)


@pytest.mark.parametrize("scope", SCOPES)
def test_a_key_does_what_its_scope_names_and_no_more(place, scope):
    shown = place.add(scope).shown
    allowed = {need for need in (*SCOPES, "metadata") if place.ask(shown, need)[0] == 0}
    beside = {"predict": {"metadata"}, "read": {"metadata"}, "control": {"annotate", "adjudicate", "lead"}}
    assert allowed == {scope} | beside.get(scope, set())


def test_a_wrong_scope_is_403_and_names_the_one_that_is_needed(place):
    minted = place.add("predict", "capture")
    assert place.ask(minted.shown, "control") == (
        403,
        f"key {minted.key.id}: has scope predict, capture, expected control; make another: "
        "loopline keys add --scope control",
    )
    refusal = place.door.admit(f"Bearer {place.add('capture').shown}".encode(), HOST, "metadata", 0.0)
    assert "expected predict or read; make another: loopline keys add --scope predict" in refusal.sentence
    challenge = b'Bearer realm="loopline", error="insufficient_scope", scope="predict"'
    assert refusal.headers == ((b"www-authenticate", challenge),)


def test_the_token_of_the_installation_may_do_everything_without_end(place):
    assert [place.ask("the-token", need)[0] for need in (*SCOPES, "metadata")] == [0] * 8
    assert {place.ask("the-token")[0] for _ in range(1_000)} == {0}
    assert place.ask("  the-token ")[0] == 0


WRONG = "key: found a wrong one, expected one that 'loopline keys add' made for this loop"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda shown: shown[:-1] + ("0" if shown[-1] != "0" else "1"), WRONG),
        (lambda shown: shown + "0", WRONG),
        (lambda shown: shown[:15], WRONG),
        (lambda shown: "lk_000000000000" + shown[15:], WRONG),
        (lambda shown: shown.upper(), "token: found a wrong one, expected the one printed at start"),
        (lambda shown: shown.partition("_")[2], "token: found a wrong one, expected the one printed at start"),
        (lambda shown: "", "token: found none, expected 'Authorization: Bearer ...' or a sign-in"),
        (lambda shown: None, "token: found none, expected 'Authorization: Bearer ...' or a sign-in"),
    ],
)
def test_a_wrong_key_is_401_and_says_what_was_expected(place, spoil, sentence):
    shown = place.add(*SCOPES).shown
    assert place.ask(shown)[0] == 0
    assert place.ask(spoil(shown)) == (401, sentence)
    refusal = place.door.admit(b"Bearer x", HOST, "predict", 0.0)
    assert refusal.headers == ((b"www-authenticate", b'Bearer realm="loopline"'),)


def test_another_schemes_credentials_are_none(place):
    refusal = place.door.admit(b"Basic dXNlcjpwYXNz", HOST, "predict", 0.0)
    assert (refusal.status, refusal.sentence[:17]) == (401, "token: found none")


@given(st.binary(max_size=200))
def test_no_header_opens_anything_by_chance_or_raises(header):
    place = Place()
    place.add(*SCOPES)
    for shown in (header, b"Bearer " + header, b"Bearer lk_" + header):
        assert place.door.admit(shown, HOST, "read", 0.0).status == 401


def test_a_key_of_another_loop_opens_nothing_here(place):
    other = mint("till", loop="other", scopes=SCOPES, per_second=0, at=make.NOW)
    keep(other.key, ledger=place.ledger)
    place.keys.reread()
    assert place.ask(other.shown)[0] == 401


def test_a_revoked_key_opens_nothing_once_the_keys_are_read_again_and_says_so(place):
    minted = place.add("predict")
    assert place.ask(minted.shown)[0] == 0
    revoke(minted.key.id, ledger=place.ledger, loop=make.LOOP, at=make.NOW)
    assert place.ask(minted.shown)[0] == 0
    place.hand.at += 0.6
    place.keys.refresh()
    assert place.ask(minted.shown) == (
        401,
        f"key {minted.key.id}: revoked, expected one that is not; make another: loopline keys add",
    )


def test_whoever_does_not_know_the_secret_is_not_told_that_a_key_was_revoked(place):
    minted = place.add("predict")
    revoke(minted.key.id, ledger=place.ledger, loop=make.LOOP, at=make.NOW)
    place.keys.reread()
    assert place.ask(minted.key.id + "_" + "0" * 64) == (401, WRONG)


def test_keys_are_not_read_more_often_than_twice_a_second(place):
    read = []
    place.keys._ledger = type("Told", (), {"all": lambda *_: read.append(1) or ()})()
    for _ in range(8):
        place.hand.at += 0.25
        place.keys.refresh()
    assert len(read) == 4


def test_while_the_ledger_cannot_be_read_the_keys_read_last_stand(place):
    minted = place.add("predict")

    class Broken:
        def all(self, *_):
            raise NotFound("table", "record")

    place.keys._ledger = Broken()
    place.hand.at += 1
    with pytest.raises(NotFound):
        place.keys.refresh()
    assert place.ask(minted.shown)[0] == 0


def test_only_the_one_right_spelling_of_a_good_key_is_remembered(place):
    shown = place.add("predict").shown
    for i in range(300):
        assert place.door.admit(b"bearer " + b" " * i + shown.encode(), HOST, "predict", 0.0) is None
        place.door.admit(b"Bearer lk_%012d_%064d" % (i, i), HOST, "predict", 0.0)
    place.ask(shown)
    assert list(place.keys._view.grants) == [f"Bearer {shown}".encode()]


def test_the_secret_of_a_known_and_of_an_unknown_key_is_held_against_as_much(place, monkeypatch):
    shown, compare, held = place.add("predict").shown, access.hmac.compare_digest, []
    monkeypatch.setattr(access.hmac, "compare_digest", lambda a, b: held.append((len(a), len(b))) or compare(a, b))
    unknown = "lk_000000000000" + shown[15:]
    for wrong in (unknown, shown[:16] + "0" * 64, shown[:-1] + ("1" if shown[-1] != "1" else "2")):
        held.clear()
        assert place.keys.granted(f"Bearer {wrong}".encode()) is None
        assert held == [(64, 64)]


@pytest.mark.parametrize("host", [b"evil.example", b"", b"127.0.0.1.evil.example", b"\xff\xfe"])
def test_a_foreign_name_is_misdirected_whatever_it_shows(place, host):
    assert place.ask("the-token", host=host)[0] == 421


def test_spellings_of_our_names_are_remembered_up_to_a_bound(place):
    for port in range(1_000):
        assert place.ask("the-token", host=b"localhost:%d" % port)[0] == 0
    assert len(place.door._hosts) == HOSTS_KEPT


def test_beyond_its_pace_a_key_is_429_and_is_told_when_to_come_again(place):
    minted = place.add("predict", per_second=2.0)
    assert [place.ask(minted.shown, now=5.0)[0] for _ in range(4)] == [0, 0, 429, 429]
    refusal = place.door.admit(f"Bearer {minted.shown}".encode(), HOST, "predict", 5.0)
    assert refusal.sentence == f"key {minted.key.id}: asks more than 2 times a second; try again in 1 s"
    assert refusal.headers == ((b"retry-after", b"1"),)
    assert place.ask(minted.shown, now=5.5)[0] == 0
    assert place.ask("the-token", now=5.5)[0] == 0


def test_a_slow_pace_is_one_request_at_a_time_and_the_wait_is_told_in_whole_seconds(place):
    minted = place.add("predict", per_second=0.1)
    assert place.ask(minted.shown, now=1.0)[0] == 0
    refusal = place.door.admit(f"Bearer {minted.shown}".encode(), HOST, "predict", 1.5)
    assert refusal.headers == ((b"retry-after", b"10"),)
    assert place.ask(minted.shown, now=11.0)[0] == 0


def test_a_refused_request_takes_nothing_from_the_allowance(place):
    minted = place.add("predict", per_second=1.0)
    for _ in range(5):
        assert place.ask(minted.shown, "control", now=1.0)[0] == 403
    assert [place.ask(minted.shown, now=1.0)[0] for _ in range(2)] == [0, 429]


def test_another_key_changing_does_not_refill_an_allowance(place):
    minted = place.add("predict", per_second=1.0)
    assert [place.ask(minted.shown, now=1.0)[0] for _ in range(2)] == [0, 429]
    place.add("read")
    assert place.ask(minted.shown, now=1.0)[0] == 429


def test_a_request_that_is_judged_twice_counts_once(place):
    minted = place.add("predict", per_second=2.0)
    for _ in range(2):
        assert place.ask(minted.shown, now=1.0)[0] == 0
        place.door.give_back(f"Bearer {minted.shown}".encode())
        assert place.ask(minted.shown, now=1.0)[0] == 0
    assert place.ask(minted.shown, now=1.0)[0] == 429
    place.door.give_back(b"Bearer the-token")
    place.door.give_back(b"Bearer wrong")


def test_every_refusal_is_counted_by_its_status(place):
    shown = place.add("predict", per_second=1.0).shown
    place.ask(None)
    place.ask("wrong")
    place.ask(shown, "read")
    place.ask(shown, host=b"evil.example")
    place.ask(shown)
    place.ask(shown)
    assert place.meter.refusals() == {401: 2, 403: 1, 421: 1, 429: 1}


@given(
    st.floats(0.01, 1e4),
    st.lists(st.floats(0, 10), max_size=60),
)
def test_no_pattern_of_asking_gets_more_than_burst_and_pace_allow(per_second, pauses):
    bucket, now, taken = Bucket(per_second), 1_000.0, 0
    for pause in pauses:
        now += pause
        taken += bucket.take(now) == 0.0
    allowed = max(1.0, per_second) + per_second * sum(pauses)
    assert taken <= allowed + 1e-6


@given(st.floats(0.01, 1e4), st.lists(st.floats(0, 1), max_size=30))
def test_whoever_waits_as_long_as_told_is_let_in(per_second, pauses):
    bucket, now = Bucket(per_second), 1_000.0
    for pause in pauses:
        now += pause
        if wait := bucket.take(now):
            now += wait * (1 + 1e-9) + 1e-9
            assert bucket.take(now) == 0.0
