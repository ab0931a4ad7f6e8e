import types

import numpy as np
import pytest

from loopline.apps.config import load_settings, read_rows
from loopline.apps.demo.digits import digit_world
from loopline.apps.demo.files import DIGITS, SENTENCES
from loopline.apps.demo.project import settle


def trainer(text):
    module = types.ModuleType("train")
    exec(compile(text, "train.py", "exec"), module.__dict__)
    return module.train


def dataset(rows, labels, cycle):
    return types.SimpleNamespace(
        to_numpy=lambda: (rows, labels), cycle=np.array(cycle), classes=tuple(sorted({*labels}))
    )


def test_the_offline_folder_is_a_loop_that_its_own_rules_accept(tmp_path):
    world, said = settle(tmp_path, offline=True)
    settings = load_settings(tmp_path / "loop.toml")
    assert settings.signature == world.signature
    assert said.startswith("data: scikit-learn's handwritten digits")
    assert said.endswith("(as asked by --offline)")
    for name, part in (("base", world.base), ("anchor", world.anchor), ("gold", world.gold)):
        assert [row.label for row in read_rows(tmp_path / f"{name}.jsonl", settings.signature)] == [
            s.label for s in part
        ]


def test_the_sentence_loop_is_accepted_too(tmp_path):
    (tmp_path / "train.py").write_text(SENTENCES.train)
    for name in ("base", "anchor", "gold"):
        (tmp_path / f"{name}.jsonl").write_text('{"text": "good", "label": "positive"}\n')
    (tmp_path / "loop.toml").write_text(SENTENCES.loop)
    settings = load_settings(tmp_path / "loop.toml")
    assert (settings.select.every_seconds, settings.select.volume, settings.rollout.canary) == (
        120,
        2500,
        (20, 50, 100),
    )
    assert (settings.gate.anchor_file, settings.gate.margin, settings.capture.reserve) == ("anchor.jsonl", 0.03, 0.25)


@pytest.mark.slow
def test_turned_digits_are_learnt_from_few_labels_without_losing_straight_ones():
    world = digit_world()
    new = world.after[::12][:200]
    run = types.SimpleNamespace(seed=1, progress=lambda *a, **k: None)
    train = trainer(DIGITS.train)

    def arrays(samples):
        return np.array([s.row for s in samples], np.float32), np.array([s.label for s in samples])

    base, base_labels = arrays(world.base)
    more, more_labels = arrays(new)
    first = train(dataset(base, base_labels, [0] * len(base)), run)
    second = train(
        dataset(
            np.concatenate([base, more]), np.concatenate([base_labels, more_labels]), [0] * len(base) + [1] * len(new)
        ),
        run,
    )
    before, after = first.score(*arrays(world.measured_new)), second.score(*arrays(world.measured_new))
    assert before < 0.65
    assert after > before + 0.2
    assert second.score(*arrays(world.measured_old)) > first.score(*arrays(world.measured_old)) - 0.03


@pytest.mark.parametrize("words", [["good", "bad", "table"]])
def test_the_sentence_model_learns_words(words):
    rows = np.array([f"a {word} thing {n % 7}" for n in range(90) for word in words], dtype=object)
    labels = np.array(["positive", "negative", "neutral"] * 90)
    run = types.SimpleNamespace(seed=1)
    model = trainer(SENTENCES.train)(dataset(rows, labels, [0] * len(rows)), run)
    assert model.predict(["a good one", "a bad one", "a table"]).tolist() == ["positive", "negative", "neutral"]
