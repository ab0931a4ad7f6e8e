from collections import Counter
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.errors import InvalidRecord
from loopline.ports.columns import PoolRows
from loopline.ports.strategy import Arrangement
from loopline.records.cycle import Cycle
from loopline.records.selection import Selection
from loopline.records.settings import SelectSettings, Settings
from loopline.records.signature import Signature
from loopline.select.stage import select
from loopline.select.strategies import strategy_of
from loopline.testing.pool_pieces import PiecedPool, objects

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TEXT = Signature(input="text", labels=("bad", "good"))
TABLE = Signature(input="tabular", width=3, labels=("bad", "good"))
WORDS = ("rain", "sun", "train", "coffee", "monday", "film", "music", "storm", "garden", "phone", "river", "chess")


def rows_of(inputs: list[object], *, p: list[float] | None = None, model: str = "v1") -> PoolRows:
    n = len(inputs)
    first = np.array(p if p is not None else np.random.default_rng(n).uniform(0, 1, n), np.float32)
    probabilities = np.stack([first, 1 - first], axis=1).reshape(n, 2)
    encoded = np.empty(n, object)
    encoded[:] = [msgspec.json.encode(row) for row in inputs]
    return PoolRows(
        position=np.arange(1, n + 1),
        id=np.array([f"p{i:05d}" for i in range(n)], object),
        content=objects([blake3(row).hexdigest() for row in encoded]),
        inputs=encoded,
        model=np.array([model] * n, object),
        label=np.array(["bad" if q >= 0.5 else "good" for q in first], object),
        probabilities=probabilities,
        margin=np.abs(probabilities[:, 0] - probabilities[:, 1]),
        segment=objects([""] * n),
        at_us=np.arange(n),
        members=objects([np.zeros(0, np.float32)] * n),
        embedding=objects([np.zeros(0, np.float32)] * n),
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
    signature: Signature = TEXT, quota: tuple[tuple[str, ...], float] = ((), 1.0), pieces: int = 1, **changes: float,
) -> Selection:  # fmt: skip
    picked = SelectSettings(strategy=strategy, quota_by=quota[0], quota_share=quota[1])
    chosen = Settings(name="s", signature=signature, folder=".", select=picked)
    pool = PiecedPool(rows, pieces=pieces)
    return select(
        cycle_of(budget, **changes), pool=pool, taken=taken, model="v1", strategy=strategy_of(strategy), settings=chosen
    )


STRATEGY = st.sampled_from(["cluster-margin.v1", "margin.v1", "entropy.v1", "least-confidence.v1", "random.v1"])
LOGS = st.lists(st.sampled_from([*(str(s) for s in sentences(30)), "", "a"]), max_size=60)


@checks(max_examples=60, deadline=None)
@given(
    LOGS, st.integers(0, 40), st.floats(0, 1), STRATEGY, st.integers(0, 2**31),
    st.tuples(st.integers(1, 16), st.sampled_from([((), 1.0), (("predicted",), 0.5), (("predicted", "day"), 0.2)])),
)  # fmt: skip
def test_the_laws_of_a_selection(texts, budget, explore, strategy, seed, cut) -> None:
    pieces, quota = cut
    rows = rows_of(list(texts), p=[(hash_of(t) % 97) / 96 for t in texts])
    rows = rows._replace(model=objects(["v0" if at % 3 < seed % 3 else "v1" for at in range(len(texts))]))
    contents = sorted(set(rows.content))
    taken = frozenset(contents[::5])
    given_rows = {"budget": budget, "explore": explore, "strategy": strategy, "seed": seed, "taken": taken}
    first = choose(rows, quota=quota, **given_rows)
    drawn = [c.content for c in first.candidates]
    assert len(drawn) == len(set(drawn)) <= min(budget, first.pool_distinct)
    assert not taken & set(drawn)
    assert first.pool_rows == sum(content not in taken for content in rows.content)
    assert all(0 < c.probability <= 1 and 0 < c.proposal <= 1 for c in first.candidates)
    assert [c.order for c in first.candidates] == list(range(len(drawn)))
    assert sum(c.multiplicity for c in first.candidates) <= first.pool_rows
    assert sum(c.draw == "audit" for c in first.candidates) == min(first.audits, first.pool_distinct)
    if not quota[0] and budget < first.pool_distinct:
        assert len(drawn) == budget - sum(c.is_both for c in first.candidates)
    again = choose(rows, quota=quota, pieces=pieces, **given_rows)
    assert msgspec.json.encode(again) == msgspec.json.encode(first)


@checks(max_examples=30, deadline=None)
@given(LOGS, st.integers(1, 20), STRATEGY, st.randoms(use_true_random=False))
def test_the_order_in_which_rows_came_decides_nothing_but_which_of_equal_rows_stands(texts, budget, strategy, random):
    order = list(range(len(texts)))
    random.shuffle(order)
    shuffled = [texts[at] for at in order]
    one, other = (
        choose(rows_of(list(some), p=[(hash_of(t) % 97) / 96 for t in some]), budget=budget, strategy=strategy)
        for some in (texts, shuffled)
    )
    assert [(c.content, c.draw, c.proposal, c.multiplicity) for c in one.candidates] == [
        (c.content, c.draw, c.proposal, c.multiplicity) for c in other.candidates
    ]


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode(), "big")


def test_a_batch_says_what_was_chosen_from_what() -> None:
    texts = sentences(400)
    selection = choose(rows_of(texts + texts[:50]), budget=20)
    counts = Counter(c.draw for c in selection.candidates)
    assert selection.reason == (
        f"{counts['chosen']} of 400 distinct samples (450 rows) by cluster-margin.v1 and {counts['audit']} at random; "
        f"shortlist of {selection.shortlist}, likeness by char-ngrams.v1"
    )
    assert (selection.id, selection.embedding, selection.seed, selection.pool_rows, selection.pool_distinct) == (
        "s/cycle-1", "char-ngrams.v1", 7, 450, 400,
    )  # fmt: skip
    assert (selection.budget, selection.explore, selection.audits) == (20, 0.1, counts["audit"])
    assert 1 < selection.clusters <= counts["chosen"]


def test_what_both_draws_took_is_told_and_makes_the_batch_that_much_smaller() -> None:
    rows = rows_of(sentences(40))
    batches = (choose(rows, budget=30, explore=0.5, seed=seed) for seed in range(50))
    selection = next(found for found in batches if any(c.is_both for c in found.candidates))
    both = sum(c.is_both for c in selection.candidates)
    assert len(selection.candidates) == 30 - both
    assert f"; {both} of these by both, so that {30 - both} samples are asked about" in selection.reason
    assert all(c.draw == "audit" for c in selection.candidates if c.is_both)


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
    texts = {content: row.decode() for content, row in zip(rows.content, rows.inputs, strict=True)}
    kinds = Counter[str]()
    for strategy in ("margin.v1", "cluster-margin.v1"):
        for seed in range(5):
            chosen = choose(rows, budget=20, explore=0.0, strategy=strategy, seed=seed).candidates
            kinds[strategy] += sum("train train" not in texts[c.content] for c in chosen)
    assert kinds["cluster-margin.v1"] > kinds["margin.v1"] + 15


def test_near_duplicates_are_folded_into_the_more_informative_and_counted() -> None:
    long = "the weather in this town has been truly wonderful all through the week"
    rows = rows_of([long, long.upper(), long + ".", "a quite different sentence about chess"], p=[0.9, 0.6, 0.8, 0.7])
    selection = choose(rows, budget=10)
    assert selection.pool_distinct == 2
    by_id = {c.prediction: c.multiplicity for c in selection.candidates}
    assert by_id == {"p00001": 3, "p00003": 1}


def test_of_equal_rows_the_one_scored_by_the_asking_model_stands() -> None:
    old = rows_of(["same"], p=[0.55], model="v0")  # by itself the more informative
    new = rows_of(["same", "other"], p=[0.9, 0.8], model="v1")
    rows = PoolRows(*(np.concatenate([a, b]) for a, b in zip(old, new, strict=True)))
    rows = rows._replace(position=np.array([1, 2, 3]), id=np.array(["a", "b", "c"], object))
    chosen = {c.prediction: c for c in choose(rows).candidates}
    assert set(chosen) == {"b", "c"}
    assert chosen["b"].score == pytest.approx(0.8, abs=1e-6)
    assert chosen["b"].multiplicity == 2


def test_a_version_that_answered_little_does_not_go_first() -> None:
    old, new = rows_of(sentences(300), model="v0"), rows_of([f"new {text}" for text in sentences(20)], model="v1")
    new = new._replace(id=objects([f"n{at}" for at in range(20)]), margin=np.full(20, 0.9, np.float32))
    rows = PoolRows(*(np.concatenate([a, b]) for a, b in zip(old, new, strict=True)))
    rows = rows._replace(position=np.arange(1, 321))
    mixed = choose(rows, budget=10, explore=0.0, strategy="margin.v1")
    assert sum(c.prediction.startswith("n") for c in mixed.candidates) <= 1
    assert "; rows of all versions alike, as v1 has answered too few" in mixed.reason
    few = choose(rows, budget=4, explore=0.0, strategy="margin.v1")
    assert sum(c.prediction.startswith("n") for c in few.candidates) >= 3
    assert "alike" not in few.reason


def test_a_quota_that_leaves_the_batch_short_is_told() -> None:
    rows = rows_of(sentences(100), p=[0.9] * 95 + [0.4] * 5)
    selection = choose(rows, budget=20, explore=0.0, quota=(("predicted",), 0.5), strategy="margin.v1")
    assert len(selection.candidates) == 15
    assert selection.reason.endswith("; 5 fewer than the budget, as strata were full")


def test_only_the_window_is_read() -> None:
    selection = choose(rows_of(sentences(50)), until=20)
    assert selection.pool_rows == 20


def test_a_pool_smaller_than_the_budget_is_taken_whole() -> None:
    texts = sentences(8)
    selection = choose(rows_of(texts + texts[:2]), budget=20, explore=0.25)
    audit = sum(c.draw == "audit" for c in selection.candidates)
    assert selection.reason == (
        f"all 8 distinct samples (10 rows), since the budget is 20: {8 - audit} as chosen and {audit} as audit"
    )
    assert len({c.content for c in selection.candidates}) == 8
    assert {c.probability for c in selection.candidates} == {1.0}


def test_an_empty_pool_gives_no_candidates_and_a_reason() -> None:
    selection = choose(rows_of([]), until=500)
    assert selection.candidates == ()
    assert selection.reason == "nothing to select: the log holds no eligible row in (0, 500]"


def test_a_window_of_known_samples_gives_no_candidates_and_a_reason() -> None:
    rows = rows_of(["a", "b", "a"])
    selection = choose(rows, taken=frozenset(rows.content), until=9)
    assert selection.candidates == ()
    assert selection.reason == "nothing to select: all 3 rows in (0, 9] were labelled, selected or sealed before"


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
    assert len(selection.candidates) == 12 - sum(c.is_both for c in selection.candidates)


def test_random_gives_every_sample_the_same_chance() -> None:
    selection = choose(rows_of(sentences(50)), budget=10, explore=0.2, strategy="random.v1")
    assert len({c.probability for c in selection.candidates}) == 1
    assert {c.score for c in selection.candidates} == {None}
    assert selection.tail_probability == selection.candidates[0].probability


@pytest.mark.slow
def test_stated_probabilities_hold_for_the_whole_recipe() -> None:
    rows = rows_of(sentences(60))
    runs = 250
    counts: Counter[str] = Counter()
    stated: dict[str, list[float]] = {}
    for seed in range(runs):
        for c in choose(rows, budget=8, explore=0.25, seed=seed).candidates:
            counts[c.content] += 1
            stated.setdefault(c.content, []).append(c.probability)
    mean = {content: float(np.mean(all_of)) for content, all_of in stated.items()}
    gaps = [abs(counts[content] / runs - p) / np.sqrt(p * (1 - p) / runs + 1e-4) for content, p in mean.items()]
    assert max(gaps) < 4.5


def test_near_duplicates_beyond_the_first_candidates_are_not_asked_about_again() -> None:
    kinds = ["chess in the garden", "the storm took our phone", "monday coffee", "a river film", "music", "late sun"]
    alike = [f"{' ' * (i // 6)}{kinds[i % 6]}" for i in range(120)]  # all more uncertain than the unlike ones
    rows = rows_of(alike + sentences(60), p=[0.5 + 0.0005 * i for i in range(120)] + [0.9] * 60)
    selection = choose(rows, budget=10, explore=0.0, strategy="margin.v1")
    texts = {content: str(TEXT.decode(row)).strip() for content, row in zip(rows.content, rows.inputs, strict=True)}
    drawn = [texts[c.content] for c in selection.candidates]
    assert len(set(drawn)) == len(drawn) == 10
    assert selection.pool_distinct == 66


def test_of_equal_rows_of_one_version_the_less_sure_stands_and_of_those_the_earlier() -> None:
    rows = rows_of(["same", "same", "same"], p=[0.9, 0.6, 0.4])
    rows = rows._replace(margin=np.array([0.8, 0.2, 0.2], np.float32))
    assert [c.prediction for c in choose(rows).candidates] == ["p00001"]


def test_tables_that_are_alike_but_not_the_same_are_samples_of_their_own() -> None:
    turn = np.radians(np.arange(0, 360, 6))
    table = np.stack([np.cos(turn), np.sin(turn), np.zeros(60)], axis=1).tolist()  # neighbours: cosine 0.9945
    assert choose(rows_of(table), budget=60, signature=TABLE).pool_distinct == 60


def test_the_audit_draws_its_share_of_steps_on_average_and_each_seed_another_batch() -> None:
    rows = rows_of(sentences(50))
    found = [choose(rows, budget=20, explore=0.1, seed=seed, strategy="margin.v1") for seed in range(60)]
    audits = [selection.audits for selection in found]
    assert len({tuple(c.content for c in selection.candidates) for selection in found}) > 50  # each seed its own batch
    assert 1.4 < np.mean(audits) < 2.6  # 2, with a standard error of 0.17


def test_no_stratum_gives_more_of_the_chosen_than_its_quota() -> None:
    rows = rows_of(sentences(300), p=[0.5 + 0.0001 * i if i % 10 else 0.45 for i in range(300)])
    free = choose(rows, budget=20, explore=0.0)
    kept = choose(rows, budget=20, explore=0.0, quota=(("predicted",), 0.6))
    assert Counter(c.predicted for c in free.candidates)["bad"] > 12
    assert Counter(c.predicted for c in kept.candidates) == {"bad": 12, "good": 8}
    assert (kept.quota_by, kept.quota_share) == (("predicted",), 0.6)


def test_quotas_count_segments_and_hours() -> None:
    rows = rows_of(sentences(200))
    rows = rows._replace(
        segment=np.array(["web", "app"], object)[np.arange(200) % 2], at_us=np.arange(200) * 36_000_000 + 10**15
    )
    kept = choose(rows, budget=20, explore=0.0, quota=(("segment", "hour"), 0.3), strategy="margin.v1")
    at = dict(zip(rows.id.tolist(), (rows.at_us // 3_600_000_000).tolist(), strict=True))
    assert max(Counter((c.segment, at[c.prediction]) for c in kept.candidates).values()) <= 6
    assert {c.segment for c in kept.candidates} == {"web", "app"}


def test_rows_without_a_usable_score_come_last_and_are_told() -> None:
    rows = rows_of(sentences(60))
    margin = rows.margin.copy()
    margin[:40] = np.nan
    selection = choose(rows._replace(margin=margin), budget=10, explore=0.0, strategy="margin.v1")
    known = set(rows.id[40:].tolist())
    assert sum(c.prediction in known for c in selection.candidates) >= 9
    assert selection.unscored == 30
    assert selection.reason.endswith("30 of the shortlist have no score and come last")


@pytest.mark.parametrize("bad", [(np.nan, np.nan), (0.4, 0.4), (-0.2, 1.2)])
@pytest.mark.parametrize("strategy", ["margin.v1", "badge.v1", "cluster-margin.v1"])
def test_rows_whose_probabilities_are_no_distribution_come_last(bad: tuple[float, float], strategy: str) -> None:
    rows = rows_of(sentences(60))
    p, margin = rows.probabilities.copy(), rows.margin.copy()
    p[:40], margin[:40] = bad, 0.0
    selection = choose(rows._replace(probabilities=p, margin=margin), budget=10, explore=0.0, strategy=strategy)
    sound = set(rows.id[40:].tolist())
    assert sum(c.prediction in sound for c in selection.candidates) >= 9
    assert selection.unscored > 0
    assert "have no score and come last" in selection.reason


def test_the_model_s_own_space_is_used_when_every_candidate_lies_in_it() -> None:
    rows = rows_of(sentences(80))
    vectors = objects(list(np.random.default_rng(0).normal(size=(80, 5)).astype(np.float32)))
    inside = choose(rows._replace(embedding=vectors))
    assert inside.embedding == "embedding of v1"
    partly = vectors.copy()
    partly[3] = np.zeros(0, np.float32)
    mixed = rows.model.copy()
    mixed[3] = "v0"
    assert choose(rows._replace(embedding=partly)).embedding == "char-ngrams.v1"
    assert choose(rows._replace(embedding=vectors, model=mixed), budget=80).embedding == "char-ngrams.v1"


def test_a_committee_is_read_from_the_log_or_asked_of_the_last_versions() -> None:
    rows = rows_of(sentences(60))
    rng = np.random.default_rng(0)
    members = rng.dirichlet([1.0, 1.0], size=(60, 3)).astype(np.float32)
    logged = rows._replace(members=objects([one.ravel() for one in members]))
    selection = choose(logged, strategy="committee-bald.v1", budget=6, explore=0.0)
    assert all(c.score is not None and c.score > 0 for c in selection.candidates)
    with pytest.raises(InvalidRecord, match=r"strategy committee-bald\.v1: no members in the log and fewer than two"):
        choose(rows, strategy="committee-bald.v1")


def test_a_strategy_without_an_order_is_refused() -> None:
    def short(listed, wanted, rng):
        return Arrangement(order=np.zeros(len(listed.urgency), np.int64), cluster=np.arange(len(listed.urgency)))

    strategy = strategy_of("margin.v1")._replace(name="mine.v1", arrange=short)
    with pytest.raises(InvalidRecord, match=r"strategy mine.v1: .*1 distinct candidates"):
        select(
            cycle_of(5), pool=PiecedPool(rows_of(sentences(30))), taken=frozenset(), model="v1", strategy=strategy,
            settings=Settings(name="s", signature=TEXT, folder="."),
        )  # fmt: skip
