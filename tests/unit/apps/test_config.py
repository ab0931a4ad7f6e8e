"""``loop.toml``: what is read, and what a person is told when it cannot be."""

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopline.apps.config import InvalidSettings, load_settings
from loopline.apps.config.document import GRAMMAR
from loopline.apps.config.values import seconds
from loopline.errors import InvalidRecord, NotFound
from loopline.records.settings import ELSEWHERE, Redaction, SelectSettings
from loopline.records.signature import Signature

LEAST = """
[loop]
name = "sentiment"
labels = ["negative", "positive"]
input = "text"
[train]
run = "train.py:train"
base = "base.jsonl"
"""

WHOLE = """
[loop]
name = "flights"
labels = ["late", "early"]
input = "tabular"
width = 3
[capture]
sample = 0.5
group_by = "user"
segment_by = "channel"
reserve = 0.25
[select]
when = ["every 6h", "volume 300"]
strategy = "cluster-margin.v1"
budget = 150
explore = 0.1
quota = { by = ["segment", "predicted", "day"], share = 0.4 }
weekly = 900
throughput = false
fallback = false
launcher = "ray://head:10001"
[annotate]
overlap = { min = 1, max = 4, stop_at = 0.9 }
gold = 0.05
gold_file = "gold.csv"
norm = 0.7
blind = 0.2
lease = "2m"
guideline = "Read the whole row."
[train]
run = "train.py:train"
base = "base.jsonl"
memory_mb = 900
timeout = "10m"
launcher = "subprocess"
[gate]
metric = "accuracy"
margin = 0.02
alpha = 0.05
anchor = "anchor.jsonl"
[rollout]
shadow = "300 predictions"
canary = [10, 50, 100]
step_predictions = 100
horizon = "3d"
alpha = 0.01
approve = "auto"
[monitor]
false_alarms_per_year = 2
tick = 100
reference = 800
[cadence]
min = "5s"
max = "7d"
budget_max = 450
explore_max = 0.25
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train.py", "base.jsonl", "anchor.jsonl", "gold.csv"):
        (tmp_path / name).write_text("")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "loop.toml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        load_settings(written(folder, text))
    assert isinstance(caught.value, InvalidRecord)
    lines = str(caught.value).splitlines()
    assert [line.strip() for line in lines[1:]] == [str(problem) for problem in caught.value.problems]
    return [str(problem) for problem in caught.value.problems]


def test_the_least_file_gets_every_default(folder):
    settings = load_settings(written(folder, LEAST))

    assert settings.name == "sentiment"
    assert settings.signature == Signature(input="text", labels=("negative", "positive"))
    assert settings.folder == str(folder.resolve())
    assert settings.train.base == "base.jsonl"
    assert settings.select == SelectSettings()
    assert settings.rollout.canary == (1, 5, 25, 100)


def test_every_key_lands_in_its_field(folder):
    settings = load_settings(written(folder, WHOLE))

    assert (settings.signature.input, settings.signature.width) == ("tabular", 3)
    assert (settings.capture.sample, settings.capture.reserve) == (0.5, 0.25)
    assert (settings.capture.group_by, settings.capture.segment_by) == ("user", "channel")
    assert (settings.select.every_seconds, settings.select.volume, settings.select.budget) == (21_600, 300, 150)
    select = settings.select
    assert (select.quota_by, select.quota_share) == (("segment", "predicted", "day"), 0.4)
    assert (select.weekly, select.throughput, select.fallback) == (900, False, False)
    assert select.launcher == "ray://head:10001"
    annotate = settings.annotate
    assert (annotate.overlap_min, annotate.overlap_max, annotate.stop_at) == (1, 4, 0.9)
    assert (annotate.gold, annotate.gold_file, annotate.norm, annotate.blind) == (0.05, "gold.csv", 0.7, 0.2)
    assert (annotate.lease_seconds, annotate.guideline) == (120, "Read the whole row.")
    assert (settings.train.memory_mb, settings.train.seconds) == (900, 600)
    assert (settings.gate.margin, settings.gate.anchor_file) == (0.02, "anchor.jsonl")
    assert (settings.rollout.shadow, settings.rollout.canary) == (300, (10, 50, 100))
    assert (settings.rollout.step_predictions, settings.rollout.alpha) == (100, 0.01)
    assert settings.rollout.horizon_seconds == 259_200
    assert (settings.monitor.false_alarms_per_year, settings.monitor.tick, settings.monitor.reference) == (2, 100, 800)
    cadence = settings.cadence
    assert (cadence.min_seconds, cadence.max_seconds) == (5, 604_800)
    assert (cadence.budget_max, cadence.explore_max) == (450, 0.25)


def test_a_wake_up_that_is_not_listed_is_off(folder):
    settings = load_settings(written(folder, LEAST + '[select]\nwhen = ["volume 40"]\n'))
    assert (settings.select.every_seconds, settings.select.volume) == (0, 40)


def test_every_problem_is_told_at_once_with_the_nearest_key(folder):
    broken = """
[loop]
name = "a b"
labels = ["only"]
input = "text"
[selct]
budget = 1
[select]
budgte = 20
explore = 1.5
[train]
run = "train.py:train"
base = "nowhere.csv"
[cadence]
min = "6 hours"
"""
    assert problems(folder, broken) == [
        'loop.name: found "a b", allowed: letters, digits, - and _, at most 64',
        'loop.labels: found ["only"], allowed: a list of two or more distinct names, such as ["no", "yes"]',
        "select.explore: found 1.5, allowed: a number from 0 to 1",
        "select.budgte: found an unknown key, allowed: when, strategy, budget, explore, quota, weekly, throughput, "
        "compare, fallback, launcher; did you mean budget?",
        f'train.base: found "nowhere.csv", which is no file, allowed: a file in {folder.resolve()}',
        'cadence.min: found "6 hours", allowed: a duration such as "5s", "2m", "6h" or "7d"',
        "[selct]: found an unknown section, allowed: "
        + " ".join(f"[{name}]" for name in GRAMMAR)
        + "; did you mean [select]?",
    ]


def test_an_empty_file_says_what_every_loop_needs(folder):
    assert problems(folder, "") == [
        'loop.name: found nothing, allowed: a name such as "sentiment"',
        'loop.labels: found nothing, allowed: a list of two or more distinct names, such as ["no", "yes"]',
        'loop.input: found nothing, allowed: "text", "tabular" or "image"',
        'train.run: found nothing, allowed: a trainer such as "train.py:train"',
        "train.base: found nothing, allowed: a .jsonl or .csv file of labelled rows; version 1 is trained from it",
    ]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('[gate]\nslices = ["channel"]', "judging by slice"),
        ('[rollout]\napprove = "human"', "asking a person before a step"),
    ],
)
def test_a_key_that_nothing_acts_on_is_refused_not_ignored(folder, lines, told):
    (line,) = problems(folder, LEAST + lines)
    assert line.endswith(f"; {told} is not available in this release")


def test_a_rollout_waits_a_week_for_traffic_unless_told_otherwise(folder):
    assert load_settings(written(folder, LEAST)).rollout.horizon_seconds == 604_800


def test_training_elsewhere_is_refused_not_ignored(folder):
    (line,) = problems(folder, LEAST.replace("[train]", '[train]\nlauncher = "ray://head:10001"'))
    assert line == (
        'train.launcher: found "ray://head:10001", allowed: "subprocess"; '
        "training anywhere but in a subprocess is not available in this release"
    )


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ("[annotate]\noverlap = { min = 3, max = 2 }", "annotate.overlap"),
        ("[annotate]\noverlap = { most = 2 }", "annotate.overlap"),
        ("[annotate]\ngold = 0.05", "annotate.gold"),
        ('[cadence]\nmin = "2h"\nmax = "1h"', "cadence.min"),
        ('[select]\nwhen = ["every 1h"]', "cadence.min"),
        ("[cadence]\nbudget_max = 10", "cadence.budget_max"),
        ("[select]\nexplore = 0.4", "cadence.explore_max"),
        ("[rollout]\ncanary = [10, 50]", "rollout.canary"),
        ("[rollout]\ncanary = [50, 10, 100]", "rollout.canary"),
        ("[rollout]\nshadow = 500", "rollout.shadow"),
        ('[rollout]\nhorizon = "0s"', "rollout.horizon"),
        ("[rollout]\nhorizon = 7", "rollout.horizon"),
        ("[select]\nbudget = true", "select.budget"),
        ("[select]\nbudget = 0", "select.budget"),
        ('[select]\nwhen = ["hourly"]', "select.when"),
        ('[select]\nwhen = ["volume 5", "volume 6"]', "select.when"),
        ("[gate]\nalpha = 0", "gate.alpha"),
        ("[gate]\nmargin = nan", "gate.margin"),
        ('[gate]\nmetric = "f1"', "gate.metric"),
        ('[gate]\nanchor = "anchor.parquet"', "gate.anchor"),
        ("select = 3", "select"),
    ],
)
def test_a_value_out_of_bounds_names_its_key(folder, lines, key):
    text = lines + "\n" + LEAST if lines == "select = 3" else LEAST + lines
    (line,) = problems(folder, text)
    assert line.startswith(f"{key}: found ")


def test_a_width_belongs_to_tables(folder):
    assert problems(folder, LEAST.replace('"text"', '"text"\nwidth = 3'))[0].startswith(
        "loop.width: found 3, allowed: no"
    )
    assert problems(folder, LEAST.replace('"text"', '"tabular"'))[0].startswith(
        "loop.width: found nothing, allowed: the"
    )


def test_a_file_that_is_not_toml_is_told_by_line(folder):
    with pytest.raises(InvalidRecord, match=r"loop\.toml: .*line 2.*, expected a TOML file in UTF-8"):
        load_settings(written(folder, "[loop]\nname = sentiment\n"))


def test_a_missing_file_is_not_found(folder):
    with pytest.raises(NotFound, match=r"no file '.*absent\.toml'"):
        load_settings(folder / "absent.toml")


def test_a_served_model_needs_rows_to_be_verified_on_and_either_both_base_and_trainer_or_neither(folder):
    plain = LEAST.partition("[train]")[0] + '[serve]\nmodel = "m.onnx"\n'
    assert problems(folder, plain) == [
        "serve.checks: found nothing, allowed: a .jsonl or .csv file of labelled rows; "
        "the model is verified on them before it serves",
    ]
    assert load_settings(written(folder, plain + 'checks = "base.jsonl"')).serve.checks == "base.jsonl"
    assert load_settings(written(folder, plain.replace("m.onnx", "elsewhere"))).serve.model == ELSEWHERE
    assert problems(folder, LEAST.replace('base = "base.jsonl"\n', "") + '[serve]\nmodel = "m.onnx"\n') == [
        "train.base: found nothing, allowed: a .jsonl or .csv file of labelled rows; "
        "challengers are trained on it and what is labelled",
    ]


@pytest.mark.parametrize(
    "rule",
    ['{ regex = "[" }', '{ field = "label" }', "{ hash = 1 }", '{ regexp = "a" }', "{}", '"a"'],
)
def test_a_redaction_rule_that_cannot_work_is_refused(folder, rule):
    (line,) = problems(folder, LEAST + f"[capture]\nredact = [{rule}]")
    assert line.startswith("capture.redact: found [")


def test_redaction_rules_are_read_in_order(folder):
    rules = '[{ regex = "[0-9]{16}", replace = "#" }, { field = "group", hash = true }]'
    found = load_settings(written(folder, LEAST + f"[capture]\nredact = {rules}")).capture.redact
    assert found == (Redaction(regex="[0-9]{16}", replace="#"), Redaction(field="group", is_hashed=True))


NAMES = st.text(string.ascii_letters + string.digits + " _-\"'\\", max_size=8)
VALUES = st.recursive(
    NAMES | st.integers(-3, 3) | st.floats(-1, 2) | st.booleans(), lambda inner: st.lists(inner, max_size=3)
)


@given(st.sampled_from([(section, key) for section, keys in GRAMMAR.items() for key in keys]), VALUES)
def test_whatever_a_key_holds_it_is_read_or_told(tmp_path_factory, place, value):
    folder = tmp_path_factory.mktemp("law")
    section, key = place
    document = f"[{section}]\n{key} = {json.dumps(value)}\n"
    with pytest.raises(InvalidSettings) as caught:
        load_settings(written(folder, document))
    own = [problem for problem in caught.value.problems if problem.key == f"{section}.{key}"]
    assert all(problem.allowed for problem in own)


@given(NAMES.filter(lambda name: name not in GRAMMAR["select"]))
def test_a_key_that_nobody_knows_is_always_told(tmp_path_factory, key):
    with pytest.raises(InvalidSettings) as caught:
        load_settings(written(tmp_path_factory.mktemp("law"), f"[select]\n{json.dumps(key)} = 1\n"))
    assert f"select.{key}: found an unknown key" in str(caught.value)


@given(st.integers(1, 10_000), st.sampled_from("smhd"))
def test_a_duration_is_its_number_times_its_unit(count, unit):
    assert seconds(f"{count}{unit}") == count * {"s": 1, "m": 60, "h": 3_600, "d": 86_400}[unit]
