"""The leakage gate: 1,000,000 training rows against 10,000 reserve rows, texts and tables, one process.

Half of the reserve rows get a twin among the training rows, altered in one known way; recall is the share of those that
are named with their twin's side, by way. The others have none: the share of them that is flagged is false.

- texts: halves of real sentences (Hutto and Gilbert 2014), joined anew: training and reserve share halves, not
  pairs, and no half is more than three times the other, so that rows which share one are not alike.
- tables: 16 columns, normal, skewed, far from zero, whole numbers; a twin has every value times 1 + 0.001 x normal.
- real text as it is: each set split at random into four fifths and one fifth; what is flagged is printed with the way
  in which it is alike. ``--banking77`` names the folder that holds that set's two files; its people write alike.

Seconds begin at the canonical bytes of the rows and end with the list of pairs. The last line is one JSON object.
"""

import argparse
import csv
import json
import os
import string
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from loopline.apps.demo.corpus import SETS, cache_folder, fetch, read_samples
from loopline.dataset.similar import twins
from loopline.records.signature import Signature

LABELS = ("a", "b")
TEXT = Signature(input="text", labels=LABELS)
WIDTH = 16
TABLE = Signature(input="tabular", width=WIDTH, labels=LABELS)
Words = list[str]


class Pool(NamedTuple):
    """Training rows, reserve rows, and of each reserve row the way in which its twin is altered; empty: it has none."""

    training: list[bytes]
    reserve: list[bytes]
    way: list[str]


class Outcome(NamedTuple):
    """What the search found in a pool, and what it cost."""

    seconds: float
    cpu_seconds: float
    recall: dict[str, float]
    false_share: float


def typo(words: Words, rng: np.random.Generator, _: Words) -> Words:
    """One character changed, added or left out, blanks included."""
    text = " ".join(words)
    at, letter = int(rng.integers(len(text))), str(rng.choice(list(string.ascii_lowercase)))
    way = int(rng.integers(3))
    return [text[:at] + (letter if way < 2 else "") + text[at + (way != 1) :]]


def replaced(words: Words, rng: np.random.Generator, vocabulary: Words, *, count: int = 1) -> Words:
    """So many words replaced by those of other sentences."""
    changed = list(words)
    for at in rng.choice(len(words), count, replace=False).tolist():
        changed[at] = vocabulary[int(rng.integers(len(vocabulary)))]
    return changed


def remarked(words: Words, rng: np.random.Generator, _: Words) -> Words:
    """Marks taken out at their places and put in at others."""
    plain = [word.translate(str.maketrans("", "", ",.;:!?\"'")) or word for word in words]
    at = int(rng.integers(len(plain)))
    return [*plain[:at], plain[at] + str(rng.choice([",", "!", " -", "..."])), *plain[at + 1 :], "!"]


ALTERED: dict[str, tuple[int, Callable[[Words, np.random.Generator, Words], Words]]] = {
    "equal": (1, lambda words, _, __: words),
    "case": (1, lambda words, rng, _: [w.upper() if rng.random() < 0.5 else w.title() for w in words]),
    "blanks": (1, lambda words, _, __: ["  ".join(words[: len(words) // 2]) + "\t", *words[len(words) // 2 :], ""]),
    "marks": (1, remarked),
    "typo": (1, typo),
    "word_replaced": (8, replaced),
    "word_appended": (1, lambda words, rng, vocabulary: [*words, vocabulary[int(rng.integers(len(vocabulary)))]]),
    "two_words_of_16": (16, lambda words, rng, vocabulary: replaced(words, rng, vocabulary, count=2)),
    "halves_swapped": (16, lambda words, _, __: [*words[len(words) // 2 :], *words[: len(words) // 2]]),
}
"""Way -> the fewest words it is tried on, and how it alters. The last two are beyond what is promised."""
BEYOND = ("two_words_of_16", "halves_swapped")


def texts(sentences: Sequence[str], *, rows: int, reserve: int, rng: np.random.Generator) -> Pool:
    """Rows of joined halves, each pair of halves once."""
    split = [words for sentence in sentences if len(words := sentence.split()) >= 8]
    vocabulary = [word for words in split for word in words]
    chosen = rng.choice(len(split) ** 2, 3 * (rows + reserve), replace=False)
    joined = ((split[pair // len(split)], split[pair % len(split)]) for pair in chosen.tolist())
    made = [a[: len(a) // 2] + b[len(b) // 2 :] for a, b in joined if max(len(a), len(b)) <= 3 * min(len(a), len(b))]
    sealed, training = made[:reserve], made[reserve : reserve + rows]
    way = [list(ALTERED)[place // 2 % len(ALTERED)] if place % 2 else "" for place in range(reserve)]
    places = rng.choice(rows, reserve, replace=False).tolist()
    for number, (words, name) in enumerate(zip(sealed, way, strict=True)):
        if name:
            way[number] = name if len(words) >= ALTERED[name][0] else "typo"
            training[places[number]] = ALTERED[way[number]][1](words, rng, vocabulary)
    encoded = [[msgspec.json.encode(" ".join(words)) for words in side] for side in (training, sealed)]
    return Pool(encoded[0], encoded[1], way)


def tables(*, rows: int, reserve: int, rng: np.random.Generator) -> Pool:
    """Rows of 16 columns: 6 normal and correlated, 4 skewed, 3 far from zero, 3 of small whole numbers."""
    n = rows + reserve
    normal = rng.normal(size=(n, 6)) @ rng.normal(size=(6, 6))
    columns = (normal, rng.lognormal(size=(n, 4)), rng.normal(50, 10, (n, 3)), rng.poisson(3, (n, 3)).astype(float))
    made = np.concatenate(columns, axis=1)
    sealed, training = made[:reserve], made[reserve:]
    way = ["" if place % 2 == 0 else "equal" if place % 20 == 1 else "noise" for place in range(reserve)]
    places = rng.choice(rows, reserve, replace=False)
    noise = np.array([[{"": np.nan, "equal": 0.0, "noise": 1e-3}[name]] for name in way])
    altered = np.isfinite(noise[:, 0])
    training[places[altered]] = (sealed * (1.0 + noise * rng.normal(size=sealed.shape)))[altered]
    return Pool(*([msgspec.json.encode(row) for row in side.tolist()] for side in (training, sealed)), way)


def searched(pool: Pool, signature: Signature) -> Outcome:
    """The gate's own search over a pool."""
    began, burnt = time.perf_counter(), time.process_time()
    pairs = twins(pool.training, pool.reserve, signature=signature)
    seconds, cpu = time.perf_counter() - began, time.process_time() - burnt
    flagged = set(pairs.sealed.tolist())
    every, met = Counter(pool.way), Counter(way for place, way in enumerate(pool.way) if place in flagged)
    recall = {way: round(met[way] / every[way], 4) for way in sorted(every) if way}
    return Outcome(round(seconds, 2), round(cpu, 2), recall, round(met[""] / every[""], 5))


def as_they_are(sentences: Sequence[str], rng: np.random.Generator) -> dict[str, object]:
    """What the search flags between four fifths of real sentences and the other fifth, different sentences all."""
    shuffled = [msgspec.json.encode(sentences[place]) for place in rng.permutation(len(sentences)).tolist()]
    cut = len(shuffled) // 5
    pairs = twins(shuffled[cut:], shuffled[:cut], signature=TEXT)
    ways = dict(zip(pairs.sealed.tolist(), pairs.likeness.tolist(), strict=True))
    return {"reserve": cut, "flagged_share": round(len(ways) / cut, 5), "by_way": dict(Counter(ways.values()))}


def banking77(folder: Path) -> list[str]:
    """Both files' texts, each once."""
    found: dict[str, None] = {}
    for name in ("train", "test"):
        with (folder / f"banking77_{name}.csv").open(encoding="utf-8", newline="") as lines:
            found |= dict.fromkeys(row["text"].strip() for row in csv.DictReader(lines))
    return list(found)


def shown(name: str, outcome: Outcome, rows: int) -> None:
    print(f"{name}: {outcome.seconds} s, {outcome.cpu_seconds} CPU s, {rows / outcome.seconds:,.0f} rows/s")
    print(f"  recall {outcome.recall}\n  false {outcome.false_share:.3%}", flush=True)


def least(recall: dict[str, float], *, but: Sequence[str]) -> float:
    return min(share for way, share in recall.items() if way not in but)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--reserve", type=int, default=10_000)
    parser.add_argument("--banking77", type=Path)
    asked = parser.parse_args()
    rng, load = np.random.default_rng(4), os.getloadavg()[0]
    folder = fetch(cache_folder())
    real = {name: [str(sample.row) for sample in read_samples(folder, name)] for name in SETS}
    if asked.banking77:
        real["banking77"] = banking77(asked.banking77)
    natural = {name: as_they_are(sentences, rng) for name, sentences in real.items()}
    print(json.dumps(natural, indent=1))
    of_texts = searched(texts(real[SETS[0]], rows=asked.rows, reserve=asked.reserve, rng=rng), TEXT)
    shown("texts", of_texts, asked.rows)
    of_tables = searched(tables(rows=asked.rows, reserve=asked.reserve, rng=rng), TABLE)
    shown("tables", of_tables, asked.rows)
    small = searched(texts(real[SETS[0]], rows=20_000, reserve=1_000, rng=rng), TEXT)
    shown("texts, the usual case", small, 20_000)
    near = [least(of_texts.recall, but=("equal", *BEYOND)), of_tables.recall["noise"]]
    summary = {
        "benchmark": "leakage",
        "rows": asked.rows,
        "reserve": asked.reserve,
        "load_before": round(load, 2),
        "leakage_seconds_1m_x_10k": max(of_texts.seconds, of_tables.seconds),
        "text_seconds": of_texts.seconds,
        "text_cpu_seconds": of_texts.cpu_seconds,
        "table_seconds": of_tables.seconds,
        "table_cpu_seconds": of_tables.cpu_seconds,
        "seconds_20k_x_1k": small.seconds,
        "exact_recall": min(of_texts.recall["equal"], of_tables.recall["equal"]),
        "near_recall": min(near),
        "false_share": max(of_texts.false_share, of_tables.false_share),
        "text_recall": of_texts.recall,
        "table_recall": of_tables.recall,
        "natural": natural,
    }
    print(json.dumps(summary))
