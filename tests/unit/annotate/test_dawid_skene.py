import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.ballots import Ballots
from loopline.annotate.dawid_skene import BLOCK, dawid_skene
from loopline.annotate.majority import majority
from loopline.annotate.mistakes import nearby

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
    return truth, Ballots(which, person, said[person, which], known, 5, CLASSES)


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
    said = Ballots(np.array([0, 0, 0]), np.array([0, 1, 2]), np.array([2, 2, 2]), np.array([0]), 3, 3)
    assert dawid_skene(said).posterior.tolist() == [[1.0, 0.0, 0.0]]


def test_gold_teaches_whom_to_believe_when_two_disagree():
    """Ana was right on ten gold tasks, ben wrong on all: on the open task ana's answer wins."""
    gold = np.arange(10) % 2
    which = np.concatenate([np.arange(10), np.arange(10), [10, 10]])
    person = np.array([0] * 10 + [1] * 10 + [0, 1])
    choice = np.concatenate([gold, 1 - gold, [1, 0]])
    said = Ballots(which, person, choice, np.append(gold, -1), 2, 2)
    assert dawid_skene(said).posterior[10].argmax() == 1


def test_one_answer_by_someone_unknown_is_believed_but_not_certain():
    said = Ballots(np.array([0]), np.array([0]), np.array([1]), np.array([-1]), 1, 3)
    posterior = dawid_skene(said).posterior[0]
    assert posterior.argmax() == 1
    assert 0.8 < posterior[1] < 0.99


def test_a_task_without_answers_has_the_posterior_of_the_class_prior():
    said = Ballots(np.array([0, 1]), np.array([0, 0]), np.array([1, 1]), np.array([-1, -1, -1]), 1, 2)
    consensus = dawid_skene(said)
    assert consensus.posterior[2] == pytest.approx(consensus.prior, abs=1e-5)


def test_nothing_at_all_is_no_error():
    empty = np.array([], dtype=np.int64)
    assert dawid_skene(Ballots(empty, empty, empty, empty, 0, 3)).posterior.shape == (0, 3)


answers = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40)


def ballots_of(rows):
    which, person, choice = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    return Ballots(which, person, choice, np.full(8, -1), 4, CLASSES)


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


def test_gold_of_one_class_does_not_make_that_class_likelier_elsewhere():
    gold = np.zeros(60, dtype=np.int64)
    which, person = np.arange(62), np.append(np.zeros(60, dtype=np.int64), [1, 1])
    said = Ballots(which, person, np.append(gold, [0, 1]), np.append(gold, [-1, -1]), 2, 2)
    consensus = dawid_skene(said)
    assert consensus.prior == pytest.approx([0.5, 0.5], abs=1e-3)
    assert consensus.posterior[60] == pytest.approx(consensus.posterior[61][::-1], abs=1e-3)


def written_out(ballots, beforehand, rounds):
    """The same rounds, answer by answer."""
    tasks, people, k = len(ballots.known), ballots.people, ballots.classes
    said = list(zip(ballots.task.tolist(), ballots.person.tolist(), ballots.choice.tolist(), strict=True))
    truth = np.eye(k)
    belief = majority(ballots.votes)
    belief[ballots.known >= 0] = truth[ballots.known[ballots.known >= 0]]
    for _ in range(rounds):
        pi = np.tile(10 * (0.85 * truth + 0.15 / (k - 1) * (1 - truth)), (people, 1, 1))
        for i, n, c in said:
            pi[n, :, c] += belief[i]
        pi /= pi.sum(axis=2, keepdims=True)
        answered = {i for i, _, _ in said}
        counted = [i for i in answered if ballots.known[i] < 0 and not beforehand[i].any()]
        p = (belief[counted].sum(axis=0) + 1) / (len(counted) + k)
        weights = np.array([np.log(beforehand[i] if beforehand[i].any() else p) for i in range(tasks)])
        for i, n, c in said:
            weights[i] += np.log(pi[n, :, c])
        belief = np.exp(weights) / np.exp(weights).sum(axis=1, keepdims=True)
        belief[ballots.known >= 0] = truth[ballots.known[ballots.known >= 0]]
    return belief


def test_it_ends_where_the_rounds_written_out_end():
    _, ballots = simulated(11, samples=60, gold=8)
    beforehand = np.random.default_rng(1).dirichlet(np.ones(CLASSES), len(ballots.known))
    beforehand[::3] = 0.0
    fit = dawid_skene(ballots, beforehand=beforehand)
    assert fit.posterior == pytest.approx(written_out(ballots, beforehand, 200), abs=1e-5)


@checks(deadline=None)
@given(answers, st.randoms(use_true_random=False))
def test_answers_in_another_order_give_the_same_bytes(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert dawid_skene(ballots_of(rows)).posterior.tobytes() == dawid_skene(ballots_of(shuffled)).posterior.tobytes()


def test_a_task_is_read_alike_in_whichever_block_it_lies():
    _, few = simulated(5, samples=300, gold=20)
    copies = BLOCK // len(few.known) + 2
    shift = np.repeat(np.arange(copies) * len(few.known), len(few.task))
    many = few._replace(
        task=np.tile(few.task, copies) + shift, person=np.tile(few.person, copies),
        choice=np.tile(few.choice, copies), known=np.tile(few.known, copies),
    )  # fmt: skip
    read = dawid_skene(many).posterior.reshape(copies, len(few.known), CLASSES)
    assert read == pytest.approx(np.broadcast_to(read[0], read.shape), abs=1e-12)


def test_eight_hundred_answers_to_one_task_do_not_underflow():
    n = 800
    said = Ballots(np.zeros(n, dtype=np.int64), np.arange(n), np.arange(n) % 2, np.array([-1]), n, CLASSES)
    posterior = dawid_skene(said).posterior
    assert np.isfinite(posterior).all()
    assert posterior.sum() == pytest.approx(1.0)
    assert posterior[0, 0] == pytest.approx(posterior[0, 1])


def test_what_is_known_beforehand_stands_in_place_of_the_class_shares_for_that_task_only():
    said = Ballots(np.array([0, 1, 2]), np.array([0, 1, 2]), np.array([0, 0, 0]), np.full(3, -1), 3, 2)
    plain = dawid_skene(said).posterior
    told = dawid_skene(said, beforehand=np.array([[0.05, 0.95], [0.0, 0.0], [0.0, 0.0]])).posterior
    assert told[0].argmax() == 1
    assert plain[0].argmax() == told[1].argmax() == 0
    assert told[1] == pytest.approx(told[2])


def test_on_a_scale_an_unknown_persons_slip_is_believed_to_be_small():
    said = Ballots(np.array([0]), np.array([0]), np.array([2]), np.array([-1]), 1, 5)
    posterior = dawid_skene(said, mistakes=nearby(5)).posterior[0]
    assert posterior[1] > 2 * posterior[0]
    assert posterior[1] == pytest.approx(posterior[3])
