"""Exchanges become the very records that serving used to make, redacted and lightened."""

from datetime import timedelta

import msgspec
import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from loopline.adapters.memory.objects import MemoryObjects
from loopline.apps.recorder.opening import recording_rules
from loopline.capture.completing import Batch, Completing, ids
from loopline.capture.redaction import Redactor
from loopline.capture.reserve import Sealing
from loopline.errors import InvalidRecord, Unavailable
from loopline.records.exchange import Exchange
from loopline.records.prediction import Prediction
from loopline.records.settings import CaptureSettings, Redaction
from loopline.records.signature import Signature
from loopline.serve.grouping import group_of
from loopline.serve.informativeness import entropy, margin
from loopline.testing.exchanges import exchange, failed_exchange, table_exchange, turn
from loopline.testing.factories import LABELS, LOOP, NOW, SIGNATURE, digest, settings

SECRET = b"secret"
TABLE = Signature(input="tabular", width=2, labels=LABELS)
IMAGE = Signature(input="image", labels=LABELS)


def completing(signature: Signature = SIGNATURE, **capture: object) -> Completing:
    made = settings(signature=signature, capture=CaptureSettings(**capture))
    return Completing(recording_rules(made, secret=SECRET))


def one(whole: Exchange, signature: Signature = SIGNATURE, **capture: object) -> Prediction:
    (prediction,) = completing(signature, **capture).predictions([whole]).rows()
    return prediction


def hashed(content: bytes) -> str:
    return blake3(content).hexdigest()


def test_an_answer_is_told_whole():
    whole = exchange("p1", "Good film", arm="canary", reason="5 %", trace="a" * 32, latency_us=42)
    group = group_of("Good film", content=digest(b""))
    p = np.array([[0.1, 0.2, 0.7]], np.float32)
    assert one(whole) == Prediction(
        id="p1",
        loop=LOOP,
        at=NOW,
        model="v1",
        artifact=whole.artifact,
        signature=SIGNATURE.digest,
        arm="canary",
        inputs=b'"Good film"',
        content=hashed(b'"Good film"'),
        group=group,
        role=Sealing(SECRET, share=0.05).role(group),
        probabilities=tuple(p[0].tolist()),
        label="positive",
        margin=margin(p)[0],
        entropy=entropy(p)[0],
        latency_us=42,
        reason="5 %",
        trace="a" * 32,
    )


def test_rows_of_one_request_are_numbered_and_each_has_its_own_answer():
    p = np.array([[0.1, 0.2, 0.7], [0.8, 0.1, 0.1], [0.4, 0.4, 0.2]], "<f4")
    whole = exchange("r", "x", "y", "z", probabilities=p.tobytes(), at_us=exchange().at_us + 5)
    made = completing().predictions([exchange("q"), whole, exchange("s")]).rows()
    assert [each.id for each in made] == ["q", "r/0", "r/1", "r/2", "s"]
    assert [each.label for each in made] == ["positive", "positive", "negative", "negative", "positive"]
    assert [each.inputs for each in made[1:4]] == [b'"x"', b'"y"', b'"z"']
    assert made[2].probabilities == tuple(p[1].tolist())
    assert made[2].margin == pytest.approx(0.7)
    assert {each.at - NOW for each in made[1:4]} == {timedelta(microseconds=5)}


@pytest.mark.parametrize(
    ("whole", "expected"),
    [
        (exchange("p"), ["p"]),
        (exchange("p", "a", "b"), ["p/0", "p/1"]),
        (exchange("p", arm="shadow", model="v2"), ["p~v2"]),
        (failed_exchange("p", "a", "b"), ["p/0~v1", "p/1~v1"]),
    ],
)
def test_shadow_answers_and_failures_leave_the_plain_id_to_whoever_answered(whole, expected):
    assert ids(whole) == expected == [each.id for each in completing().predictions([whole])]


def test_a_failure_among_answers_has_none_and_costs_no_other_its_own():
    made = completing().predictions([exchange("a"), failed_exchange("b", "x", "y"), exchange("c")]).rows()
    assert [each.label for each in made] == ["positive", "", "", "positive"]
    assert [each.failure for each in made] == ["", "ValueError: no such word", "ValueError: no such word", ""]
    assert (made[1].probabilities, made[1].margin, made[1].entropy) == ((), 0.0, 0.0)


def test_only_failures_are_a_batch_too():
    assert len(completing().predictions([failed_exchange("b")])) == 1
    assert completing().predictions([]).rows() == ()


@given(st.lists(st.tuples(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e9, 1e9)), min_size=1))
def test_the_canonical_bytes_of_a_table_are_those_of_its_rows(rows):
    made = completing(TABLE).predictions([table_exchange("t", *rows)]).rows()
    assert [each.inputs for each in made] == [TABLE.encode(row) for row in rows]
    assert [each.group for each in made] == [each.content for each in made]


def test_an_image_is_kept_as_its_bytes():
    made = one(exchange("i", inputs=(b"GIF89a\x00",)), IMAGE)
    assert made.inputs == b"GIF89a\x00"
    assert made.content == made.group == hashed(made.inputs)


def test_a_segment_that_came_along_is_every_rows_and_decides_nothing():
    plain = completing(reserve=0.5).predictions([exchange("p", "x", "y")]).rows()
    named = completing(reserve=0.5).predictions([exchange("p", "x", "y", segment="web")]).rows()
    assert [each.segment for each in plain] == ["", ""]
    assert named == tuple(msgspec.structs.replace(each, segment="web") for each in plain)
    made = one(exchange("p", segment="ana@shop"), redact=(Redaction(field="segment", regex="^[a-z]+@", replace=""),))
    assert (made.segment, made.redacted) == ("shop", False)


def test_a_group_key_that_came_along_is_everybodys():
    made = completing(reserve=0.5).predictions([exchange(f"p{i}", f"text {i}", group="ana") for i in range(20)]).rows()
    assert {each.group for each in made} == {"ana"}
    assert {each.role for each in made} == {Sealing(SECRET, share=0.5).role("ana")}


def test_members_and_embedding_go_to_their_rows_and_are_kept_when_asked_for():
    members, embedding = np.arange(12, dtype="<f4").reshape(2, 2, 3), np.arange(8, dtype="<f4").reshape(2, 4)
    whole = exchange("r", "a", "b", members=members.tobytes(), embedding=embedding.tobytes())
    made = completing(keep=("members", "embedding")).predictions([whole]).rows()
    assert [each.members for each in made] == [members[0].tobytes(), members[1].tobytes()]
    assert [each.embedding for each in made] == [embedding[0].tobytes(), embedding[1].tobytes()]
    made = completing(keep=()).predictions([whole]).rows()
    assert {(each.members, each.embedding) for each in made} == {(b"", b"")}


@pytest.mark.parametrize(
    ("whole", "signature", "sentence"),
    [
        (table_exchange("t", rows=2), TABLE, "exchange t: 16 bytes, expected 2 x 2 numbers"),
        (table_exchange("t", inputs=b"123"), TABLE, "exchange t: 3 bytes, expected 1 x 2 numbers"),
        (
            table_exchange("t", inputs=b"", probabilities=b"", rows=0),
            TABLE,
            "exchange t: 0 bytes, expected 0 x 2 numbers",
        ),
        (exchange("t", "a", "b", rows=3, probabilities=b"1234" * 9), SIGNATURE, "exchange t: 2 inputs, expected 3"),
        (exchange("t", embedding=b"123"), SIGNATURE, "exchange t: 3 bytes, expected as many of each of 1 rows"),
        (exchange("t", inputs=(b"GIF",)), SIGNATURE, "row: an image, expected a text"),
        (exchange("t", probabilities=b"1234"), SIGNATURE, "exchange t: 4 bytes, expected 1 x 3 numbers"),
        (table_exchange("t", (1.0, float("nan"))), TABLE, "exchange t: a value that is not finite, expected"),
        (exchange("t"), TABLE, "exchange t: rows that are no table, expected 1 x 2 numbers"),
        (exchange("t", inputs=b""), SIGNATURE, "exchange t: a table, expected one text a row"),
        (exchange("t", probabilities=b"1234" * 3), SIGNATURE, "prediction t: probabilities sum to"),
    ],
)
def test_an_exchange_that_does_not_add_up_is_refused_in_words(whole, signature, sentence):
    with pytest.raises(InvalidRecord) as caught:
        completing(signature).predictions([whole])
    assert str(caught.value).startswith(sentence)


def test_sampling_keeps_whole_requests_and_says_with_what_probability():
    kept = completing(sample=0.3)
    exchanges = [
        each
        for i in range(500)
        for each in (exchange(f"p{i}", "a", "b"), exchange(f"p{i}", "a", "b", arm="shadow", model="v2"))
    ]
    batch = kept.batch(exchanges, put=MemoryObjects().put)
    requests = {each.id.partition("/")[0] for each in batch.predictions}
    assert 100 < len(requests) < 200
    assert len(batch.predictions) == 4 * len(requests)
    assert {each.sampled for each in batch.predictions} == {0.3}
    assert (batch.live, batch.amounts) == (
        2 * len(requests),
        {"dropped": 0, "shadow_dropped": 0, "sampled_out": 1_000 - 2 * len(requests)},
    )


def test_what_cannot_be_read_counts_as_a_dropped_row():
    batch = completing().batch([None, exchange(), None], put=MemoryObjects().put)
    assert (len(batch.predictions), batch.live, batch.amounts["dropped"]) == (1, 1, 2)


def test_large_inputs_go_to_the_object_store_after_redaction():
    objects = MemoryObjects()
    rules = (Redaction(regex="secret", replace="#"),)
    kept = completing(payload_bytes=100, redact=rules)
    batch: Batch = kept.batch([exchange("a", "secret " * 60), exchange("b", "x" * 98)], put=objects.put)
    large, small = batch.predictions.rows()
    assert (large.inputs, large.payload) == (b"", large.content)
    assert objects.get(large.payload) == b'"' + b"# " * 60 + b'"'
    assert (len(small.inputs), small.payload) == (100, "")


def test_an_object_store_that_is_away_stops_the_batch():
    def put(_: bytes) -> str:
        raise Unavailable("object store", reason="away")

    with pytest.raises(Unavailable):
        completing(payload_bytes=1).batch([exchange()], put=put)


def test_nothing_of_what_was_redacted_is_left_in_the_record():
    rules = (Redaction(regex="[0-9]+", replace="#"), Redaction(field="trace", is_hashed=True))
    plain = exchange("p", "pin 1234", trace="a" * 32, reason="v2 failed with ValueError: 1234")
    failed = failed_exchange("p", "pin 1234", failure="ValueError: 1234")
    for whole in (plain, failed):
        made = one(whole, redact=rules)
        stored = msgspec.json.encode(made).replace(made.content.encode(), b"").replace(made.group.encode(), b"")
        assert b"1234" not in stored
        assert b"a" * 32 not in stored
        original = hashed(b'"pin 1234"')
        assert original not in (made.content, made.group)
        assert made.group != group_of("pin 1234", content=digest(b""))
        assert (made.inputs, made.content, made.redacted) == (b'"pin #"', hashed(b'"pin #"'), True)


def test_the_seal_is_that_of_the_original_group():
    rules = (Redaction(regex="[0-9]+", replace="#"), Redaction(field="group", replace="-"))
    for number in range(40):
        text, key = f"pin {number}", f"user {number}"
        own, keyed = exchange("p", text), exchange("p", text, group=key)
        assert one(own, redact=rules, reserve=0.5).role == one(own, reserve=0.5).role
        made = one(keyed, redact=rules, reserve=0.5)
        assert (made.role, made.group) == (Sealing(SECRET, share=0.5).role(key), "-")


def test_texts_of_one_group_stay_in_one_group():
    rules = (Redaction(regex="[0-9]+", replace="#"),)
    same = [one(exchange("p", text), redact=rules).group for text in ("Pin 12!", "pin  12", "pin 13")]
    assert same[0] == same[1] != same[2]
    assert same[0] == Redactor(rules, secret=SECRET).hashed(one(exchange("p", "pin 12")).group)


def test_a_row_that_no_rule_changed_is_as_the_model_saw_it():
    rules = (Redaction(regex="[0-9]+", replace="#"), Redaction(field="0"))
    assert not one(exchange("p", "no digits"), redact=rules).redacted
    assert not one(table_exchange("p", (0.0, 2.5)), TABLE, redact=rules).redacted
    made = one(table_exchange("p", (1.0, 2.5)), TABLE, redact=rules)
    assert (made.inputs, made.redacted) == (b"[0.0,2.5]", True)
    assert made.group not in (made.content, hashed(b"[1.0,2.5]"))


@pytest.mark.parametrize(
    ("signature", "capture", "whole"),
    [
        (SIGNATURE, {}, (exchange("a"), exchange("b", "x", "y", group="ana", trace="4bf9"),
                         exchange("c", segment="web"))),
        (SIGNATURE, {}, (failed_exchange("a", "x", "y"), failed_exchange("b"))),
        (SIGNATURE, {"redact": (Redaction(regex="o+", replace="0"), Redaction(field="group", is_hashed=True))},
         (exchange("a", group="bob"), exchange("b", "good", "moon"))),
        (TABLE, {"redact": (Redaction(field="1"),)},
         (table_exchange("a"), table_exchange("b", (3.0, 4.0), (5.0, 6.0)))),
        (SIGNATURE, {"keep": ("embedding", "members")},
         (exchange("a", "x", embedding=b"12345678", members=b"abcd"),
          exchange("b", "y", "z", embedding=b"1234567887654321", members=b"efghijkl"))),
    ],
)  # fmt: skip
def test_a_turn_becomes_what_its_exchanges_become(signature, capture, whole):
    rules = completing(signature, **capture)
    assert rules.predictions([turn(*whole)]).rows() == rules.predictions(whole).rows()


def test_sampling_decides_about_each_request_of_a_turn_by_itself():
    whole = [exchange(f"p{i}", "x", "y") for i in range(200)]
    rules = completing(sample=0.5)
    together, alone = (rules.batch(asked, put=None) for asked in ([turn(*whole)], whole))
    assert together.predictions.rows() == alone.predictions.rows()
    assert together[1:] == alone[1:]
    assert 60 < len(together.predictions) // 2 < 140
    assert together.amounts["sampled_out"] == 400 - len(together.predictions)


def test_a_turn_whose_rows_are_not_those_of_its_requests_is_refused_in_words():
    odd = msgspec.structs.replace(turn(exchange("a"), exchange("b", "x", "y")), counts=(1, 1))
    with pytest.raises(InvalidRecord, match="exchange a: 3 rows, expected 2, those of its requests"):
        completing().predictions([odd])
