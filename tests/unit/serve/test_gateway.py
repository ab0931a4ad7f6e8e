"""Who answers, with what, and what is recorded of it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pytest

from loopline.adapters.memory.engine import linear
from loopline.errors import Conflict, LooplineError, NotFound, Unavailable, Unreadable
from loopline.records.exchange import Exchange
from loopline.records.signature import Signature
from loopline.serve.question import Answer, Question
from loopline.serve.shadow import WAITING_REQUESTS
from loopline.testing.factories import LABELS, NOW, SIGNATURE

KIND = {"good": (-2.0, 0.0, 2.0), "bad": (2.0, 0.0, -2.0)}
GRIM = {"good": (2.0, 0.0, -2.0)}
ONE_CHECK = b'{"rows": ["x"], "probabilities": [[1, 0, 0]]}'
TURNED = Signature(input="text", labels=SIGNATURE.labels[::-1])


def label(answer: Answer) -> str:
    return LABELS[int(answer.given[0].argmax())]


def who(answer: Answer) -> tuple[str, str]:
    return answer.version.name, answer.asked.arm


def test_before_the_first_split_it_says_that_no_version_is_live(house):
    assert not house.refresh()
    assert house.gateway.table.split is None
    with pytest.raises(Unavailable, match="no version is live yet"):
        house.ask()


def test_an_answer_says_who_answered_and_what_and_all_of_it_is_recorded(house):
    version = house.register("v1", linear(KIND))
    assert house.split("v1")
    answer = house.ask("good", "bad", id="p7", group="ana", trace="4bf9", segment="web")
    p = np.exp([-2.0, 0.0, 2.0]) / np.exp([-2.0, 0.0, 2.0]).sum()
    np.testing.assert_allclose(answer.given, [p, p[::-1]], atol=1e-6)
    assert (who(answer), label(answer), answer.failure) == (("v1", "incumbent"), "positive", "")
    assert answer.latency_us >= 0
    (exchange,) = house.recorded
    assert exchange == Exchange(
        request="p7",
        at_us=int(NOW.timestamp()) * 1_000_000,
        model="v1",
        artifact=version.artifact,
        signature=SIGNATURE.digest,
        arm="incumbent",
        reason="",
        group="ana",
        inputs=("good", "bad"),
        rows=2,
        probabilities=answer.given.tobytes(),
        latency_us=answer.latency_us,
        trace="4bf9",
        segment="web",
    )


def test_questions_that_came_together_are_answered_each_with_its_own_answer_by_its_own_version(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    house.split("v1", challenger="v2", basis_points=5_000, keep=("v0",))
    rows = [("good",), ("bad", "good"), ("nothing",)]
    asked = [Question(id=f"q{n}", rows=rows[n % 3], group=f"user-{n}") for n in range(60)]
    together = house.gateway.answer(asked)
    assert [answer.asked.question.id for answer in together] == [question.id for question in asked]
    alone = [house.gateway.answer([question])[0] for question in asked]
    assert [who(answer) for answer in together] == [who(answer) for answer in alone]
    assert {who(answer) for answer in together} == {("v1", "incumbent"), ("v2", "canary")}
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_array_equal(one.given, other.given)


def test_a_question_on_which_the_model_fails_harms_no_other_that_came_with_it(house):
    house.register("v1", linear(KIND, fails_on="boom"))
    house.split("v1")
    asked = [Question(id=name, rows=(name,)) for name in ("good", "boom", "bad")]
    good, boom, bad = house.gateway.answer(asked)
    assert (label(good), label(bad)) == ("positive", "negative")
    assert str(boom) == "model: version v1 failed with RuntimeError: no answer for 'boom'; the failure is on record"
    recorded = {exchange.request: exchange.failure for exchange in house.recorded}
    assert recorded == {"good": "", "boom": "RuntimeError: no answer for 'boom'", "bad": ""}


def test_a_question_that_nobody_can_be_asked_harms_no_other_that_came_with_it(house):
    house.register("v1", linear(KIND))
    house.split("v1")
    found = house.gateway.answer([Question(id="a", rows=("good",), version="v9"), Question(id="b", rows=("good",))])
    assert str(found[0]) == "no loaded version 'v9'; known: v1"
    assert who(found[1]) == ("v1", "incumbent")


def test_a_canary_gets_its_share_and_every_group_stays_with_its_version(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    house.split("v1", challenger="v2", basis_points=3_000)
    first = {f"user-{i}": house.ask(group=f"user-{i}") for i in range(300)}
    assert {who(answer) for answer in first.values()} == {("v1", "incumbent"), ("v2", "canary")}
    assert 50 < sum(answer.asked.arm == "canary" for answer in first.values()) < 130
    assert all(house.ask("bad", group=user).version == answer.version for user, answer in first.items())
    reasons = {answer.asked.arm: answer.asked.reason for answer in first.values()}
    assert reasons == {"incumbent": "", "canary": "its key lies in the first 30 %"}
    house.split("v1", challenger="v2", basis_points=10_000)
    assert {house.ask(group=f"user-{i}").asked.arm for i in range(50)} == {"canary"}


def test_without_a_key_equal_words_go_to_one_version(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    house.split("v1", challenger="v2", basis_points=5_000)
    for number in range(40):
        versions = {house.ask(f"Film, {number}!").version.name, house.ask(f"film {number}", "other").version.name}
        assert len(versions) == 1


def test_a_failing_canary_is_recorded_and_the_incumbent_answers(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM, fails_on="boom"))
    house.split("v1", challenger="v2", basis_points=10_000, shadow=True)
    answer = house.ask("boom good", id="p1")
    assert (who(answer), answer.asked.reason) == (("v1", "incumbent"), "v2, whose share it is in, failed")
    house.gateway.close()
    failure, answered = house.recorded
    assert (failure.request, failure.model, failure.arm) == ("p1", "v2", "canary")
    assert failure.failure == "RuntimeError: no answer for 'boom'"
    assert (failure.probabilities, failure.inputs) == (b"", ("boom good",))
    assert (answered.request, answered.model, answered.failure) == ("p1", "v1", "")


def test_a_failing_incumbent_is_recorded_and_said(house):
    house.register("v1", linear(KIND, fails_on="boom"))
    house.split("v1")
    expected = "^model: version v1 failed with RuntimeError: no answer for 'boom'; the failure is on record$"
    with pytest.raises(LooplineError, match=expected) as caught:
        house.ask("boom", "good", id="p1")
    assert not isinstance(caught.value, Unavailable)  # to try again would not help
    assert [(row.request, row.rows, row.arm) for row in house.recorded] == [("p1", 2, "incumbent")]


def test_a_version_asked_by_name_answers_directly_and_its_failure_is_its_own(house):
    house.register("v1", linear(KIND))
    house.register("v0", linear(GRIM, fails_on="boom"))
    house.split("v1", keep=("v0",))
    answer = house.ask("good", version="v0")
    assert (who(answer), label(answer)) == (("v0", "direct"), "negative")
    with pytest.raises(LooplineError, match="version v0 failed"):
        house.ask("boom", version="v0")
    assert [(row.arm, row.model, bool(row.failure)) for row in house.recorded] == [
        ("direct", "v0", False),
        ("direct", "v0", True),
    ]
    with pytest.raises(NotFound, match="no loaded version 'v7'; known: v0, v1"):
        house.ask("good", version="v7")


def test_a_model_that_says_no_distribution_has_failed(house):
    house.register("v1", linear(KIND))
    house.split("v1")
    odd = house.gateway.table.loaded["v1"]._replace(classes=4)
    house.gateway.table = house.gateway.table._replace(loaded={"v1": odd})
    with pytest.raises(LooplineError, match=r"version v1 failed with model output: shape \(1, 3\), expected \(1, 4\)"):
        house.ask()


def test_the_shadow_scores_what_the_incumbent_answered_and_no_caller_sees_it(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM, fails_on="boom"))
    house.split("v1", challenger="v2", shadow=True)
    one = house.ask("good", id="p1", group="ana", segment="web")
    house.ask("boom", id="p2")
    house.ask("good", id="p3", version="v1")
    house.gateway.close()
    assert who(one) == ("v1", "incumbent")
    unseen = [row for row in house.recorded if row.arm == "shadow"]
    assert [(row.request, row.model, row.group, row.segment, row.inputs) for row in unseen] == [
        ("p1", "v2", "ana", "web", ("good",)),
        ("p2", "v2", "", "", ("boom",)),
    ]
    assert [row.failure for row in unseen] == ["", "RuntimeError: no answer for 'boom'"]


def test_a_version_can_be_held_beside_those_of_the_split_and_let_go_again(house):
    for name in ("v1", "v2", "v3"):
        house.register(name, linear(GRIM if name == "v3" else KIND))
    house.split("v1")
    house.gateway.hold("v3", shelf=house.shelf)
    assert who(house.ask("good", version="v3")) == ("v3", "direct")
    assert house.split("v1", challenger="v2", basis_points=10_000)
    assert {house.ask(group=f"user-{n}").version.name for n in range(9)} == {"v2"}
    assert who(house.ask("good", version="v3")) == ("v3", "direct")
    assert [version.name for version in house.gateway.table.versions] == ["v1", "v2", "v3"]
    house.gateway.release("v3")
    with pytest.raises(NotFound, match="no loaded version 'v3'; known: v1, v2"):
        house.ask("good", version="v3")
    with pytest.raises(Conflict, match="version v2: named by the traffic split, expected one that is not"):
        house.gateway.release("v2")


class Held:
    """The challenger v2 of a house, which answers nothing before ``go`` is set."""

    def __init__(self, house: Any) -> None:
        self.started, self.go = Event(), Event()
        house.register("v1", linear(KIND))
        house.register("v2", linear(GRIM))
        house.split("v1", challenger="v2", shadow=True)
        quick = house.gateway.table.loaded["v2"]
        self.observe = quick.observe
        loaded = dict(house.gateway.table.loaded) | {"v2": quick._replace(observe=self.slow)}
        house.gateway.table = house.gateway.table._replace(loaded=loaded)
        house.ask("good", id="first")
        self.started.wait()

    def slow(self, rows: object, *, extras: object) -> object:
        self.started.set()
        self.go.wait()
        return self.observe(rows, extras=extras)


@pytest.fixture
def held(house: Any) -> Iterator[Held]:
    held = Held(house)
    yield held
    held.go.set()


def test_a_shadow_that_cannot_keep_up_is_counted_and_delays_nobody(house, held):
    for number in range(WAITING_REQUESTS + 5):
        assert who(house.ask("good", "bad", id=f"p{number}")) == ("v1", "incumbent")
    assert house.counters.read()["shadow_dropped"] == 10
    held.go.set()
    house.gateway.close()
    assert sum(row.rows for row in house.recorded if row.arm == "shadow") == 1 + 2 * WAITING_REQUESTS


@pytest.mark.parametrize("requests", [3, WAITING_REQUESTS])
def test_a_challenger_that_hangs_does_not_keep_the_server_from_stopping(house, held, requests):
    for number in range(requests):
        house.ask("good", "bad", id=f"p{number}")
    house.gateway.close(patience=0.01)
    assert [row for row in house.recorded if row.arm == "shadow"] == []
    assert house.counters.read()["shadow_dropped"] == 2 * requests


def test_while_the_table_is_swapped_each_answer_is_of_one_table(house):
    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    house.split("v1")

    def swap() -> None:
        for _ in range(200):
            house.split(("v1", "v2")[house.revision % 2])

    with ThreadPoolExecutor(1) as pool:
        swaps = pool.submit(swap)
        answered = 0
        while not swaps.done() or not answered:
            first, second = house.gateway.answer([Question(id=name, rows=("good", "good film")) for name in "ab"])
            assert first.version == second.version
            assert {label(first), label(second)} == {{"v1": "positive", "v2": "negative"}[first.version.name]}
            answered += 1
        swaps.result()


def test_a_row_that_is_not_what_it_claims_to_be_is_refused_and_is_no_failure_of_the_model(house):
    def observe(rows: object, *, extras: object) -> object:
        if "broken" in rows:
            raise Unreadable("image 0", found="7 bytes that cannot be read", expected="a PNG file")
        return house.gateway.table.loaded["v1"].observe(rows, extras=extras)

    house.register("v1", linear(KIND))
    house.register("v2", linear(GRIM))
    house.split("v1", challenger="v2", basis_points=10_000)
    picky = house.gateway.table.loaded["v2"]._replace(observe=observe)
    house.gateway.table = house.gateway.table._replace(loaded={**house.gateway.table.loaded, "v2": picky})
    broken, whole = house.gateway.answer([Question(id=name, rows=(name,)) for name in ("broken", "good")])
    assert str(broken) == "image 0: 7 bytes that cannot be read, expected a PNG file"
    assert who(whole) == ("v2", "canary")
    assert [(row.request, row.failure) for row in house.recorded] == [("good", "")]
