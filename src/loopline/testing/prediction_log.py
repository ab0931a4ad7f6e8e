"""What every adapter of ``PredictionLog``, ``ScoreLog``, ``Pool`` and ``ReserveLog`` must keep."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Protocol

import msgspec
import numpy as np
import pytest

from loopline.errors import NotFound
from loopline.ports.prediction_log import Appended, Pool, PredictionLog, ReserveLog, ScoreLog
from loopline.records.ids import PredictionId
from loopline.records.prediction import Prediction
from loopline.testing.factories import NOW, prediction
from loopline.testing.pool import PoolContract, sift

FAILED: dict[str, object] = {
    "probabilities": (),
    "label": "",
    "margin": 0.0,
    "entropy": 0.0,
    "failure": "out of memory",
}


class Log(PredictionLog, ScoreLog, Pool, ReserveLog, Protocol):
    """All four views of one log."""


def failure(id: str, **changes: object) -> Prediction:  # noqa: A002  the record's field
    """A prediction that the model did not answer."""
    return msgspec.structs.replace(prediction(id), **(FAILED | changes))


def a_day() -> list[Prediction]:
    """Twelve rows of every arm and role, two of them failures, some contents twice."""
    return [
        prediction("p1", "fine", at=NOW + timedelta(microseconds=1), probabilities=(0.2, 0.3, 0.5)),
        prediction("p2", "sealed", role="reserve"),
        prediction("p3", "awful", arm="canary", model="v2", probabilities=(0.8, 0.15, 0.05), latency_us=90),
        prediction("p1~v2", "fine", arm="shadow", model="v2"),
        failure("p4~v2", arm="canary", model="v2"),
        prediction("p5", "by name", arm="direct"),
        prediction("p6", "sealed", role="reserve", arm="canary", model="v2"),
        prediction("p7", "sealed too", role="reserve", arm="canary", model="v2"),
        prediction("p8", "sealed, direct", role="reserve", arm="direct"),
        prediction("p9", "Zoë said: ok\n\x00", group="ana", sampled=0.5),
        failure("p10"),
        prediction("p6~v1", "sealed", role="reserve", arm="shadow"),
    ]


def with_everything() -> list[Prediction]:
    """Rows that fill every field a record has, and rows between them that leave them empty."""
    floats = np.array([0.1, -0.0, np.inf, np.nan, 1e-45, 3.5], "<f4").tobytes()
    return [
        prediction("q1", "plain"),
        prediction("q2", "full", reason="traffic split", trace="0af7651916cd43dd8448eb211c80319c", members=floats * 3),
        prediction("q3", "embedded", embedding=floats, redacted=True),
        prediction("q4", "large", inputs=b"", payload="5e" * 32, arm="canary", reason="Zoë asked for v2"),
        failure("q5", trace="00" * 16, embedding=floats[:4], members=floats[:8]),
        prediction(
            "q6", "all", segment="web", members=floats, embedding=floats * 2, probabilities=(0.25, 0.125, 0.625)
        ),
    ]


class PredictionLogContract(PoolContract):
    """Subclass it, say how to make an empty log, and run it with pytest."""

    def make(self) -> Log:
        """An empty log."""
        raise NotImplementedError

    def filled(self, *cuts: int, rows: Sequence[Prediction] = ()) -> Log:
        """A log of a day (or of these rows), appended in batches that end at the cuts."""
        log, rows = self.make(), rows or a_day()
        for start, stop in zip((0, *cuts), (*cuts, len(rows)), strict=True):
            log.append(rows[start:stop])
        return log

    def test_an_empty_log_holds_nothing(self) -> None:
        log = self.make()
        assert (log.end(), log.tally()) == (0, {})
        assert [len(column) for column in log.scores(after=0, until=10)] == [0] * 11
        assert [len(column) for column in log.rows(after=0, until=10)] == [0] * 12
        assert list(log.survey(sift(), after=0, until=10)) == []
        assert log.at([1, 2]).id.tolist() == []
        assert log.sealed(after=0, until=10) == ()

    def test_what_is_appended_is_found_unchanged(self) -> None:
        log = self.filled(5, 6)
        for row in a_day():
            assert log.find(row.id) == row

    def test_every_field_comes_back_as_it_was(self) -> None:
        for cuts in ((), (1, 4)):
            log = self.filled(*cuts, rows=with_everything())
            assert [log.find(row.id) for row in with_everything()] == with_everything()

    def test_an_unknown_id_is_not_found(self) -> None:
        with pytest.raises(NotFound, match="no prediction 'p99'"):
            self.filled().find(PredictionId("p99"))

    def test_a_retried_batch_changes_nothing(self) -> None:
        log = self.filled()
        before = log.scores(after=0, until=99)
        assert log.append(a_day()) == Appended(stored=0, repeated=12)
        assert log.end() == 12
        assert log.scores(after=0, until=99).id.tolist() == before.id.tolist()

    def test_the_first_of_equal_ids_stays_also_within_a_batch(self) -> None:
        log = self.make()
        first, second = prediction("p1", "first"), prediction("p1", "second")
        assert log.append([first, second, prediction("p2")]) == Appended(stored=2, repeated=1)
        assert log.append([second, prediction("p3")]) == Appended(stored=1, repeated=1)
        assert log.find(PredictionId("p1")) == first
        assert log.scores(after=0, until=9).id.tolist() == ["p1", "p2", "p3"]

    def test_an_empty_batch_changes_nothing(self) -> None:
        log = self.filled()
        assert log.append([]) == Appended(stored=0, repeated=0)
        assert log.end() == 12

    def test_the_tally_counts_rows_by_arm(self) -> None:
        log = self.filled(4)
        log.append(a_day())
        assert log.tally() == {"incumbent": 4, "canary": 4, "shadow": 2, "direct": 2}

    def test_positions_are_the_order_of_arrival_however_it_was_cut(self) -> None:
        for cuts in ((), (1, 2), (3, 4, 11)):
            scores = self.filled(*cuts).scores(after=0, until=99)
            assert scores.position.tolist() == list(range(1, 13))
            assert scores.id.tolist() == [row.id for row in a_day()]

    @pytest.mark.parametrize(("after", "until"), [(0, 12), (2, 5), (5, 6), (11, 99), (12, 99), (6, 3), (-4, 2)])
    def test_a_range_leaves_out_its_start_and_has_its_end(self, after: int, until: int) -> None:
        scores = self.filled(3, 4, 9).scores(after=after, until=until)
        assert scores.position.tolist() == list(range(max(after, 0) + 1, min(until, 12) + 1))

    def test_scores_tell_every_arm_and_role_and_failures(self) -> None:
        scores = self.filled(7).scores(after=0, until=5)
        assert scores.arm.tolist() == ["incumbent", "incumbent", "canary", "shadow", "canary"]
        assert scores.model.tolist() == ["v1", "v1", "v2", "v2", "v2"]
        assert scores.label.tolist() == ["positive", "positive", "negative", "positive", ""]
        assert scores.failed.tolist() == [False, False, False, False, True]
        assert scores.latency_us.tolist() == [150, 150, 90, 150, 150]
        assert scores.at_us[0] == int(NOW.timestamp()) * 1_000_000 + 1
        np.testing.assert_array_equal(scores.top, np.array([0.5, 0.7, 0.8, 0.7, 0.0], np.float32))
        np.testing.assert_allclose(scores.margin, [0.2, 0.5, 0.65, 0.5, 0.0], atol=1e-7)
        assert scores.entropy[4] == 0.0
        kinds = [str(column.dtype) for column in scores]
        assert kinds == ["int64", "int64", *["object"] * 4, *["float32"] * 3, "int64", "bool"]

    def test_the_pool_has_no_reserve_no_shadow_no_direct_no_failure(self) -> None:
        pool = self.filled(1, 6).rows(after=0, until=99)
        assert pool.id.tolist() == ["p1", "p3", "p9"]
        assert pool.position.tolist() == [1, 3, 10]
        assert pool.inputs.tolist() == [row.inputs for row in a_day() if row.id in ("p1", "p3", "p9")]
        assert pool.content[0] == a_day()[0].content
        assert pool.probabilities.dtype == np.float32
        np.testing.assert_allclose(pool.probabilities[1], [0.8, 0.15, 0.05])
        assert pool.probabilities.shape == (3, 3)

    def test_rows_that_are_not_held_as_the_model_saw_them_teach_and_judge_nobody(self) -> None:
        rows = [
            prediction(f"{role}-{name}", name, role=role, **changes)
            for role in ("loop", "reserve")
            for name, changes in (("whole", {}), ("redacted", {"redacted": True}), ("large", {"payload": "ab" * 32}))
        ]
        log = self.filled(3, rows=rows)
        assert log.rows(after=0, until=9).id.tolist() == ["loop-whole"]
        assert [row.id for row in log.sealed(after=0, until=9)] == ["reserve-whole"]
        assert log.scores(after=0, until=9).id.tolist() == [row.id for row in rows]

    def test_the_pool_keeps_to_its_range(self) -> None:
        assert self.filled(2, 4).rows(after=1, until=9).id.tolist() == ["p3"]

    def test_ids_that_are_hard_to_keep_apart_are_kept_apart(self) -> None:
        long = "a" * 5_000
        ids = ["", "a", "a\x00", "a\x00b", "\x00a", "A", "ä", long, f"{long}b", "\\u0000", "\U0001f600", "a "]
        log = self.filled(3, 7, rows=[prediction(name, f"row {i}") for i, name in enumerate(ids)])
        found = [log.find(PredictionId(name)).inputs for name in ids]
        assert found == [f'"row {i}"'.encode() for i in range(len(ids))]
        assert log.append([prediction(name) for name in reversed(ids)]).stored == 0

    def test_the_reserve_gives_each_content_once_from_live_arms(self) -> None:
        sealed = self.filled(3).sealed(after=0, until=99)
        assert [(row.id, row.position) for row in sealed] == [("p2", 2), ("p7", 8)]
        assert sealed[0].content == a_day()[1].content
        assert sealed[0].inputs == b'"sealed"'

    def test_the_first_of_a_content_is_the_first_within_the_range(self) -> None:
        log = self.filled(3)
        assert [row.id for row in log.sealed(after=2, until=99)] == ["p6", "p7"]
        assert [row.id for row in log.sealed(after=0, until=6)] == ["p2"]

    def test_threads_may_read_while_one_appends(self) -> None:
        log = self.make()

        def append() -> None:
            for start in range(0, 300, 10):
                log.append([prediction(f"p{i}") for i in range(start, start + 10)])

        with ThreadPoolExecutor(4) as pool:
            writing = pool.submit(append)
            is_over = False
            while not is_over:  # read once more after the last append, so at least once
                is_over = writing.done()
                for scores in pool.map(lambda _: log.scores(after=0, until=10_000), range(3)):
                    assert scores.id.tolist() == [f"p{i}" for i in range(len(scores.id))]
            writing.result()
        assert log.end() == 300
