import numpy as np
import pytest

from loopline.dataset.leakage import LISTED, Rows, closed, left_out, of_reserve, require_no_leaks, search
from loopline.errors import InvalidRecord
from loopline.records.leak import Leak, digest_of
from loopline.records.signature import Signature
from loopline.testing.factories import SIGNATURE, digest, label, labelled_row

SEALED = "I lost my new card on the way to the airport"
NEAR = "I lost my old card on the way to the airport"
FAR = "where can I see the fees for a transfer abroad"


def rows(*texts, name="r", **known):
    return Rows([f"{name}{at}" for at in range(len(texts))], [SIGNATURE.encode(text) for text in texts], **known)


def test_what_leaks_is_named_with_what_it_tells_of():
    found = search(rows(FAR, NEAR, SEALED), reserve=rows(SEALED, "no", name="p"), signature=SIGNATURE)
    assert found.trained.tolist() == [False, True, True]
    assert found.sealed.tolist() == [True, False]
    assert [leak.spoken for leak in found.leakage.pairs] == [
        "r2 ~ p0 (equal inputs)",
        "r1 ~ p0 (one word apart, 0.91)",
    ]
    told = found.leakage
    assert (told.training, told.trained, told.sealed, told.late, told.found) == (3, 2, 1, 0, 2)
    assert told.reserve == digest_of([digest(SIGNATURE.encode("no")), digest(SIGNATURE.encode(SEALED))])


def test_a_shared_group_leaks_and_no_group_is_shared_with_nobody():
    training = rows(FAR, NEAR.upper(), "hello", group=["", "ana", "bo"])
    found = search(training, reserve=rows("bye", "good day", name="p", group=["", "ana"]), signature=SIGNATURE)
    assert found.leakage.pairs == (Leak(trained="r1", sealed="p1", likeness="group", similarity=1.0),)
    assert found.sealed.tolist() == [False, True]


def test_a_label_given_after_the_cut_leaks():
    found = search(rows("a", "b", "c", cycle=[0, 8, 7]), reserve=rows(SEALED, name="p"), signature=SIGNATURE, cut=7)
    assert found.leakage.pairs == (Leak(trained="r1", sealed="", likeness="late", similarity=0.0),)
    assert (found.leakage.trained, found.leakage.late, found.leakage.sealed) == (1, 1, 0)


def test_the_list_is_bounded_and_the_count_is_not():
    many = rows(*[f"order {number} of my garden chairs has not arrived today" for number in range(LISTED + 20)])
    found = search(
        many, reserve=rows("order 3 of my garden chairs has not arrived today", name="p"), signature=SIGNATURE
    )
    assert (found.leakage.trained, found.leakage.found, len(found.leakage.pairs)) == (LISTED + 20, LISTED + 20, LISTED)
    assert found.leakage.pairs[0].likeness == "inputs"


@pytest.mark.parametrize("sides", [((), ()), ((SEALED,), ()), ((), (SEALED,))])
def test_nothing_leaks_into_nothing(sides):
    found = search(rows(*sides[0]), reserve=rows(*sides[1]), signature=SIGNATURE, cut=3)
    assert (found.leakage.trained, found.leakage.pairs) == (0, ())
    assert left_out(found.leakage, of="the reserve") == ""


def test_what_is_left_out_is_counted_and_named():
    found = search(rows(NEAR, SEALED.lower(), FAR), reserve=rows(SEALED, name="a"), signature=SIGNATURE)
    assert left_out(found.leakage, of="the anchor") == (
        "2 left out because they nearly are rows of the anchor "
        "(r1 ~ a0 (equal letters), r0 ~ a0 (one word apart, 0.91))"
    )
    alone = search(rows(NEAR), reserve=rows(SEALED, name="a"), signature=SIGNATURE)
    assert left_out(alone.leakage, of="the anchor").startswith(
        "1 left out because it nearly is a row of the anchor (r0"
    )


def test_a_dataset_is_closed_to_the_reserve_and_to_what_nearly_is_in_it():
    reserve = of_reserve([label("p3", SEALED, stratum="reserve")], anchor=[labelled_row("a1", "the anchor holds this")])
    texts = (NEAR, FAR, "the anchor hold this", "good")
    asked = {digest(inputs): inputs for inputs in map(SIGNATURE.encode, texts)}
    found = closed(asked, reserve=reserve, signature=SIGNATURE, sealed=frozenset({"sealed by its role"}))
    held = (SEALED, "the anchor holds this", NEAR, "the anchor hold this")
    assert found == {"sealed by its role", *(digest(SIGNATURE.encode(text)) for text in held)}


@pytest.mark.slow
def test_a_table_that_was_cut_clean_is_clean_when_it_is_judged():
    signature = Signature(input="tabular", width=3, labels=("a", "b"))
    leaking = 0
    for seed in range(12):
        chance = np.random.default_rng(seed)
        training, reserve = chance.normal(size=(600, 3)), chance.normal(size=(200, 3))
        training[:60] = reserve[:60] + chance.normal(size=(60, 3)) * 10 ** chance.uniform(-4, -1, size=(60, 1))
        rows, sealed = ([signature.encode(tuple(row)) for row in side.tolist()] for side in (training, reserve))
        judges = Rows(sealed, sealed)
        held = closed({digest(row): row for row in rows}, reserve=judges, signature=signature)
        left = sorted((row for row in rows if digest(row) not in held), key=digest)
        leaking += len(rows) - len(left)
        assert not search(Rows(left, left), reserve=judges, signature=signature).trained.any()
    assert leaking


def test_the_reserve_is_the_same_for_any_order_of_its_labels():
    labels = [label(f"p{n}", text, cycle=n) for n, text in enumerate(("x", "y", "x"))]
    anchor = [labelled_row("a2", "v"), labelled_row("a1", "w")]
    assert of_reserve(labels, anchor=anchor) == of_reserve(labels[::-1], anchor=anchor[::-1])
    assert of_reserve(labels, anchor=anchor).id == ["a2", "a1", "p2", "p1"]


def test_a_base_set_that_holds_the_anchor_is_refused_by_name():
    both = [(f"c{n}", f"r{n}") for n in range(7)]
    with pytest.raises(InvalidRecord) as error:
        require_no_leaks(both, [(content, name.replace("r", "a")) for content, name in both])
    assert str(error.value) == (
        "base set: 7 rows also in the anchor (r0 = a0, r1 = a1, r2 = a2, r3 = a3, r4 = a4 and 2 more), expected none; "
        "take them out of one of the two: a model must not be judged on what it learned"
    )
    require_no_leaks(both, [("other", "a1")])


def test_the_most_alike_pairs_come_first():
    found = search(rows(NEAR, SEALED), reserve=rows(SEALED, name="p"), signature=SIGNATURE)
    assert np.all(np.diff([leak.similarity for leak in found.leakage.pairs]) <= 0)
