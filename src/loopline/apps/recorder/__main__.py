"""``python -m loopline.apps.recorder FOLDER [--resume]``: write what was answered until told to stop, then the rest.

It stops on SIGTERM and when its standard input ends, that is when the server is gone, however it went. ``--resume``:
the server answers already, so the account is not balanced now.
"""

import fcntl
import gc
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

import msgspec

import loopline.apps.recorder.lean  # noqa: F401  before pyarrow is
from loopline.apps.recorder.opening import Desk, open_desk
from loopline.apps.recorder.reconciling import reconcile
from loopline.apps.recorder.words import LOCK, Word, read_orders
from loopline.capture.stage import Recorder
from loopline.errors import LooplineError

LOOK_SECONDS = 0.2
KEEP_SECONDS = 1.0
LOCK_SECONDS = 0.05
NICENESS = 5
"""Those who ask go first; of a core that everybody wants, the recorder still has a quarter."""
GARBAGE_OBJECTS = 100_000
"""New objects after which cycles are looked for; rows hold none. At the usual 700 it is a tenth of all work."""


class Voice:
    """Tells the server how things are, each time that they change."""

    def __init__(self) -> None:
        self._last = Word()

    def tell(self, word: Word) -> None:
        """Print the word when it is another than the last; nobody may be listening any more."""
        if word != self._last:
            self._last = word
            with suppress(BrokenPipeError):
                os.write(sys.stdout.fileno(), msgspec.json.encode(word) + b"\n")


class Keeping:
    """Seals, packs and clears out the log once a second, on a thread of its own."""

    def __init__(self, desk: Desk, *, stop: Event) -> None:
        self.trouble = ""
        self._desk, self._stop = desk, stop
        self._thread = Thread(target=self._run, name="keeping", daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait for the step that is under way."""
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(KEEP_SECONDS):
            try:
                self._desk.keeper.look()
                self.trouble = self._desk.keeper.trouble
            except Exception as error:  # whatever it is, the rows stay where they are and recording goes on
                self.trouble = str(error) or repr(error)


def run(root: Path, *, stop: Event, resumed: bool, voice: Voice) -> int:
    """Record until told to stop: 0, or 1 when the recording thread ended by a fault."""
    orders = read_orders(root)
    desk = open_desk(root, orders=orders)
    try:
        lost = 0 if resumed else reconcile(desk.queue, log=desk.log, counters=desk.counters)
        queue, log, objects, counters, rules, _ = desk
        recorder = Recorder(queue, log=log, objects=objects, counters=counters, rules=rules)
        keeping = Keeping(desk, stop=stop)

        def word() -> Word:
            told = {"trouble": recorder.trouble, "refusal": recorder.refusal, "keeping": keeping.trouble}
            return Word(ready=True, lost=lost, damage=desk.log.damage(), **told)

        voice.tell(word())
        while recorder.is_alive and not stop.wait(LOOK_SECONDS):
            voice.tell(word())
        is_sound = recorder.is_alive
        stop.set()
        recorder.close()
        keeping.join()
        voice.tell(word())
        return 0 if is_sound else 1
    finally:
        desk.close()


def hold(root: Path, *, stop: Event, voice: Voice) -> bool:
    """Whether this is now the one recorder of the folder; another one may still be at its last batches."""
    lock = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if stop.wait(LOCK_SECONDS):
                return False
            voice.tell(Word(trouble="another recorder is at work in this folder; this one waits for it to end"))
        else:
            os.pwrite(lock, f"{os.getpid():<10}".encode(), 0)
            return True


def watch(stop: Event) -> None:
    """Stop when the server is gone: nothing is ever written to the standard input."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    stop.set()


def main(arguments: list[str]) -> int:
    """Run in the folder that the first argument names."""
    stop, voice, root = Event(), Voice(), Path(arguments[0])
    os.nice(NICENESS)
    gc.freeze()
    gc.set_threshold(GARBAGE_OBJECTS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the server too, who then ends this process
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    Thread(target=watch, args=(stop,), name="watch", daemon=True).start()
    try:
        return (
            run(root, stop=stop, resumed="--resume" in arguments, voice=voice)
            if hold(root, stop=stop, voice=voice)
            else 0
        )
    except (LooplineError, OSError) as error:
        voice.tell(Word(trouble=str(error)))
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
