import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.annotate.questions import BUILT_IN, METHODS, Multiple, Rating, Single, median, method_of
from loopline.errors import InvalidRecord, NotFound
from loopline.ports.sheet import Sheet

LABELS = ("a", "b", "c")
SCALE = tuple("12345")
KINDS = [("single", LABELS), ("binary", ("no", "yes")), ("multiple", LABELS), ("rating", SCALE)]


def sheet_of(said, *, known=None, prior=None, labels=LABELS):
    """A sheet of (task, person, answer), as many tasks and people as are named."""
    task, person, answer = zip(*said, strict=True) if said else ((), (), ())
    tasks = len(known) if known else max(task, default=-1) + 1
    return Sheet(
        task=np.array(task, dtype=np.int64),
        person=np.array(person, dtype=np.int64),
        answer=tuple(answer),
        known=tuple(known or [""] * tasks),
        people=max(person, default=-1) + 1,
        prior=np.zeros((tasks, len(labels))) if prior is None else np.array(prior, dtype=float),
    )


def spelt(kind, labels, number):
    """Some answer of this kind for any number."""
    if kind != "multiple":
        return labels[number % len(labels)]
    return json.dumps([label for i, label in enumerate(labels) if number >> i & 1])


@pytest.mark.parametrize("kind", ["single", "binary", "rating"])
def test_a_label_is_its_own_spelling_also_out_of_a_list(kind):
    question = BUILT_IN[kind]
    assert question.canonical("b", labels=LABELS) == question.canonical(["b"], labels=LABELS) == "b"
    with pytest.raises(InvalidRecord) as error:
        question.canonical("B", labels=LABELS)
    assert str(error.value) == "answer: 'B', expected one of a, b, c"
    with pytest.raises(InvalidRecord, match=r"answer: \['a', 'b'\], expected one of a, b, c"):
        question.canonical(["a", "b"], labels=LABELS)


def test_a_set_is_spelt_in_one_way_however_it_comes():
    spellings = [["c", "a"], ("a", "c", "a"), '["c","a"]', '["a", "c"]']
    assert {Multiple().canonical(one, labels=LABELS) for one in spellings} == {'["a", "c"]'}
    assert Multiple().canonical([], labels=LABELS) == Multiple().canonical("[]", labels=LABELS) == "[]"
    assert Multiple().canonical(["große"], labels=("große",)) == '["große"]'
    for wrong in ("a", '["z"]', '{"a": 1}', ["a", "z"]):
        with pytest.raises(InvalidRecord, match="expected a list of some of a, b, c"):
            Multiple().canonical(wrong, labels=LABELS)


@pytest.mark.parametrize(("kind", "labels"), KINDS)
def test_every_kind_keeps_the_shapes_and_bounds_of_its_contract(kind, labels):
    rng = np.random.default_rng(1)
    said = [(t, p, spelt(kind, labels, int(rng.integers(8)))) for t in range(9) for p in range(4) if rng.random() < 0.7]
    known = [spelt(kind, labels, 3), *[""] * 9]
    sheet = sheet_of(said, known=known, prior=rng.dirichlet(np.ones(len(labels)), 10), labels=labels)
    question = BUILT_IN[kind]
    found = question.agreed(sheet, labels=labels)
    assert question.method in METHODS
    assert found.posterior.shape == (10, len(labels))
    assert len(found.answer) == 10
    assert found.answer[0] == known[0]
    assert found.sure[0] == 1.0
    assert all(question.canonical(answer, labels=labels) == answer for answer in found.answer)
    sure = question.sure(sheet, np.full(4, 0.8), labels=labels)
    assert sure[0] == 1.0
    for figures in (found.posterior, found.sure, sure):
        assert ((figures >= 0) & (figures <= 1)).all()
    nothing = sheet_of([], labels=labels)
    assert question.agreed(nothing, labels=labels).answer == ()
    assert math.isnan(question.agreed(nothing, labels=labels).alpha)
    assert question.sure(nothing, np.zeros(0), labels=labels).shape == (0,)


votes = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 7)), min_size=1, max_size=25)


@checks(deadline=None, max_examples=30)
@given(votes, st.randoms(use_true_random=False), st.sampled_from(KINDS))
def test_the_same_answers_in_any_order_give_the_same_bytes(rows, random, kind):
    name, labels = kind
    said = [(task, person, spelt(name, labels, number)) for task, person, number in rows]
    first, turned = (
        BUILT_IN[name].agreed(sheet_of(one, known=[""] * 6, labels=labels), labels=labels)
        for one in (said, random.sample(said, len(said)))
    )
    assert first.answer == turned.answer
    assert first.posterior.tobytes() == turned.posterior.tobytes()
    assert first.sure.tobytes() == turned.sure.tobytes()


def test_the_answers_of_an_old_version_can_be_derived_anew_by_its_name():
    prior = [[0.0, 0.9, 0.1]]
    split = sheet_of([(0, 0, "a"), (0, 1, "b")], prior=prior)
    assert method_of("dawid-skene.v1")(split, labels=LABELS).answer == ("a",)
    assert method_of("dawid-skene.v2")(split, labels=LABELS).answer == ("b",)
    assert method_of("majority.v1")(split, labels=LABELS).posterior.tolist() == [[0.5, 0.5, 0.0]]
    with pytest.raises(NotFound, match=r"no method .dawid-skene.v9.; known: majority\.v1, dawid-skene\.v1"):
        method_of("dawid-skene.v9")


def test_without_a_models_word_both_versions_are_one():
    sheet = sheet_of([(0, 0, "a"), (0, 1, "b"), (1, 0, "c"), (1, 1, "c")])
    old, new = (method_of(f"dawid-skene.v{n}")(sheet, labels=LABELS) for n in (1, 2))
    assert old.posterior.tobytes() == new.posterior.tobytes()


def test_an_answer_that_is_none_is_refused():
    for name, wrong in (("single", "z"), ("rating", "z"), ("multiple", '["z"]')):
        with pytest.raises(InvalidRecord, match="expected"):
            BUILT_IN[name].agreed(sheet_of([(0, 0, wrong)]), labels=LABELS)


def test_a_model_that_is_sure_needs_one_person_to_agree_and_is_overruled_by_two():
    prior, accuracy = [[0.96, 0.02, 0.02]] * 3, np.full(2, 0.85)
    sheet = sheet_of([(1, 0, "a"), (2, 0, "b"), (2, 1, "b")], known=[""] * 3, prior=prior)
    nobody, agreed, overruled = Single().sure(sheet, accuracy, labels=LABELS)
    assert nobody < 0.95 < agreed
    assert overruled < 0.95
    assert Single().agreed(sheet, labels=LABELS).answer == ("a", "a", "b")


def test_a_model_alone_never_ends_the_asking():
    for name, labels in KINDS:
        prior = np.eye(len(labels))[:1]
        sheet = sheet_of([], known=[""], prior=prior, labels=labels)
        assert BUILT_IN[name].sure(sheet, np.zeros(0), labels=labels)[0] < 0.95


def test_a_rating_is_the_median_of_what_is_believed():
    said = [(0, 0, "1"), (0, 1, "3"), (0, 2, "5"), *((t, p, "2") for t in (1, 2) for p in range(3))]
    found = Rating().agreed(sheet_of(said, labels=SCALE), labels=SCALE)
    assert found.answer == ("3", "2", "2")
    assert found.sure[0] == found.posterior[0, 2]
    assert median(np.array([[0.4, 0.2, 0.4], [0.5, 0.5, 0.0]])).tolist() == [1, 0]


def test_two_against_one_next_door_is_surer_for_labels_than_on_a_scale():
    sheet, accuracy = sheet_of([(0, 0, "2"), (0, 1, "2"), (0, 2, "3")], labels=SCALE), np.full(3, 0.8)
    assert Rating().sure(sheet, accuracy, labels=SCALE) < Single().sure(sheet, accuracy, labels=SCALE)


def test_answers_close_on_the_scale_agree_more_than_distant_ones():
    close = [(t, p, str(1 + t % 4 + p)) for t in range(8) for p in range(2)]
    far = [(t, p, str(1 + (t % 4 + 2 * p) % 5)) for t in range(8) for p in range(2)]
    near, apart = (Rating().agreed(sheet_of(said, labels=SCALE), labels=SCALE).alpha for said in (close, far))
    assert near > 0.5 > apart


def test_each_label_of_a_set_is_decided_by_itself():
    said = [(0, 0, '["a", "b"]'), (0, 1, '["a"]'), (0, 2, '["a", "c"]'), (1, 0, "[]"), (1, 1, "[]"), (1, 2, '["b"]')]
    found = Multiple().agreed(sheet_of(said), labels=LABELS)
    assert found.answer == ('["a"]', "[]")
    whole = np.where(found.posterior > 0.5, found.posterior, 1 - found.posterior).prod(axis=1)
    assert found.sure == pytest.approx(whole)
    assert found.alpha_n == 2


def test_whose_whole_set_is_right_so_often_is_believed_so_often():
    """Right about three labels with 0.9 each is right about the set with 0.729."""
    one = sheet_of([(0, 0, '["a", "b"]')])
    assert Multiple().sure(one, np.array([0.729]), labels=LABELS) == pytest.approx([0.729])


def test_a_model_speaks_for_the_label_of_a_set_that_it_is_sure_of_and_against_none():
    prior = [[1.0, 0.0, 0.0]]
    assert Multiple().sure(sheet_of([], known=[""], prior=prior), np.zeros(0), labels=LABELS) == pytest.approx([0.225])
    said = [(0, 0, '["b"]'), (0, 1, '["a", "b"]')]
    told = Multiple().agreed(sheet_of(said, prior=prior), labels=LABELS)
    alone = Multiple().agreed(sheet_of(said), labels=LABELS)
    assert told.posterior[0, 0] > alone.posterior[0, 0] + 0.2
    assert told.posterior[0, 1:] == pytest.approx(alone.posterior[0, 1:])


def test_sets_that_share_labels_agree_in_part():
    sets = ['["a", "b"]', '["a"]', '["c"]', '["b", "c"]']
    same = [(t, p, sets[t]) for t in range(4) for p in range(2)]
    shared = [(t, p, (sets[t], '["a"]' if t < 2 else '["c"]')[p]) for t in range(4) for p in range(2)]
    never_equal = [(0, 0, '["a", "b"]'), (0, 1, '["a"]'), (1, 0, '["c"]'), (1, 1, '["b", "c"]')]
    apart = [(t, p, sets[(t + 2 * p) % 4]) for t in range(4) for p in range(2)]
    full, some, few, none = (
        Multiple().agreed(sheet_of(said), labels=LABELS).alpha for said in (same, shared, never_equal, apart)
    )
    assert full == 1.0
    assert some > few > 0 > none


def test_known_tasks_are_left_out_of_agreement():
    said = [(t, p, "ab"[p] if t == 0 else "abc"[t]) for t in range(3) for p in range(2)]
    found = Single().agreed(sheet_of(said, known=["a", "", ""]), labels=LABELS)
    assert (found.alpha, found.alpha_n) == (1.0, 2)


PEOPLE = 30


def asked_until_sure(question, labels, truth, say, accuracy, *, prior=None):
    """The share of right answers among the tasks that are stopped on, one person more each round, five at most."""
    rng = np.random.default_rng(4)
    who = np.argsort(rng.random((len(truth), PEOPLE)), axis=1)[:, :5]
    said, is_open, found = [], np.ones(len(truth), dtype=bool), [""] * len(truth)
    for turn in range(5):
        said += [(t, int(who[t, turn]), say(rng, truth[t], accuracy[who[t, turn]])) for t in np.flatnonzero(is_open)]
        sheet = sheet_of(said, known=[""] * len(truth), prior=prior, labels=labels)._replace(people=PEOPLE)
        is_open = question.sure(sheet, accuracy, labels=labels) < 0.95
    found = question.agreed(sheet, labels=labels).answer
    stopped = np.flatnonzero(~is_open)
    assert len(stopped) > 0.7 * len(truth)
    return np.mean([found[t] == truth[t] for t in stopped])


def test_sets_are_right_as_often_as_stated():
    rng = np.random.default_rng(2)
    accuracy = np.clip(rng.beta(18, 3, PEOPLE), 0.5, 0.99)
    truth = [spelt("multiple", LABELS, int(number)) for number in rng.integers(0, 8, 1_500)]

    def say(rng, true, a):
        chosen = set(json.loads(true))
        flipped = {label for label in LABELS if rng.random() > a ** (1 / 3)}
        return Multiple().canonical(sorted(chosen ^ flipped), labels=LABELS)

    assert asked_until_sure(Multiple(), LABELS, truth, say, accuracy) >= 0.95


@pytest.mark.parametrize("step", [0.25, 0.0])
def test_ratings_are_right_as_often_as_stated_also_when_every_slip_is_to_a_neighbour(step):
    rng = np.random.default_rng(3)
    accuracy = np.clip(rng.beta(18, 3, PEOPLE), 0.5, 0.99)
    truth = [SCALE[i] for i in rng.integers(0, 5, 1_500)]

    def say(rng, true, a):
        if rng.random() < a:
            return true
        away = np.array([abs(int(true) - int(one)) for one in SCALE])
        weight = np.where(away == 0, 0.0, np.where(away == 1, 1.0, step ** np.maximum(away - 1, 1)))
        return SCALE[rng.choice(5, p=weight / weight.sum())]

    assert asked_until_sure(Rating(), SCALE, truth, say, accuracy) >= 0.95
