import pytest
from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.adapters.memory.objects import MemoryObjects
from loopline.dataset import parts
from loopline.dataset.parts import Contents, grown, living, read, seam, written
from loopline.dataset.table import LabelledSample, tabled
from loopline.errors import InvalidRecord, NotFound
from loopline.testing.factories import digest


def rows(*contents, label="positive", cycle=0):
    return tabled([LabelledSample(c, c.encode(), label, f"p-{c}", cycle, "chosen") for c in sorted(contents)])


class Line:
    """Versions of one descent, and the cycle that wrote each row of the last one."""

    def __init__(self):
        self.objects = MemoryObjects()
        self.held = Contents(parts=(written(rows(), cycle=0, objects=self.objects),))
        self.expected = {}

    def step(self, number, contents, *, dropped=()):
        kept = {c: n for c, n in self.expected.items() if c not in dropped}
        self.expected = kept | dict.fromkeys(contents, number)
        self.held = grown(
            self.held,
            rows(*contents, cycle=number),
            dropped=dropped,
            rows=len(self.expected),
            cycle=number,
            objects=self.objects,
        )
        return self


def found(held, objects):
    table = read(held, objects=objects, columns=("content", "cycle")).to_pydict()
    assert table["content"] == sorted(table["content"])
    return dict(zip(table["content"], table["cycle"], strict=True))


def test_a_row_lives_from_the_part_that_wrote_it_until_a_later_one_or_a_removal_ends_it():
    line = Line().step(1, "ab").step(2, "bc").step(3, "d", dropped=("a",)).step(4, "a", dropped=("d",))
    assert found(line.held, line.objects) == line.expected == {"b": 2, "c": 2, "a": 4}


contents = st.frozensets(st.sampled_from("abcdefgh"), max_size=8)


@checks(deadline=None)
@given(st.lists(st.tuples(contents, contents), max_size=12), st.integers(4, 6), st.integers(0, 9))
def test_every_version_of_a_descent_stays_as_it_was_cut_however_its_parts_are_made_one(steps, most, most_removed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "MOST_PARTS", most)
        patch.setattr(parts, "MOST_REMOVED", most_removed)
        line, history = Line(), []
        for number, (fresh, gone) in enumerate(steps, start=1):
            line.step(number, fresh, dropped=sorted((gone - fresh) & line.expected.keys()))
            history.append((line.held, line.expected))
            sizes = [part.rows for part in line.held.parts]
            assert len(sizes) <= most
            assert sum(sizes) <= 2 * len(line.expected) or len(sizes) == 1
            assert len(line.held.removed) <= most_removed
        for held, expected in history:
            assert found(held, line.objects) == expected


def test_a_version_that_changes_nothing_writes_nothing():
    objects = MemoryObjects()
    held = Contents(parts=(written(rows("a"), cycle=0, objects=objects),))
    assert grown(held, rows(), dropped=(), rows=1, cycle=1, objects=objects) == held


def test_what_was_never_in_a_version_is_not_listed_as_removed_when_it_comes_back():
    line = Line().step(1, "abcdef").step(2, "", dropped=("a",)).step(3, "a")
    assert line.held.removed == ()
    assert line.held.parts[-1].cycle == 3


def test_a_large_base_is_not_written_again_for_the_sake_of_many_small_parts():
    sizes = [1_000_000]
    rewritten = 0
    for _ in range(1_000):
        sizes.append(300)
        start = seam(sizes, rows=sum(sizes), removed=0)
        rewritten += sum(sizes[start:-1]) if start < len(sizes) - 1 else 0
        sizes = [*sizes[:start], sum(sizes[start:])]
        assert len(sizes) <= parts.MOST_PARTS
    assert sizes[0] == 1_000_000
    assert rewritten < 6 * 300_000


def test_more_dead_rows_than_living_ones_are_not_kept():
    assert seam([100, 60, 41], rows=100, removed=0) == 0
    assert seam([100, 60, 40], rows=100, removed=0) == 2


def test_many_removed_contents_are_not_listed():
    assert seam([5_000, 10], rows=4_009, removed=1_001) == 0
    assert seam([5_000, 10], rows=4_010, removed=1_000) == 1


def test_only_what_is_asked_for_is_read():
    line = Line().step(1, "ab")
    assert read(line.held, objects=line.objects, columns=("content", "label")).column_names == ["content", "label"]


def test_a_part_that_is_no_dataset_file_is_named():
    objects = MemoryObjects()
    held = Contents(parts=(parts.Part(file=objects.put(b"junk"), rows=1, cycle=0),))
    with pytest.raises(InvalidRecord, match=rf"^dataset file {digest(b'junk')}: .*expected Parquet$"):
        read(held, objects=objects)
    with pytest.raises(NotFound):
        read(Contents(parts=(parts.Part(file=digest(b"gone"), rows=1, cycle=0),)), objects=objects)


def test_rows_that_are_sorted_in_portions_come_out_as_if_in_one(monkeypatch):
    tables = [rows(*"bdfh"), rows(*"acg", cycle=1), rows(*"bx", cycle=2)]
    whole = living(tables, removed=["g"])
    monkeypatch.setattr(parts, "PORTION", 40)
    assert sum(table.nbytes for table in tables) > 10 * parts.PORTION
    assert living(tables, removed=["g"]).combine_chunks().equals(whole.combine_chunks())
    assert whole["content"].to_pylist() == list("abcdfhx")
    assert living([rows(), rows()]).num_rows == 0


def test_one_table_is_handed_on_as_it_is():
    table = rows("a", "b")
    assert living([table]) is table
    assert living([table], removed=["a"])["content"].to_pylist() == ["b"]
