import numpy as np
import pytest

from loopline.annotate.ballots import Ballots
from loopline.annotate.prior import doubted, spoken_for
from loopline.annotate.stopping import believed

PEOPLE, MOST, STOP_AT = 40, 5, 0.95


def calibrated(rng, classes, samples=12_000):
    """Probabilities, and truths drawn from them."""
    p = np.exp(2.5 * rng.normal(size=(samples, classes)))
    p /= p.sum(axis=1, keepdims=True)
    return p, (rng.random(samples)[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(0, classes - 1)


def asked_until_sure(rng, truth, beforehand):
    """Right among those stopped on, what the posterior said of them, labels a sample."""
    samples, classes = beforehand.shape
    accuracy = np.clip(rng.beta(10, 2, PEOPLE), 1 / classes, 0.99)
    who = np.argsort(rng.random((samples, PEOPLE)), axis=1)[:, :MOST]
    is_right = rng.random((samples, MOST)) < accuracy[who]
    said = np.where(is_right, truth[:, None], (truth[:, None] + rng.integers(1, classes, is_right.shape)) % classes)
    people, is_open, posterior = np.zeros(samples, dtype=np.int64), np.ones(samples, dtype=bool), beforehand
    while (is_open & (people < MOST)).any():
        people += is_open & (people < MOST)
        task, turn = np.nonzero(np.arange(MOST) < people[:, None])
        ballots = Ballots(task, who[task, turn], said[task, turn], np.full(samples, -1), PEOPLE, classes)
        posterior = believed(ballots, accuracy, beforehand=beforehand)
        is_open = posterior.max(axis=1) < STOP_AT
    stopped = ~is_open
    is_found = posterior.argmax(axis=1) == truth
    return is_found[stopped].mean(), posterior.max(axis=1)[stopped].mean(), people.mean()


@pytest.mark.parametrize("classes", [2, 3, 8])
def test_the_stated_error_is_held_with_people_alone_and_with_a_calibrated_model(classes):
    rng = np.random.default_rng(classes)
    p, truth = calibrated(rng, classes)
    right, stated, alone = asked_until_sure(rng, truth, np.zeros_like(p) + 1 / classes)
    assert right >= STOP_AT
    assert right == pytest.approx(stated, abs=0.01)
    right, _, helped = asked_until_sure(rng, truth, doubted(p))
    assert right >= STOP_AT
    assert helped < alone - 0.3


@pytest.mark.slow
@pytest.mark.parametrize("classes", [2, 3, 8])
def test_a_model_that_is_surely_wrong_about_three_samples_in_ten_does_not_break_it(classes):
    rng = np.random.default_rng(classes)
    p, truth = calibrated(rng, classes)
    is_moved = rng.random(len(truth)) < 0.3
    truth = np.where(is_moved, (p.argmax(axis=1) + rng.integers(1, classes, len(truth))) % classes, truth)
    right, _, _ = asked_until_sure(rng, truth, doubted(p))
    assert right >= STOP_AT
    believed_blindly, _, _ = asked_until_sure(rng, truth, p)
    assert right > believed_blindly


def test_where_the_model_has_no_say_it_still_has_none():
    assert doubted(np.zeros((2, 3))).tolist() == [[0.0] * 3] * 2
    assert doubted(np.array([[1.0, 0.0, 0.0]]))[0] == pytest.approx([0.8 + 0.2 / 3, 0.2 / 3, 0.2 / 3])


def test_of_several_labels_a_small_probability_is_no_word_against_one():
    assert spoken_for(np.array([[0.8, 0.1, 0.1], [0.4, 0.3, 0.3]])) == pytest.approx(
        np.array([[0.74, 0.0, 0.0], [0.0, 0.0, 0.0]])
    )
