"""What every clock must do. Subclass ``ClockContract`` in your tests and give it ``make``."""

import threading
from datetime import datetime, timedelta

from loopline.ports.clock import Clock


class ClockContract:
    """The laws of ``ports.clock.Clock``."""

    def make(self) -> Clock:
        """A clock."""
        raise NotImplementedError

    def test_the_time_is_told_in_utc(self) -> None:
        """With its zone."""
        assert self.make().now().utcoffset() == timedelta(0)

    def test_time_never_goes_backwards(self) -> None:
        """Not within a thread that others disturb, either."""
        clock, told = self.make(), list[list[datetime]]()

        def ask() -> None:
            told.append([clock.now() for _ in range(200)])

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(told) == 4
        assert all(times == sorted(times) for times in told)
