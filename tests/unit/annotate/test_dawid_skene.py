import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.ballots import Ballots, cast
from loopline.annotate.dawid_skene import dawid_skene
from loopline.annotate.majority import majority
from loopline.errors import InvalidRecord
from loopline.testing.factories import LABELS, annotation, task

CLASSES = 3


def wrong_or_right(rng, truth, accuracy):
    return np.where(rng.random(len(truth)) < accuracy, truth, (truth + rng.integers(1, CLASSES, len(truth))) % CLASSES)


def simulated(seed, *, samples=400, gold=40):
    """Four people of accuracy 0.85 and a careless one; two or three answers a sample, all five on gold."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(CLASSES, size=samples + gold, p=(0.3, 0.4, 0.3))
    said = np.stack([wrong_or_right(rng, truth, 0.85) for _ in range(5)])
    is_random = rng.random(len(truth)) < 0.4
    said[4, is_random] = rng.integers(0, CLASSES, is_random.sum())
    asked = np.where(np.arange(len(truth)) < samples, rng.integers(2, 4, len(truth)), 5)
    pairs = [(i, p) for i in range(len(truth)) for p in sorted(rng.permutation(5)[: asked[i]])]
    which, person = (np.array(column) for column in zip(*pairs, strict=True))
    known = np.where(np.arange(len(truth)) < samples, -1, truth)
    return truth, Ballots(which, person, said[person, which], known, tuple("abcde"), CLASSES)


def hit_rate(posterior, truth, is_open):
    """Share of right labels; a tie of t leading labels that holds the right one counts 1/t."""
    p = posterior[is_open].round(9)
    leads = p == p.max(axis=1, keepdims=True)
    return (leads[np.arange(len(p)), truth[is_open]] / leads.sum(axis=1)).mean()


def test_it_beats_the_majority_on_average_and_never_loses_much():
    gains = []
    for seed in range(20):
        truth, ballots = simulated(seed)
        is_open = ballots.known < 0
        ours = hit_rate(dawid_skene(ballots).posterior, truth, is_open)
        gains.append(ours - hit_rate(majority(ballots.votes), truth, is_open))
    assert np.mean(gains) > 0.01
    assert min(gains) > -0.005


def test_it_finds_out_who_is_careless():
    _, ballots = simulated(3)
    accuracy = np.trace(dawid_skene(ballots).confusion, axis1=1, axis2=2) / CLASSES
    assert accuracy.argmin() == 4
    assert accuracy[:4].min() > 0.78
    assert accuracy[4] < 0.75


def test_gold_keeps_its_known_class_against_everybody():
    said = Ballots(np.array([0, 0, 0]), np.array([0, 1, 2]), np.array([2, 2, 2]), np.array([0]), ("a", "b", "c"), 3)
    assert dawid_skene(said).posterior.tolist() == [[1.0, 0.0, 0.0]]


def test_gold_teaches_whom_to_believe_when_two_disagree():
    """Ana was right on ten gold tasks, ben wrong on all: on the open task ana's answer wins."""
    gold = np.arange(10) % 2
    which = np.concatenate([np.arange(10), np.arange(10), [10, 10]])
    person = np.array([0] * 10 + [1] * 10 + [0, 1])
    choice = np.concatenate([gold, 1 - gold, [1, 0]])
    said = Ballots(which, person, choice, np.append(gold, -1), ("ana", "ben"), 2)
    assert dawid_skene(said).posterior[10].argmax() == 1


def test_one_answer_by_someone_unknown_is_believed_but_not_certain():
    said = Ballots(np.array([0]), np.array([0]), np.array([1]), np.array([-1]), ("ana",), 3)
    posterior = dawid_skene(said).posterior[0]
    assert posterior.argmax() == 1
    assert 0.8 < posterior[1] < 0.99


def test_a_task_without_answers_has_the_posterior_of_the_class_prior():
    said = Ballots(np.array([0, 1]), np.array([0, 0]), np.array([1, 1]), np.array([-1, -1, -1]), ("ana",), 2)
    consensus = dawid_skene(said)
    assert consensus.posterior[2] == pytest.approx(consensus.prior, abs=1e-5)


def test_nothing_at_all_is_no_error():
    empty = np.array([], dtype=np.int64)
    assert dawid_skene(Ballots(empty, empty, empty, empty, (), 3)).posterior.shape == (0, 3)


answers = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40)


def ballots_of(rows):
    which, person, choice = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Ballots(which, person, choice, np.full(8, -1), tuple("abcd"), CLASSES)


@checks(deadline=None)
@given(answers)
def test_rows_are_distributions_and_the_same_answers_give_the_same_bytes(rows):
    one, again = dawid_skene(ballots_of(rows)), dawid_skene(ballots_of(rows))
    assert one.posterior.sum(axis=1) == pytest.approx(1.0)
    assert one.confusion.sum(axis=2) == pytest.approx(1.0)
    assert one.posterior.tobytes() == again.posterior.tobytes()


@checks(deadline=None)
@given(answers)
def test_names_do_not_matter(rows):
    renamed = [(i, 3 - p, c) for i, p, c in rows]
    assert dawid_skene(ballots_of(rows)).posterior == pytest.approx(dawid_skene(ballots_of(renamed)).posterior)


@checks(deadline=None)
@given(answers)
def test_the_order_of_classes_does_not_matter(rows):
    turned = [(i, p, (c + 1) % CLASSES) for i, p, c in rows]
    rolled = np.roll(dawid_skene(ballots_of(rows)).posterior, 1, axis=1)
    assert dawid_skene(ballots_of(turned)).posterior == pytest.approx(rolled, abs=1e-6)


def test_ballots_hold_the_answers_to_these_tasks_only():
    tasks = [task("t1"), task("t2", "bad", stratum="gold", gold="negative")]
    said = [
        annotation("a1", task="t1", annotator="zoe"),
        annotation("a2", task="t2", label="neutral"),
        annotation("a3", task="t9"),
    ]
    ballots = cast(tasks, said, labels=LABELS)
    assert ballots.people == ("ana", "zoe")
    assert ballots.known.tolist() == [-1, 0]
    assert ballots.votes.tolist() == [[0, 0, 1], [0, 1, 0]]


def test_an_answer_that_is_no_label_is_refused():
    with pytest.raises(InvalidRecord) as error:
        cast([task()], [annotation(label="meh")], labels=LABELS)
    assert str(error.value) == "answer a1 to task t1: label 'meh', expected one of negative, neutral, positive"


def test_gold_of_one_class_does_not_make_that_class_likelier_elsewhere():
    gold = np.zeros(60, dtype=np.int64)
    which, person = np.arange(62), np.append(np.zeros(60, dtype=np.int64), [1, 1])
    said = Ballots(which, person, np.append(gold, [0, 1]), np.append(gold, [-1, -1]), ("ana", "ben"), 2)
    consensus = dawid_skene(said)
    assert consensus.prior == pytest.approx([0.5, 0.5], abs=1e-3)
    assert consensus.posterior[60] == pytest.approx(consensus.posterior[61][::-1], abs=1e-3)
