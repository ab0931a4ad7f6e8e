"""Two lines that send what your service predicts to Loopline, and never get in its way.

::

    from loopline_client import Capture
    log = Capture("http://localhost:8686", loop="router", version="2026-11-20")
    ...
    log(x, proba=p)
"""

from loopline_client.capture import Capture
from loopline_client.counting import Counts

__all__ = ["Capture", "Counts", "__version__"]
__version__ = "0.1.0"
