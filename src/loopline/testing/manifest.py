"""What every manifest must do. Subclass ``ManifestContract`` in your tests and give it ``make``."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec.structs import replace

from loopline.errors import Conflict, InvalidRecord
from loopline.ports.manifest import Manifest
from loopline.records.ids import LoopName
from loopline.records.segment import Pin, Segment, Tier
from loopline.testing.scene import LOOP, NOW, digest, later

OTHER = LoopName("other")


def segment(lane_first: int = 1, rows: int = 10, *, lane: str = "main", **changes: object) -> Segment:
    """Ten rows of lane ``main``, at no place yet."""
    plain = Segment(
        digest=digest(f"{lane} {lane_first} {rows}".encode()),
        loop=LOOP,
        lane=lane,
        lane_first=lane_first,
        first=0,
        rows=rows,
        size=rows * 100,
        min_at_us=1_767_603_600_000_000 + lane_first,
        max_at_us=1_767_603_600_000_000 + lane_first + rows,
        min_id=f"p{lane_first}",
        max_id="p文",
        counts={"v2": rows - 1, "v1": 1},
        arms={"incumbent": rows},
        tier="hot",
        sealed_at=later(0.000001),
        ids=bytes(range(256)),
    )
    return replace(plain, **changes)


def filled(manifest: Manifest, *lanes: str) -> tuple[Segment, ...]:
    """The manifest's segments, after a segment of ten rows was added for each of the lanes in turn."""
    ends = dict.fromkeys(lanes, 1)
    for lane in lanes:
        manifest.add(segment(ends[lane], lane=lane))
        ends[lane] += 10
    return manifest.segments(LOOP)


def merged(parts: Sequence[Segment], *, tier: Tier = "hot") -> Segment:
    """One segment in the place of these neighbours."""
    name = digest("".join(part.digest for part in parts).encode())
    return replace(parts[0], digest=name, rows=sum(part.rows for part in parts), tier=tier, sealed_at=NOW)


class ManifestContract:
    """The laws of ``ports.manifest.Manifest``."""

    def make(self) -> Manifest:
        """A new, empty manifest."""
        raise NotImplementedError

    def beside(self, manifest: Manifest) -> Manifest:
        """The same manifest as another process opens it."""
        return manifest

    def test_segments_are_got_back_whole_in_their_places(self) -> None:
        """All but ``first`` is kept as given, and the first position is 1."""
        manifest = self.make()
        assert manifest.segments(LOOP) == ()
        assert manifest.add(segment(first=99)) == segment(first=1)
        assert manifest.add(segment(11, 5)) == segment(11, 5, first=11)
        assert manifest.segments(LOOP) == (segment(first=1), segment(11, 5, first=11))

    def test_adding_again_changes_nothing(self) -> None:
        """Whatever else the second one says, what is held is returned."""
        manifest = self.make()
        held = filled(manifest, "main", "main")
        assert manifest.add(segment()) == held[0]
        assert manifest.add(segment(1, 15, size=7)) == held[0]
        assert manifest.segments(LOOP) == held

    def test_what_was_compacted_since_is_not_added_again(self) -> None:
        """A writer that died after it added, and tries again late, gets the segment that holds its first row."""
        manifest = self.make()
        held = filled(manifest, "main", "main", "main")
        whole = merged(held[:2])
        manifest.replace(held[:2], new=(whole,))
        assert manifest.add(segment(11)) == whole
        assert manifest.segments(LOOP) == (whole, held[2])

    @pytest.mark.parametrize("lane_first", [12, 21])
    def test_a_gap_in_a_lane_is_refused(self, lane_first: int) -> None:
        """Rows that nobody sealed would be lost without a word."""
        manifest = self.make()
        filled(manifest, "main")
        with pytest.raises(Conflict) as error:
            manifest.add(segment(lane_first))
        expected = f"it begins at row {lane_first}, expected row 11, after what is held of the lane"
        assert str(error.value) == f"segment of lane 'main': {expected}"
        assert len(manifest.segments(LOOP)) == 1

    def test_a_lane_begins_at_its_first_row(self) -> None:
        """A spool that sealed into another manifest before is told so."""
        manifest = self.make()
        with pytest.raises(Conflict, match="segment of lane 'main': it begins at row 11, expected row 1, after"):
            manifest.add(segment(11))

    def test_a_segment_has_rows(self) -> None:
        """Two would have one place, else."""
        with pytest.raises(InvalidRecord) as error:
            self.make().add(segment(rows=0))
        assert str(error.value) == "segment of lane 'main': 0 rows, expected at least 1"

    def test_lanes_take_turns_without_overlap_or_gap(self) -> None:
        """Places are given as segments come; within a lane they follow each other."""
        held = filled(self.make(), "a", "b", "a", "c", "b")
        assert [(one.lane, one.lane_first, one.first) for one in held] == [
            ("a", 1, 1),
            ("b", 1, 11),
            ("a", 11, 21),
            ("c", 1, 31),
            ("b", 11, 41),
        ]

    def test_loops_do_not_see_each_other(self) -> None:
        """Each begins at position 1, and its claims are its own."""
        manifest = self.make()
        filled(manifest, "main")
        assert manifest.add(segment(loop=OTHER)).first == 1
        manifest.pin(Pin(holder="export", after=0, until=5), loop=OTHER)
        assert [len(manifest.segments(loop)) for loop in (LOOP, OTHER, LoopName("third"))] == [1, 1, 0]
        assert manifest.pins(LOOP) == ()
        (held,) = manifest.segments(LOOP)
        manifest.replace((held,), new=(replace(held, tier="deleted"),))
        assert manifest.segments(OTHER)[0].tier == "hot"

    def test_writers_at_once_get_places_of_their_own(self) -> None:
        """Eight lanes, five segments each, at the same time: forty places without overlap or gap."""
        manifest = self.make()

        def write(lane: str) -> None:
            own = self.beside(manifest)
            for number in range(5):
                own.add(segment(1 + 10 * number, lane=lane))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(write, "abcdefgh"))
        assert [one.first for one in manifest.segments(LOOP)] == list(range(1, 401, 10))

    def test_compaction_keeps_every_place(self) -> None:
        """Three segments become one, and another process sees it; twice changes nothing."""
        manifest = self.make()
        other, held = self.beside(manifest), filled(manifest, *["main"] * 4)
        assert other.segments(LOOP) == held
        whole = merged(held[1:])
        for _ in range(2):
            manifest.replace(held[1:], new=(whole,))
            assert manifest.segments(LOOP) == other.segments(LOOP) == (held[0], whole)
        assert manifest.add(segment(41)).first == 41

    def test_an_unchanged_manifest_gives_the_very_same_segments(self) -> None:
        """Several times a second it is asked; nothing is read again."""
        manifest = self.make()
        filled(manifest, "main", "main")
        manifest.pin(Pin(holder="export", after=0, until=5), loop=LOOP)
        assert all(one is two for one, two in zip(manifest.segments(LOOP), manifest.segments(LOOP), strict=True))

    def test_archive_then_deletion_is_seen_everywhere(self) -> None:
        """The place of a deleted segment stays."""
        manifest = self.make()
        other, held = self.beside(manifest), filled(manifest, "main", "main")
        for tier in ("archive", "deleted"):
            old = manifest.segments(LOOP)[0]
            manifest.replace((old,), new=(replace(old, tier=tier),))
            assert [one.tier for one in other.segments(LOOP)] == [tier, "hot"]
        assert manifest.segments(LOOP)[1] == held[1]
        assert manifest.add(segment(21)).first == 21

    def test_old_forms_are_replaced_once(self) -> None:
        """Whoever looked before another's compaction is told to look again."""
        manifest = self.make()
        held = filled(manifest, "main", "main")
        manifest.replace(held, new=(merged(held),))
        with pytest.raises(Conflict) as error:
            manifest.replace(held, new=(replace(merged(held), digest=digest(b"another")),))
        found = "not held as given, expected one held; read the manifest again"
        assert str(error.value) == f"segment {held[0].digest}: {found}"
        assert manifest.segments(LOOP) == (merged(held),)

    def test_nothing_for_nothing_changes_nothing(self) -> None:
        """An empty step is no step."""
        manifest = self.make()
        held = filled(manifest, "main")
        manifest.replace((), new=())
        assert manifest.segments(LOOP) == held

    @pytest.mark.parametrize(
        ("changes", "found"),
        [
            ({"rows": 9}, "sentiment 11-19 (lane a 1-9)"),
            ({"first": 12}, "sentiment 12-21 (lane a 1-10)"),
            ({"lane_first": 2}, "sentiment 11-20 (lane a 2-11)"),
            ({"lane": "b"}, "sentiment 11-20 (lane b 1-10)"),
            ({"loop": OTHER}, "other 11-20 (lane a 1-10)"),
        ],
    )
    def test_the_places_must_be_the_same(self, changes: dict[str, object], found: str) -> None:
        """Of the log and of the lane: else rows would be lost, or sealed twice."""
        manifest = self.make()
        held = filled(manifest, "main", "a", "main")
        with pytest.raises(Conflict) as error:
            manifest.replace(held[1:2], new=(replace(held[1], **changes),))
        expected = "expected sentiment 11-20 (lane a 1-10)"
        assert str(error.value) == f"segments to replace: new ones at {found}, {expected}"
        assert manifest.segments(LOOP) == held

    def test_lanes_are_not_merged_into_one(self) -> None:
        """Neighbours in the log, but of two spools: where each lane ends would be forgotten."""
        manifest = self.make()
        held = filled(manifest, "a", "b")
        with pytest.raises(Conflict) as error:
            manifest.replace(held, new=(merged(held),))
        expected = "expected sentiment 1-10 (lane a 1-10), sentiment 11-20 (lane b 1-10)"
        assert str(error.value) == f"segments to replace: new ones at sentiment 1-20 (lane a 1-20), {expected}"
        assert manifest.segments(LOOP) == held

    def test_rows_do_not_vanish_without_a_memory(self) -> None:
        """Deleted is a tier, not an absence; nor does anything come from nowhere."""
        manifest = self.make()
        held = filled(manifest, "main")
        with pytest.raises(Conflict, match="new ones at nothing, expected sentiment 1-10"):
            manifest.replace(held, new=())
        with pytest.raises(Conflict, match=r"new ones at sentiment 11-20 .*, expected nothing"):
            manifest.replace((), new=(segment(11, first=11),))
        assert manifest.segments(LOOP) == held

    @pytest.mark.parametrize(("after", "until"), [(0, 1), (9, 10), (0, 30), (4, 5)])
    def test_what_is_pinned_is_not_deleted(self, after: int, until: int) -> None:
        """Any other form is welcome; and the claim given up, deletion is, too."""
        manifest = self.make()
        held = filled(manifest, "main", "main")[:1]
        manifest.pin(Pin(holder="selection:cycle-7", after=after, until=until), loop=LOOP)
        archived, gone = replace(held[0], tier="archive"), replace(held[0], tier="deleted")
        manifest.replace(held, new=(archived,))
        with pytest.raises(Conflict) as error:
            manifest.replace((archived,), new=(gone,))
        found = "pinned by selection:cycle-7, expected no claim on it; let it go first"
        assert str(error.value) == f"segment {held[0].digest}: {found}"
        assert manifest.segments(LOOP)[0] == archived
        manifest.pin(Pin(holder="selection:cycle-7", after=0, until=0), loop=LOOP)
        manifest.replace((archived,), new=(gone,))
        assert manifest.segments(LOOP)[0] == gone

    @pytest.mark.parametrize(("after", "until"), [(10, 20), (10, 11), (20, 99)])
    def test_a_claim_holds_no_more_than_its_stretch(self, after: int, until: int) -> None:
        """Positions in (after, until]."""
        manifest = self.make()
        held = filled(manifest, "main", "main")
        manifest.pin(Pin(holder="export", after=after, until=until), loop=LOOP)
        manifest.replace(held[:1], new=(replace(held[0], tier="deleted"),))
        assert [one.tier for one in manifest.segments(LOOP)] == ["deleted", "hot"]

    def test_the_memory_of_the_deleted_may_be_merged_under_a_claim(self) -> None:
        """A claim that came too late holds nothing up."""
        manifest = self.make()
        held = filled(manifest, "main", "main")
        gone = tuple(replace(one, tier="deleted") for one in held)
        manifest.replace(held, new=gone)
        manifest.pin(Pin(holder="export", after=0, until=20), loop=LOOP)
        manifest.replace(gone, new=(merged(gone, tier="deleted"),))
        assert manifest.segments(LOOP) == (merged(gone, tier="deleted"),)

    def test_claims_come_by_holder_and_the_latest_of_each_stands(self) -> None:
        """The same holder again replaces its claim; an empty stretch lets go, also of nothing."""
        manifest = self.make()
        for holder, after, until in (("b", 0, 9), ("a", 5, 6), ("b", 3, 4), ("c", 1, 2), ("c", 2, 2), ("d", 0, 0)):
            manifest.pin(Pin(holder=holder, after=after, until=until), loop=LOOP)
        assert manifest.pins(LOOP) == (Pin(holder="a", after=5, until=6), Pin(holder="b", after=3, until=4))

    def test_a_claim_has_a_holder(self) -> None:
        """Nobody could let it go, else."""
        with pytest.raises(InvalidRecord) as error:
            self.make().pin(Pin(holder="", after=0, until=1), loop=LOOP)
        assert str(error.value) == "pin: no holder, expected the entity that needs it"

    @hypothesis_settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.lists(st.tuples(st.sampled_from("abm"), st.integers(1, 9)), max_size=12))
    def test_the_log_never_has_a_hole(self, steps: list[tuple[str, int]]) -> None:
        """Whatever lanes add (a, b) and whatever is merged (m), positions run from 1 without overlap or gap."""
        manifest, ends = self.make(), {"a": 1, "b": 1}
        for lane, rows in steps:
            held = manifest.segments(LOOP)
            if lane in ends:
                manifest.add(segment(ends[lane], rows, lane=lane))
                ends[lane] += rows
            elif len(held) > 1 and held[-2].lane == held[-1].lane:
                manifest.replace(held[-2:], new=(merged(held[-2:]),))
            held = manifest.segments(LOOP)
            assert [one.first for one in held] == [1 + sum(one.rows for one in held[:n]) for n in range(len(held))]
            assert sum(one.rows for one in held) == ends["a"] + ends["b"] - 2
