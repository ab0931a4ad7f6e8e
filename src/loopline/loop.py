"""THE LOOP ON ONE PAGE.

::

      request                                                       people
         |                                                             |
         v                                                             v
     [ serve ] --Prediction--> [ capture ] --log--> [ select ] --> [ annotate ]
         ^                          |                   ^              |
         |                          v                   |            Labels
      TrafficSplit             [ monitor ] --Signal-----+              |
         |                          |                   |              v
     [ rollout ] <--Verdict-- [ evaluate ] <-- [ train ] <-------- [ dataset ]
                                    ^
                                    `--- the reserve: sealed at ingest, labelled, never learned

     orchestrate asks, each tick: given this state and this time, what is due, and why?

Every hop is a frozen record (``records/``). Stages never import each other; they meet in
``orchestrate/acts.py``, at the HTTP door, and in the stored state, the only truth.
"""

from typing import NamedTuple


class Stage(NamedTuple):
    """One room of the house: what it takes, what it gives."""

    name: str
    """The folder under ``loopline/``."""
    takes: str
    """The record, or records, that come in."""
    gives: str
    """The record, or records, that go out."""


STAGES = (
    Stage("serve", takes="inference request, TrafficSplit", gives="Prediction"),
    Stage("capture", takes="Prediction", gives="Prediction with role, in the log"),
    Stage("monitor", takes="scores of the log", gives="Measurement, Signal"),
    Stage("select", takes="pool of the log", gives="Selection of Candidates"),
    Stage("annotate", takes="Selection, Annotations", gives="Tasks, Labels, Standings"),
    Stage("dataset", takes="Labels, parent DatasetVersion", gives="DatasetVersion"),
    Stage("train", takes="DatasetVersion", gives="ModelVersion (the challenger)"),
    Stage("evaluate", takes="challenger, incumbent, reserve", gives="Verdict"),
    Stage("rollout", takes="Verdict, live comparison", gives="Rollout, TrafficSplit"),
)
"""The order in which one sample travels."""
