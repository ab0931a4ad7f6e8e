"""Records of the people's side, each whole and plausible; name what a test is about, leave the rest."""

import msgspec

from loopline.records.decision import Decision
from loopline.records.guideline import Example, Guideline, Remark
from loopline.records.ids import TaskId
from loopline.records.people import User
from loopline.testing.factories import LOOP, NOW, digest


def user(name: str = "ana", **changes: object) -> User:
    """An annotator who reads English."""
    default = User(loop=LOOP, name=name, roles=("annotator",), languages=("en",), made_at=NOW)
    return msgspec.structs.replace(default, **changes)


def guideline(**changes: object) -> Guideline:
    """Its first version, with one example."""
    default = Guideline(
        loop=LOOP,
        version=1,
        text="Judge the words, not the product.",
        examples=(Example(text="so so", label="neutral", why="neither praise nor blame"),),
        at=NOW,
        author="loop.toml",
        reason="the first version",
    )
    return msgspec.structs.replace(default, **changes)


def remark(id: str = "r1", **changes: object) -> Remark:  # noqa: A002  the record's field
    """The one that opens a thread about a gap."""
    default = Remark(
        id=id, loop=LOOP, thread=id, at=NOW, author="kim", text="what of irony?", kind="gap", task="t1", version=1
    )
    return msgspec.structs.replace(default, **changes)


def decision(**changes: object) -> Decision:
    """Kim's finding that task ``t1`` is positive."""
    default = Decision(
        loop=LOOP,
        task=TaskId("t1"),
        content=digest(b'"good"'),
        cycle=1,
        at=NOW,
        adjudicator="kim",
        finding="label",
        label="positive",
        reason="plain praise",
        answers=("a1", "a2"),
    )
    return msgspec.structs.replace(default, **changes)
