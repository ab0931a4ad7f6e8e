"""``loopline up``: endpoint, pages and controller in one process, the recorder beside it."""

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import uvicorn

from loopline.apps.console import Console
from loopline.apps.guideline import bring
from loopline.apps.http.control import Doors, make_control
from loopline.apps.http.dispatch import App, Lodge, make_dispatch
from loopline.apps.http.reception import Reception
from loopline.apps.http.service import Service, identity_of
from loopline.apps.http.trouble import Watch
from loopline.apps.registration import register_first
from loopline.apps.wiring import House, hold, open_house
from loopline.errors import Conflict, LooplineError, Unavailable
from loopline.orchestrate.runner import Runner
from loopline.ports.ledger import Ledger
from loopline.records.model import ModelVersion
from loopline.records.rollout import TrafficSplit
from loopline.records.settings import Settings

TICK_SECONDS = 0.2
"""Rest of the controller between two looks."""
SWITCH_SECONDS = 0.0005
"""The longest that a thread at work on Python code keeps the others waiting: those who ask wait for answers."""
KEYS_SECONDS = 0.4
"""Rest between two looks for keys and people that were changed elsewhere."""
FOLLOW_SECONDS = 0.2
"""Rest of the gateway between two looks for a new traffic split, and of the log between two looks for trouble."""
IDLE_SECONDS = 75
"""A connection without a request is closed after so long."""
STOP_SECONDS = 5
"""How long open requests may take when the server is asked to stop."""

log = logging.getLogger("loopline.server")


def application(house: House) -> App:
    """The control plane and the pages alone, behind the door: nothing is served, nothing runs by itself."""
    people = Reception(house, identity=identity_of(house))
    control = make_control(house, Console(house, Runner(house)), doors=Doors(people=people))
    lodge = Lodge(people=people)
    return make_dispatch(control=control, inference=_nothing_here, identity=people.identity, lodge=lodge)


def serve(settings: Settings, *, root: Path, host: str, port: int) -> None:
    """Serve until told to stop.

    Raises Conflict when the folder is in use or its live version was made for other labels, Unavailable when the port
    is taken.
    """
    _log_to_stderr()
    with hold(root), _bound(host, port) as listener:
        house = open_house(settings, root=root)
        require_same_contract(house.ledger, settings)
        register_first(house)
        bring(house)
        url = url_of(host, port)
        (root / "address").write_text(url)
        _run(house, listener, host=host, url=url)


def url_of(host: str, port: int) -> str:
    """The address as a browser takes it.

    >>> url_of("127.0.0.1", 8686), url_of("::1", 8686)
    ('http://127.0.0.1:8686', 'http://[::1]:8686')
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def require_same_contract(ledger: Ledger, settings: Settings) -> None:
    """Raise Conflict when the live version takes other inputs, or gives other labels, than ``loop.toml`` asks for."""
    split = max(ledger.all(TrafficSplit, settings.name), key=lambda split: split.revision, default=None)
    if split is None:
        return
    live = ledger.get(ModelVersion, split.incumbent, loop=settings.name)
    if live.signature != settings.signature:
        raise Conflict(
            "loop.toml",
            found=f"asks for {settings.signature.spoken}",
            expected=f"{live.signature.spoken}, which the live version {live.name} was made for",
            remedy="put them back, or start a new folder",
        )


def _log_to_stderr() -> None:
    """One line an event, from INFO up; of what only matters when it fails, warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(in_one_line)
    layout = "%(asctime)s %(name)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=layout, handlers=[handler])
    logging.getLogger("alembic").setLevel(logging.WARNING)


def in_one_line(record: logging.LogRecord) -> bool:
    """Keep the record; a failure that explains itself becomes one line of warning, without its traceback."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, LooplineError):
        sentence = record.getMessage()
        whole = sentence if str(error) in sentence else f"{sentence}: {error}"
        record.msg, record.args = whole.partition("\n")[0], ()
        record.exc_info = record.exc_text = None
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    return True


def _run(house: House, listener: socket.socket, *, host: str, url: str) -> None:
    service, stop = Service(house, host=host), Event()
    beats: tuple[tuple[str, Callable[[], object], float], ...] = (
        ("controller", service.runner.tick, TICK_SECONDS),
        ("follower", service.follow, FOLLOW_SECONDS),
        ("watch", Watch(service.troubles).look, FOLLOW_SECONDS),
        ("keys", service.reread, KEYS_SECONDS),
    )
    threads = [
        Thread(target=_repeat, args=(act, seconds, stop), name=name, daemon=True) for name, act, seconds in beats
    ]
    if service.recorder.lost:
        log.warning(
            "%d answers of the last run never reached the log; they are counted as dropped", service.recorder.lost
        )
    print(f"Loopline serves {house.settings.name}: {url}/?token={house.token}", flush=True)  # noqa: T201  for people
    sys.setswitchinterval(SWITCH_SECONDS)
    for thread in threads:
        thread.start()
    config = uvicorn.Config(
        service.application(),
        http=service.connections(),
        ws="none",
        timeout_keep_alive=IDLE_SECONDS,
        log_level="warning",
        access_log=False,
        proxy_headers=False,  # else whoever connects from this machine could name any other address as theirs
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    signal.signal(signal.SIGTERM, _leave)  # uvicorn raises it once more at its end, and would be the last to run
    try:
        uvicorn.Server(config).run(sockets=[listener])
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=STOP_SECONDS)
        service.close()


def _leave(*_: object) -> None:
    """End in order: what is open is closed, and the recorder has gone before the server goes."""
    raise SystemExit


def _repeat(act: Callable[[], object], seconds: float, stop: Event) -> None:
    """Call it again and again; what it raises is told, and does not end the repetition."""
    while not stop.wait(seconds):
        try:
            act()
        except Exception:
            log.exception("%s failed; it is tried again", getattr(act, "__name__", act))


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise Unavailable(f"port {port} on {host}", reason=reason, remedy="choose another with --port") from error
    return listener


async def _nothing_here(*_: object) -> None:
    raise Unavailable("endpoint", reason="no server runs on this folder", remedy="start it: loopline up loop.toml")
