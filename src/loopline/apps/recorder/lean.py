"""Keeps pandas out of the recorder's process: pyarrow imports it where it finds it, and nothing here needs it."""

import sys


class NoPandas:
    """Says that pandas is not installed; of other modules, nothing."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        """Raise ModuleNotFoundError for pandas."""
        if name == "pandas":
            raise ModuleNotFoundError(name, name=name)


sys.meta_path.insert(0, NoPandas)
