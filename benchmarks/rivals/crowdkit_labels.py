"""crowd-kit's Dawid-Skene on answers from the disk: ``crowdkit_labels.py FOLDER ROUNDS REPETITIONS``.

``FOLDER/answers.npy``: (3, answers), task, person, label. Whole numbers, by which pandas groups fastest. Prints one
JSON object: median seconds and CPU seconds of ``fit_predict``, and how many rounds it took; its labels go to
``FOLDER/labels.npy``, one a task.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from crowdkit.aggregation import DawidSkene


def main(folder: Path, rounds: int, repetitions: int) -> None:
    task, person, label = np.load(folder / "answers.npy")
    answers = pd.DataFrame({"task": task, "worker": person, "label": label})
    seconds, cpu = [], []
    for _ in range(repetitions):
        model = DawidSkene(n_iter=rounds)
        began, burnt = time.perf_counter(), time.process_time()
        labels = model.fit_predict(answers)
        seconds.append(time.perf_counter() - began)
        cpu.append(time.process_time() - burnt)
    np.save(folder / "labels.npy", labels.sort_index().to_numpy())
    told = {"seconds": statistics.median(seconds), "cpu_seconds": statistics.median(cpu)}
    print(json.dumps(told | {"rounds": len(model.loss_history_)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(number) for number in sys.argv[2:4]))
