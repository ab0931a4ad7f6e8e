"""Situations for scripted dialogues with ``decide``: an installation at a stated point of its life."""

from msgspec import structs

from loopline.records.command import LiveEvidence, Situation
from loopline.records.ids import VersionName
from loopline.records.settings import TrainSettings
from loopline.testing.factories import NOW, cadence, settings

SETTINGS = settings(train=TrainSettings(run="train.py:train", base="base.jsonl"))
LIVE = LiveEvidence(position=0)


def situation(**changes: object) -> Situation:
    """A fresh installation that has imported nothing yet."""
    empty = Situation(
        settings=SETTINGS,
        end=0,
        split=None,
        cadence=cadence(since=NOW),
        cycle=None,
        has_base=False,
        measured=0,
        looked=0,
        quiet=0,
        signals=(),
        progress=None,
        reviewed=None,
        run=None,
        next_version=VersionName("v1"),
        challenger=None,
        verdict="",
        verdict_reason="",
        decisions=0,
        rollout=None,
        live=None,
        trouble="",
        failure="",
    )
    return structs.replace(empty, **changes)
