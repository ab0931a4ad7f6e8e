"""What a model does, as a value: a model may raise anything, and one that does must not take the gateway along."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def outcome(work: Callable[[], T]) -> T | Exception:
    """What the work returns, or the exception that it raised.

    >>> outcome(lambda: 6 * 7)
    42
    >>> outcome(lambda: 1 / 0)
    ZeroDivisionError('division by zero')
    """
    try:
        return work()
    except Exception as error:  # noqa: BLE001  the only place here: the Predictor port promises no family of errors
        return error


def told(error: Exception) -> str:
    """What happened, in words; our own errors speak for themselves, a stranger's is introduced by its type.

    >>> told(ZeroDivisionError("division by zero"))
    'ZeroDivisionError: division by zero'
    """
    is_ours = type(error).__module__ == "loopline.errors"
    return str(error) if is_ours else f"{type(error).__name__}: {error}"
