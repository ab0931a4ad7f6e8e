"""scikit-learn itself behind Loopline's ``module:factory``: the same engine as MLServer's runtime calls."""

from pathlib import Path

import joblib


def model():
    return joblib.load(Path(__file__).parent / "model.joblib")
