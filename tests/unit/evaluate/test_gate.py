import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopline.evaluate.gate import Part, Rule, compare_anchor, compare_fresh, conclude, weigh
from loopline.evaluate.leakage import fresh_samples, leaked
from loopline.testing.factories import label

ACCURACY = Rule("accuracy", 0.02, 0.0304)


def part(*, both=0, gains=0, losses=0, neither=0):
    """Rows by who is right: both, only the challenger, only the incumbent, neither; the first class is the true one."""
    right, wrong = np.array([0.8, 0.1, 0.1]), np.array([0.1, 0.8, 0.1])
    challenger = np.array([right] * both + [right] * gains + [wrong] * losses + [wrong] * neither).reshape(-1, 3)
    incumbent = np.array([right] * both + [wrong] * gains + [right] * losses + [wrong] * neither).reshape(-1, 3)
    return Part(incumbent=incumbent, challenger=challenger, truth=np.zeros(len(challenger), dtype=np.int64))


def fresh(seen, rule=ACCURACY):
    return compare_fresh(seen, rule=rule, generator=np.random.default_rng(0))


def anchor(seen, rule=ACCURACY):
    return compare_anchor(seen, rule=rule, generator=np.random.default_rng(0))


def test_a_clearly_better_challenger_passes_and_is_called_better():
    found = fresh(part(both=190, gains=62, losses=30, neither=130))
    assert found.outcome == "pass"
    assert found.reason == "fresh 0.612 against 0.534, +7.8 points, better (lower bound +3.4, n = 412, alpha 0.0304)"
    assert (found.n, found.difference) == (412, pytest.approx(32 / 412))


def test_an_equal_challenger_passes_without_being_called_better_when_the_rows_suffice():
    found = fresh(part(both=4800, gains=40, losses=40, neither=1120))
    assert found.outcome == "pass"
    assert "better" not in found.reason
    assert -0.02 < found.lower < 0


def test_an_equal_challenger_on_few_rows_is_inconclusive_and_the_power_is_said():
    found = fresh(part(both=250, gains=40, losses=40, neither=70))
    assert found.outcome == "inconclusive"
    assert found.reason.startswith("fresh 0.725 against 0.725, +0.0 points (bounds -4.")
    assert f"an equal model passes {found.power:.0%} of the time; more labelled reserve rows" in found.reason
    assert 0 < found.power < 0.5


def test_a_clearly_worse_challenger_fails():
    found = fresh(part(both=200, gains=20, losses=90, neither=90))
    assert found.outcome == "fail"
    assert found.upper < -0.02
    assert "(upper bound -" in found.reason
    assert "limit -2.0, n = 400" in found.reason


@pytest.mark.parametrize(("rows", "reason"), [(0, "no fresh rows"), (29, "fresh has 29 labelled rows")])
def test_too_few_rows_are_inconclusive_however_good_they_look(rows, reason):
    found = fresh(part(gains=rows))
    assert found.outcome == "inconclusive"
    assert found.reason.startswith(reason)


def test_a_margin_missed_by_the_anchor_is_inconclusive_and_a_proven_loss_fails():
    assert anchor(part(both=700, gains=40, losses=42, neither=218)).outcome == "pass"
    noisy = anchor(part(both=700, gains=20, losses=50, neither=230))
    assert (noisy.outcome, noisy.reason) == ("inconclusive", "anchor -3.0 points (n = 1,000, limit -2.0)")
    lost = anchor(part(both=600, gains=10, losses=150, neither=240))
    assert lost.outcome == "fail"
    assert lost.reason.startswith("anchor -14.0 points (upper bound -1")


def test_the_verdict_is_the_worst_of_its_parts_in_one_sentence():
    good, bad = fresh(part(both=190, gains=62, losses=30, neither=130)), anchor(part(both=600, losses=150, gains=10))
    calm = anchor(part(both=996, losses=4))
    assert conclude([good, calm], leaks=[]) == (
        "pass",
        "pass: fresh 0.612 against 0.534, +7.8 points, better (lower bound +3.4, n = 412, alpha 0.0304); "
        "anchor -0.4 points (n = 1,000, limit -2.0)",
    )
    assert conclude([good, bad], leaks=[])[0] == "fail"
    unsure = fresh(part(gains=3))
    assert conclude([unsure, calm], leaks=[])[0] == "inconclusive"
    assert conclude([unsure, bad], leaks=[])[0] == "fail"


def test_a_leak_fails_the_best_challenger_and_is_named_first():
    good = fresh(part(both=190, gains=62, losses=30, neither=130))
    outcome, reason = conclude([good], leaks=["5 reserve rows are known", "1 label is late"])
    assert outcome == "fail"
    assert reason.startswith("fail: 5 reserve rows are known; 1 label is late; fresh 0.612")


@pytest.mark.parametrize("metric", ["macro_f1", "log_score"])
def test_other_metrics_are_judged_by_the_bootstrap(metric):
    rule = Rule(metric, 0.02, 0.0304)
    better = fresh(part(both=190, gains=80, losses=20, neither=110), rule)
    assert better.outcome == "pass"
    assert better.lower > 0
    assert fresh(part(both=190, gains=20, losses=80, neither=110), rule).outcome == "fail"
    assert ("nats" in better.reason) == (metric == "log_score")


def test_a_bootstrap_is_not_believed_on_a_handful_of_differing_rows():
    found = fresh(part(both=390, gains=2, losses=1), Rule("macro_f1", 0.02, 0.03))
    assert found.outcome == "inconclusive"
    assert found.reason == "fresh: the models differ on 3 rows, a bootstrap needs 10 (n = 393)"


def test_a_bootstrap_is_not_believed_at_an_alpha_it_cannot_resolve():
    found = fresh(part(both=100, gains=40, losses=10), Rule("macro_f1", 0.02, 1e-5))
    assert found.outcome == "inconclusive"
    assert found.reason == "fresh: alpha 1e-05 is too small for a bootstrap of 100,000 (n = 150)"


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.integers(0, 150), st.integers(0, 40), st.integers(0, 40), st.integers(0, 100))
def test_swapping_the_models_mirrors_the_evidence(both, gains, losses, neither):
    one = weigh(part(both=both, gains=gains, losses=losses, neither=neither), rule=ACCURACY, generator=None)
    two = weigh(part(both=both, gains=losses, losses=gains, neither=neither), rule=ACCURACY, generator=None)
    assert one.difference == -two.difference
    assert (one.lower, one.upper) == pytest.approx((-two.upper, -two.lower))


def test_a_content_labelled_twice_is_one_row_with_its_latest_label():
    rows = [label("p1", "so so", cycle=1, label="neutral"), label("p9", "so so", cycle=2, label="negative")]
    (only,) = fresh_samples(rows)
    assert (only.id, only.label) == ("p9", "negative")


def test_leaks_are_found_by_content_whatever_the_id():
    samples = fresh_samples([label("p2", "seen"), label("p1", "unseen")])
    assert [one.id for one in leaked(samples, trained_on=frozenset({label("other", "seen").content}))] == ["p2"]


@pytest.mark.slow
def test_the_anchor_only_refuses_so_that_a_worse_challenger_passes_no_oftener_than_alpha():
    """Decision 0005, by simulation: the challenger is worse by exactly the margin on new rows, equal on old ones."""
    rule, n, repeats = Rule("accuracy", 0.10, 0.05), 60, 150
    generator = np.random.default_rng(7)
    alone, guarded = 0, 0
    for _ in range(repeats):
        new, old = generator.multinomial(n, [0.10, 0.20, 0.70]), generator.multinomial(n, [0.15, 0.15, 0.70])
        decides = fresh(part(gains=new[0], losses=new[1], both=new[2]), rule)
        guards = anchor(part(gains=old[0], losses=old[1], both=old[2]), rule)
        alone += decides.outcome == "pass"
        guarded += conclude([decides, guards], leaks=[])[0] == "pass"
    assert guarded <= alone <= repeats * rule.alpha + 3 * np.sqrt(repeats * rule.alpha * (1 - rule.alpha))
    assert alone > 0


def test_an_anchor_with_a_handful_of_differing_rows_does_not_fail_by_a_bootstrap():
    rule = Rule("macro_f1", 0.02, 0.03)
    found = anchor(part(both=21, losses=9), rule)
    assert found.upper < -rule.margin
    assert found.outcome == "inconclusive"
