"""The guideline: its versions, the text of ``loop.toml``, its differences, and the threads about its gaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from loopline.apps.guideline import (
    LONGEST_TEXT,
    Draft,
    bring,
    difference,
    newest,
    publish,
    remark_of,
    say,
    settle,
    threads,
    versions,
)
from loopline.apps.web.guideline import offers
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.records.decision import Decision
from loopline.records.guideline import Example, Guideline
from loopline.records.settings import AnnotateSettings
from loopline.testing import factories as make
from loopline.testing.rooms import rooms

EXAMPLE = Example(text="not bad at all", label="positive", why="litotes")


def house(text=""):
    return rooms(now=make.NOW, settings=structs.replace(make.settings(), annotate=AnnotateSettings(guideline=text)))


def edited(before, text):
    """The house after ``loop.toml`` was changed and the server started anew."""
    return rooms(now=make.NOW, settings=house(text).settings, ledger=before.ledger)


def told(place):
    return [(one.version, one.text, one.author) for one in versions(place)]


def test_the_text_of_the_file_is_version_1_also_before_it_is_stored():
    place = house("be fair")
    assert told(place) == [(1, "be fair", "loop.toml")]
    assert (bring(place).version, bring(place)) == (1, None)
    assert told(place) == [(1, "be fair", "loop.toml")]
    assert (versions(house()), newest(house()), bring(house())) == ((), None, None)


def test_what_a_lead_writes_stays_until_the_file_is_edited_again():
    place = house("be fair")
    bring(place)
    publish(place, Draft("be kind", "kinder", (EXAMPLE,)), author="lee")
    assert bring(edited(place, "be fair")) is None
    assert newest(place).text == "be kind"
    brought = bring(edited(place, "be quick"))
    assert (brought.version, brought.text, brought.author, brought.examples) == (3, "be quick", "loop.toml", (EXAMPLE,))
    assert bring(edited(place, "")) is None
    assert bring(edited(place, "be quick")) is None


def test_the_text_of_the_file_is_kept_when_the_first_edit_comes_before_a_start():
    place = house("be fair")
    assert publish(place, Draft("be kind", "kinder"), author="lee").version == 2
    assert told(place) == [(1, "be fair", "loop.toml"), (2, "be kind", "lee")]


def test_two_who_write_at_once_do_not_overwrite_each_other_and_a_retry_is_one():
    place = house("be fair")
    first = publish(place, Draft("be kind", "kinder", after=1), author="lee")
    assert publish(place, Draft("be kind", "kinder", after=1), author="lee") == first
    with pytest.raises(Conflict) as refused:
        publish(place, Draft("be quick", "quicker", after=1), author="max")
    assert str(refused.value) == (
        "newest guideline: version 2 of lee, expected version 1; read the newest, then write yours again"
    )
    assert [one.version for one in versions(place)] == [1, 2]


@pytest.mark.parametrize(
    ("draft", "sentence"),
    [
        (Draft("", "why"), "guideline: 0 characters, expected 1 to 20,000"),
        (Draft("x" * (LONGEST_TEXT + 1), "why"), "guideline: 20,001 characters, expected 1 to 20,000"),
        (Draft("\n" * 5_000 + "x", "why"), "guideline: 5,001 lines, expected at most 1,000"),
        (Draft("a\0b", "why"), "guideline: a NUL character, expected a text without one"),
        (Draft("text", " "), "reason of the guideline: 0 characters, expected 1 to 500"),
        (Draft("text", "why", (EXAMPLE,) * 51), "guideline: 51 examples, expected at most 50"),
        (Draft("text", "why", (Example(text="x", label=""),)), "label of example 1: 0 characters, expected 1 to 200"),
    ],
)
def test_a_draft_that_is_none_is_refused_in_words(draft, sentence):
    with pytest.raises(InvalidRecord) as refused:
        publish(house(), draft, author="lee")
    assert str(refused.value) == sentence


def test_a_thread_goes_from_a_gap_over_replies_to_a_version_that_settles_it():
    place = house("be fair")
    gap = say(place, remark_of(place, author="ada", text="what of irony?"))
    say(place, remark_of(place, author="lee", text="as meant, I think", thread=gap.thread))
    (thread,) = threads(place)
    assert ([one.text for one in thread.replies], thread.settled) == (["as meant, I think"], None)
    version = publish(place, Draft("irony counts as meant", "irony", settles=(gap.id,)), author="lee")
    (thread,) = threads(place)
    assert (thread.settled.version, thread.settled.author, thread.settled.text) == (version.version, "lee", "irony")
    with pytest.raises(Conflict, match="settled by lee, expected open; open another thread"):
        say(place, remark_of(place, author="ada", text="but", thread=gap.thread))
    with pytest.raises(NotFound, match="no thread 'nope'"):
        publish(place, Draft("more", "more", settles=("nope",)), author="lee")
    assert newest(place) == version


def test_a_remark_sent_twice_is_one_and_its_id_stands_for_no_other_words():
    place = house()
    one = remark_of(place, author="ada", text="a gap", name="r-1")
    assert say(place, one) == say(place, one)
    assert len(threads(place)) == 1
    with pytest.raises(Conflict, match="send these under an id of their own"):
        say(place, remark_of(place, author="ada", text="another", name="r-1"))
    assert settle(place, "r-1", author="lee", text="no gap").kind == "settled"
    assert threads(place)[0].settled.version == 0


def test_open_threads_come_first():
    place = house()
    for name in ("first", "second", "third"):
        say(place, remark_of(place, author="ada", text=name, name=name))
    settle(place, "third", author="lee", text="done")
    assert [one.opening.id for one in threads(place)] == ["second", "first", "third"]


def version(text, *examples):
    return Guideline(
        loop=make.LOOP, version=1, text=text, examples=examples, at=make.NOW, author="lee", reason="because"
    )


def test_a_difference_shows_changed_lines_with_three_around_and_says_where_lines_are_left_out():
    before = "\n".join(f"line {n}" for n in range(20))
    lines = difference(version(before), version(before.replace("line 10", "rule 10"), EXAMPLE))
    assert [(one.mark, one.text) for one in lines if one.mark not in ("same", "gap")] == [
        ("removed", "line 10"), ("added", "rule 10"),
        ("added", "Example: not bad at all \u2192 positive (litotes)"),
    ]  # fmt: skip
    assert [one.mark for one in lines][:5] == ["gap", "same", "same", "same", "removed"]
    assert [one.text for one in lines if one.mark == "same"][:3] == ["line 7", "line 8", "line 9"]


LINES = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=30).map("\n".join)


@given(LINES, LINES)
def test_the_lines_of_a_difference_are_those_of_the_texts_but_for_what_is_left_out(old, new):
    lines = difference(version(old), version(new))
    removed = [one.text for one in lines if one.mark == "removed"]
    added = [one.text for one in lines if one.mark == "added"]
    assert len(new.splitlines()) - len(old.splitlines()) == len(added) - len(removed)
    assert (lines == ()) == (old.splitlines() == new.splitlines())


def test_a_sealed_sample_that_was_asked_about_again_is_offered_as_no_example():
    place = house()
    sealed, again = make.task("t1", "sealed", stratum="reserve"), make.task("t2", "sealed", stratum="relabel", cycle=2)
    other = make.task("t3", "open", stratum="relabel", cycle=2)
    place.ledger.commit(make.entry("1", make.cycle(1, phase="published"), tasks=(sealed,)))
    place.ledger.commit(make.entry("2", make.cycle(2, phase="published"), tasks=(again, other)))
    for task in (again, other):
        found = Decision(
            loop=make.LOOP, task=task.id, content=task.content, cycle=2, at=make.NOW, adjudicator="lea",
            finding="label", label="positive", reason="it is", answers=(),
        )  # fmt: skip
        place.ledger.commit(make.entry(f"decided-{task.id}", found))
    assert [one.task for one in offers(place)] == ["t3"]
