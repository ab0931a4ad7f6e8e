"""Users without a server: who may change whom, what ends a session, and what is told of it."""

from dataclasses import dataclass, field

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.adapters.memory.ledger import MemoryLedger
from loopline.apps.access import ALL, ROLES, closed_to, may_of, roles_for
from loopline.apps.people import Actor, Change, Forbidden, Users, folded, quota_of, roles_of, user_name, words_of
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.orchestrate.lineage import orphans
from loopline.records.keys import entity_of
from loopline.records.people import User
from loopline.testing import factories as make

OWNER = Actor("token", ALL, is_owner=True)


def user(name="ana", *roles, **changes):
    return User(loop=make.LOOP, name=name, roles=roles or ("annotator",), made_at=make.NOW, **changes)


def by(found):
    return Actor(found.name, may_of(found.roles), is_owner=False)


@dataclass
class Place:
    """A loop with one user of each role, who is named for it."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    at: float = 100.0

    def __post_init__(self):
        self.users = self.another_door()
        self.of = {role: self.users.add(user(f"the {role}", role), by=OWNER) for role in ROLES}

    def another_door(self):
        return Users(self.ledger, loop=make.LOOP, now=lambda: self.at)

    def change(self, name, *, actor=OWNER, **changes):
        return self.users.change(name, Change(**changes), by=actor, at=make.later(60))


@pytest.fixture
def place():
    return Place()


@pytest.mark.parametrize(
    "name",
    ["", " ana", "ana ", "a\nb", "a\u202eb", "x" * 65, "a/b", "a\\b", "..", ".", "-x", "token", "Token", "CONSOLE",
     "proxy", "lk_000000000000", "LK_x", "a\x00b", "a\r\nset-cookie: x=1", "\u200bana"],
)  # fmt: skip
def test_what_can_be_no_name_is_refused(name):
    with pytest.raises(InvalidRecord) as error:
        user_name(name)
    assert f"name of the user: {name[:80]!r} ({len(name)} characters), expected 1 to 64 printable" in str(error.value)


@pytest.mark.parametrize("name", ["ana", "Ana María", "王芳", "ana@loop.example", "o'brien", "auth0|5f7c", "7"])
def test_people_are_named_as_they_are(name):
    assert user_name(name) == name


@given(st.text(max_size=70))
def test_a_name_that_is_taken_is_always_found_again_by_whoever_types_it(typed):
    try:
        name = user_name(typed)
    except InvalidRecord:
        return
    assert folded(f"  {name.upper()}\t") in {folded(name.upper()), folded(name)}
    assert "\n" not in name and "/" not in name  # noqa: PT018  two ways to break a line or a path


def test_two_names_that_people_would_take_for_one_are_one(place):
    place.users.add(user("Ana María"), by=OWNER)
    with pytest.raises(Conflict, match=r"^user ana maría: 'Ana María' there already, expected a new name"):
        place.users.add(user("ana maría"), by=OWNER)
    assert place.users.meant("  ANA  MARÍA ").name == "Ana María"
    assert place.users.found("ana maría") is None


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (lambda: roles_of(["admin"]), "role: 'admin', expected one of annotator, adjudicator, lead, engineer, viewer"),
        (lambda: roles_of([]), "roles: none, expected one or more of annotator"),
        (lambda: words_of("skill", ["a\nb"]), "skill: 'a\\nb', expected at most 50 of 1 to 64 printable characters"),
        (lambda: words_of("skill", map(str, range(51))), "skill: 51 of them, expected at most 50"),
        (lambda: quota_of(-1), "quota: -1, expected 0 for any number, to 100,000 answers a day"),
    ],
)
def test_what_can_not_be_said_of_a_user_is_refused(made, sentence):
    with pytest.raises(InvalidRecord) as error:
        made()
    assert sentence in str(error.value)


def test_roles_are_kept_once_and_in_one_order():
    assert roles_of(["viewer", "lead", "viewer"]) == ("lead", "viewer")


def test_each_role_opens_what_the_table_says():
    opened = {role: "".join(sorted(need[0] for need in may)) for role, may in ROLES.items()}
    assert opened == {"annotator": "a", "adjudicator": "aa", "lead": "aalmr", "engineer": "aacclmpr", "viewer": "mr"}
    assert closed_to("ana", "adjudicate", ["annotator"]).startswith(
        "ana: is annotator, expected adjudicator or lead or"
    )
    assert [roles_for(need) for need in ("annotate", "read", "predict")] == [
        ("annotator", "adjudicator", "lead", "engineer"), ("lead", "engineer", "viewer"), ("engineer",),
    ]  # fmt: skip


def test_nobody_gives_a_role_that_opens_more_than_is_open_to_them(place):
    given_by = {}
    for role, giver in place.of.items():
        given_by[role] = []
        for wanted in ROLES:
            try:
                place.users.require_new(user(f"new {wanted}", wanted), by=by(giver))
            except Forbidden:
                continue
            given_by[role].append(wanted)
    assert given_by == {
        "annotator": ["annotator"],
        "adjudicator": ["annotator", "adjudicator"],
        "lead": ["annotator", "adjudicator", "lead", "viewer"],
        "engineer": ["annotator", "adjudicator", "lead", "engineer", "viewer"],
        "viewer": ["viewer"],
    }
    with pytest.raises(Forbidden, match=r"^role engineer: it opens capture, control, predict, expected no more than"):
        place.change("the annotator", actor=by(place.of["lead"]), roles=("engineer",))


@pytest.mark.parametrize("changes", [{"password": "$x"}, {"is_disabled": True}, {"roles": ("viewer",)}, {"quota": 9}])
def test_nobody_changes_whoever_has_more_than_they(place, changes):
    with pytest.raises(Forbidden, match="role engineer: it opens capture, control, predict"):
        place.change("the engineer", actor=by(place.of["lead"]), **changes)
    assert place.users.found("the engineer") == place.of["engineer"]


@pytest.mark.parametrize("changes", [{"is_disabled": True}, {"roles": ("annotator",)}])
def test_nobody_takes_the_way_in_from_themselves(place, changes):
    with pytest.raises(Forbidden, match=r"^user the lead: nobody takes a role or the way in from themselves; ask"):
        place.change("the lead", actor=by(place.of["lead"]), **changes)
    assert place.change("the lead", actor=by(place.of["lead"]), password="$new").epoch == 1


def test_the_last_engineer_stays_unless_the_token_says_otherwise(place):
    second = place.users.add(user("zoe", "engineer"), by=OWNER)
    place.change("the engineer", actor=by(second), is_disabled=True)
    key = Actor("lk_1", ALL, is_owner=False)
    for changes in ({"is_disabled": True}, {"roles": ("lead",)}):
        with pytest.raises(Forbidden, match=r"^user zoe: the last engineer stays; make another first"):
            place.change("zoe", actor=key, **changes)
    assert place.change("zoe", is_disabled=True).disabled_at == make.later(60)


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"roles": ("viewer",)}, True), ({"password": "$new"}, True), ({"is_disabled": True}, True),
        ({"is_signed_out": True}, True), ({"skills": ("law",)}, False), ({"quota": 5}, False), ({}, False),
        ({"roles": ("annotator",)}, False), ({"is_disabled": False}, False),
    ],
)  # fmt: skip
def test_another_role_password_or_standing_ends_every_session(place, changes, ends):
    assert place.change("the annotator", **changes).epoch == int(ends)


def test_whoever_comes_back_has_no_old_session(place):
    epochs = [place.change("the annotator", is_disabled=is_disabled).epoch for is_disabled in (True, True, False)]
    assert epochs == [1, 1, 2]


def test_a_change_holds_at_another_door_once_it_looks_again(place):
    other = place.another_door()
    place.change("the annotator", is_disabled=True)
    assert other.found("the annotator").disabled_at is None
    other.refresh()
    assert other.found("the annotator").disabled_at is None, "it looked a moment ago"
    place.at += 0.6
    other.refresh()
    assert other.found("the annotator").disabled_at == make.later(60)


def test_two_doors_do_not_undo_each_others_changes(place):
    other = place.another_door()
    place.change("the annotator", skills=("law",))
    changed = other.change("the annotator", Change(quota=5), by=OWNER, at=make.NOW)
    assert (changed.skills, changed.quota) == (("law",), 5)
    with pytest.raises(Conflict):
        other.add(user("THE ANNOTATOR"), by=OWNER)


def test_an_unknown_user_is_told_with_the_known_ones(place):
    with pytest.raises(NotFound, match=r"no user 'bob'; known: the adjudicator, the annotator, the engineer, the lead"):
        place.change("bob", quota=1)


def test_everything_has_a_maker_and_is_told_without_a_secret(place):
    place.change("the lead", password="$argon2id$secret", skills=("law",))
    acts = place.ledger.activities(make.LOOP)
    assert orphans([entity_of(one) for one in place.users.all()], acts) == ()
    told = place.ledger.events(make.LOOP, newest=9)
    assert told[0].text == "user 'the lead' was changed by token: skills law, another password, signed out everywhere"
    assert told[-1].text == "user 'the annotator' was made by token: annotator"
    assert "secret" not in msgspec.json.encode([told, acts]).decode()


def test_a_hash_of_today_ends_no_session_and_replaces_only_the_hash_it_came_from(place):
    old = place.change("the lead", password="$old")
    place.users.rehash(old, "$fresh", at=make.NOW)
    fresh = place.users.found("the lead")
    assert (fresh.password, fresh.epoch) == ("$fresh", old.epoch)
    place.users.rehash(old, "$late", at=make.NOW)
    assert place.users.found("the lead") == fresh
