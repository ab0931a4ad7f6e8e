import random
import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.select.typos import CLOSEST, LETTERS_AN_EDIT, LONGEST, edits_of, is_within, letters, owners

SENTENCES = tuple("".join(random.Random(n).choices(string.ascii_lowercase, k=30 + n)) for n in range(40))


def distance(one: str, other: str) -> int:
    """Optimal string alignment by dynamic programming, as Boytsov (2011) writes it."""
    table = np.add.outer(np.arange(len(one) + 1), np.arange(len(other) + 1))
    for i in range(1, len(one) + 1):
        for j in range(1, len(other) + 1):
            is_changed = one[i - 1] != other[j - 1]
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + is_changed)
            if i > 1 and j > 1 and one[i - 1] == other[j - 2] and one[i - 2] == other[j - 1]:
                table[i, j] = min(table[i, j], table[i - 2, j - 2] + 1)
    return int(table[-1, -1])


def edited(text: str, way: str, at: int, letter: str) -> str:
    """The text with one edit, none of them a swap."""
    at %= len(text)
    return text[:at] + {"change": letter, "leave": "", "add": letter + text[at]}[way] + text[at + 1 :]


EDITS = st.tuples(
    st.sampled_from(["change", "leave", "add"]), st.integers(0, 500), st.sampled_from(string.ascii_lowercase)
)


@given(st.text("abc", max_size=7), st.text("abc", max_size=7), st.integers(0, 2))
def test_within_so_many_edits_is_the_alignment_distance(one: str, other: str, edits: int) -> None:
    assert is_within(edits, one, other) == (distance(one, other) <= edits)


@given(st.sampled_from(SENTENCES), st.lists(EDITS, max_size=2))
def test_a_text_with_up_to_two_typos_is_folded_wherever_they_are(text: str, edits: list[tuple[str, int, str]]) -> None:
    changed = text
    for edit in edits:
        changed = edited(changed, *edit)
    assert owners([*SENTENCES, changed])[-1] == SENTENCES.index(text)


@given(st.lists(st.tuples(st.integers(0, 39), st.lists(EDITS, max_size=3)), max_size=40))
def test_who_stands_is_the_plain_greedy_rule(rows: list[tuple[int, list[tuple[str, int, str]]]]) -> None:
    texts = []
    for number, edits in rows:
        text = SENTENCES[number]
        for edit in edits:
            text = edited(text, *edit)
        texts.append(text)
    plain, standing = [], []
    for row, text in enumerate(texts):
        same = [at for at in standing if distance(text, texts[at]) <= edits_of(min(len(text), len(texts[at])))]
        equal = [plain[at] for at in range(row) if texts[at] == text]
        plain.append([*equal, *same, row][0])
        standing += [row] if plain[row] == row else []
    found = owners(texts).tolist()
    crowded = [
        at for at in set(plain) if sum(distance(texts[at], texts[other]) < 2 * 3 for other in standing) > CLOSEST
    ]
    assert crowded or found == plain


def test_case_blanks_and_marks_are_no_letters() -> None:
    assert owners(["It's  GOOD", "its good!", "“Its, good”", "not good"]).tolist() == [0, 0, 0, 3]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("good now", "good not"),  # too short for a letter to be a trifle
        ("Transfer 100 to my account", "Transfer 900 to my account"),
        ("", "  "),
        ("?!", "..."),
        ("अच्छा है यह बैंक कार्ड", "अच्छी थी यह बैंक नकद"),
    ],
)
def test_what_is_no_typo_stays_apart(one: str, other: str) -> None:
    assert owners([one, other]).tolist() == [0, 1]


def test_vowel_signs_are_letters() -> None:
    assert letters("की") != letters("का")


def test_no_text_stands_for_another_through_a_folded_one() -> None:
    text = "abcdefghijklmnopqrstuvwxyz"
    near = text.replace("ef", "exf").replace("mn", "mqn")
    assert owners([text, near, near + "kk"]).tolist() == [0, 0, 2]


def test_the_shorter_text_says_how_many_edits_are_borne_whichever_comes_first() -> None:
    pair = ["abcdefghijklmnopqrstuvwx", "abcdefghijklmnopqrstuzw"]  # two edits, and 23 letters bear one
    assert owners(pair).tolist() == owners(pair[::-1]).tolist() == [0, 1]


def test_a_long_text_is_left_to_the_cosine() -> None:
    text = "".join(SENTENCES)[: LONGEST + 2]
    assert owners([text, text[:-1] + "q", text[:-1], text + "!"]).tolist() == [0, 1, 2, 0]


def test_a_form_that_is_filled_in_costs_no_comparison_of_every_pair(monkeypatch) -> None:
    compared = []
    monkeypatch.setattr("loopline.select.typos.is_within", lambda *_: compared.append(1) or False)
    forms = [f"The parcel of {chr(97 + n % 26) * 9}{chr(97 + n // 26) * 9} was not delivered" for n in range(600)]
    owners(forms)
    assert 0 < len(compared) < 600 * CLOSEST * 3


def test_how_many_edits_a_text_bears() -> None:
    counted = [edits_of(n) for n in (0, LETTERS_AN_EDIT - 1, LETTERS_AN_EDIT, 2 * LETTERS_AN_EDIT, 100, LONGEST + 1)]
    assert counted == [0, 0, 1, 2, 2, 0]
