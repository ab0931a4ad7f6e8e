"""Lines on the disk: they outlive the process, are sent once by whoever comes next, and take no more than they may."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from loopline_client import Capture
from loopline_client.spool import SEGMENT_BYTES, Spool
from loopline_client.waiting import Line

SOURCE = Path(__file__).parents[3] / "client" / "src"
PATH = "/v1/predictions"


def lines(*names: str) -> list[Line]:
    return [Line(PATH, name.encode()) for name in names]


def left(folder: Path) -> list[str]:
    """The lines in the folder, whoever's they are."""
    return [line for path in sorted(folder.glob("*.lines")) for line in path.read_text().splitlines()]


def until(is_so, what: str) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def test_what_a_dead_server_did_not_take_is_sent_by_the_next_process(tmp_path, ear, deaf):
    folder = str(tmp_path / "spool")
    first = Capture(deaf, loop="router", version="v1", spool=folder)
    names = [first(f"text {n}", proba=[1.0]) for n in range(1_200)]
    first.outcome(names[0], "a")
    assert not first.close(timeout=0)
    assert first.counts == (1_201, 0, 0, 0, 1_201)
    assert len(left(tmp_path / "spool")) == 1_201
    second = Capture(ear.url, loop="router", version="v1", spool=folder)
    until(lambda: second.counts.accepted == 1_201, "nothing was adopted")
    assert second.flush(timeout=30)
    assert second.counts == (1_201, 1_201, 0, 0, 0)
    assert second.close()
    assert [line["id"] for path, _, said in ear.heard for line in said if path == PATH] == names
    assert list((tmp_path / "spool").iterdir()) == []


def test_with_a_server_nothing_stays_on_the_disk(tmp_path, ear):
    with Capture(ear.url, loop="router", version="v1", spool=str(tmp_path)) as log:
        for _ in range(10):
            log("x", proba=[1.0])
    assert log.counts == (10, 10, 0, 0, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_a_segment_that_was_sent_is_neither_sent_nor_counted_again(tmp_path, ear):
    spool = Spool(tmp_path, size=100_000)
    assert spool.append(lines(*(f'{{"id": "p{number}"}}' for number in range(700)))) == 700
    spool.close()
    ear.answers = [ear.all_taken, lambda _: (503, {"retry-after": "0"}, {"error": "busy"})]
    with Capture(ear.url, loop="router", version="v1", spool=str(tmp_path)) as second:
        until(lambda: second.counts.sent == 700, "they were never sent")
    assert second.counts == (700, 700, 0, 0, 0)
    assert [len(said) for _, _, said in ear.heard] == [500, 200, 200]


KILLED = """
    import sys, time
    sys.path.insert(0, sys.argv[1])
    from loopline_client import Capture
    log = Capture(sys.argv[2], loop="router", version="v1", spool=sys.argv[3])
    for number in range(int(sys.argv[4])):
        log("x", proba=[1.0], id=f"{sys.argv[5]}-{number}")
    print("given", flush=True)
    time.sleep(600)
"""


def test_a_process_that_is_killed_leaves_its_lines_to_the_next(tmp_path, ear, deaf):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(SOURCE), deaf, str(tmp_path), "700", "killed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout.readline() == "given\n"
        until(lambda: len(left(tmp_path)) == 700, "the lines never came to the disk")
        log = Capture(ear.url, loop="router", version="v1", spool=str(tmp_path))
        log("mine", proba=[1.0], id="mine")
        assert log.flush(timeout=30)
        assert [line["id"] for line in ear.lines] == ["mine"]  # the other one lives
        assert log.close()
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    with Capture(ear.url, loop="router", version="v1", spool=str(tmp_path)) as log:
        until(lambda: log.counts.accepted == 700, "nothing was adopted")
        assert log.flush(timeout=30)
    assert sorted(ear.taken) == sorted(["mine", *(f"killed-{number}" for number in range(700))])
    assert list(tmp_path.iterdir()) == []


def test_two_processes_share_a_folder_and_each_sends_its_own(tmp_path, ear):
    program = textwrap.dedent(KILLED).replace("time.sleep(600)", "log.close(30); sys.exit(log.counts.sent != 2_000)")
    start = [sys.executable, "-c", program, str(SOURCE), ear.url, str(tmp_path), "2000"]
    running = [subprocess.Popen([*start, name], stdout=subprocess.DEVNULL) for name in ("one", "two")]
    assert [each.wait(60) for each in running] == [0, 0]
    heard = [line["id"] for line in ear.lines]
    assert sorted(heard) == sorted(f"{name}-{number}" for name in ("one", "two") for number in range(2_000))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_folder_is_bounded(tmp_path, deaf):
    log = Capture(deaf, loop="router", version="v1", spool=str(tmp_path), spool_bytes=20_000, queue_lines=50)
    until(lambda: log("x" * 500, proba=[1.0]) and log.counts.dropped > 10, "nothing was ever dropped")
    assert 19_000 < sum(path.stat().st_size for path in tmp_path.glob("*.lines")) <= 20_000
    kept = len(left(tmp_path))
    assert log.counts.waiting == kept + 50
    assert not log.close(timeout=0)
    assert log.counts.waiting == kept == log.counts.accepted - log.counts.dropped


def test_a_folder_that_cannot_be_made_leaves_memory_and_a_sentence(tmp_path, ear):
    (tmp_path / "file").write_text("")
    log = Capture(ear.url, loop="router", version="v1", spool=str(tmp_path / "file" / "spool"))
    assert log.trouble.startswith("spool: ")
    assert log.trouble.endswith("; what waits is kept in memory only")
    log("x", proba=[1.0])
    assert log.flush()
    assert log.counts.sent == 1
    log.close()


def test_when_the_disk_takes_nothing_lines_are_sent_from_memory(tmp_path, ear):
    log = Capture(ear.url, loop="router", version="v1", spool=str(tmp_path / "spool"))
    for path in (tmp_path / "spool").iterdir():
        path.unlink()
    (tmp_path / "spool").rmdir()
    (tmp_path / "spool").write_text("a file where the folder was")
    names = [log("x", proba=[1.0]) for _ in range(5)]
    assert log.flush(timeout=30)
    assert [line["id"] for line in ear.lines] == names
    assert log.counts == (5, 5, 0, 0, 0)
    log.close()


def test_a_torn_line_is_counted_as_dropped(tmp_path, ear):
    spool = Spool(tmp_path, size=10_000)
    assert spool.append(lines('{"id": "p1"}', '{"id": "p2"}')) == 2
    spool.close()
    (path,) = tmp_path.glob("*.lines")
    path.write_bytes(path.read_bytes()[:-3])
    with Capture(ear.url, loop="router", version="v1", spool=str(tmp_path)) as log:
        until(lambda: log.counts.accepted == 2, "nothing was adopted")
        assert log.flush(timeout=30)
    assert [line["id"] for line in ear.lines] == ["p1"]
    assert log.counts == (2, 1, 1, 0, 0)


def test_segments_are_bounded_and_come_oldest_first(tmp_path):
    spool = Spool(tmp_path, size=10 * SEGMENT_BYTES)
    half = "x" * (SEGMENT_BYTES // 2)
    for mark in "abcd":
        assert spool.append(lines(mark + half)) == 1
    assert len(list(tmp_path.glob("*.lines"))) == 2
    segment = spool.oldest()
    assert [line.content[:1] for line in segment.lines] == [b"a", b"b"]
    assert spool.oldest() == segment
    spool.remove(segment)
    assert [line.content[:1] for line in spool.oldest().lines] == [b"c", b"d"]
    spool.close()


def test_a_write_that_fails_leaves_nothing_behind(tmp_path):
    spool = Spool(tmp_path, size=1 << 30)
    assert spool.append(lines("first")) == 1
    program = textwrap.dedent("""
        import resource, sys, pathlib
        sys.path.insert(0, sys.argv[1])
        from loopline_client.spool import Spool
        from loopline_client.waiting import Line
        import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
        spool = Spool(pathlib.Path(sys.argv[2]), size=1 << 30)
        print(spool.append([Line("/v1/predictions", b"x" * 500)]))
        try:
            spool.append([Line("/v1/predictions", b"y" * 300), Line("/v1/predictions", b"z" * 500)])
        except OSError as error:
            print(error)
        print(spool.append([Line("/v1/predictions", b"y" * 300)]))
        print([line.content[:1] for line in spool.oldest().lines])
    """)
    command = [sys.executable, "-c", program, str(SOURCE), str(tmp_path / "small")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["1", "the disk took 498 of 804 bytes", "1", "[b'x', b'y']"]
    spool.close()


def test_an_empty_owner_is_forgotten_and_a_living_one_left_alone(tmp_path):
    living, ended = Spool(tmp_path, size=1_000), Spool(tmp_path, size=1_000)
    living.append(lines("mine"))
    ended.close()
    other = Spool(tmp_path, size=1_000)
    assert other.adopt() == 0
    assert other.oldest() is None
    assert len(list(tmp_path.glob("*.lock"))) == 2
    living.close()
    assert other.adopt() == 1
    assert [line.content for line in other.oldest().lines] == [b"mine"]
    other.close()


@pytest.mark.parametrize("content", [b"", b"\n", b"no mark\n", b"P\n"])
def test_a_file_that_is_not_ours_does_no_harm(tmp_path, content, ear):
    spool = Spool(tmp_path, size=1_000)
    spool.append(lines("x"))
    spool.close()
    (path,) = tmp_path.glob("*.lines")
    path.write_bytes(content)
    with Capture(ear.url, loop="router", version="v1", spool=str(tmp_path)) as log:
        until(lambda: not path.exists(), "it is still there")
        assert log.flush()
    assert log.counts.sent + log.counts.dropped == log.counts.accepted


def test_a_forked_child_has_a_spool_of_its_own(tmp_path, ear, deaf):
    parent = Capture(deaf, loop="router", version="v1", spool=str(tmp_path))
    parent("x", proba=[1.0], id="parent")
    child = os.fork()
    if child == 0:
        parent("x", proba=[1.0], id="child")
        parent.close(timeout=0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    until(lambda: len(left(tmp_path)) == 2, "the lines never came to the disk")
    with Capture(ear.url, loop="router", version="v1", spool=str(tmp_path)) as log:
        until(lambda: log.counts.accepted == 1, "the child's line was not adopted")
        assert log.flush(timeout=30)
        assert [line["id"] for line in ear.lines] == ["child"]  # the parent lives, and holds its own
    assert not parent.close(timeout=0)
    assert [line[:14] for line in left(tmp_path)] == ['P{"id":"parent']


def test_a_child_that_lives_on_does_not_keep_what_its_parent_left(tmp_path, ear, deaf):
    parent = Capture(deaf, loop="router", version="v1", spool=str(tmp_path))
    parent("x", proba=[1.0], id="parent")
    end, begin = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(begin)
        os.read(end, 1)
        os._exit(0)
    parent.close(timeout=0)
    with Capture(ear.url, loop="router", version="v1", spool=str(tmp_path)) as log:
        until(lambda: log.counts.accepted == 1, "the parent's line was not adopted")
        assert log.flush(timeout=30)
    os.close(begin)
    os.close(end)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [line["id"] for line in ear.lines] == ["parent"]


@pytest.mark.slow
def test_what_comes_just_before_a_hasty_close_is_on_the_disk_though_the_server_hangs(tmp_path, ear):
    let_go = threading.Event()
    ear.answers.append(lambda given: (let_go.wait(30), ear.all_taken(given))[1])
    log = Capture(ear.url, loop="router", version="v1", spool=str(tmp_path))
    try:
        log("x", proba=[1.0], id="first")
        until(lambda: ear.heard, "nothing was sent")
        for number in range(20):  # the first of them wakes the thread that writes, the others come while it rests
            log("x", proba=[1.0], id=f"late-{number}")
            time.sleep(0.001)
        assert not log.close(timeout=0)
        found = "".join(left(tmp_path))
        assert [number for number in range(20) if f'late-{number}"' not in found] == []
        assert log.counts == (21, 0, 0, 0, 21)
    finally:
        let_go.set()
        assert log._sender.close(30)
