"""Chosen against random labels on the reserve: what is measured, what is said, and what is refused."""

import numpy as np
import pytest
from msgspec import structs

from loopline.errors import Conflict, InvalidRecord, Unavailable
from loopline.evaluate.comparison import Scores, compare, weigh
from loopline.records.settings import GateSettings
from loopline.testing.factories import NOW, cycle, label, model_version, settings, trial

LABELS = ("negative", "neutral", "positive")
TRIAL = trial()
CHOSEN, RANDOM = (arm.artifact for arm in TRIAL.arms)
BEFORE = model_version("v1")
FRESH = [
    label(f"r{i:03}", f"row {i}", stratum="reserve", label=LABELS[i % 3], cycle=1) for i in range(200)
]  # fmt: skip


def answers(right: int, *, start: int = 0):
    """A model that is right on so many of the 200 rows, from ``start`` on."""

    def predict(rows):
        places = [int(row.split()[1]) for row in rows]
        hits = [start <= place < start + right for place in places]
        said = [place % 3 if hit else (place + 1) % 3 for place, hit in zip(places, hits, strict=True)]
        return np.eye(3, dtype=np.float32)[said] * 0.7 + 0.1

    return predict


def measured(chosen, random, before=None, **changes):
    models = {CHOSEN: chosen, RANDOM: random, BEFORE.artifact: before}
    asked = {
        "trial": TRIAL, "strategy": "cluster-margin.v1", "before": BEFORE if before else None, "fresh": FRESH,
        "load": lambda artifact, engine: models[artifact], "settings": settings(), "now": NOW,
    }  # fmt: skip
    return compare(cycle(3), **{**asked, **changes})


def test_chosen_labels_that_taught_more_are_better_with_all_numbers():
    found = measured(answers(170), answers(130))
    assert (found.id, found.cycle, found.strategy, found.reserve) == ("cycle-3", 3, "cluster-margin.v1", 200)
    assert (found.chosen, found.random, found.before) == (0.85, 0.65, None)
    assert found.difference == pytest.approx(0.2)
    assert (round(found.low, 2), round(found.high, 2)) == (0.15, 0.26)
    assert found.per_label == pytest.approx(0.2 / 24)
    assert found.finding == "better"
    assert found.reason.startswith(
        "chosen labels beat random ones: +20.0 points of accuracy with 24 of each beside 400 shared rows (95 % interval"
    )
    assert found.reason.endswith("n = 200 reserve rows; a difference of 8.0 is found four times in five)")


def test_swapped_it_is_worse_by_the_same():
    one, other = measured(answers(170), answers(130)), measured(answers(130), answers(170))
    assert (other.finding, other.difference) == ("worse", -one.difference)
    assert other.reason.startswith("random labels beat chosen ones: -20.0 points")


def test_models_that_are_right_on_different_rows_alike_often_are_not_told_apart():
    found = measured(answers(120), answers(120, start=40))
    assert (found.finding, found.difference) == ("unclear", 0.0)
    assert found.low < 0 < found.high
    assert found.reason.startswith("chosen and random labels cannot be told apart: +0.0 points")


def test_the_excess_asks_for_a_quarter_more_than_the_random_labels_gained():
    found = measured(answers(130), answers(130, start=20), answers(90))
    assert (found.before, found.difference) == (0.45, 0.0)
    assert found.excess == pytest.approx(-0.25 * (0.65 - 0.45))
    assert found.excess_error > 0


def test_without_a_version_of_the_shared_rows_the_excess_is_the_difference():
    found = measured(answers(150), answers(140, start=20))
    assert found.excess == found.difference == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"fresh": FRESH[:29]}, "29 labelled reserve rows, at least 30 are needed"),
        (
            {"trial": trial(arms=(), reason="13 of 20 labels of each kind so far")},
            "13 of 20 labels of each kind so far",
        ),
        ({"trial": trial(arms=(), after=-1), "strategy": "random.v1"}, "random.v1 chooses at random itself"),
    ],
)
def test_what_cannot_be_measured_says_why(changes, told):
    found = measured(answers(170), answers(130), **changes)
    assert (found.finding, found.reason, found.is_measured, found.per_label) == ("not measured", told, False, 0.0)
    assert (found.low, found.high, found.difference) == (-1.0, 1.0, 0.0)


def test_models_that_hardly_differ_are_not_compared_so_that_more_labels_can_set_them_apart():
    found = measured(answers(109), answers(100))
    told = "the two models differ on 9 of 200 reserve rows, at least 10 are needed"
    assert (found.finding, found.reason) == ("not measured", told)
    assert measured(answers(110), answers(100)).finding == "better"


@pytest.mark.parametrize(
    "error", [InvalidRecord("model", found="junk", expected="one"), Conflict("run", found="a", expected="b")]
)
def test_a_small_model_that_cannot_be_used_is_a_sentence_and_no_error(error):
    def refuse(artifact, engine):
        raise error

    found = measured(None, None, load=refuse)
    assert (found.finding, found.reason) == ("not measured", str(error))


def test_a_store_that_is_away_is_asked_again_later():
    def away(artifact, engine):
        raise Unavailable("object", reason="no answer", remedy="wait")

    with pytest.raises(Unavailable):
        measured(None, None, load=away)


def test_a_model_that_gives_no_probabilities_is_named():
    found = measured(answers(170), lambda rows: np.zeros((len(rows), 3), np.float32))
    assert found.reason == "model with random labels: row 0 sums to 0, expected 1"


def test_labels_that_the_loop_chose_are_no_reserve():
    with pytest.raises(InvalidRecord, match=r"^fresh label p1: of stratum chosen, expected reserve: nothing else may"):
        measured(answers(170), answers(130), fresh=[label("p1")])


def test_a_log_score_is_told_in_nats():
    found = measured(answers(170), answers(130), settings=settings(gate=GateSettings(metric="log_score")))
    assert found.finding == "better"
    assert "+0.416 nats of log_score" in found.reason


def test_the_same_records_give_the_same_numbers():
    assert measured(answers(150), answers(130), answers(90)) == measured(answers(150), answers(130), answers(90))


@pytest.mark.slow
def test_the_interval_holds_the_true_difference_as_often_as_it_says():
    generator, held, runs = np.random.default_rng(3), 0, 300
    truth = np.zeros(300, dtype=np.int64)
    for _ in range(runs):
        both = generator.random(300)
        chosen, random = (np.eye(2)[(part).astype(int)] for part in (both < 0.24, (both > 0.1) & (both < 0.4)))
        seen = weigh(Scores(chosen, random, None, truth), metric="accuracy", generator=generator)
        held += seen.low <= 0.3 - 0.24 <= seen.high
    assert 0.91 <= held / runs <= 0.985


def test_structs_of_a_trial_are_kept_whole():
    found = measured(answers(170), answers(130))
    assert structs.asdict(found.trial) == structs.asdict(TRIAL)
