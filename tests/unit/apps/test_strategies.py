"""Strategies that installed packages bring, by real entry points."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loopline.apps.strategies import guarded, known, resolved
from loopline.errors import Conflict, InvalidRecord, NotFound, Unavailable
from loopline.ports.strategy import Shortlist
from loopline.select.shortlist import Wish, arranged
from loopline.select.strategies import BUILT_IN
from loopline.testing.factories import SIGNATURE

MODULE = """
import numpy as np
from loopline.ports.strategy import Strategy

def backwards(shortlist, wanted, rng):
    return np.arange(len(shortlist.vectors))[::-1][:wanted]

def halved(column):
    return column / 2

STRATEGY = Strategy("halved.v3", reads="entropy", score=halved, sign=-1)
NUMBER = 7
"""
Install = Callable[[dict[str, str]], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    def write(points: dict[str, str]) -> None:
        number = len(list(tmp_path.glob("*.dist-info")))
        folder = tmp_path / f"of_another{number}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: of-another{number}\nVersion: 1.0\n")
        lines = "".join(f"{name} = {value}\n" for name, value in points.items())
        (folder / "entry_points.txt").write_text(f"[loopline.strategies]\n{lines}")

    (tmp_path / "of_another.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "of_another", raising=False)
    return write


def listed(rows: int) -> Shortlist:
    return Shortlist(
        urgency=np.arange(rows, dtype=np.float32), probabilities=np.full((rows, 2), 0.5, np.float32),
        members=np.zeros((rows, 0, 2), np.float32), vectors=np.eye(rows, dtype=np.float32),
        multiplicity=np.ones(rows, np.int64), labelled=np.zeros((0, rows), np.float32), labels=np.zeros(0, np.int64),
    )  # fmt: skip


def test_without_packages_only_the_built_in_ones_are_known() -> None:
    assert known() == tuple(sorted(BUILT_IN))
    assert resolved("margin.v1") is BUILT_IN["margin.v1"]
    with pytest.raises(NotFound, match=r"no strategy 'nothing'; known: badge\.v1, "):
        resolved("nothing")


def test_a_function_becomes_a_strategy_over_the_smallest_margins(install: Install) -> None:
    install({"backwards.v1": "of_another:backwards"})
    assert "backwards.v1" in known()
    strategy = resolved("backwards.v1")
    assert (strategy.name, strategy.reads, strategy.sign) == ("backwards.v1", "margin", 1)
    assert strategy.arrange is not None
    said = strategy.arrange(listed(4), 2, np.random.default_rng(0))
    assert said.order.tolist() == [3, 2, 0, 1], "what it leaves out follows as it stands"
    assert said.cluster.tolist() == [0, 1, 2, 3]


def test_a_whole_strategy_is_taken_as_it_is_and_can_be_sent_to_another_process(install: Install) -> None:
    install({"halved.v3": "of_another:STRATEGY"})
    strategy = pickle.loads(pickle.dumps(resolved("halved.v3")))
    assert (strategy.reads, strategy.sign, strategy.arrange) == ("entropy", -1, None)
    assert strategy.score(np.array([0.5], np.float32)).tolist() == [0.25]


def test_a_name_without_version_is_refused(install: Install) -> None:
    install({"backwards": "of_another:backwards"})
    with pytest.raises(InvalidRecord) as caught:
        known()
    assert str(caught.value) == (
        "strategy backwards (of_another:backwards): the name 'backwards', "
        "expected a name with a version, such as far-apart.v1"
    )


def test_two_of_one_name_are_refused(install: Install) -> None:
    install({"backwards.v1": "of_another:backwards"})
    install({"backwards.v1": "of_another:forwards"})
    with pytest.raises(Conflict) as caught:
        resolved("backwards.v1")
    assert str(caught.value) == (
        "strategy backwards.v1 (of_another:forwards): of_another:backwards has that name, expected one strategy; "
        "uninstall one of them, or give it another version"
    )


def test_a_built_in_name_can_not_be_taken(install: Install) -> None:
    install({"margin.v1": "of_another:backwards"})
    with pytest.raises(Conflict, match="one that is built in has that name"):
        known()


def test_one_that_can_not_be_imported_says_why(install: Install) -> None:
    install({"gone.v1": "of_nobody:arrange"})
    assert "gone.v1" in known()
    with pytest.raises(Unavailable) as caught:
        resolved("gone.v1")
    assert str(caught.value) == (
        "strategy gone.v1 (of_nobody:arrange): it cannot be imported: "
        "ModuleNotFoundError: No module named 'of_nobody'; mend it, or uninstall its package"
    )


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("number.v1", "of_another:NUMBER", "int, expected a Strategy, or a function"),
        ("other.v1", "of_another:STRATEGY", "a Strategy named halved.v3, expected the same name"),
    ],
)
def test_what_is_no_strategy_is_refused(install: Install, name: str, value: str, told: str) -> None:
    install({name: value})
    with pytest.raises(InvalidRecord, match=told):
        resolved(name)


def fails(*_: object) -> None:
    raise ZeroDivisionError("by nothing")


def test_one_that_raises_is_named() -> None:
    strategy = guarded(BUILT_IN["margin.v1"]._replace(name="mine.v1", score=fails, arrange=fails))
    assert strategy.arrange is not None
    with pytest.raises(InvalidRecord) as caught:
        strategy.arrange(listed(3), 2, np.random.default_rng(0))
    assert str(caught.value) == (
        "strategy mine.v1: it raised ZeroDivisionError: by nothing, expected an order of 3 candidates; "
        "mend it, or choose another strategy"
    )
    with pytest.raises(InvalidRecord, match="it raised ZeroDivisionError: by nothing, expected 2 scores"):
        strategy.score(np.zeros(2, np.float32))


def test_the_sentence_about_one_that_raises_stands_alone_when_a_selection_meets_it() -> None:
    strategy = guarded(BUILT_IN["margin.v1"]._replace(name="mine.v1", arrange=fails))
    wish = Wish(strategy=strategy, wanted=2, model="v1", signature=SIGNATURE)
    with pytest.raises(InvalidRecord) as caught:
        arranged(listed(3), wish, np.random.default_rng(0))
    assert str(caught.value).count("strategy mine.v1") == 1


@pytest.mark.parametrize("order", [[0, 0], [5], [-1], [[0, 1]], [0.5], None, "abc"])
def test_no_order_of_the_candidates_is_refused(order: object) -> None:
    strategy = guarded(BUILT_IN["margin.v1"]._replace(name="mine.v1", arrange=lambda *_: order))
    assert strategy.arrange is not None
    with pytest.raises(InvalidRecord, match=r"strategy mine\.v1: .*, expected an order of 3 candidates"):
        strategy.arrange(listed(3), 2, np.random.default_rng(0))


def test_scores_of_another_shape_are_refused() -> None:
    strategy = guarded(BUILT_IN["margin.v1"]._replace(name="mine.v1", score=lambda column: column[1:]))
    with pytest.raises(InvalidRecord, match=r"strategy mine\.v1: scores of shape \(1,\), expected 2 scores"):
        strategy.score(np.zeros(2, np.float32))
