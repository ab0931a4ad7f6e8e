"""One turn for what is heavy."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from loopline.apps.turns import OneTurn
from loopline.errors import Busy


def test_only_one_is_ever_in_and_all_who_wait_get_in():
    turn, inside, most, start = OneTurn(waiting=7, patience_seconds=60), [0], [0], Barrier(8)

    def enter() -> None:
        start.wait()
        for _ in range(50):
            with turn.held():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(enter) for _ in range(8)]:
            done.result()
    assert most == [1]


def test_whoever_waited_in_vain_leaves_the_line():
    turn = OneTurn(waiting=1, patience_seconds=0)
    for _ in range(3):
        with turn.held(), pytest.raises(Busy), turn.held():
            pass
    with turn.held():
        pass


def test_more_than_may_wait_are_sent_away_at_once():
    turn, entered, leave = OneTurn(waiting=0, patience_seconds=3_600), Event(), Event()

    def stay() -> None:
        with turn.held():
            entered.set()
            leave.wait()

    with ThreadPoolExecutor(1) as pool:
        staying = pool.submit(stay)
        entered.wait()
        with pytest.raises(Busy, match="one at a time; try again in 3600 s"), turn.held():
            pass
        leave.set()
        staying.result()


def test_an_error_inside_gives_the_turn_back():
    turn = OneTurn(waiting=0, patience_seconds=0)
    with pytest.raises(ValueError, match="inside"), turn.held():
        raise ValueError("inside")
    with turn.held():
        pass
