"""The world of sentences: movie reviews first, then tweets."""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from loopline.apps.demo.corpus import LABELS
from loopline.apps.demo.world import Sample, World
from loopline.errors import InvalidRecord

MOVIES, TWEETS, PRODUCTS = "movieReviewSnippets", "tweets", "amazonReviewSnippets"


class Shares(msgspec.Struct, frozen=True, kw_only=True):
    """How many sentences serve each purpose."""

    base: int = 8_000
    anchor: int = 1_000
    before: int = 1_000
    measured_new: int = 1_200
    gold_per_label: int = 60
    gold_agreement: float = 1.0
    """Raters who must agree on a sentence that checks people's work."""


def sentence_world(samples: Mapping[str, Sequence[Sample]], *, seed: int = 7, shares: Shares | None = None) -> World:
    """The frozen plan: what trains, what is sent, what only measures. The same samples and seed give it again."""
    shares = shares or Shares()
    rng = np.random.default_rng(seed)
    movies = _shuffled(samples[MOVIES], rng)
    tweets = _without(_shuffled(samples[TWEETS], rng), movies)
    products = _without(_shuffled(samples[PRODUCTS], rng), (*movies, *tweets))
    held = shares.base + shares.anchor + shares.before
    if len(movies) <= held or len(tweets) <= shares.measured_new:
        found = f"{len(movies)} movie reviews and {len(tweets)} tweets"
        raise InvalidRecord("corpus", found=found, expected=f"more than {held} and {shares.measured_new}")
    return World(
        loop="sentiment",
        dataset="sentences rated by real people (Hutto and Gilbert 2014, vaderSentiment 3.3.2)",
        before_name="movie reviews",
        after_name="tweets",
        input="text",
        width=0,
        labels=LABELS,
        base=tuple(map(_unrated, movies[: shares.base])),
        anchor=tuple(map(_unrated, movies[shares.base : shares.base + shares.anchor])),
        gold=_gold(products, shares),
        before=movies[shares.base + shares.anchor : held],
        after=tweets[shares.measured_new :],
        measured_old=tuple(map(_unrated, movies[held:])),
        measured_new=tuple(map(_unrated, tweets[: shares.measured_new])),
        asked_per_label=3,
        seed=seed,
    )


def _shuffled(samples: Sequence[Sample], rng: np.random.Generator) -> tuple[Sample, ...]:
    return tuple(samples[int(place)] for place in rng.permutation(len(samples)))


def _without(samples: Sequence[Sample], others: Sequence[Sample]) -> tuple[Sample, ...]:
    taken = {sample.row for sample in others}
    return tuple(sample for sample in samples if sample.row not in taken)


def _unrated(sample: Sample) -> Sample:
    return msgspec.structs.replace(sample, ratings=())


def _gold(samples: Sequence[Sample], shares: Shares) -> tuple[Sample, ...]:
    """Sentences that nobody disputes, as many of each class."""
    sure = [sample for sample in samples if sample.agreement >= shares.gold_agreement]
    by_label = ([s for s in sure if s.label == label][: shares.gold_per_label] for label in LABELS)
    return tuple(sample for group in by_label for sample in group)
