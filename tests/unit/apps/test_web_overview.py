"""What the overview says is what is stored."""

from datetime import UTC, datetime, timedelta

import pytest

from loopline.apps.http.status import read_status
from loopline.apps.web.effort import Effort, effort_of, finding, total
from loopline.apps.web.overview import overview_of
from loopline.apps.web.picture import BAR_LEFT, BAR_WIDTH, picture_of
from loopline.apps.web.words import sentence, shares
from loopline.loop import STAGES
from loopline.orchestrate.decide import decide, first_again
from loopline.records.command import OpenCycle
from loopline.records.ids import VersionName
from loopline.records.settings import TrainSettings
from loopline.testing import factories as make
from loopline.testing import story
from loopline.testing.rooms import Rooms, StoredConsole, rooms

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
V2 = VersionName("v2")


@pytest.fixture
def house() -> Rooms:
    house = rooms(now=NOW)
    story.tell(house.ledger, now=NOW)
    return house


def drawn(corrected: int, n: int, draw: str, *, start: int = 0):
    """Candidates and labels of one draw, of which the first few were called something else by the model."""
    ids = [f"p{start + i}" for i in range(n)]
    said = ["negative" if i < corrected else "positive" for i in range(n)]
    candidates = [make.candidate(p, p, draw=draw, predicted=s) for p, s in zip(ids, said, strict=True)]
    return candidates, [make.label(p, p, stratum=draw) for p in ids]


def effort(chosen: tuple[int, int], audit: tuple[int, int]):
    candidates, labels = drawn(*chosen, "chosen")
    others, their_labels = drawn(*audit, "audit", start=1_000)
    sealed = [make.label(f"r{i}", f"r{i}", stratum="reserve") for i in range(3)]
    batch = make.label_batch(*labels, *their_labels, *sealed)
    return effort_of(batch, make.selection(*candidates, *others))


def test_corrections_are_counted_by_draw_and_the_reserve_apart():
    found = effort((6, 10), (1, 4))
    assert (found.chosen.n, found.chosen.corrected, found.chosen.share) == (10, 6, 0.6)
    assert (found.audit.n, found.audit.corrected, found.audit.share) == (4, 1, 0.25)
    assert found.reserve == 3


@pytest.mark.parametrize(
    ("chosen", "audit", "said"),
    [
        ((80, 100), (20, 100), "a chosen label tells the model more than a random one."),
        ((20, 100), (80, 100), "a chosen label tells the model less than a random one."),
        ((6, 10), (1, 4), "the intervals overlap, so the difference is not settled."),
    ],
)
def test_more_is_said_only_when_the_intervals_lie_apart(chosen, audit, said):
    assert finding(effort(chosen, audit)).endswith(said)


def test_without_random_labels_nothing_is_compared():
    assert finding(total(())) == "Not yet known: labels of both kinds are needed."


def test_the_overview_counts_the_labels_of_a_batch_once(house):
    counted: dict[str, Effort] = {}
    first, again = (overview_of(house, StoredConsole(house), counted=counted) for _ in range(2))
    assert first.efforts
    assert [id(effort) for effort in first.efforts] == [id(effort) for effort in again.efforts]
    house.ledger.commit(make.entry("late", make.label_batch(cycle=8, id="cycle-8")))
    later = overview_of(house, StoredConsole(house), counted=counted)
    assert [effort.cycle for effort in later.efforts] == [*(effort.cycle for effort in first.efforts), "8"]
    assert later.whole == overview_of(house, StoredConsole(house)).whole
    assert len(counted) == len(later.efforts)


def test_every_stage_says_what_it_did_last_and_whose_turn_it_is(house):
    status = read_status(house, StoredConsole(house))
    assert [stage.name for stage in status.stages] == [stage.name for stage in STAGES]
    by_name = {stage.name: stage for stage in status.stages}
    assert [name for name, stage in by_name.items() if stage.mood == "active"] == ["annotate"]
    assert [name for name, stage in by_name.items() if stage.mood == "alert"] == ["monitor"]
    assert by_name["annotate"].figure == "0 of 64"
    assert by_name["select"].figure == "40 samples"
    assert by_name["evaluate"].figure == "v3: pass"
    assert by_name["rollout"].last == "300 canary answers without a failure; the guard stayed below its threshold"
    assert by_name["rollout"].at is not None


def test_an_empty_loop_has_stages_that_wait():
    house = rooms(now=NOW)
    status = read_status(house, StoredConsole(house))
    assert {stage.mood for stage in status.stages} == {"idle"}
    assert status.stages[0].figure == "no version yet"


def test_the_traffic_bar_is_divided_as_the_split_says(house):
    house.ledger.commit(make.entry("s", make.split(9, incumbent="v3", challenger="v4", basis_points=2_500, keep=(V2,))))
    view = overview_of(house, StoredConsole(house))
    live, canary = view.picture.shares
    assert (live.version, live.share, live.x) == ("v3", 0.75, BAR_LEFT)
    assert (canary.version, canary.share) == ("v4", 0.25)
    assert canary.x == BAR_LEFT + 0.75 * BAR_WIDTH
    assert view.picture.beside == ("v2 kept warm",)


def test_cards_do_not_overlap_and_follow_the_order_of_the_loop(house):
    console = StoredConsole(house)
    cards = picture_of(overview_of(house, console).stages, console.situation()).cards
    assert [card.stage.name for card in cards] == [stage.name for stage in STAGES]
    upper = [card.x for card in cards[:5]]
    lower = [card.x for card in cards[5:]]
    assert upper == sorted(upper)
    assert lower == sorted(lower, reverse=True)


def test_a_shadow_has_a_role_and_no_share():
    rows = shares(make.split(2, challenger=V2, shadow=True))
    assert rows == (("v1", 1.0, "live"), ("v2", 0.0, "shadow"))
    assert shares(None) == ()


def failed_cycle(number: int = 0):
    return make.cycle(number, phase="closed", outcome="failed", closed_at=NOW, outcome_reason="no rows\nTraceback")


def test_the_cards_of_a_failed_first_training_do_not_contradict():
    house = rooms(now=NOW)
    house.ledger.commit(make.entry("failed", failed_cycle(), make.dataset_version(), make.run_spec("r", cycle=0)))
    view = overview_of(house, StoredConsole(house))
    cards = {stage.name: stage for stage in view.stages}
    assert (cards["serve"].figure, cards["serve"].detail) == ("no version is live", "cycle 0 failed")
    assert (cards["train"].figure, cards["train"].detail, cards["train"].mood) == ("failed", "in cycle 0", "alert")
    assert (cards["train"].last, cards["train"].at) == ("no rows", NOW)
    assert [card.name for card in view.stages if card.mood != "idle"] == ["train"]


def test_the_dots_of_a_failed_cycle_show_where_it_failed():
    house = rooms(now=NOW)
    house.ledger.commit(make.entry("failed", failed_cycle(), make.dataset_version(), make.run_spec("r", cycle=0)))
    picture = overview_of(house, StoredConsole(house)).picture
    assert [dot.phase for dot in picture.dots if dot.state == "failed"] == ["Training"]
    assert [dot.state for dot in picture.dots] == ["done"] * 5 + ["failed"] + ["ahead"] * 4
    assert picture.failed == "train failed"


@pytest.mark.parametrize(
    ("made", "stage"),
    [
        ((), "select"),
        ((make.selection(cycle=4),), "annotate"),
        ((make.selection(cycle=4), make.label_batch(cycle=4)), "dataset"),
        ((make.dataset_version("c4", cycle=4),), "train"),
        ((make.model_version("v4", cycle=4), make.run_spec("r4", cycle=4)), "evaluate"),
        ((make.verdict(id="cycle-4", cycle=4),), "rollout"),
    ],
)
def test_the_stage_that_failed_is_read_off_what_the_cycle_made(house, made, stage):
    house.ledger.commit(make.entry("failed", failed_cycle(4), *made))
    cards = overview_of(house, StoredConsole(house)).stages
    assert [card.name for card in cards if card.figure == "failed"] == [stage]
    assert cards[0].figure == "v3 answers"


def test_a_cycle_that_did_not_fail_has_no_failed_stage(house):
    picture = overview_of(house, StoredConsole(house)).picture
    assert picture.failed == ""
    assert all(dot.state != "failed" for dot in picture.dots)


@pytest.mark.parametrize("number", [0, 1, 5, 9])
def test_the_page_names_the_moment_at_which_the_controller_tries_again(number):
    settings = make.settings(train=TrainSettings(base="base.jsonl"))
    house = rooms(now=NOW, settings=settings)
    house.ledger.commit(make.entry("failed", failed_cycle(number), make.dataset_version()))
    due = first_again(failed_cycle(number))
    assert due is not None
    situation = StoredConsole(house).situation()
    opened = [
        any(isinstance(command, OpenCycle) for command in decide(situation, due + timedelta(seconds=late)))
        for late in (-1, 0)
    ]
    assert opened == [False, True]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("train.py:train raised", "train.py:train raised."),
        ("runs/7 vanished", "runs/7 vanished."),
        ("top_probability fell", "top_probability fell."),
        ("v2 passed", "v2 passed."),
        ("failed: no rows", "Failed: no rows."),
        ("no rows\nTraceback:\n  File", "No rows."),
        ("", ""),
    ],
)
def test_a_sentence_leaves_code_alone_and_ends_with_its_first_line(text, said):
    assert sentence(text) == said
