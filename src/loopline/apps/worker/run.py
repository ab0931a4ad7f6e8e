"""The run as a trainer sees it."""

import math
from pathlib import Path

from loopline.adapters.subprocess.folder import Report, RunFolder
from loopline.records.model import RunSpec


class Run:
    """What a trainer may ask of its run, and tell it."""

    def __init__(self, spec: RunSpec, *, folder: RunFolder) -> None:
        self._folder, self._metrics = folder, dict[str, float]()
        self.seed = spec.seed
        """Set for ``random`` and ``numpy.random`` already; pass it to whatever draws at random besides."""
        self.folder: Path = folder.path
        """Where the run may write what it likes."""

    @property
    def metrics(self) -> dict[str, float]:
        """The latest value of every metric reported so far."""
        return dict(self._metrics)

    def progress(self, done: int, total: int, **metrics: float) -> None:
        """Say that ``done`` of ``total`` steps are done, with numbers worth showing; those not finite are left out."""
        named = {name: float(value) for name, value in metrics.items()}
        self._metrics |= {name: value for name, value in named.items() if math.isfinite(value)}
        self._folder.report(Report(done=int(done), total=int(total), metrics=self.metrics))
