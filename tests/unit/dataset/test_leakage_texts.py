import random
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.dataset.similar import twins
from loopline.dataset.similar_texts import CHUNK, alike, compared, differ_in_one
from loopline.dataset.spelling import spelled
from loopline.records.signature import Signature
from loopline.testing.factories import SIGNATURE

LOST = "I lost my new card on the way to the airport"
STORY = "the film opens on a quiet street where two old friends meet again after many years and say very little"
WORDS = st.lists(st.sampled_from(["a", "card", "lost", "my", "the", "way", "new", "is", "to", "film"]), max_size=12)
TEXTS = st.lists(WORDS.map(" ".join) | st.text(max_size=14), max_size=12)


def likeness(one: str, other: str) -> tuple[str, float] | None:
    found = alike([one], [other])
    return (found.likeness[0], round(float(found.similarity[0]), 3)) if len(found.row) else None


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (LOST.upper(), ("letters", 1.0)),
        ("  I lost my  new card\ton the way to the airport!!", ("letters", 1.0)),
        ("I lost my newcard on the way to the airport", ("letters", 1.0)),
        ("I lost my new carb on the way to the airport", ("letter", 0.971)),
        ("I lost my new crad on the way to the airport", ("letter", 0.971)),
        ("I lost my newxcard on the way to the airport", ("letter", 0.971)),
        ("I lost my old card on the way to the airport", ("word", 0.909)),
        ("yesterday I lost my new card on the way to the airport", ("word", 0.917)),
        ("I lost my card on the way to the airport", ("word", 0.909)),
        ("new I lost my card on the way to the airport", ("word", 0.909)),
        ("I lost my old purse on the way to the airport", None),
        ("I found my new card on the way to the station", None),
    ],
)
def test_a_text_is_known_again_after_one_edit_and_not_after_two(other, expected):
    assert likeness(LOST, other) == likeness(other, LOST) == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("my card is lost", "my card is lost today", ("word", 0.8)),
        ("my card is lost", "my card is found", None),
        ("my card is lost", "so my card is lost", None),
        ("good", "goods", None),
        ("Don't", "dont", ("letters", 1.0)),
        ("Ｃａｆé", "cafe\u0301", ("letters", 1.0)),
        (":)", ":)", None),
        ("", "", None),
        ("我想查一下我的银行卡余额和账单", "我想查一下我的银行卡余额和账目", ("letter", 0.933)),
    ],
)
def test_short_texts_must_be_closer(one, other, expected):
    assert likeness(one, other) == likeness(other, one) == expected


def test_a_long_text_is_known_again_with_an_eighth_of_its_words_changed_and_in_another_order():
    words = STORY.split()
    changed = [*words[:4], "loud", *words[5:12], "leave", *words[13:]]
    assert likeness(STORY, " ".join(changed)) == ("words", 0.9)
    assert likeness(STORY, " ".join(words[10:] + words[:10])) == ("words", 1.0)
    assert likeness(STORY, " ".join([*changed[:6], "nobody", "ever", *changed[8:]])) is None


def test_every_row_with_a_twin_is_in_a_pair_and_a_thousand_alike_rows_stay_a_thousand_pairs():
    rows = [f"order {number} of the green garden chairs has not arrived at my house" for number in range(300)]
    found = alike(rows, rows[:200])
    assert set(found.row.tolist()) == set(range(300))
    assert set(found.sealed.tolist()) == set(range(200))
    assert len(found.row) <= 500


def test_texts_are_found_across_chunks():
    rows = [f"{number} unlike any other {number * 7919} text {number * 104729}" for number in range(CHUNK + 10)]
    found = alike([*rows, LOST], [LOST + " today"])
    assert found.row.tolist() == [len(rows)]


def letters(count: int, *, seed: int) -> list[str]:
    """Long letters of one pattern: each is like many others in most words, and like few in seven of eight."""
    chance = random.Random(seed)
    names = [f"n{number}" for number in range(40)]
    slots = ("order", "shop", "town", "day")
    pattern = (
        "dear {name} your {order} from our {shop} in {town} is on its way and will reach you on {day} at noon today"
    )
    return [pattern.format(name=chance.choice(names), **{s: chance.choice(names) for s in slots}) for _ in range(count)]


@pytest.mark.slow
def test_whether_one_of_many_alike_letters_is_found_depends_on_no_order_and_on_no_letter_beside_it():
    texts, sealed = letters(150, seed=1), letters(250, seed=2)
    found = {texts[row] for row in alike(texts, sealed).row.tolist()}
    assert 10 < len(found) < 140
    assert {texts[::-1][row] for row in alike(texts[::-1], sealed[::-1]).row.tolist()} == found
    assert {text for text in texts if len(alike([text], sealed).row)} == found
    others = [text for text in texts if text not in found]
    assert not len(alike(others, sealed).row)


def test_the_sealed_letters_that_are_told_of_do_not_depend_on_any_order():
    texts, sealed = letters(150, seed=1), letters(250, seed=2)
    told = {sealed[other] for other in alike(texts, sealed).sealed.tolist()}
    assert told
    assert {sealed[::-1][other] for other in alike(texts[::-1], sealed[::-1]).sealed.tolist()} == told


@pytest.mark.slow
def test_many_letters_of_one_pattern_do_not_fill_the_memory():
    texts, sealed = letters(1_500, seed=1), letters(1_000, seed=2)
    tracemalloc.start()
    try:
        alike(texts, sealed)
        assert tracemalloc.get_traced_memory()[1] < 150e6
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@given(TEXTS, TEXTS)
def test_which_is_which_does_not_matter(one, other):
    here, there = alike(one, other), alike(other, one)
    assert set(zip(here.row.tolist(), here.sealed.tolist(), strict=True)) == set(
        zip(there.sealed.tolist(), there.row.tolist(), strict=True)
    )


@pytest.mark.slow
@given(TEXTS, TEXTS, st.randoms(use_true_random=False))
def test_who_has_a_twin_does_not_depend_on_the_order(one, other, chance: random.Random):
    order = list(range(len(one)))
    chance.shuffle(order)
    before = {one[row] for row in alike(one, other).row.tolist()}
    shuffled = [one[place] for place in order]
    assert {shuffled[row] for row in alike(shuffled, other[::-1]).row.tolist()} == before


@given(st.text(max_size=30))
def test_a_row_is_its_own_twin(text):
    row = SIGNATURE.encode(text.encode("utf-8", "ignore").decode())
    found = twins([row], [row], signature=SIGNATURE)
    assert (found.row.tolist(), found.sealed.tolist(), found.likeness.tolist()) == ([0], [0], ["inputs"])


@pytest.mark.slow
@given(TEXTS, TEXTS)
def test_what_is_found_is_what_comparing_every_pair_finds(one, other):
    """The hashes miss no pair that one edit parts, and name no other: short texts need no chance."""
    (mine, theirs) = ([parts(text) for text in side] for side in (one, other))
    every = {(i, j) for i, a in enumerate(mine) for j, b in enumerate(theirs) if compared(a, b)}
    found = alike(one, other)
    assert set(found.row.tolist()) == {i for i, _ in every}
    assert set(found.sealed.tolist()) == {j for _, j in every}


def parts(text: str) -> tuple[list[int], list[int]]:
    said = spelled([text])
    return said.letters.tolist(), said.words.tolist()


@given(st.text("ab", max_size=7), st.text("ab", max_size=7))
def test_to_differ_in_one_is_to_be_equal_with_one_taken_out_of_each(one, other):
    without = [{text, *(text[:at] + text[at + 1 :] for at in range(len(text)))} for text in (one, other)]
    shared = without[0] & without[1]
    same_length = any(len(text) < len(one) for text in shared) if len(one) == len(other) else bool(shared)
    assert differ_in_one(one, other) == (same_length or one == other)


def test_pictures_are_twins_by_their_bytes_only():
    pictures = Signature(input="image", labels=("a", "b"))
    found = twins([b"GIF1", b"GIF2"], [b"GIF2"], signature=pictures)
    assert (found.row.tolist(), found.likeness.tolist()) == ([1], ["inputs"])
