"""The view that a loop's input calls for."""

from collections.abc import Mapping

from loopline.adapters.views.document import DocumentView
from loopline.adapters.views.image import ImageView
from loopline.adapters.views.table import TableView
from loopline.adapters.views.text import TextView
from loopline.ports.view import View
from loopline.records.signature import InputKind

VIEWS: Mapping[str, View] = {"text": TextView(), "image": ImageView(), "table": TableView(), "json": DocumentView()}
"""The built-in views by name."""
BY_INPUT: Mapping[InputKind, str] = {"text": "json", "tabular": "table", "image": "image"}
"""What ``auto`` stands for; the ``json`` view shows texts that are no JSON as text."""
