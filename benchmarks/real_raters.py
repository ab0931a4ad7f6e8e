"""Real people's labels: what three ratings of a sentence are worth, read as a majority and by Dawid-Skene.

The corpus of the demo: 18,500 sentences of movie reviews, tweets and product reviews, each rated by some twenty people
from -4 to 4 (Hutto and Gilbert, ICWSM 2014; in the source archive of vaderSentiment, fetched by pip into the demo's
cache). Ratings become three classes as in the demo: negative up to -0.5, positive from 0.5.

Each run draws three ratings of a sentence at random and makes a label of them; right is the class of the mean of all
the other ratings. A majority that is split three ways counts a third. The archive does not say who gave a rating: the
place in a sentence's list stands for a person here, so Dawid-Skene can learn how people err together, and how a place
does where one person kept it, but not who is careless. ``labels``: over three classes without an order;
``ratings``: over a scale, with the median of the posterior. The intervals of accuracy are over sentences and draws.

Alpha is over all ratings of each sentence, with its 95 % bootstrap interval over sentences: nominal and ordinal over
the classes, interval over the ratings as given. The last line is one JSON object.

    python benchmarks/real_raters.py [draws]
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rig.costs import rounded

from loopline.annotate.agreement import agreements
from loopline.annotate.ballots import Ballots
from loopline.annotate.coefficients import alpha, gwet, ordinal_alpha
from loopline.annotate.dawid_skene import dawid_skene
from loopline.annotate.distances import interval, nominal
from loopline.annotate.majority import majority
from loopline.annotate.mistakes import nearby
from loopline.annotate.questions import median
from loopline.apps.demo.corpus import LABELS, SETS, cache_folder, fetch, label_of

Numbers = NDArray[np.float64]
Places = NDArray[np.int64]

DRAWS = 20
ASKED = 3
SCALE = np.arange(-4.0, 5.0)
RESAMPLES = 1_000
CLASSES = len(LABELS)


class Ratings(NamedTuple):
    """What people said of each sentence: rating ``value`` at ``place`` of its list; all (ratings,)."""

    sentence: Places
    place: Places
    value: Numbers
    sentences: int


def classes_of(values: Numbers) -> Places:
    """The demo's classes of ratings, or of means of ratings."""
    return np.array([LABELS.index(label_of(value)) for value in values.tolist()], dtype=np.int64)


def ratings_of(folder: Path, name: str) -> Ratings:
    """All ratings of one set, without sentences that fewer than five people rated: too few would be the others."""
    lines = (folder / f"{name}_anonDataRatings.txt").read_text(encoding="utf-8-sig").splitlines()
    lists = [given for line in lines if len(given := json.loads(line.split("\t")[3])) >= ASKED + 2]
    counts = np.array([len(given) for given in lists])
    place = np.concatenate([np.arange(count) for count in counts])
    return Ratings(np.repeat(np.arange(len(lists)), counts), place, np.concatenate(lists).astype(float), len(lists))


def one_draw(ratings: Ratings, rng: np.random.Generator) -> dict[str, Numbers]:
    """(sentences,) For each way to read three ratings, whether it was right."""
    order = np.lexsort((rng.random(len(ratings.sentence)), ratings.sentence))
    start = np.searchsorted(ratings.sentence, np.arange(ratings.sentences))
    asked = np.sort(order[(start[:, None] + np.arange(ASKED)).ravel()])
    is_other = np.ones(len(order), dtype=bool)
    is_other[asked] = False
    total = np.bincount(ratings.sentence[is_other], weights=ratings.value[is_other], minlength=ratings.sentences)
    truth = classes_of(total / np.bincount(ratings.sentence[is_other], minlength=ratings.sentences))
    known, people = np.full(ratings.sentences, -1), int(ratings.place.max()) + 1
    ballots = Ballots(
        ratings.sentence[asked], ratings.place[asked], classes_of(ratings.value[asked]), known, people, CLASSES
    )
    step = median(dawid_skene(ballots, mistakes=nearby(CLASSES)).posterior)
    return {
        "one_rating": (ballots.votes[np.arange(len(truth)), truth] / ASKED),
        "majority": hits(majority(ballots.votes), truth),
        "dawid_skene_labels": hits(dawid_skene(ballots).posterior, truth),
        "dawid_skene_ratings": (step == truth).astype(np.float64),
        "largest_class": (truth == np.bincount(truth).argmax()).astype(np.float64),
    }


def hits(posterior: Numbers, truth: Places) -> Numbers:
    """(sentences,) 1 where the leading label is right; of t that lead alike, 1/t."""
    p = posterior.round(9)
    leads = p == p.max(axis=1, keepdims=True)
    return np.asarray(leads[np.arange(len(p)), truth] / leads.sum(axis=1), dtype=np.float64)


def shown(right: Numbers, rng: np.random.Generator) -> dict[str, float]:
    """The mean of (draws, sentences), and its 95 % interval over sentences, each drawn with all its draws."""
    each = right.mean(axis=0)
    drawn = rng.multinomial(len(each), np.full(len(each), 1 / len(each)), size=RESAMPLES) @ each / len(each)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"value": round(float(each.mean()), 4), "low": round(float(low), 4), "high": round(float(high), 4)}


def agreement_of(ratings: Ratings, rng: np.random.Generator) -> dict[str, Any]:
    """How far these people agree, over classes and over the ratings as given."""

    def votes(choice: Places, values: int) -> Numbers:
        cells = ratings.sentences * values
        counts = np.bincount(ratings.sentence * values + choice, minlength=cells)
        return counts.reshape(-1, values).astype(float)

    kinds = {"alpha_nominal": alpha(nominal(CLASSES)), "alpha_ordinal": ordinal_alpha}
    kinds["gwet_ac1"] = gwet(np.eye(CLASSES))
    found = agreements(votes(classes_of(ratings.value), CLASSES), kinds, rng=rng, resamples=RESAMPLES)
    as_given = votes(np.searchsorted(SCALE, ratings.value), len(SCALE))
    found |= agreements(as_given, {"alpha_interval": alpha(interval(SCALE))}, rng=rng, resamples=RESAMPLES)
    return {
        name: {"value": round(one.value, 4), "low": round(one.low, 4), "high": round(one.high, 4), "n": one.samples}
        for name, one in found.items()
    }


def main(draws: int) -> None:
    folder = fetch(cache_folder())
    told: dict[str, Any] = {"benchmark": "real_raters", "draws": draws, "ratings_drawn": ASKED}
    every: dict[str, list[Numbers]] = {}
    for seed, name in enumerate(SETS):
        rng, ratings = np.random.default_rng(seed), ratings_of(folder, name)
        runs = [one_draw(ratings, rng) for _ in range(draws)]
        right = {way: np.stack([run[way] for run in runs]) for way in runs[0]}
        told[name] = {
            "sentences": ratings.sentences,
            "ratings_each": rounded(len(ratings.value) / ratings.sentences),
            **{way: shown(of, rng) for way, of in right.items()},
            "gain_over_majority": shown(right["dawid_skene_labels"] - right["majority"], rng),
            **agreement_of(ratings, rng),
        }
        print(json.dumps({name: told[name]}, indent=1), flush=True)
        for way, of in right.items():
            every.setdefault(way, []).append(of)
    rng = np.random.default_rng(len(SETS))
    for way, sets in every.items():
        told[f"{way}_accuracy"] = shown(np.concatenate(sets, axis=1), rng)["value"]
    print(json.dumps(told))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else DRAWS)
