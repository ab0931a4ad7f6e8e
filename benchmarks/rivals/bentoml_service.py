"""BentoML at its fastest: one worker, no access log; the model on the event loop, or batched on its thread."""

import os

import bentoml
import joblib
import numpy as np

SETTINGS = {"name": "bench", "workers": 1, "logging": {"access": {"enabled": False}}}

if os.environ["VARIANT"] == "batched":

    @bentoml.service(**SETTINGS)
    class Classifier:
        def __init__(self) -> None:
            self.model = joblib.load("model.joblib")

        @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000, route="/predict")
        def predict(self, rows: np.ndarray) -> np.ndarray:
            return self.model.predict_proba(rows)

else:

    @bentoml.service(**SETTINGS)
    class Classifier:
        def __init__(self) -> None:
            self.model = joblib.load("model.joblib")

        @bentoml.api(route="/predict")
        async def predict(self, rows: np.ndarray) -> np.ndarray:
            return self.model.predict_proba(rows)
