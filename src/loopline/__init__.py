"""Loopline: a closed active-learning loop for models in production. Read ``loop.py`` first."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from loopline.apps.notebook.loop import Loop

__version__ = "0.1.0"
__all__ = ["Loop", "__version__"]


def __getattr__(name: str) -> Any:
    """``Loop``, imported when it is asked for: it brings the adapters with it."""
    if name != "Loop":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from loopline.apps.notebook.loop import Loop

    return Loop
