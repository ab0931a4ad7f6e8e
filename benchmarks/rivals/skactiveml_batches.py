"""scikit-activeml's batches from a pool on the disk: ``skactiveml_batches.py FOLDER STRATEGY ROWS BATCH REPETITIONS``.

The model is a stub: its answers lie in the folder. Ten rows count as labelled. Prints one JSON object.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from batch_cost import tell
from skactiveml.base import SkactivemlClassifier
from skactiveml.pool import Badge, Clue, CoreSet, Falcun, ProbCover, TypiClust, UncertaintySampling
from sklearn.cluster import MiniBatchKMeans

LABELLED = 10
FAST = {"cluster_algo": MiniBatchKMeans, "cluster_algo_dict": {"n_init": 1}}
"""Much faster for them than the KMeans that they take by themselves."""
STRATEGIES = {
    "margin": lambda: UncertaintySampling(method="margin_sampling", random_state=0),
    "entropy": lambda: UncertaintySampling(method="entropy", random_state=0),
    "CoreSet": lambda: CoreSet(random_state=0),
    "Badge": lambda: Badge(random_state=0),
    "Clue": lambda: Clue(random_state=0, **FAST),
    "Falcun": lambda: Falcun(random_state=0),
    "ProbCover": lambda: ProbCover(random_state=0, **FAST),
    "TypiClust": lambda: TypiClust(random_state=0, **FAST),
}
ASKS = {"margin": "clf", "entropy": "clf", "Badge": "clf", "Falcun": "clf", "Clue": "estimator"}
"""The name under which a strategy is handed the model."""


class Stub(SkactivemlClassifier):
    """Answers with rows that are there already; of fewer rows than all, with the last ones."""

    def __init__(self, answers=None, classes=None):
        super().__init__(classes=classes)
        self.answers = answers

    def fit(self, X, y, sample_weight=None):  # noqa: ARG002, N803  their names
        return self

    def predict_proba(self, X):  # noqa: N803
        return self.answers[-len(X) :]


def main(folder: str, strategy: str, rows: int, batch: int, repetitions: int) -> None:
    warnings.simplefilter("ignore")
    answers = np.array(np.load(Path(folder) / "probabilities.npy", mmap_mode="r")[: rows + LABELLED])
    vectors = np.array(np.load(Path(folder) / "vectors.npy", mmap_mode="r")[: rows + LABELLED])
    classes = np.arange(answers.shape[1])
    labels = np.full(len(vectors), np.nan)
    labels[:LABELLED] = np.arange(LABELLED) % len(classes)
    stub = Stub(answers, classes=classes.tolist())
    stub.classes_ = classes
    model = {ASKS[strategy]: stub, f"fit_{ASKS[strategy]}": False} if strategy in ASKS else {}
    tell(
        lambda: STRATEGIES[strategy]().query(vectors, labels, batch_size=batch, **model),
        batch=batch, repetitions=repetitions,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(number) for number in sys.argv[3:6]))
