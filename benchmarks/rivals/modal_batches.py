"""modAL's batches from a pool on the disk: ``modal_batches.py FOLDER STRATEGY ROWS BATCH REPETITIONS``.

The model is a stub: its answers lie in the folder. Ten rows count as labelled: its ranked batch measures every row of
the pool against them again for each sample that it picks. Prints one JSON object.
"""

import sys
from pathlib import Path

import numpy as np
from batch_cost import tell
from modAL.batch import uncertainty_batch_sampling
from modAL.models import ActiveLearner
from modAL.uncertainty import entropy_sampling, margin_sampling
from sklearn.base import BaseEstimator

LABELLED = 10
STRATEGIES = {"margin": margin_sampling, "entropy": entropy_sampling, "ranked": uncertainty_batch_sampling}


class Stub(BaseEstimator):
    """Answers with rows that are there already."""

    def __init__(self, answers):
        self.answers = answers

    def fit(self, *_):
        return self

    def predict_proba(self, rows):
        return self.answers[: len(rows)]


def main(folder: str, strategy: str, rows: int, batch: int, repetitions: int) -> None:
    answers = np.load(Path(folder) / "probabilities.npy", mmap_mode="r")[:rows]
    vectors = np.load(Path(folder) / "vectors.npy", mmap_mode="r")[: rows + LABELLED]
    answers, vectors = np.array(answers), np.array(vectors)
    labels = np.arange(LABELLED) % answers.shape[1]
    learner = ActiveLearner(Stub(answers), X_training=vectors[rows:], y_training=labels)
    tell(
        lambda: STRATEGIES[strategy](learner, vectors[:rows], n_instances=batch)[0],
        batch=batch,
        repetitions=repetitions,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(number) for number in sys.argv[3:6]))
