"""What every adapter of ``Pool`` must keep: views of a log that the reserve never enters."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from loopline.ports.columns import PoolColumns, PoolRows, Reads, Sift, Sifted, Sketch
from loopline.ports.prediction_log import Pool, PredictionLog
from loopline.records.prediction import Prediction
from loopline.testing.factories import NOW, digest, later, prediction


def read_plainly(columns: PoolColumns, most: int, *, sign: int = 1) -> Sifted:
    """A kernel that reads a score as it is; of members the spread of the first class. Slow, and easy to believe."""
    scores = columns.value
    if scores.ndim == 3:
        scores = scores[:, :, 0].max(axis=1) - scores[:, :, 0].min(axis=1)
    urgency = np.where(np.isnan(scores), np.inf, sign * scores).astype(np.float32)
    held: dict[int, list[int]] = {}
    for row, content in enumerate(columns.content.tolist()):
        held.setdefault(content, []).append(row)
    keys = {row: (not columns.is_current[row], float(urgency[row]), row) for rows in held.values() for row in rows}
    content = sorted(held)
    best = [min(held[each], key=keys.__getitem__) for each in content]
    top = sorted(zip(content, best, strict=True), key=lambda pair: (*keys[pair[1]][:2], pair[0]))[:most]
    rows = [row for _, row in top]
    return Sifted(
        content=np.array(content, np.uint64),
        copies=np.array([len(held[each]) for each in content], np.int32),
        best=np.array(best, np.int64),
        top=np.array(rows, np.int64),
        urgency=urgency[rows],
    )


def sift(reads: Reads = "margin", *, model: str = "v1", most: int = 1_000, name: str = "plain.v1") -> Sift:
    """A pass with the plain kernel."""
    return Sift(name=name, reads=reads, model=model, most=most, kernel=partial(read_plainly, sign=1))


class Sample(NamedTuple):
    """What the sketches of a window say of one content."""

    rows: int
    id: str
    urgency: float
    is_current: bool


def joined(sketches: Sequence[Sketch]) -> tuple[dict[str, Sample], dict[int, int]]:
    """The samples whose rows the sketches bring, best first; and how many rows hold each content key."""
    counts: dict[int, int] = {}
    for sketch in sketches:
        for content, count in zip(sketch.content.tolist(), sketch.copies.tolist(), strict=True):
            counts[content] = counts.get(content, 0) + count
    found = sorted(
        (not current, urgency, key_of(content), position, content, name)
        for sketch in sketches
        for current, urgency, position, content, name in zip(
            sketch.is_current.tolist(), sketch.urgency.tolist(), sketch.rows.position.tolist(),
            sketch.rows.content, sketch.rows.id, strict=True,
        )
    )  # fmt: skip
    samples: dict[str, Sample] = {}
    for is_other, urgency, key, _, content, name in found:
        samples.setdefault(content, Sample(counts[key], name, urgency, is_current=not is_other))
    return samples, counts


def key_of(content: str) -> int:
    """The content key of a hex digest."""
    return int(content[:16], 16)


class PooledLog(PredictionLog, Pool, Protocol):
    """A log, and its pool."""


def crowd() -> list[Prediction]:
    """Two hundred rows of two versions: contents up to seven times, some sealed, every kind that is left out."""
    rng = np.random.default_rng(7)
    rows = []
    for number in range(200):
        sample = int(rng.zipf(1.5)) % 90
        p = np.round(rng.dirichlet([1.0, 1.0, 1.0]), 3)
        changes: dict[str, object] = {
            "probabilities": tuple((p / p.sum()).tolist()),
            "model": "v2" if rng.random() < 0.3 else "v1",
            "role": "reserve" if sample % 11 == 3 and rng.random() < 0.5 else "loop",
            "arm": str(rng.choice(["incumbent", "incumbent", "canary", "shadow", "direct"])),
            "at": later(int(rng.integers(0, 500))),
            "segment": f"city {sample % 3}" if sample % 4 else "",
            "embedding": rng.normal(size=4).astype("<f4").tobytes() if sample % 5 else b"",
            "members": rng.dirichlet([1.0, 1.0, 1.0], size=4).astype("<f4").tobytes() if sample % 6 else b"",
            "redacted": bool(rng.random() < 0.05),
        }
        rows.append(prediction(f"c{number:03}", f"sample {sample}", **changes))
    return rows


class PoolContract:
    """The laws of ``ports.prediction_log.Pool``; to be subclassed together with ``filled``."""

    def filled(self, *cuts: int, rows: Sequence[Prediction] = ()) -> PooledLog:
        """A log of these rows, appended in batches that end at the cuts."""
        raise NotImplementedError

    def test_rows_bring_where_they_came_from_and_what_the_model_kept(self) -> None:
        vector = np.array([0.5, -1.0], "<f4")
        rows = [
            prediction("p1", at=NOW, segment="north", members=b"", embedding=vector.tobytes()),
            prediction("p2", at=later(1), members=np.full(6, 0.5, "<f4").tobytes()),
        ]
        pool = self.filled(1, rows=rows).rows(after=0, until=9)
        assert pool.segment.tolist() == ["north", ""]
        assert pool.at_us.tolist() == [int(row.at.timestamp()) * 1_000_000 for row in rows]
        assert [each.tolist() for each in pool.embedding] == [[0.5, -1.0], []]
        assert [each.tolist() for each in pool.members] == [[], [0.5] * 6]
        assert {each.dtype for each in (*pool.members, *pool.embedding)} == {np.dtype(np.float32)}

    @pytest.mark.parametrize("cuts", [(), (50, 120), (10, 11, 100, 199)])
    def test_rows_at_positions_are_those_of_the_pool_in_order(self, cuts: Sequence[int]) -> None:
        log = self.filled(*cuts, rows=crowd())
        everything = log.rows(after=0, until=999)
        assert log.at([]).id.tolist() == []
        for wanted in ([200, 1, 7, 7, 150, 999, 0, -3], list(range(1, 201))):
            found, is_wanted = log.at(wanted), np.isin(everything.position, wanted)
            same(found, PoolRows._make(column[is_wanted] for column in everything))

    @pytest.mark.parametrize("reads", ["", "margin", "entropy", "top", "members"])
    def test_a_survey_finds_each_sample_with_its_best_row_however_the_log_lies(self, reads: Reads) -> None:
        expected = surveyed(crowd(), reads=reads)
        for cuts in ((), (50, 120), (10, 11, 100, 199)):
            log = self.filled(*cuts, rows=crowd())
            samples, counts = joined(list(log.survey(sift(reads), after=0, until=999)))
            assert list(samples.items()) == list(expected.items())
            assert counts == {key_of(content): sample.rows for content, sample in expected.items()}

    def test_a_survey_keeps_to_its_window(self) -> None:
        log = self.filled(30, 90, rows=crowd())
        for after, until in ((0, 200), (17, 151), (30, 90), (89, 91), (150, 999), (200, 999), (90, 30), (-5, 12)):
            samples, _ = joined(list(log.survey(sift(), after=after, until=until)))
            assert list(samples.items()) == list(surveyed(crowd(), after=after, until=until).items())

    def test_sketches_bring_the_best_rows_whole_and_say_where_each_sample_stands(self) -> None:
        log = self.filled(50, 120, rows=crowd())
        everything = log.rows(after=0, until=999)
        for sketch in log.survey(sift(most=5), after=0, until=999):
            assert np.all(sketch.content[1:] > sketch.content[:-1])
            assert len(sketch.content) == len(sketch.copies) == len(sketch.position)
            assert len(sketch.urgency) == len(sketch.is_current) == len(sketch.rows.id) <= len(sketch.content)
            position = [sketch.first + at for at in sketch.position.tolist()]
            stands = log.at(position)
            by_position = dict(zip(stands.position.tolist(), stands.content, strict=True))
            assert [key_of(by_position[at]) for at in position] == sketch.content.tolist()
            places = np.searchsorted(everything.position, sketch.rows.position)
            same(sketch.rows, PoolRows._make(column[places] for column in everything))
            assert sketch.is_current.tolist() == (sketch.rows.model == "v1").tolist()
            np.testing.assert_array_equal(sketch.urgency, sketch.rows.margin)

    def test_another_pass_finds_the_same_and_another_version_its_own(self) -> None:
        log = self.filled(50, 120, rows=crowd())
        for model in ("v1", "v2", "v1", "v3"):
            samples, _ = joined(list(log.survey(sift(model=model), after=0, until=999)))
            assert list(samples.items()) == list(surveyed(crowd(), model=model).items())

    def test_a_pass_of_the_same_name_that_wants_more_gets_more(self) -> None:
        log = self.filled(50, 120, rows=[prediction(f"n{i}", f"text {i}") for i in range(400)])
        few = sum(len(each.urgency) for each in log.survey(sift(most=3), after=0, until=999))
        many = sum(len(each.urgency) for each in log.survey(sift(most=400), after=0, until=999))
        assert few < many == 400

    def test_what_the_reserve_shares_is_in_no_sketch(self) -> None:
        shared = [
            prediction("l1", "shared"),
            prediction("l2", "free"),
            prediction("l3", "failed in the reserve"),
            prediction("l4", "free", model="v2"),
            prediction("r1", "shared", role="reserve"),
            prediction("r2", "failed in the reserve", role="reserve", arm="direct", redacted=True),
        ]
        for cuts in ((), (1,), (4,), (1, 2, 3, 4, 5)):
            log = self.filled(*cuts, rows=shared)
            for _ in range(2):  # the second pass from what was kept
                samples, counts = joined(list(log.survey(sift(), after=0, until=9)))
                assert {content: sample.rows for content, sample in samples.items()} == {shared[1].content: 2}
                assert counts == {key_of(shared[1].content): 2}
            # Outside the window the reserve row says nothing: the reserve of the window is the caller's question.
            samples, _ = joined(list(log.survey(sift(), after=0, until=4)))
            assert set(samples) == {row.content for row in shared[:4]}

    def test_an_empty_pool_has_no_samples(self) -> None:
        for rows in ([], [prediction("r1", role="reserve"), prediction("d1", arm="direct")]):
            log = self.filled(rows=rows) if rows else self.filled(rows=[prediction("r1", role="reserve")])
            assert joined(list(log.survey(sift(), after=0, until=9))) == ({}, {})
            assert log.at([1, 2]).id.tolist() == []

    def test_members_of_another_shape_are_read_in_their_own(self) -> None:
        def spread(wide: float, *, members: int) -> bytes:
            p = np.full((members, 3), 0.2, "<f4")
            p[0, 0] += wide
            return p.tobytes()

        rows = [
            prediction("two", "a", members=spread(0.5, members=2)),
            prediction("five", "b", members=spread(0.25, members=5)),
            prediction("more", "c", members=spread(0.125, members=2)),
            prediction("none", "d"),
            prediction("torn", "e", members=np.zeros(4, "<f4").tobytes()),
        ]
        for cuts in ((), (1,), (2, 3)):
            log = self.filled(*cuts, rows=rows)
            samples, _ = joined(list(log.survey(sift("members"), after=0, until=9)))
            found = {sample.id: round(sample.urgency, 3) for sample in samples.values()}
            assert found == {"more": 0.125, "five": 0.25, "two": 0.5, "none": np.inf, "torn": np.inf}

    def test_contents_that_are_no_digest_have_keys_too(self) -> None:
        rows = [
            msgspec.structs.replace(prediction(f"p{i}"), content=content)
            for i, content in enumerate(["short", "z" * 64, "", "ab" * 32, "AB" * 32, "short", digest(b"x")])
        ]
        (sketch,) = self.filled(rows=rows).survey(sift(), after=0, until=9)
        assert sorted(sketch.copies.tolist()) == [1, 1, 1, 1, 1, 2]
        assert int("ab" * 8, 16) in sketch.content.tolist()


def surveyed(
    rows: Sequence[Prediction], *, reads: Reads = "margin", model: str = "v1", after: int = 0, until: int = 1 << 40
) -> dict[str, Sample]:
    """What a survey must find, worked out row by row."""
    window = [(at, row) for at, row in enumerate(rows, start=1) if after < at <= until]
    shut = {row.content for _, row in window if row.role == "reserve"}
    best: dict[str, tuple[bool, float, int, str]] = {}
    counts: dict[str, int] = {}
    for at, row in window:
        is_live = row.role == "loop" and row.arm in ("incumbent", "canary")
        if is_live and not (row.failure or row.payload or row.redacted) and row.content not in shut:
            key = (row.model != model, float(_urgency(row, reads)), at, row.id)
            best[row.content] = min(best.get(row.content, key), key)
            counts[row.content] = counts.get(row.content, 0) + 1
    order = sorted(best, key=lambda content: (*best[content][:2], key_of(content)))
    return {
        content: Sample(counts[content], best[content][3], best[content][1], is_current=not best[content][0])
        for content in order
    }


def _urgency(row: Prediction, reads: Reads) -> np.float32:
    if reads == "members":
        first = np.frombuffer(row.members, "<f4").reshape(-1, 3)[:, 0]
        return np.float32(first.max() - first.min()) if len(first) else np.float32(np.inf)
    values = {"": 0.0, "margin": row.margin, "entropy": row.entropy, "top": max(row.probabilities, default=0.0)}
    return np.float32(values[reads])


def same(found: PoolRows, expected: PoolRows) -> None:
    """Whether two have equal rows; fails with the column that differs."""
    for name, one, other in zip(PoolRows._fields, found, expected, strict=True):
        if name in ("members", "embedding"):
            listed: list[list[NDArray[np.float32]]] = [[each.tolist() for each in column] for column in (one, other)]
            assert listed[0] == listed[1], name
        else:
            np.testing.assert_array_equal(one, other, err_msg=name)
