"""The doors for what others served: ``POST /v1/predictions`` and ``POST /v1/outcomes``."""

from loopline.apps.http.reporting.endpoint import make_reporting

__all__ = ["make_reporting"]
