"""Keys that programs show, and what each may do."""

import math
from datetime import datetime
from typing import Literal, get_args

import msgspec

from loopline.errors import InvalidRecord
from loopline.records.ids import LoopName

Scope = Literal["predict", "capture", "control", "read", "annotate", "adjudicate", "lead"]
"""Ask the models; report predictions and outcomes; change anything; look at anything but the sealed reserve; answer
tasks; settle them; look after people, tasks and guideline."""


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a key: never the key itself."""

    id: str
    """The public part of the key, shown in lists: ``lk_4f9a2c...``."""
    loop: LoopName
    name: str
    """Whose it is, in words: ``checkout service``."""
    scopes: tuple[Scope, ...]
    secret: str
    """Hex SHA-256 of the secret part, which has 256 random bits."""
    made_at: datetime
    per_second: float = 0.0
    """Requests a second that it may make, over a burst of as many; 0: any number."""
    revoked_at: datetime | None = None

    def __post_init__(self) -> None:
        if not self.scopes or len(set(self.scopes)) < len(self.scopes):
            found = f"scopes {list(self.scopes)}"
            raise InvalidRecord(f"key {self.id}", found=found, expected=f"one or more of {', '.join(get_args(Scope))}")
        if not (math.isfinite(self.per_second) and self.per_second >= 0):
            found = f"{self.per_second} requests a second"
            raise InvalidRecord(f"key {self.id}", found=found, expected="a finite number, 0 for any number of them")
