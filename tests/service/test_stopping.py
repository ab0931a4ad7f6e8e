"""A server that is told to stop, as a service manager does it."""

from pathlib import Path

import pytest
from tests.service.live import up, write_loop

pytestmark = pytest.mark.service


def test_it_closes_what_is_open_and_leaves_nobody_behind(tmp_path):
    write_loop(tmp_path)
    with up(tmp_path) as loop:
        recorder = loop.recorder()
        assert Path(f"/proc/{recorder}").exists()
        loop.stop()
        assert not Path(f"/proc/{recorder}").exists()
        assert not list(loop.root.glob("state.db-*"))
