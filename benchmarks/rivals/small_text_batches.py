"""small-text's greedy core-set of a pool on the disk: ``small_text_batches.py FOLDER STRATEGY ROWS BATCH REPETITIONS``.

Ten rows count as labelled. It measures the pool against all that was taken, again for each sample. STRATEGY is the
distance. Prints one JSON object.
"""

import sys
from pathlib import Path

import numpy as np
from batch_cost import tell
from small_text.query_strategies.coresets import greedy_coreset

LABELLED = 10
AT_ONCE = 10_000
"""Rows measured together: as many as it can, since its loop over parts costs more than memory does."""


def main(folder: str, distance: str, rows: int, batch: int, repetitions: int) -> None:
    vectors = np.array(np.load(Path(folder) / "vectors.npy", mmap_mode="r")[: rows + LABELLED])
    pool, labelled = np.arange(rows), np.arange(rows, rows + LABELLED)
    tell(
        lambda: greedy_coreset(vectors, pool, labelled, batch, distance, batch_size=AT_ONCE, normalized=True),
        batch=batch, repetitions=repetitions,
    )  # fmt: skip


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(number) for number in sys.argv[3:6]))
