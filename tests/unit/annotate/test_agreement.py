import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st
from statsmodels.stats import inter_rater

from loopline.annotate.agreement import agreements, krippendorff_alpha
from loopline.annotate.ballots import Ballots
from loopline.annotate.coefficients import alpha, fleiss, gwet, ordinal_alpha, patterns
from loopline.annotate.cohen import cohen
from loopline.annotate.distances import interval, masi, nominal, ratio

MISSING = np.nan
TEXTBOOK = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, MISSING, MISSING, MISSING],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, MISSING, 3],
        [MISSING, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, MISSING],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, MISSING],
    ]
)
"""Four observers, twelve units: Krippendorff 2011, section C."""
VALUES = np.arange(1.0, 6.0)
LEVELS = {
    "nominal": alpha(nominal(5)),
    "ordinal": ordinal_alpha,
    "interval": alpha(interval(VALUES)),
    "ratio": alpha(ratio(VALUES)),
}
FLEISS = np.array(
    [
        [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
    ],
    dtype=float,
)  # fmt: skip
"""Fourteen raters, ten subjects, five categories: the worked example of Fleiss' kappa, .21."""
AC1 = gwet(np.eye(5))


def votes_of(observers):
    return np.stack([(observers == value).sum(axis=0) for value in VALUES], axis=1).astype(float)


def of(votes, coefficient, **more):
    return agreements(np.asarray(votes, dtype=float), {"it": coefficient}, **more)["it"]


def two_people(table):
    """The answers of two people behind a table of counts."""
    one, other = np.nonzero(table)
    count = np.asarray(table)[one, other]
    said = np.concatenate([np.repeat(one, count), np.repeat(other, count)])
    n = count.sum()
    return Ballots(np.tile(np.arange(n), 2), np.repeat([0, 1], n), said, np.full(n, -1), 2, len(table))


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_the_textbook_example_at_four_levels(level, published):
    found = of(votes_of(TEXTBOOK), LEVELS[level])
    assert round(found.value, 3) == published
    assert found.samples == 11


def test_the_published_figures_of_gwet_for_the_same_example():
    """irrCAC, cac.raw4raters: AC1 0.77544, Fleiss 0.76117, with answers missing."""
    assert of(votes_of(TEXTBOOK), AC1).value == pytest.approx(0.77544, abs=1e-5)
    assert of(votes_of(TEXTBOOK), fleiss).value == pytest.approx(0.76117, abs=1e-5)


def test_where_nearly_all_is_one_label_gwet_stands_and_cohen_falls():
    """Gwet 2002: two raters, 125 subjects; kappa -0.023 although they differ on seven only, AC1 0.941."""
    said = two_people([[118, 5], [2, 0]])
    assert of(said.votes, gwet(np.eye(2))).value == pytest.approx(0.9408, abs=1e-4)
    assert cohen(said).kappa[0, 1] == pytest.approx(-0.0234, abs=1e-4)


def test_the_worked_examples_of_cohen_and_fleiss():
    assert cohen(two_people([[20, 5], [10, 15]])).kappa[1, 0] == pytest.approx(0.40)
    assert round(of(FLEISS, fleiss).value, 2) == 0.21


units = st.lists(st.lists(st.integers(0, 4), min_size=5, max_size=5), min_size=2, max_size=12)


@checks(deadline=None)
@given(units, st.sampled_from(sorted(LEVELS)))
def test_alpha_is_that_of_the_reference_implementation(rows, level):
    votes = np.array(rows, dtype=float)
    ours = of(votes, LEVELS[level])
    paired = votes[votes.sum(axis=1) >= 2]
    assert ours.samples == len(paired)
    if np.count_nonzero(paired.sum(axis=0)) < 2:
        assert math.isnan(ours.value)
        return
    theirs = krippendorff.alpha(value_counts=votes.astype(int), value_domain=VALUES, level_of_measurement=level)
    assert ours.value == pytest.approx(theirs, abs=1e-9)


@checks(deadline=None)
@given(units)
def test_alpha_under_a_distance_of_ones_own_is_that_of_the_reference_implementation(rows):
    votes = np.array(rows, dtype=float)
    if np.count_nonzero(votes[votes.sum(axis=1) >= 2].sum(axis=0)) < 2:
        return
    apart = masi([frozenset(letters) for letters in ("", "a", "ab", "bc", "abc")])
    theirs = krippendorff.alpha(
        value_counts=votes.astype(int),
        value_domain=np.arange(5),
        level_of_measurement=lambda one, other, **_: apart[np.asarray(one, int), np.asarray(other, int)],
    )
    assert krippendorff_alpha(votes, distance=apart).value == pytest.approx(theirs, abs=1e-9)


@checks(deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=2, max_size=12))
def test_fleiss_and_cohen_are_those_of_statsmodels(answers):
    said = np.array(answers)
    n, people = said.shape
    votes, _ = inter_rater.aggregate_raters(said, n_cat=4)
    if len(set(said.ravel().tolist())) > 1:
        assert of(votes, fleiss).value == pytest.approx(inter_rater.fleiss_kappa(votes), abs=1e-9)
    pairs = cohen(
        Ballots(np.repeat(np.arange(n), people), np.tile(np.arange(people), n), said.ravel(), np.full(n, -1), people, 4)
    )
    table = np.zeros((4, 4))
    np.add.at(table, (said[:, 1], said[:, 2]), 1)
    assert pairs.n[1, 2] == n
    if len(set(said[:, 1:3].ravel().tolist())) > 1:
        theirs = inter_rater.cohens_kappa(table, return_results=False)
        assert pairs.kappa[1, 2] == pytest.approx(theirs, abs=1e-9)
    assert pairs.kappa == pytest.approx(pairs.kappa.T, nan_ok=True)


def test_each_two_people_are_held_against_each_other_where_both_answered():
    """Ana and ben met on tasks 0 and 1, ana and cy on 2, ben and cy nowhere."""
    task, person = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 1, 0, 2, 0])
    pairs = cohen(Ballots(task, person, np.array([0, 0, 1, 1, 1, 0]), np.full(3, -1), 3, 2))
    assert pairs.n.tolist() == [[0, 2, 1], [2, 0, 0], [1, 0, 0]]
    assert pairs.kappa[0, 1] == 1.0
    assert pairs.kappa[0, 2] == 0.0
    assert math.isnan(pairs.kappa[1, 2])
    assert np.isnan(pairs.kappa.diagonal()).all()


def slow_ac2(votes, weight):
    """Gwet's formula, sample by sample."""
    rated = [row for row in votes if row.sum() >= 2]
    agree = [sum(r[k] * (weight[k] @ r - 1) for k in range(len(r))) / (r.sum() * (r.sum() - 1)) for r in rated]
    likely = np.mean([row / row.sum() for row in votes if row.sum() >= 1], axis=0)
    q = len(likely)
    chance = weight.sum() / (q * (q - 1)) * sum(p * (1 - p) for p in likely)
    return (np.mean(agree) - chance) / (1 - chance)


@checks(deadline=None)
@given(units)
def test_weighted_agreement_is_the_formula_written_out(rows):
    votes = np.array(rows, dtype=float)
    if (votes.sum(axis=1) < 2).all():
        return
    weight = 1.0 - interval(VALUES) / 16.0
    assert of(votes, gwet(weight)).value == pytest.approx(slow_ac2(votes, weight), abs=1e-9)


COEFFICIENTS = {**LEVELS, "ac1": AC1, "fleiss": fleiss}


@checks(deadline=None)
@given(units, st.randoms(use_true_random=False))
def test_neither_the_order_of_samples_nor_the_names_of_labels_matter(rows, random):
    votes = np.array(rows, dtype=float)
    samples, names = random.sample(range(len(rows)), len(rows)), random.sample(range(5), 5)
    for name in ("nominal", "ac1", "fleiss"):
        first, turned = of(votes, COEFFICIENTS[name]), of(votes[samples][:, names], COEFFICIENTS[name])
        assert first.value == pytest.approx(turned.value, nan_ok=True, abs=1e-9)
    mirrored = of(votes[samples][:, ::-1], ordinal_alpha)
    assert of(votes, ordinal_alpha).value == pytest.approx(mirrored.value, nan_ok=True, abs=1e-9)


@pytest.mark.parametrize("name", sorted(COEFFICIENTS))
def test_full_agreement_is_one_guessing_is_zero_and_single_answers_say_nothing(name):
    assert of(3 * np.eye(5), COEFFICIENTS[name]).value == pytest.approx(1.0)
    guessed = np.eye(5)[np.random.default_rng(1).integers(0, 5, (4_000, 2))].sum(axis=1)
    assert abs(of(guessed, COEFFICIENTS[name]).value) < 0.05
    single = of(np.eye(5), COEFFICIENTS[name], rng=np.random.default_rng(0))
    assert all(math.isnan(figure) for figure in (single.value, single.low, single.high))
    assert single.samples == 0


def test_one_label_only_is_no_agreement_beyond_chance_but_for_gwet():
    said = np.array([[3.0, 0.0]] * 4)
    assert math.isnan(krippendorff_alpha(said).value)
    assert math.isnan(of(said, fleiss).value)
    assert of(said, gwet(np.eye(2))).value == 1.0


def test_sets_are_apart_by_how_much_they_share_and_how_they_are_built():
    """Passonneau 2006: Jaccard's index times 1, 2/3, 1/3 or 0."""
    equal, within, overlap, nothing, empty = masi([frozenset(s) for s in ("abc", "ab", "cd", "de", "")])[0].tolist()
    assert equal == 0.0
    assert within == pytest.approx(1 - 2 / 3 * 2 / 3)
    assert overlap == pytest.approx(1 - 1 / 4 * 1 / 3)
    assert nothing == empty == 1.0


def test_many_values_are_told_apart_as_well_as_few():
    """Sixty values and four answers do not fit into one number of 53 bits."""
    rng = np.random.default_rng(2)
    votes = np.zeros((40, 60))
    np.add.at(votes, (np.repeat(np.arange(40), 4), rng.integers(0, 9, 160)), 1)
    assert krippendorff_alpha(votes).value == pytest.approx(krippendorff_alpha(votes[:, :9]).value)
    assert patterns(votes).samples.sum() == 40


def simulated(rng, *, samples):
    truth = rng.integers(0, 3, samples)
    said = np.where(rng.random((3, samples)) < 0.8, truth, rng.integers(0, 3, (3, samples)))
    return np.eye(3)[said].sum(axis=0)


def test_the_interval_is_that_of_drawing_samples_one_by_one():
    votes = simulated(np.random.default_rng(3), samples=80)
    ours = of(votes, alpha(nominal(3)), rng=np.random.default_rng(4), resamples=4_000)
    rng = np.random.default_rng(5)
    slow = [krippendorff_alpha(votes[rng.integers(0, 80, 80)]).value for _ in range(1_000)]
    assert (ours.low, ours.high) == pytest.approx(tuple(np.quantile(slow, [0.025, 0.975])), abs=0.02)


@pytest.mark.slow
def test_the_interval_holds_what_it_says():
    rng = np.random.default_rng(6)
    kinds = {"alpha": alpha(nominal(3)), "ordinal": ordinal_alpha, "ac1": gwet(np.eye(3)), "fleiss": fleiss}
    truth = {name: one.value for name, one in agreements(simulated(rng, samples=400_000), kinds).items()}
    held = dict.fromkeys(kinds, 0)
    for _ in range(400):
        for name, one in agreements(simulated(rng, samples=150), kinds, rng=rng, resamples=400).items():
            held[name] += one.low <= truth[name] <= one.high
    assert all(0.915 <= count / 400 <= 0.98 for count in held.values()), held


def test_the_same_generator_gives_the_same_interval():
    votes = simulated(np.random.default_rng(3), samples=50)
    first, again = (of(votes, ordinal_alpha, rng=np.random.default_rng(9)) for _ in range(2))
    assert first == again
