"""Informativeness, routing, tables and verification: arrays and records in, arrays and records out."""

import base64
import math
from datetime import timedelta

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.capture.reserve import Sealing
from loopline.errors import Conflict, InvalidRecord, NotFound, Unavailable
from loopline.records.rollout import TrafficSplit
from loopline.records.signature import Signature
from loopline.records.soundness import checks_in, sound
from loopline.serve.grouping import group_of, normalised
from loopline.serve.informativeness import entropy, margin
from loopline.serve.patience import LONGEST_REST, Look, is_due, looked
from loopline.serve.question import Question, joined, route_key
from loopline.serve.routing import basis_point, is_challengers
from loopline.serve.table import EMPTY, Loaded, Pace, Table, attempts, pace_of, survey, unseen
from loopline.serve.verification import verified
from loopline.testing.factories import LOOP, NOW, SIGNATURE, digest, model_version

AB = Signature(input="text", labels=("a", "b"))


@st.composite
def distributions(draw):
    classes = draw(st.integers(2, 6))
    rows = draw(st.lists(st.lists(st.integers(0, 1_000), min_size=classes, max_size=classes).filter(any), min_size=1))
    p = np.array(rows, float)
    return (p / p.sum(axis=1, keepdims=True)).astype(draw(st.sampled_from([np.float32, np.float64])))


@given(distributions())
def test_measures_are_in_range_and_blind_to_the_order_of_classes(p):
    n, classes = p.shape
    for measure, high in ((margin, 1.0), (entropy, math.log(classes))):
        found = measure(p)
        assert found.shape == (n,)
        assert found.min() >= 0
        assert found.max() <= high + 1e-6
        np.testing.assert_allclose(measure(p[:, ::-1]), found, atol=1e-12)


@given(distributions())
def test_margin_is_the_gap_of_a_sorted_row(p):
    ordered = np.sort(p, axis=1).astype(float)
    np.testing.assert_allclose(margin(p), ordered[:, -1] - ordered[:, -2], atol=1e-12)


def test_the_extremes_have_their_known_values():
    uniform, certain = np.full((1, 4), 0.25), np.array([[0.0, 0.0, 1.0, 0.0]])
    assert (margin(uniform)[0], entropy(uniform)[0]) == (0.0, math.log(4))
    assert (margin(certain)[0], entropy(certain)[0]) == (1.0, 0.0)
    assert math.copysign(1, entropy(certain)[0]) == 1


def split(basis_points: int = 0, **changes: object) -> TrafficSplit:
    names = {"incumbent": "v1", "challenger": "v2", "revision": 1} | changes
    return TrafficSplit(loop=LOOP, basis_points=basis_points, **names)


@given(st.text(), st.integers(0, 10_000), st.integers(0, 10_000))
def test_routing_is_sticky_and_monotone(key, one, other):
    small, large = sorted((one, other))
    assert is_challengers(key, split=split(small)) == is_challengers(key, split=split(small))
    if is_challengers(key, split=split(small)):
        assert is_challengers(key, split=split(large, revision=2))


@pytest.mark.parametrize("share", [0, 1, 500, 2_500, 10_000])
def test_the_challenger_gets_its_share_of_keys(share):
    n = 40_000
    taken = sum(is_challengers(f"key-{i}", split=split(share)) for i in range(n)) / n
    p = share / 10_000
    assert abs(taken - p) <= 4 * math.sqrt(p * (1 - p) / n)


def test_another_challenger_is_tried_on_other_keys():
    keys = [f"key-{i}" for i in range(20_000)]
    second = {key for key in keys if is_challengers(key, split=split(1_000))}
    third = {key for key in keys if is_challengers(key, split=split(1_000, challenger="v3"))}
    assert abs(len(second & third) / len(second) - 0.1) < 0.04


def test_places_are_spread_evenly():
    counts = np.bincount([basis_point(f"k{i}", salt="s") // 1_000 for i in range(20_000)], minlength=10)
    chi_square = ((counts - 2_000) ** 2 / 2_000).sum()
    assert chi_square < 27.9  # the 99.9 % point with 9 degrees of freedom


def test_near_equal_texts_are_never_on_both_sides_of_the_seal():
    rows = ["Great film!", "great  film", "GREAT, film..."]
    for secret in range(200):
        role = Sealing(f"secret {secret}".encode(), share=0.5).role
        assert len({role(group_of(row, content=digest(row.encode()))) for row in rows}) == 1


@given(st.text())
def test_case_blanks_and_punctuation_do_not_change_the_group_of_a_text(text):
    words = normalised(text)
    assert normalised(words) == words
    assert set(words) <= {c for c in words if c.isalnum()} | {" "}
    assert group_of(f" {text}!\n", content="c1") == group_of(text, content="c2") or not words


def test_other_words_and_texts_without_words_are_groups_of_their_own():
    texts = ["good film", "goodfilm", "good films", "film good", "!", "!!", "", "4 of 5", "4 of 6"]
    assert len({group_of(text, content="c") for text in texts}) == len(texts)


def test_without_a_key_a_request_is_routed_by_its_first_row():
    table = Signature(input="tabular", width=2, labels=("a", "b"))
    rows = np.array([[1.0, 2.0], [1.0, 2.5]])
    keys = [route_key(Question(id="r", rows=part), signature=table) for part in (rows, rows[:1], rows[1:])]
    assert keys[0] == keys[1] == digest(b"[1.0,2.0]") != keys[2]
    assert route_key(Question(id="r", rows=rows, group="ana"), signature=table) == "ana"
    assert route_key(Question(id="r", rows=("Good film!", "x")), signature=AB) == digest(b"good film")


def test_rows_that_are_asked_together_keep_their_order():
    texts = [Question(id="a", rows=("x", "y")), Question(id="b", rows=("z",))]
    assert joined(texts) == ("x", "y", "z")
    tables = [Question(id="a", rows=np.array([[1.0], [2.0]])), Question(id="b", rows=np.array([[3.0]]))]
    assert joined(tables).tolist() == [[1.0], [2.0], [3.0]]


def observing(p: object) -> object:
    return lambda rows, *, extras: (np.array(list(p) * len(rows), np.float32), None, None)


def loaded(name: str, p: object = ((0.2, 0.3, 0.5),)) -> Loaded:
    return Loaded.of(model_version(name), observing(p), keep=())


TABLE = Table(split=split(5_000), loaded={name: loaded(name) for name in ("v1", "v2", "v0")})


def asked(key: str = "k", version: str | None = None) -> Question:
    return Question(id="r", rows=("x",), group=key, version=version)


def test_a_canary_is_followed_by_the_incumbent_and_the_incumbent_by_nobody():
    ways = {key: attempts(TABLE, question=asked(key)) for key in map(str, range(50))}
    found = {tuple((one.version.name, what.arm) for one, what in way) for way in ways.values()}
    assert found == {(("v1", "incumbent"),), (("v2", "canary"), ("v1", "incumbent"))}


def test_what_the_challenger_does_not_give_is_refused_to_its_own_share_only():
    giving = {name: one._replace(gives=frozenset({"members"})) for name, one in TABLE.loaded.items()}
    table = TABLE._replace(loaded=giving | {"v2": TABLE.loaded["v2"]})
    found = dict[str, int]()
    for key in map(str, range(50)):
        arms = [what.arm for _, what in attempts(TABLE, question=asked(key))]
        question = asked(key)._replace(extras=frozenset({"members"}))
        if arms == ["incumbent"]:
            ((one, _),) = attempts(table, question=question)
            assert one.version.name == "v1"
        else:
            with pytest.raises(InvalidRecord, match="outputs: members, which version v2 does not give"):
                attempts(table, question=question)
        found[arms[0]] = found.get(arms[0], 0) + 1
    assert found.keys() == {"incumbent", "canary"}


def test_a_named_version_is_asked_directly_and_alone():
    ((one, what),) = attempts(TABLE, question=asked(version="v0"))
    assert (one.version.name, what.arm, what.reason) == ("v0", "direct", "asked by name")
    with pytest.raises(NotFound, match="no loaded version 'v9'; known: v0, v1, v2"):
        attempts(TABLE, question=asked(version="v9"))


def test_before_the_first_version_nothing_answers():
    with pytest.raises(Unavailable, match="model: no version is live yet; ask again when /v2/health/ready says so"):
        attempts(EMPTY, question=asked())


def test_only_a_shadowed_challenger_scores_unseen():
    assert unseen(TABLE) is None
    assert unseen(TABLE._replace(split=split(shadow=True))).version.name == "v2"
    assert unseen(EMPTY) is None


def test_the_slowest_version_with_traffic_sets_the_pace():
    paces = {"v1": Pace(500, is_batched=True), "v2": Pace(20), "v0": Pace(7)}
    table = TABLE._replace(loaded={name: one._replace(pace=paces[name]) for name, one in TABLE.loaded.items()})
    assert pace_of(table, version=None) == Pace(20)
    assert pace_of(table._replace(split=split(0)), version=None) == paces["v1"]
    assert pace_of(table, version="v0") == paces["v0"]
    assert pace_of(table, version="v9") == pace_of(EMPTY, version=None) == Pace()


def test_a_refused_challenger_leaves_its_share_to_the_incumbent():
    def load(name: str) -> Loaded:
        if name == "v2":
            raise InvalidRecord("version v2", found="check 0 differs by 0.5", expected="at most 1e-06")
        return loaded(name)

    found = survey(split(5_000, shadow=True, keep=("v0",)), load=load)
    assert found.table.split == TrafficSplit(loop=LOOP, revision=1, incumbent="v1", keep=("v0",))
    assert list(found.table.loaded) == ["v1", "v0"]
    assert found.refusals == {"v2": "version v2: check 0 differs by 0.5, expected at most 1e-06"}
    assert found.is_settled


def test_a_refused_incumbent_gives_no_table_and_what_is_unavailable_is_not_settled():
    def load(name: str) -> Loaded:
        raise Unavailable("object store", reason="no answer")

    found = survey(split(), load=load)
    assert (found.table, found.is_settled) == (None, False)
    assert found.refusals == {"v1": "object store: no answer", "v2": "object store: no answer"}


@pytest.mark.parametrize(
    "trouble",
    [MemoryError(), OSError("disk"), NotFound("model", "v1"), ValueError(), Unavailable("x", reason="y")],
)
def test_what_breaks_no_rule_is_not_settled(trouble):
    def load(name: str) -> Loaded:
        raise trouble

    assert not survey(split(), load=load).is_settled


@pytest.mark.parametrize("rule", [InvalidRecord("x", found="y", expected="z"), Conflict("x", found="y", expected="z")])
def test_a_broken_rule_is_settled(rule):
    def load(name: str) -> Loaded:
        raise rule

    assert survey(split(), load=load).is_settled


def test_the_rest_between_looks_doubles_to_a_minute_and_begins_anew_with_a_new_split():
    look, rests, now = Look(), [], NOW
    for _ in range(9):
        assert is_due(look, revision=4, now=now)
        look = looked(look, revision=4, is_settled=False, now=now)
        rests.append(look.rest)
        assert not is_due(look, revision=4, now=now + timedelta(seconds=look.rest - 0.001))
        now += timedelta(seconds=look.rest)
    assert rests == [1, 2, 4, 8, 16, 32, 60, 60, LONGEST_REST]
    assert is_due(look, revision=5, now=NOW)
    assert looked(look, revision=5, is_settled=False, now=now).rest == 1
    assert not is_due(looked(look, revision=4, is_settled=True, now=now), revision=4, now=now + timedelta(days=9))


CHECKS = b'{"rows": ["x", "y"], "probabilities": [[0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]}'


def timed(*nanoseconds: int) -> object:
    """A timer under which the calls of the model took so long, one after the other, and then as the last."""
    took, now = iter(nanoseconds), 0

    def timer() -> int:
        nonlocal now
        timer.calls += 1
        if timer.calls % 2 == 0:
            timer.last = next(took, timer.last)
            now += timer.last
        return now

    timer.calls, timer.last = 0, 0
    return timer


def test_a_version_that_repeats_its_checks_is_verified_and_has_a_pace():
    version = loaded("v1")
    found = verified(version, checks=CHECKS, signature=SIGNATURE, timer=timed(*[20_000] * 5, 22_000))
    assert found == version._replace(pace=Pace(quick_rows=491, is_batched=True))  # (1 ms - 20 us) / 2 us + 1


@pytest.mark.parametrize(("one", "many"), [(500_001, 500_001), (5_000_000, 9_000_000)])
def test_a_slow_version_is_never_answered_on_the_spot(one, many):
    found = verified(loaded("v1"), checks=CHECKS, signature=SIGNATURE, timer=timed(*[one] * 5, many))
    assert found.pace.quick_rows == 0


@pytest.mark.parametrize("engine", ["python", "remote"])
def test_a_version_that_may_wait_for_others_is_never_answered_on_the_spot(engine):
    version = loaded("v1")._replace(version=model_version("v1", engine=engine))
    found = verified(version, checks=CHECKS, signature=SIGNATURE, timer=timed(10))
    assert found.pace.quick_rows == 0


def test_images_are_never_answered_on_the_spot_since_a_few_bytes_may_hold_millions_of_pixels():
    images = msgspec.structs.replace(SIGNATURE, input="image", preprocessing="gray-2x2-flat-raw.v1")
    pixel = base64.b64encode(b"an image").decode()
    checks = msgspec.json.encode({"rows": [pixel] * 2, "probabilities": [(0.2, 0.3, 0.5)] * 2})
    version = loaded("v1")._replace(version=model_version("v1", signature=images))
    assert verified(version, checks=checks, signature=images, timer=timed(10)).pace.quick_rows == 0


def test_a_version_that_takes_as_long_for_rows_together_is_not_asked_in_batches():
    found = verified(loaded("v1"), checks=CHECKS, signature=SIGNATURE, timer=timed(*[1_000_000] * 5, 1_900_000))
    assert not found.pace.is_batched


def test_a_version_that_says_something_else_is_named_with_the_check():
    said = np.array([[0.2, 0.3, 0.5], [0.2, 0.30001, 0.49999]], np.float32)
    odd = Loaded.of(model_version("v2"), lambda rows, *, extras: (said[: len(rows)], None, None), keep=())
    expected = (
        "^version v2: check 1 differs by 1e-05 from what the packager saw, 0 of 2 labels different, "
        "expected at most 1e-06$"
    )
    with pytest.raises(InvalidRecord, match=expected):
        verified(odd, checks=CHECKS, signature=SIGNATURE, timer=int)


def test_a_version_made_for_another_signature_is_refused_before_it_is_asked():
    version = Loaded.of(model_version("v2"), lambda rows, *, extras: 1 / 0, keep=())
    with pytest.raises(
        InvalidRecord, match=r"made for text with labels \[negative, .*\], expected text with labels \[a, b\]$"
    ):
        verified(version, checks=CHECKS, signature=AB, timer=int)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json", "checks: JSON is malformed"),
        (b'{"rows": [], "probabilities": []}', "0 rows with 0 distributions over .. classes, expected as many of each"),
        (b'{"rows": ["x"], "probabilities": []}', "1 rows with 0 distributions"),
        (b'{"rows": ["x"], "probabilities": [[0.5, 0.25, 0.25]]}', r"over \[3\] classes, .* at least one, over 2"),
        (b'{"rows": [[1, 2]], "probabilities": [[0.5, 0.5]]}', "row: 2 numbers, expected a text"),
    ],
)
def test_broken_checks_are_told_apart(content, message):
    with pytest.raises(InvalidRecord, match=message):
        checks_in(content, signature=AB)


@pytest.mark.parametrize(
    ("p", "message"),
    [
        ([[0.5, 0.5, 0.0]], r"shape \(1, 3\), expected \(1, 2\)"),
        ([0.5, 0.5], r"shape \(2,\), expected \(1, 2\)"),
        ([[np.nan, 0.5]], "values from nan to nan, expected probabilities"),
        ([[-0.1, 1.1]], "values from -0.1 to 1.1, expected probabilities"),
        ([[0.5, 0.4]], "a sum of 0.9, expected 1"),
    ],
)
def test_what_is_no_distribution_is_a_failure_of_the_model(p, message):
    with pytest.raises(InvalidRecord, match=message):
        sound(np.array(p, np.float32), rows=1, classes=2)


def test_one_broken_rule_does_not_settle_what_may_come_back():
    trouble = {
        "v1": None,
        "v2": Unavailable("object store", reason="no answer"),
        "v0": Conflict("x", found="y", expected="z"),
    }

    def load(name: str) -> Loaded:
        if trouble[name]:
            raise trouble[name]
        return loaded(name)

    assert not survey(split(5_000, keep=("v0",)), load=load).is_settled
