"""The kind and the key of each stored record: what identifies it within a loop's ledger."""

from loopline.records.access import ApiKey
from loopline.records.comparison import StrategyComparison
from loopline.records.cycle import Cadence, Cycle
from loopline.records.dataset import Anchor, DatasetVersion, Tag
from loopline.records.decision import Decision
from loopline.records.evaluation import Verdict
from loopline.records.guideline import Guideline, Remark
from loopline.records.label import LabelBatch
from loopline.records.lineage import Stored
from loopline.records.model import ModelVersion, RunSpec
from loopline.records.people import User
from loopline.records.reserve import ReserveAccess
from loopline.records.rollout import Rollout, TrafficSplit
from loopline.records.selection import Selection
from loopline.records.signal import Measurement, Signal
from loopline.records.task import Standing

KINDS: dict[type[Stored], str] = {
    Selection: "selection",
    LabelBatch: "labels",
    DatasetVersion: "dataset",
    Anchor: "anchor",
    Tag: "tag",
    ModelVersion: "model",
    RunSpec: "run",
    Verdict: "verdict",
    Rollout: "rollout",
    TrafficSplit: "split",
    Measurement: "measurement",
    Signal: "signal",
    Cycle: "cycle",
    Cadence: "cadence",
    Standing: "standing",
    ApiKey: "key",
    ReserveAccess: "access",
    StrategyComparison: "comparison",
    User: "user",
    Guideline: "guideline",
    Remark: "remark",
    Decision: "decision",
}


def key_of_record(record: Stored) -> str:
    """What a person would call it within its loop: ``v2``, ``c1``, ``cycle-3``.

    >>> from loopline.records.rollout import TrafficSplit
    >>> key_of_record(TrafficSplit(loop="s", revision=4, incumbent="v1"))
    '4'
    """
    match record:
        case ModelVersion() | DatasetVersion() | Tag() | User():
            return record.name
        case Cycle():
            return f"cycle-{record.number}"
        case TrafficSplit():
            return str(record.revision)
        case Standing():
            return record.annotator
        case Guideline():
            return str(record.version)
        case Decision():
            return record.task
        case Cadence():
            return record.since.isoformat()
        case _:
            return record.id


def entity_of(record: Stored) -> str:
    """Its name in the run graph: ``model:v2``, ``dataset:c1``.

    >>> from loopline.records.rollout import TrafficSplit
    >>> entity_of(TrafficSplit(loop="s", revision=4, incumbent="v1"))
    'split:4'
    """
    return f"{KINDS[type(record)]}:{key_of_record(record)}"
