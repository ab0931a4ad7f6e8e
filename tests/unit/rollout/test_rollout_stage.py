from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from loopline.records.command import ArmTally, LiveEvidence
from loopline.records.cycle import Cycle
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.settings import RolloutSettings, Settings
from loopline.records.signature import Signature
from loopline.rollout.stage import advance
from loopline.rollout.steps import Step

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULES = RolloutSettings(shadow=300, canary=(10, 50, 100), step_predictions=100)
NOTHING = ArmTally(answers=0, failures=0, last_failures=0)
CYCLE = Cycle(
    loop="s", number=1, phase="rolling", opened_at=NOW, closed_at=None, after=0, until=500, budget=10, explore=0.1,
    seed=1, reason="", outcome="", outcome_reason="",
)  # fmt: skip
LIVE_V1 = TrafficSplit(loop="s", revision=4, incumbent="v1", keep=("v0",))


def arm(answers: int, failures: int = 0, in_a_row: int = 0) -> ArmTally:
    return ArmTally(answers=answers, failures=failures, last_failures=in_a_row)


def evidence(
    *, incumbent: ArmTally = NOTHING, canary: ArmTally = NOTHING, shadow: ArmTally = NOTHING, position: int = 2_000
) -> LiveEvidence:
    return LiveEvidence(position=position, incumbent=incumbent, canary=canary, shadow=shadow, paired=100, agreed=83)


def move(
    split: TrafficSplit | None,
    rollout: Rollout | None = None,
    live: LiveEvidence | None = None,
    *,
    rules: RolloutSettings = RULES,
) -> Step | None:
    settings = Settings(name="s", signature=Signature(input="text", labels=("a", "b")), folder=".", rollout=rules)
    return advance(CYCLE, challenger="v2", split=split, rollout=rollout, live=live, settings=settings, now=NOW)


def started(rules: RolloutSettings = RULES) -> Step:
    step = move(LIVE_V1, rules=rules)
    assert step is not None
    return step


def in_canary() -> Step:
    begun = started()
    step = move(begun.split, begun.rollout, evidence(incumbent=arm(900, 1), shadow=arm(300)))
    assert step is not None
    return step


def test_the_first_version_is_promoted_at_once() -> None:
    step = move(None)
    assert step is not None
    assert step.split == TrafficSplit(loop="s", revision=1, incumbent="v2")
    assert (step.rollout.state, step.rollout.id) == ("promoted", "s/cycle-1")
    assert step.rollout.reason == "v2 answers all traffic: it is the first version of this loop"


def test_a_challenger_starts_in_the_shadow() -> None:
    step = started()
    assert step.split == TrafficSplit(loop="s", revision=5, incumbent="v1", challenger="v2", shadow=True, keep=("v0",))
    assert (step.rollout.state, step.rollout.step, step.rollout.incumbent) == ("shadow", -1, "v1")
    assert step.rollout.reason == "v2 scores unseen what v1 answers, until 300 shadow answers are in"


def test_the_shadow_holds_until_its_answers_are_in() -> None:
    begun = started()
    assert move(begun.split, begun.rollout, None) is None
    assert move(begun.split, begun.rollout, evidence(incumbent=arm(299), shadow=arm(299))) is None


def test_a_step_that_traffic_never_fills_ends_undecided_at_its_horizon() -> None:
    begun = started()
    waiting = evidence(shadow=arm(299))
    old = structs.replace(begun.rollout, since=NOW - timedelta(seconds=RULES.horizon_seconds))
    ended = move(begun.split, old, waiting)
    assert ended is not None
    assert (ended.rollout.state, ended.split.incumbent, ended.split.challenger) == ("inconclusive", "v1", None)
    assert ended.rollout.reason == "299 of 300 shadow answers within the horizon; v1 stays"
    almost = structs.replace(begun.rollout, since=NOW - timedelta(seconds=RULES.horizon_seconds - 1))
    assert move(begun.split, almost, waiting) is None


def test_agreement_is_reported_and_decides_nothing() -> None:
    step = in_canary()
    assert (step.rollout.state, step.rollout.step, step.rollout.since_position) == ("canary", 0, 2_000)
    assert (step.split.basis_points, step.split.shadow, step.split.challenger) == (1_000, False, "v2")
    assert step.rollout.evidence["agreement"] == 0.83
    assert step.rollout.reason == (
        "v2 answers 10 % of traffic: 0 of 300 shadow answers failed, against 1 of 900 of v1; "
        "the same label in 83 % of them"
    )


def test_each_step_needs_its_own_answers_and_the_last_is_the_promotion() -> None:
    step = in_canary()
    assert move(step.split, step.rollout, evidence(incumbent=arm(890), canary=arm(99))) is None
    half = move(step.split, step.rollout, evidence(incumbent=arm(900, 2), canary=arm(100, 1)))
    assert half is not None
    assert (half.split.basis_points, half.rollout.step, half.rollout.state) == (5_000, 1, "canary")
    whole = move(half.split, half.rollout, evidence(incumbent=arm(100, 1), canary=arm(101)))
    assert whole is not None
    assert whole.split == TrafficSplit(loop="s", revision=8, incumbent="v2", keep=("v1",))
    assert whole.rollout.state == "promoted"
    assert whole.rollout.evidence["canary_answers"] == 201
    assert whole.rollout.evidence["incumbent_failures"] == 3
    assert whole.rollout.reason == "v2 answers all traffic: 1 of 201 canary answers failed, against 3 of 1,000 of v1"
    assert move(whole.split, whole.rollout, evidence()) is None


def test_five_failures_in_a_row_end_it_at_once() -> None:
    step = in_canary()
    back = move(step.split, step.rollout, evidence(incumbent=arm(40), canary=arm(7, 5, 5)))
    assert back is not None
    assert back.split == TrafficSplit(loop="s", revision=7, incumbent="v1", keep=("v0",))
    assert back.rollout.state == "rolled_back"
    assert back.rollout.reason == (
        "v2 rolled back from canary: 5 failures in a row (5 of 7 answers failed, against 0 of 40); "
        "v1 answers everything"
    )
    assert move(back.split, back.rollout, evidence(canary=arm(500))) is None


def test_five_failures_in_a_row_in_the_shadow_end_it_too() -> None:
    begun = started()
    back = move(begun.split, begun.rollout, evidence(incumbent=arm(9), shadow=arm(9, 6, 6)))
    assert back is not None
    assert back.rollout.state == "rolled_back"
    assert not back.split.shadow
    assert back.rollout.reason.startswith("v2 rolled back from shadow: 6 failures in a row (6 of 9 answers failed")


def test_scattered_failures_end_it_by_evidence() -> None:
    step = in_canary()
    back = move(step.split, step.rollout, evidence(incumbent=arm(900, 3), canary=arm(90, 12)))
    assert back is not None
    assert back.rollout.state == "rolled_back"
    told = f"log evidence {back.rollout.evidence['log_e']:.1f} passed 3.7"
    assert back.rollout.reason == (
        "v2 rolled back from canary: it fails more often: 12 of 90 answers against 3 of 900, "
        f"{told}; v1 answers everything"
    )


def test_evidence_of_earlier_canary_steps_counts_on_and_that_of_the_shadow_does_not() -> None:
    step = in_canary()
    weak = evidence(incumbent=arm(900, 4), canary=arm(100, 3))
    half = move(step.split, step.rollout, weak)
    assert half is not None
    assert half.rollout.state == "canary"
    assert half.rollout.evidence["incumbent_answers"] == 900
    more = evidence(incumbent=arm(60, 0), canary=arm(60, 5))
    alone = move(step.split, step.rollout, more)
    together = move(half.split, half.rollout, more)
    assert alone is None
    assert together is not None
    assert together.rollout.state == "rolled_back"


def test_a_challenger_that_fails_as_often_as_the_incumbent_goes_on() -> None:
    step = in_canary()
    onward = move(step.split, step.rollout, evidence(incumbent=arm(900, 270), canary=arm(100, 33, 2)))
    assert onward is not None
    assert onward.rollout.state == "canary"


@pytest.mark.parametrize("canary", [(100,), (50,), ()])
def test_a_short_list_of_steps_ends_in_promotion(canary: tuple[int, ...]) -> None:
    rules = RolloutSettings(shadow=0, canary=canary, step_predictions=10)
    step: Step | None = started(rules)
    states = []
    while step is not None and len(states) < 9:
        states.append(step.rollout.state)
        step = move(step.split, step.rollout, evidence(incumbent=arm(10), canary=arm(10)), rules=rules)
    assert states == ["shadow", *(["canary"] if canary == (50,) else []), "promoted"]


@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 6), st.integers(0, 400)), max_size=12))
def test_every_move_raises_the_revision_by_one_and_ends_at_a_version_that_exists(
    looks: list[tuple[int, int, int]],
) -> None:
    step = started()
    for answers, failures, others in looks:
        trial = arm(answers, min(failures, answers), min(failures, answers))
        live = evidence(incumbent=arm(others), canary=trial, shadow=trial)
        after = move(step.split, step.rollout, live)
        if after is None:
            continue
        assert after.split.revision == step.split.revision + 1
        assert after.split.incumbent in {"v1", "v2"}
        assert (after.split.incumbent == "v2") == (after.rollout.state == "promoted")
        assert (after.split.challenger == "v2") == (after.rollout.state == "canary")
        assert after.rollout.reason
        step = after


def rolled_back_share(rate: float, runs: int) -> float:
    """Whole rollouts of a version that fails as often as its incumbent, looked at every few answers."""
    ended = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        step, tally = started(), np.zeros((2, 2), int)
        while step.rollout.state in ("shadow", "canary"):
            share = 0.5 if step.rollout.state == "shadow" else step.split.basis_points / 10_000
            asked = rng.binomial(40, share)
            tally += [[asked, rng.binomial(asked, rate)], [40 - asked, rng.binomial(40 - asked, rate)]]
            trial, control = arm(*tally[0].tolist()), arm(*tally[1].tolist())
            after = move(step.split, step.rollout, evidence(incumbent=control, canary=trial, shadow=trial))
            if after is not None:
                step, tally = after, np.zeros((2, 2), int)
        ended += step.rollout.state == "rolled_back"
    return ended / runs


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_a_whole_rollout_of_an_equal_version_is_rolled_back_by_evidence_at_most_alpha_of_the_time(rate: float) -> None:
    assert rolled_back_share(rate, runs=120) <= RULES.alpha


@pytest.mark.parametrize("trial", [arm(100, 60), arm(130, 40, 5)])
def test_a_full_step_does_not_outrun_the_guards(trial: ArmTally) -> None:
    step = in_canary()
    back = move(step.split, step.rollout, evidence(incumbent=arm(900, 1), canary=trial))
    assert back is not None
    assert (back.rollout.state, back.split.incumbent, back.split.challenger) == ("rolled_back", "v1", None)


def test_four_failures_in_a_row_are_no_reason_to_end_it() -> None:
    step = in_canary()
    assert move(step.split, step.rollout, evidence(incumbent=arm(400, 80), canary=arm(50, 4, 4))) is None


def test_the_horizon_of_a_canary_step_begins_with_the_step() -> None:
    begun = started()
    waited = structs.replace(begun.rollout, since=NOW - timedelta(seconds=RULES.horizon_seconds - 1))
    step = move(begun.split, waited, evidence(incumbent=arm(900), shadow=arm(300)))
    assert step is not None
    assert (step.rollout.state, step.rollout.since) == ("canary", NOW)
