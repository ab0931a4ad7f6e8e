"""``[select]``: strategies by name, quotas that fit the rest of the file, and where the pool is read."""

import pytest

from loopline.apps.config import InvalidSettings, load_settings
from loopline.apps.config.document import GRAMMAR
from loopline.apps.config.values import Unknown, strategy
from loopline.records.settings import SelectSettings

LEAST = """
[loop]
name = "sentiment"
labels = ["negative", "positive"]
input = "text"
[serve]
model = "elsewhere"
"""
OWN = LEAST.replace('[serve]\nmodel = "elsewhere"', '[train]\nrun = "train.py:train"\nbase = "base.jsonl"')


@pytest.fixture
def read(tmp_path):
    """Settings from these lines after the least that a loop needs."""
    for name in ("train.py", "base.jsonl"):
        (tmp_path / name).write_text("")

    def read(lines: str, *, least: str = LEAST):
        (tmp_path / "loop.toml").write_text(f"{least}\n{lines}")
        return load_settings(tmp_path / "loop.toml")

    return read


@pytest.fixture
def problem(read):
    """The one problem of these lines."""

    def problem(lines: str, *, least: str = LEAST) -> str:
        with pytest.raises(InvalidSettings) as caught:
            read(lines, least=least)
        (found,) = caught.value.problems
        return str(found)

    return problem


def test_what_is_not_written_is_off_or_careful(read):
    select = read("").select
    assert select == SelectSettings()
    assert (select.quota_by, select.quota_share, select.weekly) == ((), 1.0, 0)
    assert (select.throughput, select.fallback, select.launcher) == (True, True, "threads")


def test_a_misspelt_strategy_is_told_with_the_nearest_one(problem):
    allowed = GRAMMAR["select"]["strategy"].allowed
    assert problem('[select]\nstrategy = "cluster-margn.v1"') == (
        f'select.strategy: found "cluster-margn.v1", allowed: {allowed}; did you mean cluster-margin.v1?'
    )
    assert problem('[select]\nstrategy = "zzz"') == f'select.strategy: found "zzz", allowed: {allowed}'
    assert problem("[select]\nstrategy = 3") == f"select.strategy: found 3, allowed: {allowed}"


def test_strategies_of_scikit_activeml_are_taken_by_name(read, problem):
    found = read('[select]\nstrategy = "scikit-activeml:EpistemicUncertaintySampling"').select.strategy
    assert found == "scikit-activeml:EpistemicUncertaintySampling"
    for odd in ("scikit-activeml:", "scikit-activeml:a b", "scikit-activml:ProbCover"):
        assert problem(f'[select]\nstrategy = "{odd}"').startswith(f'select.strategy: found "{odd}", allowed: "')


def test_an_installed_strategy_is_looked_for_when_it_is_named_and_suggested_too():
    looked = []

    def installed():
        looked.append(1)
        return ("ours.v2",)

    key = strategy("strategy", ["margin.v1"], installed=installed)
    assert key.allowed == '"margin.v1", the name of an installed one, or "scikit-activeml:NAME"'
    assert key.read("margin.v1") == {"strategy": "margin.v1"}
    assert not looked
    assert key.read("ours.v2") == {"strategy": "ours.v2"}
    with pytest.raises(Unknown) as caught:
        key.read("ours.v1")
    assert caught.value.near == ["ours.v2"]


def test_a_quota_names_its_strata_and_its_share(read, problem):
    select = read('[select]\nquota = { by = ["predicted", "hour"], share = 0.5 }').select
    assert (select.quota_by, select.quota_share) == (("predicted", "hour"), 0.5)
    assert read('[select]\nquota = { by = ["day"], share = 1 }').select.quota_by == ("day",)
    assert problem("[select]\nquota = { share = 0.5 }") == (
        "select.quota: found share = 0.5 without by, allowed: both, or neither"
    )
    assert problem('[select]\nquota = { by = ["day"] }') == (
        "select.quota: found by without share, allowed: both, or neither"
    )


@pytest.mark.parametrize(
    "quota",
    [
        '{ by = ["week"], share = 0.5 }',
        '{ by = ["day", "day"], share = 0.5 }',
        '{ by = "day", share = 0.5 }',
        '{ by = ["day"], share = 0 }',
        '{ by = ["day"], share = 1.5 }',
        '{ by = ["day"], most = 0.5 }',
        "0.5",
    ],
)
def test_a_quota_that_cannot_be_is_refused(problem, quota):
    assert problem(f"[select]\nquota = {quota}").startswith("select.quota: found ")


def test_a_quota_by_segment_needs_segments(read, problem):
    lines = '[select]\nquota = { by = ["segment"], share = 0.5 }\n'
    assert problem(lines, least=OWN) == (
        "select.quota: found by segment without capture.segment_by, allowed: both, or neither"
    )
    assert read(lines + '[capture]\nsegment_by = "channel"\n', least=OWN).capture.segment_by == "channel"
    assert read(lines).select.quota_by == ("segment",)  # what others serve is reported with its segment


@pytest.mark.parametrize("launcher", ["threads", "daft", "ray", "ray://head:10001", "ray://10.0.0.7:10001"])
def test_the_pool_is_read_here_or_on_ray(read, launcher):
    assert read(f'[select]\nlauncher = "{launcher}"').select.launcher == launcher


@pytest.mark.parametrize(
    "lines",
    [
        'launcher = "ray://head"',
        'launcher = "ray://:1"',
        'launcher = "dask"',
        'launcher = "ray://a b:1"',
        "weekly = -1",
        "weekly = 1.5",
        "fallback = 1",
        'throughput = "yes"',
    ],
)
def test_a_setting_out_of_bounds_names_its_key(problem, lines):
    key = lines.partition(" ")[0]
    assert problem(f"[select]\n{lines}").startswith(f"select.{key}: found ")
