import msgspec
import numpy as np
import pytest

from loopline.adapters.memory.engine import MemoryEngine
from loopline.adapters.memory.objects import MemoryObjects
from loopline.errors import InvalidRecord, NotFound
from loopline.evaluate.stage import judge
from loopline.records.settings import GateSettings
from loopline.records.signature import Signature
from loopline.testing.factories import LABELS, cycle, label, labelled_row, model_version, settings
