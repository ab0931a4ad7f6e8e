import pytest

from loopline.evaluate.leakage import fresh_samples, objections
from loopline.records.leak import Leak, Leakage, digest_of
from loopline.testing.factories import label

SAMPLES = fresh_samples([label(f"p{number}", f"text {number}", stratum="reserve") for number in range(4)])
TRAINED_ON = frozenset({"c1", "c2", "c3"})


def leakage(*pairs, **changes):
    known = {
        "training": 3,
        "reserve": digest_of(sample.content for sample in SAMPLES),
        "trained": len({leak.trained for leak in pairs}),
        "sealed": len({leak.sealed for leak in pairs if leak.sealed}),
        "late": sum(leak.likeness == "late" for leak in pairs),
        "found": len(pairs),
    }
    return Leakage(pairs=pairs, **{**known, **changes})


def pair(trained, sealed, likeness="word", similarity=0.9):
    return Leak(trained=trained, sealed=sealed, likeness=likeness, similarity=similarity)


def said(found, trained_on=TRAINED_ON, samples=SAMPLES):
    return objections(samples, trained_on=trained_on, leakage=found)


def test_a_search_that_found_nothing_lets_the_samples_judge():
    assert said(leakage()) == ()


def test_without_a_search_nothing_may_judge():
    assert said(None) == ("nobody has searched the training data for rows of the reserve",)


def test_the_pairs_are_listed_with_their_likeness():
    found = leakage(pair("r9", "p2", "inputs", 1.0), pair("r7", "p1"), pair("r8", "p1", "group", 1.0))
    assert said(found) == (
        "2 reserve rows are known from 3 of 3 training rows: "
        "r9 ~ p2 (equal inputs), r7 ~ p1 (one word apart, 0.90), r8 ~ p1 (the same group)",
    )


def test_the_list_is_bounded_and_the_full_count_is_said():
    found = leakage(*(pair(f"r{n}", "p1") for n in range(7)), training=4_000, found=1_234, trained=1_230)
    (reason,) = said(found, frozenset(map(str, range(4_000))))
    assert reason.startswith(
        "1 reserve row is known from 1,230 of 4,000 training rows: r0 ~ p1 (one word apart, 0.90), "
    )
    assert reason.endswith("r4 ~ p1 (one word apart, 0.90) and 1,229 more")


def test_a_label_after_the_cut_is_an_objection_of_its_own():
    assert said(leakage(pair("r5", "", "late", 0.0))) == ("1 training label was given after the cut: r5",)
    both = leakage(pair("r7", "p1"), pair("r5", "", "late", 0.0), pair("r6", "", "late", 0.0), found=1)
    assert said(both) == (
        "1 reserve row is known from 1 of 3 training rows: r7 ~ p1 (one word apart, 0.90)",
        "2 training labels were given after the cut: r5, r6",
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"reserve": digest_of(["c9"])}, "the search for leaks has seen other reserve rows than these 4"),
        ({"training": 2}, "the search for leaks has seen 2 of 3 training rows"),
    ],
)
def test_a_search_among_other_rows_is_no_search(changes, reason):
    assert said(leakage(**changes)) == (reason,)


def test_a_search_that_missed_equal_inputs_is_not_believed():
    trained_on = frozenset({"c1", "c2", SAMPLES[0].content})
    assert said(leakage(), trained_on) == ("the search for leaks has missed 1, p0 first",)
