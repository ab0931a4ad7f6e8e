from collections import Counter
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.errors import NotFound
from loopline.ports.prediction_log import PoolRows
from loopline.records.cycle import Cycle
from loopline.records.selection import Selection
from loopline.records.settings import SelectSettings, Settings
from loopline.records.signature import Signature
from loopline.select.stage import select

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = Signature(input="text", labels=("bad", "good"))
TABLE = Signature(input="tabular", width=3, labels=("bad", "good"))
WORDS = ("rain", "sun", "train", "coffee", "monday", "film", "music", "storm", "garden", "phone", "river", "chess")


class FixedPool:
    """A pool that holds these rows."""

    def __init__(self, rows: PoolRows) -> None:
        self.held = rows

    def rows(self, *, after: int, until: int) -> PoolRows:
        inside = (self.held.position > after) & (self.held.position <= until)
        return PoolRows(*(column[inside] for column in self.held))


def rows_of(inputs: list[object], *, p: list[float] | None = None, model: str = "v1") -> PoolRows:
    n = len(inputs)
    first = np.array(p if p is not None else np.random.default_rng(n).uniform(0, 1, n), np.float32)
    probabilities = np.stack([first, 1 - first], axis=1).reshape(n, 2)
    encoded = np.empty(n, object)
    encoded[:] = [msgspec.json.encode(row) for row in inputs]
    return PoolRows(
        position=np.arange(1, n + 1),
        id=np.array([f"p{i:05d}" for i in range(n)], object),
        content=np.array([row.hex() for row in encoded], object),
        inputs=encoded,
        model=np.array([model] * n, object),
        label=np.array(["bad" if q >= 0.5 else "good" for q in first], object),
        probabilities=probabilities,
        margin=np.abs(probabilities[:, 0] - probabilities[:, 1]),
    )


def sentences(n: int) -> list[object]:
    rng = np.random.default_rng(n)
    return [f"{i} " + " ".join(rng.choice(WORDS, 6)) for i in range(n)]


def cycle_of(budget: int, *, explore: float = 0.1, seed: int = 7, until: int = 100_000) -> Cycle:
    return Cycle(
        loop="s", number=1, phase="open", opened_at=NOW, closed_at=None, after=0, until=until, budget=budget,
        explore=explore, seed=seed, reason="", outcome="", outcome_reason="",
    )  # fmt: skip


def choose(
    rows: PoolRows, *, budget: int = 10, strategy: str = "cluster-margin.v1", taken: frozenset[str] = frozenset(),
    signature: Signature = TEXT, **changes: float,
) -> Selection:  # fmt: skip
    chosen = Settings(name="s", signature=signature, folder=".", select=SelectSettings(strategy=strategy))
    return select(cycle_of(budget, **changes), pool=FixedPool(rows), taken=taken, model="v1", settings=chosen)


STRATEGY = st.sampled_from(["cluster-margin.v1", "margin.v1", "entropy.v1", "least-confidence.v1", "random.v1"])
LOGS = st.lists(st.sampled_from([*(str(s) for s in sentences(30)), "", "a"]), max_size=60)


@checks(max_examples=60, deadline=None)
@given(LOGS, st.integers(0, 40), st.floats(0, 1), STRATEGY, st.integers(0, 2**31), st.randoms(use_true_random=False))
def test_the_laws_of_a_selection(texts, budget, explore, strategy, seed, random) -> None:
    rows = rows_of(list(texts), p=[(hash_of(t) % 97) / 96 for t in texts])
    contents = sorted(set(rows.content))
    taken = frozenset(contents[::5])
    given_rows = {"budget": budget, "explore": explore, "strategy": strategy, "seed": seed, "taken": taken}
    first = choose(rows, **given_rows)
    drawn = [c.content for c in first.candidates]
    assert len(drawn) == len(set(drawn)) == min(budget, first.pool_distinct)
    assert not taken & set(drawn)
    assert first.pool_rows == sum(content not in taken for content in rows.content)
    assert all(0 < c.probability <= 1 for c in first.candidates)
    assert [c.order for c in first.candidates] == list(range(len(drawn)))
    assert sum(c.multiplicity for c in first.candidates) <= first.pool_rows

    order = list(range(len(texts)))
    random.shuffle(order)
    shuffled = PoolRows(*(column[np.array(order, np.int64)] for column in rows))
    assert msgspec.json.encode(choose(shuffled, **given_rows)) == msgspec.json.encode(first)


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


def test_a_batch_says_what_was_chosen_from_what() -> None:
    texts = sentences(400)
    selection = choose(rows_of(texts + texts[:50]), budget=20)
    assert selection.reason == "18 of 400 distinct samples (450 rows) by cluster-margin.v1 and 2 at random"
    assert Counter(c.draw for c in selection.candidates) == {"audit": 2, "chosen": 18}
    assert selection.id == "s/cycle-1"
    assert (selection.embedding, selection.seed, selection.pool_rows, selection.pool_distinct) == (
        "char-ngrams.v1", 7, 450, 400,
    )  # fmt: skip
    audit = [c for c in selection.candidates if c.draw == "audit"]
    assert {c.probability for c in audit} == {2 / 400}


def test_another_seed_draws_another_batch() -> None:
    rows = rows_of(sentences(200))
    first = {c.content for c in choose(rows, seed=1).candidates}
    assert first != {c.content for c in choose(rows, seed=2).candidates}


def test_chosen_rows_are_the_uncertain_ones_and_audit_rows_are_not() -> None:
    rows = rows_of(sentences(600))
    selection = choose(rows, budget=60, explore=0.5)
    mean = {how: np.mean([c.score for c in selection.candidates if c.draw == how]) for how in ("chosen", "audit")}
    assert mean["chosen"] < 0.2
    assert abs(mean["audit"] - rows.margin.mean()) < 0.15


def test_cluster_margin_asks_about_more_kinds_of_sample_than_margin_does() -> None:
    uncertain = [f"the train train was late {i * 7_919:06d}" for i in range(60)]
    other = [f"{i} {w} is what we talked about {w}" for i in range(12) for w in WORDS]
    rows = rows_of(uncertain + other, p=[0.5 + 0.0005 * i for i in range(60)] + [0.6] * len(other))
    kinds = {}
    for strategy in ("margin.v1", "cluster-margin.v1"):
        chosen = choose(rows, budget=20, explore=0.0, strategy=strategy).candidates
        kinds[strategy] = sum("train train" not in bytes.fromhex(c.content).decode() for c in chosen)
    assert kinds["cluster-margin.v1"] > kinds["margin.v1"] + 4


def test_near_duplicates_are_folded_into_the_more_informative_and_counted() -> None:
    long = "the weather in this town has been truly wonderful all through the week"
    rows = rows_of([long, long.upper(), long + ".", "a quite different sentence about chess"], p=[0.9, 0.6, 0.8, 0.7])
    selection = choose(rows, budget=10)
    assert selection.pool_distinct == 2
    by_content = {bytes.fromhex(c.content).decode(): c.multiplicity for c in selection.candidates}
    assert by_content == {f'"{long.upper()}"': 3, '"a quite different sentence about chess"': 1}


def test_of_equal_rows_the_one_scored_by_the_asking_model_stands() -> None:
    old = rows_of(["same", "other"], p=[0.9, 0.8], model="v0")
    new = rows_of(["same"], p=[0.55], model="v1")
    rows = PoolRows(*(np.concatenate([a, b]) for a, b in zip(old, new, strict=True)))
    rows = rows._replace(position=np.array([1, 2, 3]), id=np.array(["a", "b", "c"], object))
    chosen = {c.prediction: c for c in choose(rows).candidates}
    assert set(chosen) == {"b", "c"}
    assert chosen["c"].score == pytest.approx(0.1, abs=1e-6)
    assert chosen["c"].multiplicity == 2


def test_only_the_window_is_read() -> None:
    selection = choose(rows_of(sentences(50)), until=20)
    assert selection.pool_rows == 20


def test_a_pool_smaller_than_the_budget_is_taken_whole() -> None:
    texts = sentences(8)
    selection = choose(rows_of(texts + texts[:2]), budget=20, explore=0.25)
    assert selection.reason == "all 8 distinct samples (10 rows), since the budget is 20: 6 as chosen and 2 as audit"
    assert len({c.content for c in selection.candidates}) == 8
    assert {c.probability for c in selection.candidates} == {0.25, 0.75}


def test_an_empty_pool_gives_no_candidates_and_a_reason() -> None:
    selection = choose(rows_of([]), until=500)
    assert selection.candidates == ()
    assert selection.reason == "nothing to select: the log holds no eligible row in (0, 500]"


def test_a_window_of_known_samples_gives_no_candidates_and_a_reason() -> None:
    rows = rows_of(["a", "b", "a"])
    selection = choose(rows, taken=frozenset(rows.content), until=9)
    assert selection.candidates == ()
    assert selection.reason == "nothing to select: all 3 rows in (0, 9] were labelled or selected before"


def test_a_budget_of_nothing_selects_nothing() -> None:
    selection = choose(rows_of(sentences(5)), budget=0)
    assert selection.candidates == ()
    assert selection.reason == "nothing selected: the budget is 0; 5 distinct samples (5 rows) were eligible"


def test_only_duplicates_are_one_sample() -> None:
    (candidate,) = choose(rows_of(["same"] * 30)).candidates
    assert candidate.multiplicity == 30
    assert candidate.probability == 1.0


def test_constant_scores_and_one_class_are_selected_like_any() -> None:
    selection = choose(rows_of(sentences(100), p=[0.75] * 100), budget=10)
    assert len(selection.candidates) == 10
    assert {c.predicted for c in selection.candidates} == {"bad"}


@pytest.mark.parametrize("strategy", ["cluster-margin.v1", "random.v1"])
def test_tables_are_selected_by_their_features(strategy: str) -> None:
    table = np.random.default_rng(3).normal(size=(120, 3)).round(6).tolist()
    selection = choose(rows_of(table), budget=12, strategy=strategy, signature=TABLE)
    assert selection.embedding == "features.v1"
    assert len(selection.candidates) == 12


def test_random_gives_every_sample_the_same_chance() -> None:
    selection = choose(rows_of(sentences(50)), budget=10, explore=0.2, strategy="random.v1")
    assert {(c.draw, c.probability) for c in selection.candidates} == {("audit", 2 / 50), ("chosen", 0.96 * 8 / 48)}


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(NotFound, match=r"no strategy 'best'; known: cluster-margin\.v1"):
        choose(rows_of(["a"]), strategy="best")


@pytest.mark.slow
def test_stated_probabilities_hold_for_the_whole_recipe() -> None:
    rows = rows_of(sentences(60))
    runs = 250
    counts: Counter[tuple[str, str]] = Counter()
    stated: dict[tuple[str, str], float] = {}
    for seed in range(runs):
        for c in choose(rows, budget=8, explore=0.25, seed=seed).candidates:
            counts[c.content, c.draw] += 1
            stated[c.content, c.draw] = c.probability
    gaps = [abs(counts[key] / runs - p) / np.sqrt(p * (1 - p) / runs + 1e-4) for key, p in stated.items()]
    assert max(gaps) < 4.5


def test_near_duplicates_beyond_the_first_candidates_are_not_asked_about_again() -> None:
    kinds = ["chess in the garden", "the storm took our phone", "monday coffee", "a river film", "music", "late sun"]
    alike = [f"{' ' * (i // 6)}{kinds[i % 6]}" for i in range(120)]  # all more uncertain than the unlike ones
    rows = rows_of(alike + sentences(60), p=[0.5 + 0.0005 * i for i in range(120)] + [0.9] * 60)
    selection = choose(rows, budget=10, explore=0.0, strategy="margin.v1")
    drawn = [str(TEXT.decode(bytes.fromhex(c.content))).strip() for c in selection.candidates]
    assert len(set(drawn)) == len(drawn) == 10
    assert selection.pool_distinct == 66


def test_of_equal_rows_of_one_version_the_earlier_stands() -> None:
    rows = rows_of(["same", "same"], p=[0.9, 0.6])._replace(id=np.array(["late-name", "early-name"], object))
    assert [c.prediction for c in choose(rows).candidates] == ["late-name"]


def test_tables_that_are_alike_but_not_the_same_are_samples_of_their_own() -> None:
    turn = np.radians(np.arange(0, 360, 6))
    table = np.stack([np.cos(turn), np.sin(turn), np.zeros(60)], axis=1).tolist()  # neighbours: cosine 0.9945
    assert choose(rows_of(table), budget=60, signature=TABLE).pool_distinct == 60


@pytest.mark.parametrize(("budget", "audit"), [(4, 0), (5, 1), (14, 1), (15, 2)])
def test_the_audit_share_is_rounded_half_up(budget: int, audit: int) -> None:
    candidates = choose(rows_of(sentences(50)), budget=budget, explore=0.1).candidates
    assert sum(c.draw == "audit" for c in candidates) == audit
