import msgspec
import numpy as np
import pytest
from msgspec import structs

from loopline.adapters.memory.engine import MemoryEngine, linear
from loopline.adapters.memory.objects import MemoryObjects
from loopline.errors import InvalidRecord, NotFound
from loopline.evaluate.stage import judge
from loopline.records.leak import Leak, Leakage, digest_of
from loopline.records.settings import GateSettings
from loopline.records.signature import Signature
from loopline.testing.factories import cycle, label, labelled_row, model_version, settings

TEXT = Signature(input="text", labels=("negative", "neutral", "positive"))
GOOD = {"good": [0, 0, 4], "bad": [4, 0, 0], "hot": [0, 0, 4]}
OLD = {"good": [0, 0, 4], "bad": [4, 0, 0], "hot": [4, 0, 0]}
"""Knows ``good`` and ``bad``, and takes ``hot``, which has become praise, for a complaint."""


class House:
    def __init__(self):
        self.objects = MemoryObjects()

    def version(self, name, weights, **changes):
        return model_version(name, artifact=self.objects.put(linear(weights)), **changes)

    def judge(self, challenger, incumbent, **changes):
        asked = {
            "challenger": self.version("v2", challenger) if isinstance(challenger, dict) else challenger,
            "incumbent": self.version("v1", incumbent),
            "decision": 1,
            "anchor": ANCHOR,
            "fresh": FRESH,
            "trained_on": frozenset(),
            "engine": MemoryEngine(),
            "settings": settings(gate=GateSettings(margin=0.02)),
        }
        asked |= changes
        found = {"leakage": searched(asked["fresh"], asked["anchor"], training=len(asked["trained_on"]))}
        return judge(cycle(3), objects=self.objects, **{**found, **asked})


def searched(fresh, anchor, *, training=0):
    """A search that found nothing among these rows."""
    contents = [one.content for one in fresh] + [label("x", str(TEXT.decode(row.inputs))).content for row in anchor]
    return Leakage(training=training, reserve=digest_of(contents), trained=0, sealed=0, late=0, pairs=(), found=0)


ANCHOR = [labelled_row(f"a{i}", f"good film {i}") for i in range(300)]
FRESH = [label(f"p{i}", f"hot take {i}" if i % 4 == 0 else f"good take {i}", stratum="reserve") for i in range(120)]


def test_a_challenger_that_learned_the_new_word_passes():
    verdict = House().judge(GOOD, OLD)
    fresh, anchor = verdict.comparisons
    assert (fresh.part, fresh.n, fresh.incumbent, fresh.challenger) == ("fresh", 120, 0.75, 1.0)
    assert (anchor.part, anchor.n, anchor.difference) == ("anchor", 300, 0.0)
    assert (verdict.outcome, verdict.leaks, verdict.decision) == ("pass", 0, 1)
    assert (verdict.id, verdict.cycle, verdict.challenger, verdict.incumbent) == ("sentiment/cycle-3", 3, "v2", "v1")
    assert verdict.alpha == pytest.approx(0.0304, abs=1e-4)
    assert verdict.reason.startswith("pass: fresh 1.000 against 0.750, +25.0 points, better (lower bound +")


def test_the_other_way_round_it_fails():
    assert House().judge(OLD, GOOD).outcome == "fail"


def test_the_same_question_gets_the_same_verdict():
    house = House()
    for metric in ("accuracy", "macro_f1", "log_score"):
        asked = {"settings": settings(gate=GateSettings(metric=metric, margin=0.02))}
        assert house.judge(GOOD, OLD, **asked) == house.judge(GOOD, OLD, fresh=FRESH[::-1], **asked)


def test_without_an_anchor_the_fresh_part_decides_alone():
    verdict = House().judge(GOOD, OLD, anchor=[])
    assert [one.part for one in verdict.comparisons] == ["fresh"]
    assert verdict.outcome == "pass"


def test_without_fresh_labels_nothing_passes():
    verdict = House().judge(GOOD, OLD, fresh=[])
    assert verdict.outcome == "inconclusive"
    assert verdict.reason.startswith("inconclusive: no fresh rows; anchor +0.0 points")


def test_a_later_decision_asks_for_more():
    first, twentieth = (House().judge(GOOD, OLD, decision=k) for k in (1, 20))
    assert twentieth.alpha == pytest.approx(first.alpha / 400)
    assert twentieth.comparisons[0].lower < first.comparisons[0].lower


@pytest.mark.parametrize("leak", ["fresh", "anchor"])
def test_one_training_row_in_the_reserve_fails_the_verdict(leak):
    content = FRESH[3].content if leak == "fresh" else label("x", "good film 7").content
    name = "p3" if leak == "fresh" else "a7"
    pair = Leak(trained="r1", sealed=name, likeness="inputs", similarity=1.0)
    found = structs.replace(searched(FRESH, ANCHOR, training=2), trained=1, sealed=1, pairs=(pair,), found=1)
    verdict = House().judge(GOOD, OLD, trained_on=frozenset({content, "unrelated"}), leakage=found)
    assert (verdict.outcome, verdict.leaks, verdict.pairs) == ("fail", 1, (pair,))
    said = f"fail: 1 reserve row is known from 1 of 2 training rows: r1 ~ {name} (equal inputs); fresh 1.000"
    assert verdict.reason.startswith(said)


def test_a_leak_that_nobody_looked_for_or_that_was_missed_fails_the_verdict():
    unsearched = House().judge(GOOD, OLD, leakage=None)
    assert unsearched.outcome == "fail"
    assert unsearched.reason.startswith("fail: nobody has searched the training data for rows of the reserve; fresh")
    missed = House().judge(GOOD, OLD, trained_on=frozenset({FRESH[3].content}))
    assert missed.reason.startswith("fail: the search for leaks has missed 1, p3 first; fresh")


def test_labels_that_the_loop_chose_may_not_judge():
    with pytest.raises(InvalidRecord, match=r"^fresh label p1: of stratum chosen, expected reserve: nothing else may"):
        House().judge(GOOD, OLD, fresh=[label("p1")])


def test_an_unknown_metric_is_refused_and_the_known_are_named():
    with pytest.raises(NotFound, match=r"^no gate metric 'f1'; known: accuracy, log_score, macro_f1$"):
        House().judge(GOOD, OLD, settings=settings(gate=GateSettings(metric="f1")))


def test_a_challenger_of_another_contract_is_refused():
    house = House()
    other = house.version("v2", {}, signature=Signature(input="text", labels=("a", "b")))
    expected = r"^challenger v2: text with labels \[a, b\], expected text with labels \[negative, .*\] like v1$"
    with pytest.raises(InvalidRecord, match=expected):
        house.judge(other, OLD)


def test_a_label_outside_the_contract_is_refused():
    stray = msgspec.structs.replace(FRESH[0], label="angry")
    with pytest.raises(InvalidRecord, match=r"^reserve row p0: label 'angry', expected one of negative, neutral, po"):
        House().judge(GOOD, OLD, fresh=[stray])


def test_a_model_whose_scores_are_no_probabilities_is_refused_although_they_sum_to_one():
    class Wild(MemoryEngine):
        """An engine whose models are surer than sure."""

        def load(self, artifact, *, engine, signature):
            return self

        def predict(self, rows):
            return np.array([(1.4, -0.4, 0.0)] * len(rows), np.float32)

    with pytest.raises(InvalidRecord, match=r"^model v1: values from -0.4 to 1.4, expected probabilities in \[0, 1\]$"):
        House().judge(GOOD, OLD, engine=Wild())


def test_each_model_is_loaded_once_a_judgement():
    class Counting(MemoryEngine):
        loads = 0

        def load(self, artifact, *, engine, signature):
            self.loads += 1
            return super().load(artifact, engine=engine, signature=signature)

    engine = Counting()
    assert [one.n for one in House().judge(GOOD, OLD, engine=engine).comparisons] == [120, 300]
    assert engine.loads == 2


def test_more_rows_than_a_chunk_are_scored_in_order():
    many = [
        label(
            f"p{i:04}", f"{'hot' if i % 2 else 'bad'} {i}", stratum="reserve", label="positive" if i % 2 else "negative"
        )
        for i in range(1300)
    ]
    verdict = House().judge(GOOD, OLD, fresh=many, anchor=[])
    assert (verdict.comparisons[0].challenger, verdict.comparisons[0].incumbent) == (1.0, 0.5)


@pytest.mark.parametrize(("rows", "spends"), [(0, False), (29, False), (30, True)])
def test_alpha_is_spent_exactly_when_a_pass_was_possible(rows, spends):
    verdict = House().judge(GOOD, OLD, fresh=FRESH[:rows])
    assert verdict.alpha == pytest.approx(0.0304 if spends else 0.0, abs=1e-4)
