"""One question to one version: its answers, or the record of its failure."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

from loopline.records.prediction import Arm, Prediction
from loopline.serve.answer import Circumstance, answered, failed
from loopline.serve.outcome import outcome, told
from loopline.serve.sample import Sample
from loopline.serve.table import Loaded
from loopline.serve.verification import prediction_of

Answers = tuple[Prediction, ...]
"""One a sample: all answers, or all failures."""


def ask(
    loaded: Loaded, *, arm: Arm, asked: tuple[Sample, ...], now: Callable[[], datetime], timer: Callable[[], int]
) -> Answers:
    """One prediction a sample, all answers or all failures.

    ``timer`` counts nanoseconds; the latency of each prediction is that of the whole call, since each waited for it.
    """
    started = timer()
    p = outcome(partial(prediction_of, loaded, rows=[sample.row for sample in asked]))
    elapsed_us = (timer() - started) // 1_000
    under = Circumstance(version=loaded.version, arm=arm, at=now(), latency_us=elapsed_us)
    if isinstance(p, Exception):
        return failed(asked, reason=told(p), under=under)
    return answered(asked, p=p, under=under)
