"""Who works here, what each may do, and what was done."""

from datetime import datetime
from typing import Literal

import msgspec

from loopline.records.ids import LoopName

Role = Literal["annotator", "adjudicator", "lead", "engineer", "viewer"]
"""Answers tasks; settles what answers leave in doubt; looks after people and guideline; runs the loop; looks."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person who can sign in."""

    loop: LoopName
    name: str
    """What their answers carry."""
    roles: tuple[Role, ...]
    password: str = ""
    """An argon2id hash in its standard spelling; empty: they come through the proxy that signs people in."""
    skills: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    quota: int = 0
    """Most answers in a UTC day; 0: any number."""
    epoch: int = 0
    """Counted up to end every session of theirs."""
    made_at: datetime
    disabled_at: datetime | None = None


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit log: append-only."""

    id: str
    loop: LoopName
    at: datetime
    actor: str
    """A person's name, a key's id, ``token``; empty: somebody unknown."""
    act: str
    """``signed in``, ``refused``, ``POST /api/users``."""
    subject: str = ""
    """What it was done to."""
    outcome: str = ""
    """``200``, or why not."""
    address: str = ""
    """Where it came from."""
