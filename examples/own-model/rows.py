"""Writes labelled.csv: 569 real tumours, 30 measurements each (Street, Wolberg and Mangasarian 1993, scikit-learn)."""

import csv
import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer

tumours = load_breast_cancer()
with Path(sys.argv[1] if len(sys.argv) > 1 else "labelled.csv").open("w", newline="") as file:
    table = csv.writer(file)
    table.writerow([*tumours.feature_names, "label"])
    for measurements, kind in zip(tumours.data, tumours.target, strict=True):
        table.writerow([*map(float, measurements), tumours.target_names[kind]])
