"""Files that are written whole or not at all, since the demo may be killed at any moment."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Put the content in place in one step; a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
