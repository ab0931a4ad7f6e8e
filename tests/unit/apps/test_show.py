"""Answers of the control API as a person reads them in a terminal."""

from loopline.apps.cli import show


def test_status_reads_as_sentences(capsys):
    show.status(
        {
            "loop": "mood",
            "awaited": "40 labels of cycle 2",
            "troubles": ["v2 is not loaded: object store: no answer. v1 goes on answering"],
            "split": {"incumbent": "v1", "challenger": "v2", "basis_points": 0, "shadow": True},
            "cycle": {"number": 2, "phase": "published", "outcome": "", "reason": "the world moved"},
            "counts": {"answered": 10, "stored": 9, "dropped": 1},
            "progress": {"done": 3, "tasks": 43},
            "signals": [{"reason": "confidence fell"}],
            "cadence": None,
            "stages": [{"name": "serve", "last": "v1 is live", "at": None}],
        }
    )
    shown = capsys.readouterr().out
    for part in (
        "mood  40 labels of cycle 2",
        "  trouble   v2 is not loaded: object store: no answer. v1 goes on answering\n  traffic ",
        "v1 100 %, v2 in shadow",
        "2 is published: the world moved",
        "3 of 43 tasks done",
        "confidence fell",
        "10 answered, 9 stored, 1 dropped",
        "v1 is live",
    ):
        assert part in shown


def test_status_prints_text_as_it_stands_and_turns_nothing_into_pictures_or_markup(capsys):
    odd = "train.py:train [bold]failed[/] :warning:"
    stage = {"name": "train", "last": odd, "at": None}
    show.status({"loop": ":dog:", "awaited": odd, "signals": [{"reason": odd}], "stages": [stage]})
    show.tick([{"id": "a", "kind": "Start", "reason": odd}])
    show.why({"entity": "run:train:1", "told": odd, "sources": []})
    shown = capsys.readouterr().out
    assert shown.count(odd) == 5
    assert ":dog:" in shown
    assert "run:train:1" in shown


def test_status_of_a_closed_cycle_tells_how_it_ended_and_not_why_it_was_opened(capsys):
    cycle = {"number": 1, "phase": "closed", "outcome": "failed", "reason": "2,000 new predictions"}
    show.status({"loop": "mood", "awaited": "", "cycle": cycle | {"outcome_reason": "StartTraining failed\nTraceback"}})
    shown = capsys.readouterr().out
    assert "1 is closed, failed: StartTraining failed\n" in shown
    assert "2,000" not in shown
    assert "Traceback" not in shown


def test_why_tells_each_steps_sentence_and_breaks_no_line(capsys):
    long = "a sentence that is longer than any terminal is wide: " + "wide " * 40 + "end"
    at = "2026-11-22T10:49:11.08Z"
    run = {"entity": "run:" + "r" * 80, "act": "mood/cycle-0/train/1", "kind": "StartTraining", "at": at, "told": long}
    data = {"entity": "dataset:c0", "told": "460 rows", "sources": []}
    show.why({"entity": "model:v1", "told": "v1 was trained", "sources": [run | {"sources": [data]}, data]})
    assert capsys.readouterr().out.splitlines() == [
        "model:v1",
        "│   v1 was trained",
        f"├── run:{'r' * 80}  StartTraining  mood/cycle-0/train/1  2026-11-22 10:49:11",
        f"│   │   {long}",
        "│   └── dataset:c0",
        "│           460 rows",
        "└── dataset:c0",
        "        460 rows",
    ]


def test_why_reads_as_a_tree(capsys):
    data = {"entity": "dataset:c1", "act": "", "kind": "", "at": "", "sources": []}
    show.why(
        {
            "entity": "model:v2",
            "act": "mood/cycle-1/collect",
            "kind": "Collect[ed]",
            "at": "2026-11-22T10:49:11.08Z",
            "sources": [data],
        }
    )
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "model:v2  Collect[ed]  mood/cycle-1/collect  2026-11-22 10:49:11",
        "└── dataset:c1",
    ]


def test_a_tick_tells_what_it_did(capsys):
    show.tick([{"id": "a", "kind": "Select", "reason": "the window is full"}])
    show.tick([])
    assert capsys.readouterr().out.splitlines() == [
        "Select: the window is full",
        "nothing was due; loopline status says what is awaited",
    ]
