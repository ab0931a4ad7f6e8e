"""What a rollout's arms did is counted look by look, and comes out as if it had been read at once."""

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.adapters.memory.log import MemoryLog
from loopline.orchestrate.decide import decide
from loopline.orchestrate.runner import Runner
from loopline.orchestrate.situation import CHUNK, gather
from loopline.ports.prediction_log import Scores
from loopline.records.command import Judge
from loopline.records.ids import VersionName
from loopline.records.prediction import Prediction
from loopline.records.settings import RolloutSettings
from loopline.testing.factories import (
    NOW,
    cadence,
    cycle,
    entry,
    model_version,
    prediction,
    rollout,
    settings,
    split,
    verdict,
)
from loopline.testing.prediction_log import failure
from loopline.testing.rooms import Rooms, rooms

V2 = VersionName("v2")
POSITIVE, NEGATIVE = (0.1, 0.2, 0.7), (0.7, 0.2, 0.1)


class ReadLog(MemoryLog):
    """A log in memory that knows which stretches of it were read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[tuple[int, int]] = []

    def scores(self, *, after: int, until: int) -> Scores:
        self.read.append((after, until))
        return super().scores(after=after, until=until)


class LongLog(ReadLog):
    """One that says that it holds a million rows."""

    def end(self) -> int:
        return 1_000_000


def on_trial(log: MemoryLog, *, state: str = "shadow", since: int = 0) -> Rooms:
    """A house whose cycle 1 shows v2 traffic, after this log position."""
    house = rooms(now=NOW, log=log, settings=settings(rollout=RolloutSettings(shadow=1_000)))
    trial = rollout(cycle=1, challenger=V2, incumbent=VersionName("v1"), state=state, since_position=since, since=NOW)
    going = (cycle(1, phase="rolling"), model_version("v2", cycle=1), split(2, challenger=V2, shadow=True), cadence())
    house.ledger.commit(entry("on trial", trial, *going))
    return house


def rows(kinds: Sequence[tuple[str, int]]) -> list[Prediction]:
    """Log rows of these kinds, each about the request of that number."""
    made = {
        "live": lambda n: prediction(f"p{n}", probabilities=POSITIVE if n % 3 else NEGATIVE),
        "failed": lambda n: failure(f"p{n}"),
        "shadow": lambda n: prediction(f"p{n}~v2", arm="shadow", model="v2"),
        "broken": lambda n: failure(f"p{n}~v2", arm="shadow", model="v2"),
        "canary": lambda n: prediction(f"c{n}", arm="canary", model="v2"),
        "fell": lambda n: failure(f"c{n}~v2", arm="canary", model="v2"),
        "direct": lambda n: prediction(f"d{n}", arm="direct", model="v2"),
    }
    return [made[kind](n) for kind, n in kinds]


KINDS = st.sampled_from(["live", "failed", "shadow", "broken", "canary", "fell", "direct"])
TRAFFIC = st.lists(st.tuples(KINDS, st.integers(0, 9)), max_size=60)


@given(TRAFFIC, st.lists(st.integers(0, 60), max_size=8), st.integers(0, 5))
def test_any_cut_of_the_log_into_looks_gives_the_same_tallies(
    kinds: list[tuple[str, int]], cuts: list[int], since: int
) -> None:
    log, traffic = MemoryLog(), rows(kinds)
    log.append([prediction(f"before{i}") for i in range(since)])
    house, seen = on_trial(log, since=since), None
    for start, stop in zip([0, *sorted(cuts)], [*sorted(cuts), len(traffic)], strict=True):
        log.append(traffic[start:stop])
        seen = gather(house, before=seen)
    assert seen is not None
    assert seen.live == gather(house).live


def test_the_tallies_are_what_the_rows_say() -> None:
    log = MemoryLog()
    log.append(
        rows(
            [
                ("live", 1), ("shadow", 1), ("shadow", 2), ("live", 2), ("live", 3), ("shadow", 3), ("failed", 4),
                ("shadow", 5), ("broken", 6), ("broken", 7), ("canary", 1), ("fell", 2), ("direct", 1),
            ]
        )
    )  # fmt: skip
    live = gather(on_trial(log)).live
    assert live is not None
    tallies = [(arm.answers, arm.failures, arm.last_failures) for arm in (live.incumbent, live.shadow, live.canary)]
    assert tallies == [(4, 1, 1), (6, 2, 2), (2, 1, 1)]
    assert (live.paired, live.agreed, live.unpaired) == (3, 2, (("p5", "positive"),))
    assert round(live.shadow_agreement, 3) == 0.667


@pytest.mark.parametrize("state", ["shadow", "canary"])
def test_a_look_at_a_rollout_reads_only_the_rows_that_are_new(state: str) -> None:
    log = ReadLog()
    log.append(rows([("live", n) for n in range(30)]))
    runner = Runner(on_trial(log, state=state, since=10))
    runner.situation()
    log.append(rows([("shadow", n) for n in range(9)]))
    for _ in range(5):
        runner.situation()
    assert log.read == [(10, 30), (30, 39)]


def test_a_tick_of_a_rollout_reads_the_log_once() -> None:
    log = ReadLog()
    log.append(rows([("live", n) for n in range(30)]))
    runner = Runner(on_trial(log))
    assert runner.tick() == ()
    assert log.read == [(0, 30)]


def test_a_restart_reads_the_step_once_more_and_counts_the_same() -> None:
    log = ReadLog()
    house = on_trial(log)
    first = Runner(house)
    for n in range(12):
        log.append(rows([("shadow", n), ("live", n)]))
        first.situation()
    log.read.clear()
    assert Runner(house).situation().live == first.situation().live
    assert log.read == [(0, 24)]


def test_the_next_step_of_a_rollout_is_counted_from_its_own_beginning() -> None:
    log = MemoryLog()
    log.append(rows([("live", n) for n in range(30)]))
    house = on_trial(log)
    runner = Runner(house)
    runner.situation()
    trial = rollout(cycle=1, challenger=V2, incumbent=VersionName("v1"), state="canary", step=0, since_position=30)
    house.ledger.commit(entry("canary", trial))
    log.append(rows([("canary", n) for n in range(4)]))
    live = runner.situation().live
    assert live is not None
    assert (live.incumbent.answers, live.canary.answers) == (0, 4)


def test_a_trial_of_many_rows_is_read_in_pieces() -> None:
    log = LongLog()
    live = gather(on_trial(log)).live
    assert live is not None
    assert live.position == 1_000_000
    assert log.read == [(start, start + CHUNK) for start in range(0, 1_000_000, CHUNK)]


def test_waiting_for_rare_rows_of_the_live_version_does_not_read_the_log_at_each_tick() -> None:
    log = ReadLog()
    log.append([prediction(f"p{n}") for n in range(20)])
    log.append([prediction(f"d{n}", arm="direct") for n in range(2_000)])
    house = rooms(now=NOW, log=log)
    house.ledger.commit(entry("live", split(1), cadence(since=NOW), msgspec.structs.replace(cycle(1), phase="closed")))
    runner = Runner(house)
    for _ in range(10):
        runner.tick()
    assert log.read == [(0, 2_020)]
    log.append([prediction(f"q{n}") for n in range(1_000)])
    runner.tick()
    assert log.read[1:] == []  # under heavy traffic, too, it is looked at once a second
    house.clock.advance(1)
    runner.tick()
    assert log.read[1:] == [(0, 3_020)]


def test_each_judgement_that_spent_alpha_makes_the_next_one_stricter_and_the_others_do_not() -> None:
    house, spent = rooms(now=NOW), ((1, 0.03), (2, 0.0), (3, 0.007))
    judged = [verdict(id=f"cycle-{number}", cycle=number, alpha=alpha) for number, alpha in spent]
    house.ledger.commit(
        entry("e", *judged, cycle(4, phase="trained"), model_version("v5", cycle=4), split(), cadence())
    )
    (judge,) = [command for command in decide(gather(house), NOW) if isinstance(command, Judge)]
    assert judge.decision == 3


def test_rows_of_other_versions_and_rows_asked_by_name_are_of_no_arm() -> None:
    log = MemoryLog()
    log.append(
        [
            prediction("p1"), prediction("p2", model="v0"), prediction("p3", arm="direct"),
            failure("p3~v1", arm="direct"), prediction("p4", arm="canary", model="v0"),
            failure("p5~v2", arm="direct", model="v2"),
        ]
    )  # fmt: skip
    live = gather(on_trial(log)).live
    assert live is not None
    tallies = [(arm.answers, arm.failures) for arm in (live.incumbent, live.shadow, live.canary)]
    assert tallies == [(1, 0), (0, 0), (0, 0)]
