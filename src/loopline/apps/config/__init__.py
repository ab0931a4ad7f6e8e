"""What the user wrote, as records: ``loop.toml`` becomes Settings, labelled files become rows."""

from loopline.apps.config.document import load_settings
from loopline.apps.config.problems import InvalidSettings, Problem
from loopline.apps.config.rows import raw_rows, read_rows

__all__ = ["InvalidSettings", "Problem", "load_settings", "raw_rows", "read_rows"]
