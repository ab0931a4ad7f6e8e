"""One model and its rows for every server: logistic regression over the 30 features of scikit-learn's breast cancer."""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROWS = 64
"""Distinct requests that take turns."""
CHECKS = 200
"""Labelled rows that Loopline verifies the model on before it serves."""


class Workload:
    """The fitted model, the requests, and what scikit-learn answers to them."""

    labels = ("benign", "malignant")
    """Sorted, as scikit-learn sorts them: the columns mean the same to every server."""

    def __init__(self) -> None:
        from sklearn.datasets import load_breast_cancer
        from sklearn.linear_model import LogisticRegression

        bunch = load_breast_cancer()
        features = bunch.data
        # Rounded as people's rows are: seventeen digits a number would weigh the parsing of JSON above all else.
        self.features = ((features - features.mean(axis=0)) / features.std(axis=0)).round(4)
        self.answers = bunch.target_names[bunch.target]
        self.model = LogisticRegression(max_iter=1_000).fit(self.features, self.answers)
        assert tuple(self.model.classes_) == self.labels

    @cached_property
    def rows(self) -> NDArray[np.float64]:
        """The rows that are asked about, (ROWS, 30)."""
        return self.features[: ROWS * 8 : 8]

    def asked(self, *, size: int) -> list[NDArray[np.float64]]:
        """The requests with so many rows each."""
        return [np.roll(self.rows, -start, axis=0)[:size] for start in range(ROWS)]

    def expected(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """scikit-learn's own answer, (n, 2)."""
        return np.asarray(self.model.predict_proba(rows))

    def write(self, folder: Path) -> None:
        """``model.onnx``, ``model.joblib``, ``model.skops`` and ``checks.jsonl``."""
        import joblib
        import skops.io
        from skl2onnx import to_onnx

        converted = to_onnx(self.model, self.rows[:1].astype(np.float32), options={"zipmap": False}, target_opset=18)
        (folder / "model.onnx").write_bytes(converted.SerializeToString())
        joblib.dump(self.model, folder / "model.joblib")
        skops.io.dump(self.model, folder / "model.skops")
        labelled = zip(self.features[-CHECKS:].tolist(), self.answers[-CHECKS:].tolist(), strict=True)
        lines = (json.dumps({"features": row, "label": label}) for row, label in labelled)
        (folder / "checks.jsonl").write_text("\n".join(lines) + "\n")
