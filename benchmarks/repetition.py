"""A log in which people repeat themselves: how many different things a batch of 500 asks about.

The log: 100,000 rows over 8,000 real movie-review sentences (Hutto and Gilbert 2014). A sentence's share of the rows
follows Zipf's law (``1 / rank``, ranks by lot). Of the rows 80 % hold the sentence as it is, 8 % in another case
(lower, upper, title), 7 % with other blanks (two for one, one at the end, a tab for one), 5 % with one typo (a letter
changed, left out, doubled, or two swapped, anywhere). The model is the demo's: words and letters, hashed, in a logistic
regression on 1,500 other sentences; it answers each row as it stands.

Two rows mean the same when they come from one sentence: ``distinct_share`` is the number of sentences in a batch over
its rows. Read so: the product's selection as it comes (cluster-margin, a tenth as audit); its chosen part and its audit
alone; the same for margin.v1; and, without the step that folds duplicates, the 500 smallest margins, and cluster-margin
over the 5 and 10 x 500 smallest. Seconds are of one process, for the whole stage. The last line is one JSON object.

    python benchmarks/repetition.py [rows]
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
import numpy as np
from blake3 import blake3
from numpy.typing import NDArray
from rig.environments import Absent
from rig.features import demo_features
from rig.learners import Linear
from rig.texts import Texts, rated

from loopline.ports.columns import PoolRows
from loopline.ports.strategy import Shortlist
from loopline.records.cycle import Cycle
from loopline.records.selection import Selection
from loopline.records.settings import SelectSettings, Settings
from loopline.records.signature import Signature
from loopline.select.embedding import embed
from loopline.select.stage import select
from loopline.select.strategies import strategy_of
from loopline.testing.pool_pieces import PiecedPool, objects

ROWS, SENTENCES, TAUGHT, BUDGET, SEEDS = 100_000, 8_000, 1_500, 500, 5
SHARES = {"verbatim": 0.80, "case": 0.08, "blanks": 0.07, "typo": 0.05}
Change = Callable[[str, np.random.Generator], str]
Sources = NDArray[np.int64]


class Log(NamedTuple):
    """A repetitive log. Arrays share their first axis."""

    rows: PoolRows
    source: Sources
    """The sentence that each row comes from."""
    variants: dict[str, int]
    """Rows by the way in which they differ from it."""
    signature: Signature


def recased(text: str, rng: np.random.Generator) -> str:
    """All small, all capital, or each word begun with a capital."""
    return (text.lower(), text.upper(), text.title())[int(rng.integers(3))]


def respaced(text: str, rng: np.random.Generator) -> str:
    """Another blank at one place."""
    blanks = [at for at, letter in enumerate(text) if letter == " "]
    way = int(rng.integers(3))
    if way == 2 or not blanks:
        return text + " "
    at = int(rng.choice(blanks))
    return text[:at] + ("  ", "\t")[way] + text[at + 1 :]


def mistyped(text: str, rng: np.random.Generator) -> str:
    """One letter changed, left out, doubled, or swapped with the next."""
    at, way = int(rng.integers(max(1, len(text) - 1))), int(rng.integers(4))
    letter = chr(ord("a") + int(rng.integers(26)))
    middle = (letter + text[at + 1 : at + 2], text[at + 1 : at + 2], text[at : at + 1] + text[at : at + 2])
    return text[:at] + (*middle, text[at : at + 2][::-1])[way] + text[at + 2 :]


WAYS: dict[str, Change] = {"verbatim": lambda text, _: text, "case": recased, "blanks": respaced, "typo": mistyped}


def log_of(texts: Texts, *, rows: int, seed: int) -> Log:
    """The log of one seed."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(texts.texts))
    taught, asked = order[:TAUGHT], order[TAUGHT : TAUGHT + SENTENCES]
    weights = 1.0 / np.arange(1, len(asked) + 1)
    source = rng.choice(asked, rows, p=weights / weights.sum())
    way = rng.choice(list(WAYS), rows, p=list(SHARES.values()))
    written = [WAYS[how](texts.texts[at], rng) for how, at in zip(way.tolist(), source.tolist(), strict=True)]
    distinct, place = np.unique(np.array(written, object), return_inverse=True)
    features = demo_features([*distinct.tolist(), *(texts.texts[at] for at in taught)])
    known = np.arange(len(distinct), len(distinct) + TAUGHT)
    labels = np.zeros(len(distinct) + TAUGHT, np.int64)
    labels[known] = texts.labels[taught]
    p = Linear(features, labels, strength=3.0).fitted(known).probabilities[place]
    signature = Signature(input="text", labels=texts.names)
    told = {how: int(count) for how, count in sorted(Counter(way.tolist()).items())}
    return Log(_rows(written, p, signature), source, told, signature)


def _rows(written: list[str], p: NDArray[np.float32], signature: Signature) -> PoolRows:
    n, ordered = len(written), np.sort(p, axis=1)
    inputs = [msgspec.json.encode(text) for text in written]
    nothing = objects([np.zeros(0, np.float32)] * n)
    return PoolRows(
        position=np.arange(1, n + 1),
        id=objects([f"p{place:06d}" for place in range(n)]),
        content=objects([blake3(row).hexdigest() for row in inputs]),
        inputs=objects(inputs),
        model=objects(["v1"] * n),
        label=np.array(signature.labels, object)[p.argmax(axis=1)],
        segment=objects([""] * n),
        at_us=np.arange(n),
        probabilities=p,
        margin=ordered[:, -1] - ordered[:, -2],
        members=nothing,
        embedding=nothing,
    )


def selected(log: Log, strategy: str, *, seed: int) -> tuple[Selection, float]:
    """The product's selection, and the seconds it took."""
    at = datetime(2026, 1, 5, tzinfo=UTC)
    chosen = SelectSettings(strategy=strategy, budget=BUDGET)
    cycle = Cycle(
        loop="bench", number=1, phase="open", opened_at=at, closed_at=None, after=0, until=len(log.source),
        budget=BUDGET, explore=chosen.explore, seed=seed, reason="", outcome="", outcome_reason="",
    )  # fmt: skip
    settings = Settings(name="bench", signature=log.signature, folder=".", select=chosen)
    began = time.perf_counter()
    found = select(
        cycle, pool=PiecedPool(log.rows), taken=frozenset(), model="v1", strategy=strategy_of(strategy),
        settings=settings,
    )  # fmt: skip
    return found, time.perf_counter() - began


def shares(log: Log, found: Selection) -> dict[str, float]:
    """The distinct share of the whole batch, of what was chosen, and of the audit."""
    places = np.array([candidate.position for candidate in found.candidates]) - 1
    is_audit = np.array([candidate.draw == "audit" for candidate in found.candidates])
    parts = {"": places, "_chosen": places[~is_audit], "_audit": places[is_audit]}
    return {name: distinct(log.source[part]) for name, part in parts.items()}


def distinct(source: Sources) -> float:
    """Sentences over rows.

    >>> distinct(np.array([4, 4, 7, 1]))
    0.75
    """
    return len(np.unique(source)) / max(1, len(source))


def unfolded(log: Log, *, factor: int) -> Sources:
    """Cluster-margin's batch when every row is a candidate of its own."""
    best = np.argsort(log.rows.margin, kind="stable")[: factor * BUDGET]
    arrange = strategy_of("cluster-margin.v1").arrange
    assert arrange is not None
    listed = Shortlist(
        urgency=log.rows.margin[best], probabilities=log.rows.probabilities[best],
        members=np.zeros((len(best), 0, 3), np.float32), vectors=embed(log.rows.inputs[best].tolist(), log.signature),
        multiplicity=np.ones(len(best), np.int64), labelled=np.zeros((0, 256), np.float32),
        labels=np.zeros(0, np.int64),
    )  # fmt: skip
    order = arrange(listed, BUDGET, np.random.default_rng(0)).order[:BUDGET]
    return log.source[best[order]]


def once(texts: Texts, *, rows: int, seed: int) -> dict[str, float]:
    """All numbers of one seed."""
    log = log_of(texts, rows=rows, seed=seed)
    found, seconds = selected(log, "cluster-margin.v1", seed=seed)
    margin, margin_seconds = selected(log, "margin.v1", seed=seed)
    smallest = log.source[np.argsort(log.rows.margin, kind="stable")[:BUDGET]]
    told = {f"distinct_share{part}": share for part, share in shares(log, found).items()}
    told |= {f"margin_v1_distinct_share{part}": share for part, share in shares(log, margin).items()}
    return told | {
        "margin_only_distinct_share": distinct(smallest),
        "cluster_margin_only_distinct_share": distinct(unfolded(log, factor=5)),
        "cluster_margin_only_10x_distinct_share": distinct(unfolded(log, factor=10)),
        "batch": float(len(found.candidates)),
        "shortlist": float(found.shortlist),
        "sentences": float(len(np.unique(log.source))),
        "contents": float(found.pool_distinct),
        "seconds": seconds,
        "margin_v1_seconds": margin_seconds,
    }


def main() -> None:
    """Print a line a seed, and the JSON object: means over seeds, and the worst distinct share."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    try:
        texts = rated("movieReviewSnippets")
    except Absent as reason:
        print(f"left out: {reason}")
        print(json.dumps({"benchmark": "repetition", "absent": str(reason)}))
        return
    told = []
    for seed in range(SEEDS):
        told.append(once(texts, rows=rows, seed=seed))
        print(line(seed, told[-1]), flush=True)
    means = {key: float(f"{np.mean([one[key] for one in told]):.5g}") for key in told[0]}
    worst = min(one["distinct_share"] for one in told)
    result = {"benchmark": "repetition", "rows": rows, "budget": BUDGET, "seeds": SEEDS, "variants": SHARES}
    print(json.dumps({**result, **means, "distinct_share_worst": worst}))


def line(seed: int, told: dict[str, float]) -> str:
    """One seed, readable."""
    return (
        f"seed {seed}: {told['sentences']:,.0f} sentences in {told['contents']:,.0f} contents; of {told['batch']:.0f} "
        f"asked {100 * told['distinct_share']:.1f} % distinct (chosen {100 * told['distinct_share_chosen']:.1f}, audit "
        f"{100 * told['distinct_share_audit']:.1f}), margin.v1 {100 * told['margin_v1_distinct_share']:.1f}; nothing "
        f"folded: margin {100 * told['margin_only_distinct_share']:.1f}, cluster-margin of 5x "
        f"{100 * told['cluster_margin_only_distinct_share']:.1f}, of 10x "
        f"{100 * told['cluster_margin_only_10x_distinct_share']:.1f}; {told['seconds']:.2f} s"
    )


if __name__ == "__main__":
    main()
