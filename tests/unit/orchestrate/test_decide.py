"""The controller as a scripted dialogue: this situation, therefore this command."""

from datetime import timedelta

import pytest
from msgspec import structs

from loopline.orchestrate.awaited import awaited
from loopline.orchestrate.cadence import written
from loopline.orchestrate.decide import decide
from loopline.records.command import Reviewed, Situation
from loopline.records.ids import RunId, VersionName
from loopline.records.model import RunState
from loopline.records.settings import SelectSettings
from loopline.records.task import Progress
from loopline.testing.factories import NOW, cadence, cycle, rollout, signal, split
from loopline.testing.situations import LIVE, SETTINGS, situation


def run(phase: str, attempt: int = 1, reason: str = "", log_tail: str = "") -> RunState:
    name = RunId(f"sentiment/run/1/{attempt}")
    return RunState(id=name, phase=phase, done=0, total=1, metrics={}, reason=reason, log_tail=log_tail)  # type: ignore[arg-type]


def weighed(annotations: int) -> Reviewed:
    return Reviewed(annotations=annotations, at=NOW)


def said(now_situation: Situation, now=NOW) -> list[str]:
    return [type(command).__name__ for command in decide(now_situation, now)]


def at(phase: str, **changes: object) -> Situation:
    live = {"has_base": True, "split": split(), "cycle": cycle(1, phase=phase)}
    return situation(**(live | changes))


def test_a_fresh_installation_trains_its_first_version_and_gives_it_all_traffic() -> None:
    assert said(situation(cadence=None)) == ["SetCadence", "ImportBase"]
    opened = decide(situation(has_base=True), NOW)
    assert [type(c).__name__ for c in opened] == ["OpenCycle"]
    assert opened[0].cycle.number == 0
    assert opened[0].cycle.phase == "cut"
    first = {"has_base": True, "cycle": cycle(0, phase="cut")}
    assert said(situation(**first)) == ["StartTraining"]
    first["cycle"] = cycle(0, phase="training")
    assert said(situation(**first, run=run("running"))) == []
    assert said(situation(**first, run=run("succeeded"))) == ["CollectModel"]
    first["cycle"] = cycle(0, phase="trained")
    assert said(situation(**first, challenger=VersionName("v1"))) == ["Advance"]
    first["cycle"] = cycle(0, phase="rolling")
    assert said(situation(**first, rollout=rollout(state="promoted"))) == ["CloseCycle"]


@pytest.mark.parametrize(
    ("phase", "more", "expected"),
    [
        ("open", {}, ["Select"]),
        ("selected", {}, ["Publish"]),
        ("labelled", {}, ["CutDataset"]),
        ("cut", {}, ["StartTraining"]),
        ("training", {"run": run("running")}, []),
        ("training", {"run": run("succeeded")}, ["CollectModel"]),
        ("training", {"run": run("vanished", 1)}, ["StartTraining"]),
        ("training", {"run": run("vanished", 3)}, ["CloseCycle"]),
        ("training", {"run": run("failed")}, ["CloseCycle"]),
        ("trained", {"challenger": VersionName("v2")}, ["Judge"]),
        ("judged", {"challenger": VersionName("v2"), "verdict": "pass"}, ["Advance"]),
        ("judged", {"challenger": VersionName("v2"), "verdict": "fail"}, ["CloseCycle"]),
        ("judged", {"challenger": VersionName("v2"), "verdict": "inconclusive"}, ["CloseCycle"]),
        ("rolling", {"challenger": VersionName("v2"), "rollout": rollout(state="shadow"), "live": LIVE}, ["Advance"]),
        ("rolling", {"challenger": VersionName("v2"), "rollout": rollout(state="rolled_back")}, ["CloseCycle"]),
    ],
)
def test_each_phase_has_one_next_command(phase: str, more: dict[str, object], expected: list[str]) -> None:
    assert said(at(phase, **more)) == expected


def test_labelling_weighs_every_new_answer_before_the_batch_is_called_complete() -> None:
    done = Progress(tasks=2, done=2, annotations=5, by_stratum={"chosen": (2, 2)})
    assert said(at("published", progress=done, reviewed=weighed(4))) == ["Review"]
    assert said(at("published", progress=done, reviewed=weighed(5))) == ["Aggregate"]
    waiting = structs.replace(done, done=1)
    assert said(at("published", progress=waiting, reviewed=weighed(5))) == []


def test_a_crashed_trainer_ends_the_cycle_with_its_log() -> None:
    state = at("training", run=run("failed", reason="exit code 1", log_tail="ZeroDivisionError: division by zero"))
    (close,) = decide(state, NOW)
    assert close.cycle.outcome == "failed"
    assert close.reason == "training failed: exit code 1\nZeroDivisionError: division by zero"


def test_a_command_that_failed_for_good_ends_its_cycle() -> None:
    (close,) = decide(at("open", failure="Select failed 3 times: no strategy 'x'"), NOW)
    assert (close.cycle.phase, close.cycle.outcome) == ("closed", "failed")


def test_the_next_cycle_opens_by_volume_and_says_so() -> None:
    rested = cycle(3, phase="closed", until=1_000, closed_at=NOW)
    state = situation(has_base=True, split=split(), cycle=rested, end=6_000, measured=6_000)
    (opened,) = decide(state, NOW)
    assert opened.reason == "5,000 new log rows, shadow answers included, reached the volume of 5,000"
    assert (opened.cycle.number, opened.cycle.until) == (4, 6_000)
    assert said(structs.replace(state, end=5_999, measured=5_999)) == []


def test_the_clock_opens_a_cycle_only_when_there_is_something_to_choose_from() -> None:
    pace = cadence(interval_seconds=60.0, budget=20, since=NOW)
    rested = cycle(1, phase="closed", until=0, closed_at=NOW)
    state = situation(has_base=True, split=split(), cycle=rested, cadence=pace, end=200, measured=200)
    later = NOW + timedelta(seconds=61)
    assert "OpenCycle" in said(state, later)
    assert "OpenCycle" not in said(structs.replace(state, end=199, measured=199), later)
    moved = (signal(position=1, severity=0.0),)
    assert "OpenCycle" not in said(structs.replace(state, signals=moved), later)
    assert "OpenCycle" not in said(state, NOW + timedelta(seconds=59))


def test_what_is_awaited_counts_log_rows_and_says_so() -> None:
    only = structs.replace(SETTINGS, select=SelectSettings(every_seconds=0, volume=5_000))
    rested = cycle(1, phase="closed", until=1_000, closed_at=NOW)
    state = situation(settings=only, has_base=True, split=split(), cycle=rested, end=1_500, measured=1_500)
    state = structs.replace(state, cadence=cadence(settings=written(only), since=NOW))
    said = "the next cycle opens at 5,000 new log rows, shadow answers included (500 so far)"
    assert awaited(state, NOW) == said


def test_what_the_clock_waits_for_is_named_with_its_number() -> None:
    pace = cadence(interval_seconds=60.0, budget=20, since=NOW)
    rested = cycle(1, phase="closed", until=0, closed_at=NOW)
    state = situation(has_base=True, split=split(), cycle=rested, cadence=pace, end=150, measured=150)
    volume = ", or at 5,000 new log rows, shadow answers included (150 so far); nothing drifts"
    first = "the next cycle opens in 1 min, once 200 log rows are new (150 so far)"
    assert awaited(state, NOW) == first + volume
    late = NOW + timedelta(seconds=61)
    assert awaited(state, late) == "the next cycle opens once 200 log rows are new (150 so far)" + volume
    moved = structs.replace(state, signals=(signal(position=100, severity=0.0),))
    since = "the next cycle opens once 200 log rows are new since the newest signal (50 so far)"
    assert awaited(moved, late) == since + volume
    there = structs.replace(state, end=250, measured=250)
    assert awaited(there, NOW).startswith("the next cycle opens in 1 min, or at 5,000 new log rows")


def test_by_volume_only_means_that_a_quiet_clock_opens_nothing() -> None:
    only = structs.replace(SETTINGS, select=SelectSettings(every_seconds=0, volume=10_000))
    pace = cadence(interval_seconds=60.0, severity=0.0, budget=20, since=NOW, settings=written(only))
    rested = cycle(1, phase="closed", until=0, closed_at=NOW)
    state = situation(settings=only, has_base=True, split=split(), cycle=rested, cadence=pace, end=500, measured=500)
    assert "OpenCycle" not in said(state, NOW + timedelta(days=9))


def test_the_pool_of_a_cycle_reaches_back_to_where_the_world_last_moved() -> None:
    rested = cycle(1, phase="closed", until=0, after=100, closed_at=NOW)
    state = situation(has_base=True, split=split(), cycle=rested, end=9_000, measured=9_000)
    moved = structs.replace(state, signals=(signal(position=700, severity=0.0),))
    opened = [c for c in decide(moved, NOW) if type(c).__name__ == "OpenCycle"]
    assert opened[0].cycle.after == 700
    quiet = [c for c in decide(state, NOW) if type(c).__name__ == "OpenCycle"]
    assert quiet[0].cycle.after == 100


def test_a_first_version_that_cannot_be_trained_is_tried_again_later() -> None:
    failed = cycle(0, phase="closed", outcome="failed", outcome_reason="train.py: no such file", closed_at=NOW)
    state = situation(has_base=True, cycle=failed)
    assert said(state, NOW + timedelta(seconds=29)) == []
    assert said(state, NOW + timedelta(seconds=31)) == ["OpenCycle"]
    assert awaited(state, NOW) == "no version is live: train.py: no such file; tried again in 30 s"


def test_the_monitor_looks_once_a_tick() -> None:
    state = at("published", end=999, measured=0)
    assert "Measure" not in said(state)
    assert "Measure" in said(structs.replace(state, end=1_000))


def test_the_monitor_does_not_read_a_stretch_of_rare_rows_again_at_each_tick() -> None:
    state = at("published", end=3_000, measured=1_000, looked=3_000)
    assert "Measure" not in said(state)
    assert "Measure" not in said(structs.replace(state, end=3_199))
    assert "Measure" in said(structs.replace(state, end=3_200))


def test_deciding_twice_gives_the_same_commands() -> None:
    state = at("open", end=5_000)
    assert decide(state, NOW) == decide(state, NOW)


def test_what_is_awaited_is_one_sentence() -> None:
    waiting = Progress(tasks=40, done=12, annotations=30, by_stratum={})
    state = at("published", progress=waiting, reviewed=weighed(30))
    assert awaited(state, NOW) == "cycle 1: people's answers: 12 of 40 tasks are done"


def test_a_batch_that_stands_still_is_looked_at_again() -> None:
    waiting = Progress(tasks=2, done=1, annotations=3, by_stratum={})
    state = at("published", progress=waiting, reviewed=weighed(3))
    assert said(state, NOW + timedelta(seconds=14)) == []
    assert said(state, NOW + timedelta(seconds=15)) == ["Review"]


def test_what_goes_wrong_again_and_again_is_said() -> None:
    state = situation(trouble="ImportBase failed 2 times: base.jsonl, line 7: found no label")
    assert awaited(state, NOW).startswith("in trouble, tried again: ImportBase failed 2 times: base.jsonl, line 7")


def test_a_cycle_looks_back_over_a_bounded_window() -> None:
    rested = cycle(3, phase="closed", until=90_000_000, closed_at=NOW)
    state = situation(has_base=True, split=split(), cycle=rested, end=90_300_000, measured=90_300_000)
    (opened,) = decide(state, NOW)
    assert opened.cycle.until - opened.cycle.after == 50_000_000
