import pytest
from blake3 import blake3

from loopline.capture.redaction import Redactor
from loopline.errors import InvalidRecord
from loopline.records.settings import Redaction

CARD = Redaction(regex=r"\b[0-9]{4}( ?[0-9]{4}){3}\b", replace="CARD")


def redactor(*rules: Redaction, secret: bytes = b"key") -> Redactor:
    return Redactor(rules, secret=secret)


def test_each_match_is_replaced_and_nothing_else():
    text = redactor(CARD).text("café 4111 1111 1111 1111, then 4111111111111111 ü not 411")
    assert text == "café CARD, then CARD ü not 411"


def test_rules_apply_in_order_each_to_what_the_last_left():
    rules = Redaction(regex="ana", replace="bob"), Redaction(regex="bob", replace="#")
    assert redactor(*rules).text("ana and bob") == "# and #"
    assert redactor(*rules[::-1]).text("ana and bob") == "bob and #"


def test_a_replacement_is_taken_as_it_is():
    assert redactor(Redaction(regex="(a)", replace=r"\1\g<1>\\")).text("bab") == r"b\1\g<1>\\b"


def test_without_a_regex_the_whole_field_goes():
    rule = Redaction(replace="-")
    assert redactor(rule).text("anything") == "-"
    assert redactor(Redaction(field="trace")).trace("0" * 32) == ""
    assert redactor(rule).trace("0" * 32) == "0" * 32


def test_an_empty_field_stays_empty():
    rules = Redaction(is_hashed=True), Redaction(field="group", replace="x"), Redaction(field="segment", replace="x")
    redact = redactor(*rules)
    assert (redact.text(""), redact.group(""), redact.segment("")) == ("", "", "")


def test_hashes_of_equal_values_are_equal_and_keyed():
    rule = Redaction(field="group", is_hashed=True)
    one, other = redactor(rule).group("ana"), redactor(rule).group("bob")
    assert one == redactor(rule).group("ana") != other
    assert one != redactor(rule, secret=b"other").group("ana")
    assert one not in (blake3(b"ana").hexdigest(), blake3(b"ana").hexdigest(16))
    assert len(one) == 32
    assert set(one) <= set("0123456789abcdef")


def test_a_hashed_match_keeps_what_surrounds_it():
    rule = Redaction(regex="[a-z]+@[a-z.]+", is_hashed=True)
    text = redactor(rule).text("from ana@x.org to bob@y.org and ana@x.org")
    words = text.split()
    assert [words[i] for i in (0, 2, 4)] == ["from", "to", "and"]
    assert words[1] == words[5] == redactor().hashed("ana@x.org") != words[3]


def test_features_become_numbers():
    rules = Redaction(field="0"), Redaction(field="2", replace="-1.5"), Redaction(field="3", is_hashed=True)
    row = redactor(*rules).row((7.0, 8.0, 9.0, 10.0))
    assert row[:3] == (0.0, 8.0, -1.5)
    assert 0 <= row[3] < 1
    assert row[3] == redactor(*rules).row((1.0, 2.0, 3.0, 10.0))[3] != redactor(*rules).row((7.0, 8.0, 9.0, 11.0))[3]
    assert row[3] != redactor(*rules, secret=b"other").row((7.0, 8.0, 9.0, 10.0))[3]


def test_equal_numbers_have_equal_hashes():
    rule = Redaction(field="0", is_hashed=True)
    assert redactor(rule).row((0.0,)) == redactor(rule).row((-0.0,))


def test_a_feature_that_the_row_lacks_and_an_image_stay_as_they_are():
    rules = Redaction(field="9"), Redaction(replace="x")
    assert redactor(*rules).row((1.0, 2.0)) == (1.0, 2.0)
    assert redactor(*rules).row(b"GIF") == b"GIF"


def test_a_segment_is_redacted_by_rules_of_its_own():
    redact = redactor(Redaction(field="segment", regex="[0-9]+", replace="#"), Redaction(field="group", replace="-"))
    assert (redact.segment("shop 17"), redact.group("shop 17"), redact.text("shop 17")) == ("shop #", "-", "shop 17")
    hashing = redactor(Redaction(field="segment", is_hashed=True))
    assert hashing.segment("web") == hashing.segment("web") == hashing.hashed("web") != hashing.segment("app")


def test_a_group_that_was_derived_from_redacted_rows_cannot_be_guessed_back():
    text, table = redactor(CARD), redactor(Redaction(field="0"))
    assert text.own_group("abc", row="good") == text.hashed("abc")
    assert text.own_group("abc", row=(1.0,)) == text.own_group("abc", row=b"GIF") == "abc"
    assert table.own_group("abc", row=(1.0,)) == table.hashed("abc")
    assert table.own_group("abc", row="good") == "abc"


def test_an_expression_that_stalls_others_does_not_stall():
    assert redactor(Redaction(regex="(a|a)*(a|aa)+$", replace="#")).text("a" * 20_000 + "b") == "a" * 20_000 + "b"


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            Redaction(regex="(?=a)"),
            "redaction rule 2: regex '(?=a)' (invalid perl operator: (?=), expected one that RE2 reads; "
            "RE2 knows no look-around and no references back",
        ),
        (
            Redaction(field="name"),
            "redaction rule 2: field 'name', expected text, group, segment, trace, "
            "or a feature's number without a regex",
        ),
        (
            Redaction(field="3", regex="1"),
            "redaction rule 2: field '3' with a regex, expected text, group, segment, trace, "
            "or a feature's number without a regex",
        ),
        (
            Redaction(field="3", replace="none"),
            "redaction rule 2: replace 'none', expected a number, for a feature",
        ),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_its_number(rule, sentence, capfd):
    with pytest.raises(InvalidRecord) as caught:
        redactor(CARD, rule)
    assert str(caught.value) == sentence
    assert capfd.readouterr().err == ""
