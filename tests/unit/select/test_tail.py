"""What is drawn beyond the shortlist: the same row, score and place however the log is cut, or a clear error."""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
import pytest

from loopline.adapters.memory.log import MemoryLog
from loopline.errors import Unavailable
from loopline.ports.columns import PoolRows, Sift, Sketch
from loopline.ports.prediction_log import Pool
from loopline.records.prediction import Prediction
from loopline.records.selection import Selection
from loopline.records.settings import Settings
from loopline.select.stage import select
from loopline.select.strategies import strategy_of
from loopline.select.strategies.committee import bald
from loopline.testing import factories as make
from loopline.testing.pool_pieces import PiecedPool, digest, objects, rows_of


class Lossy:
    """A pool that loses these rows once it was surveyed."""

    def __init__(self, log: MemoryLog, *, positions: frozenset[int]) -> None:
        self._log, self._gone = log, positions

    def rows(self, *, after: int, until: int) -> PoolRows:
        return self._log.rows(after=after, until=until)

    def at(self, positions: Sequence[int]) -> PoolRows:
        return self._log.at([position for position in positions if position not in self._gone])

    def survey(self, sift: Sift, *, after: int, until: int) -> Iterator[Sketch]:
        return self._log.survey(sift, after=after, until=until)


def log_of(rows: Sequence[Prediction]) -> MemoryLog:
    log = MemoryLog()
    log.append(rows)
    return log


def chosen(pool: Pool, *, strategy: str, until: int) -> Selection:
    """Six samples at random out of the rows up to ``until``, beside a shortlist of thirty."""
    settings = Settings(name=make.LOOP, signature=make.SIGNATURE, folder=".")
    cycle = make.cycle(after=0, until=until, budget=6, explore=1.0, seed=3)
    return select(cycle, pool=pool, taken=frozenset(), model="v1", strategy=strategy_of(strategy), settings=settings)


def answered(number: int, members: int, *, model: str = "v1") -> Prediction:
    said = np.random.default_rng(number).dirichlet([1.0, 1.0, 1.0], members).astype("<f4")
    p = said.mean(axis=0, dtype=np.float64)
    return make.prediction(
        f"p{number}", f"{number} is a text", members=said.tobytes(), probabilities=(p / p.sum()).tolist(), model=model
    )


def test_a_tail_row_keeps_its_score_whatever_committee_answered_the_others() -> None:
    rows = [answered(number, 2 + number % 2) for number in range(120)]
    selection = chosen(log_of(rows), strategy="committee-bald.v1", until=len(rows))
    assert selection.shortlist == 30
    by_id = {row.id: row for row in rows}
    for one in selection.candidates:
        members = np.frombuffer(by_id[one.prediction].members, np.float32).reshape(1, -1, 3)
        assert one.score == pytest.approx(float(bald(members)[0]))
    assert {len(by_id[one.prediction].members) // 12 for one in selection.candidates} == {2, 3}


@pytest.mark.parametrize("own", [0.9, 0.02])
@pytest.mark.parametrize("strategy", ["margin.v1", "random.v1"])
def test_of_a_tail_sample_the_same_row_stands_however_the_log_is_cut(strategy: str, own: float) -> None:
    rng = np.random.default_rng(5)
    drawn = [(int(rng.integers(150)), bool(rng.random() < own), float(rng.integers(1, 4)) / 4) for _ in range(900)]
    rows, _ = rows_of(drawn)
    rows = rows._replace(inputs=objects([make.SIGNATURE.encode(f"{content} is a text") for content, *_ in drawn]))
    whole = chosen(PiecedPool(rows), strategy=strategy, until=900)
    assert ("versions alike" in whole.reason) == (own < 0.5)
    keys: dict[str, list[tuple[bool, float, int]]] = {}
    for at, (content, is_own, margin) in enumerate(drawn, start=1):
        key = (own > 0.5 and not is_own, margin if strategy == "margin.v1" else 0.0, at)
        keys.setdefault(digest(content), []).append(key)
    assert len(whole.candidates) == 6
    for one in whole.candidates:
        assert (one.position, one.multiplicity) == (min(keys[one.content])[2], len(keys[one.content]))
    for pieces in (2, 3, 7, 16):
        again = chosen(PiecedPool(rows, pieces=pieces), strategy=strategy, until=900)
        assert msgspec.json.encode(again) == msgspec.json.encode(whole)


def test_a_row_that_went_while_it_was_selected_is_told_and_not_a_missing_key() -> None:
    rows = [answered(number, 2) for number in range(90)]
    drawn = chosen(log_of(rows), strategy="margin.v1", until=90)
    tail = frozenset(one.position for one in drawn.candidates)
    with pytest.raises(Unavailable) as caught:
        chosen(Lossy(log_of(rows), positions=tail), strategy="margin.v1", until=90)
    assert str(caught.value).startswith("prediction log: ")
    assert " samples that were drawn are there no more: " in str(caught.value)
    assert msgspec.json.encode(chosen(log_of(rows), strategy="margin.v1", until=90)) == msgspec.json.encode(drawn)
