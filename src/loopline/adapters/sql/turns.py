"""The writers of one process take turns; those who wait share a transaction, and so one wait for the disk."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import StatementError

from loopline.adapters.sql.database import writing
from loopline.errors import LooplineError, Unavailable

T = TypeVar("T")
MOST = 64
"""Acts in one transaction: those behind them wait no longer than these take."""
SPOILT = (StatementError, Unavailable, ValueError, ArithmeticError)
"""What a database and its driver refuse: a driver does not call a number that is too large a database's error."""


class _Act(Generic[T]):
    """What somebody waits for."""

    def __init__(self, act: Callable[[Connection], T]) -> None:
        self._act = act
        self._outcome: T | LooplineError | None = None
        self.is_done = False

    def alone(self, connection: Connection) -> T:
        """What it gives. Raises what it raises: the transaction is its own."""
        return self._act(connection)

    def attempt(self, connection: Connection) -> T | LooplineError:
        """What it gives, or why it refuses; of a refused one nothing is stored."""
        connection.exec_driver_sql("SAVEPOINT act")
        outcome: T | LooplineError
        try:
            outcome = self._act(connection)
        except LooplineError as refusal:
            connection.exec_driver_sql("ROLLBACK TO SAVEPOINT act")
            outcome = refusal
        connection.exec_driver_sql("RELEASE SAVEPOINT act")
        return outcome

    def settle(self, outcome: Any) -> None:
        """The outcome is on disk."""
        self._outcome, self.is_done = outcome, True

    def outcome(self) -> T:
        """What it gave. Raises what it refused with."""
        if isinstance(self._outcome, LooplineError):
            raise self._outcome
        return self._outcome  # type: ignore[return-value]  # it is done


class Turns:
    """Runs acts one after the other, each whole or not at all, and answers when they are on disk."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: deque[_Act[Any]] = deque()
        self._turn = threading.Lock()

    def run(self, act: Callable[[Connection], T]) -> T:
        """What the act gives, once it is committed. Raises what it raises; nothing of it is stored then.

        Whoever gets the turn does the work of all who wait. When that fails as a whole, each takes a turn alone, and
        gets an error of its own.
        """
        own = _Act(act)
        self._waiting.append(own)
        with self._turn:
            if not own.is_done:
                self._waiting.remove(own)
                self._lead(own)
        return own.outcome()

    def _lead(self, own: _Act[Any]) -> None:
        others = [self._waiting.popleft() for _ in range(min(MOST - 1, len(self._waiting)))]
        try:
            if others and self._is_done_together([*others, own]):
                return
        finally:
            self._waiting.extendleft(reversed([one for one in others if not one.is_done]))
        with writing(self._engine) as connection:
            outcome = own.alone(connection)
        own.settle(outcome)

    def _is_done_together(self, acts: list[_Act[Any]]) -> bool:
        try:
            with writing(self._engine) as connection:
                outcomes = [one.attempt(connection) for one in acts]
        except SPOILT:  # by one of them, or by the disk: alone, each finds out
            return False
        for one, outcome in zip(acts, outcomes, strict=True):
            one.settle(outcome)
        return True
