import msgspec
import pytest

from loopline.adapters.memory.objects import MemoryObjects
from loopline.dataset import parquet
from loopline.dataset.stage import anchor_contents, anchor_rows, conflicts_of, cut, import_base, manifest_of, rows_of
from loopline.errors import InvalidRecord, NotFound
from loopline.records.settings import TrainSettings
from loopline.records.signature import Signature
from loopline.testing.factories import (
    NOW,
    SIGNATURE,
    cycle,
    digest,
    label,
    label_batch,
    labelled_row,
    later,
    selection,
    settings,
)

ROWS = [labelled_row("r1", "good"), labelled_row("r2", "bad", label="negative"), labelled_row("r3", "so so")]


def imported(objects, rows=ROWS, anchor=(), now=NOW, **changes):
    return import_base(rows, anchor=anchor, settings=settings(**changes), objects=objects, now=now)


def next_version(objects, parent, *labels, number=1, now=NOW, anchor=frozenset(), **changes):
    made = {"batch": label_batch(*labels, cycle=number), "selection": selection(id=f"cycle-{number}"), "anchor": anchor}
    return cut(cycle(number), parent=parent, objects=objects, settings=settings(**changes), now=now, **made).version


def contents(version, objects):
    table = rows_of(version, objects=objects)
    return dict(zip(table["inputs"].to_pylist(), table["label"].to_pylist(), strict=True))


def test_the_imported_base_is_version_c0():
    objects = MemoryObjects()
    version, anchor = imported(objects)
    assert anchor is None
    assert (version.name, version.cycle, version.parent, version.method) == ("c0", 0, None, "imported")
    assert (version.rows, version.added, version.relabelled) == (3, 3, 0)
    assert version.by_class == {"negative": 1, "neutral": 0, "positive": 2}
    assert version.signature == SIGNATURE.digest
    assert contents(version, objects) == {b'"good"': "positive", b'"bad"': "negative", b'"so so"': "positive"}
    assert set(rows_of(version, objects=objects)["stratum"].to_pylist()) == {"imported"}


def test_a_version_is_identified_by_what_it_holds_and_not_by_when():
    objects = MemoryObjects()
    first, _ = imported(objects)
    assert imported(MemoryObjects(), rows=ROWS[::-1], now=later(60))[0].id == first.id
    assert imported(objects, rows=ROWS[:2])[0].id != first.id
    assert imported(objects, name="other")[0].id != first.id


def test_the_anchor_is_kept_with_its_ids():
    objects = MemoryObjects()
    held = [labelled_row("a1", "great"), labelled_row("a2", "awful", label="negative")]
    version, anchor = imported(objects, anchor=held)
    assert anchor is not None
    assert (anchor.rows, anchor.signature) == (2, SIGNATURE.digest)
    assert sorted(anchor_rows(anchor, objects=objects), key=lambda row: row.id) == held
    assert version.reason == "3 of 3 rows imported; the anchor holds 2"


def test_a_base_row_that_is_also_in_the_anchor_is_refused():
    with pytest.raises(InvalidRecord, match=r"^base set: 1 row also in the anchor \(r2 = a7\), expected none;"):
        imported(MemoryObjects(), anchor=[labelled_row("a7", "bad", label="negative")])


def test_no_base_at_all_is_an_empty_first_version():
    objects = MemoryObjects()
    version, _ = imported(objects, rows=())
    assert (version.rows, version.reason) == (0, "0 of 0 rows imported")
    assert next_version(objects, version, label("p1", "new")).rows == 1


def test_a_version_is_its_parent_and_the_labels_of_the_cycle():
    objects = MemoryObjects()
    parent, _ = imported(objects)
    version = next_version(
        objects, parent, label("p1", "new"), label("p2", "good", label="neutral", stratum="audit"), now=later(9)
    )
    assert (version.name, version.cycle, version.parent) == ("c1", 1, parent.id)
    assert (version.rows, version.added, version.relabelled) == (4, 1, 1)
    assert (version.method, version.selection, version.cut_at) == ("dawid-skene.v1", "cycle-1", later(9))
    assert version.reason == "c1 = c0 + 1 new row, 1 relabelled (p2: positive to neutral)"
    assert contents(version, objects)[b'"good"'] == "neutral"
    assert contents(parent, objects)[b'"good"'] == "positive"


def test_versions_build_on_one_another():
    objects = MemoryObjects()
    version, _ = imported(objects)
    for number in (1, 2, 3):
        version = next_version(objects, version, label(f"p{number}", f"new {number}", cycle=number), number=number)
    assert (version.name, version.rows) == ("c3", 6)
    assert sorted(rows_of(version, objects=objects)["cycle"].to_pylist()) == [0, 0, 0, 1, 2, 3]


def test_what_is_sealed_or_gold_never_enters():
    objects = MemoryObjects()
    parent, _ = imported(objects)
    version = next_version(
        objects,
        parent,
        label("p1", "sealed", stratum="reserve"),
        label("p2", "known", stratum="gold"),
        label("p3", "sealed", stratum="chosen"),
        label("p4", "open", stratum="audit"),
    )
    assert set(contents(version, objects)) == {b'"good"', b'"bad"', b'"so so"', b'"open"'}
    told = "c1 = c0 + 1 new row, 1 left out because the reserve holds the same or nearly the same input"
    assert version.reason == told


def test_what_the_anchor_holds_neither_enters_nor_stays():
    objects = MemoryObjects()
    parent, anchor = imported(objects, anchor=[labelled_row("a1", "great"), labelled_row("a2", "fine")])
    poisoned = next_version(objects, parent, label("p1", "great"))
    asked = label("p2", "great"), label("p3", "fine"), label("p4", "open")
    held = anchor_contents(anchor, objects=objects)
    version = next_version(objects, poisoned, *asked, number=2, anchor=held)
    assert set(contents(version, objects)) == {b'"good"', b'"bad"', b'"so so"', b'"open"'}
    assert (version.rows, version.added, version.relabelled) == (4, 1, 0)
    assert version.reason == (
        "c2 = c1 + 1 new row, 2 left out because the reserve holds the same or nearly the same input, "
        "1 taken out because the reserve holds the same or nearly the same input"
    )


def test_the_same_labels_in_any_order_are_the_same_version():
    objects = MemoryObjects()
    parent, _ = imported(objects)
    labels = [label(f"p{i}", f"text {i}") for i in range(9)]
    once, again = (next_version(objects, parent, *order) for order in (labels, labels[::-1]))
    assert msgspec.json.encode(once) == msgspec.json.encode(again)


def test_a_parent_made_under_another_signature_is_refused():
    objects = MemoryObjects()
    parent, _ = imported(objects)
    other = Signature(input="text", labels=("negative", "positive"))
    with pytest.raises(InvalidRecord) as error:
        next_version(objects, parent, label(), signature=other)
    assert str(error.value).startswith(
        "dataset c0: signature: labels [negative, neutral, positive], expected labels [negative, positive];"
    )


def test_a_version_whose_file_is_gone_is_not_found():
    version, _ = imported(MemoryObjects())
    with pytest.raises(NotFound):
        rows_of(version, objects=MemoryObjects())


def test_a_cut_tells_what_the_loop_has_learned_and_unlearned():
    objects = MemoryObjects()
    parent, _ = imported(objects)
    asked = label("p1", "new"), label("p2", "good", stratum="audit"), label("p3", "sealed", stratum="reserve")
    made = cut(
        cycle(1),
        parent=parent,
        batch=label_batch(*asked, label("p4", "sealed")),
        selection=selection(),
        anchor=frozenset({digest(b'"bad"')}),
        objects=objects,
        settings=settings(),
        now=NOW,
    )
    assert made.added == tuple(sorted((digest(b'"new"'), digest(b'"good"'))))
    assert made.removed == (digest(b'"bad"'),)
    assert (made.version.rows, made.version.removed) == (3, 1)


def test_versions_share_the_parts_of_their_descent():
    objects = MemoryObjects()
    parent, _ = imported(objects)
    version = next_version(objects, parent, label("p1", "new"))
    assert version.parts[:-1] == parent.parts
    assert version.file == version.parts[-1]
    assert version.size == sum(len(objects.get(part)) for part in version.parts)
    assert parquet.decoded(objects.get(version.file))["content"].to_pylist() == [digest(b'"new"')]


def test_what_was_settled_is_kept_with_the_version():
    objects = MemoryObjects()
    parent, _ = imported(objects, rows=[*ROWS, labelled_row("r4", "odd"), labelled_row("r5", "odd", label="negative")])
    version = next_version(objects, parent, label("p2", "good", label="neutral"))
    assert (parent.conflicts, version.conflicts) == (2, 1)
    (conflict,) = conflicts_of(version, objects=objects)
    assert (conflict.sample, conflict.before, conflict.now) == ("p2", "positive", "neutral")
    assert [one.now for one in conflicts_of(parent, objects=objects)] == ["", ""]


def test_a_base_row_that_nearly_is_the_anchors_is_left_out_and_counted():
    objects = MemoryObjects()
    held = [labelled_row("a1", "where is the card that I asked for")]
    near = labelled_row("r9", "Where is the card that I asked for?")
    version, _ = imported(objects, rows=[*ROWS, near], anchor=held)
    provenance = manifest_of(version, objects=objects).provenance
    assert provenance is not None
    assert (provenance.read, provenance.kept, provenance.near) == (4, 3, 1)
    assert version.reason.endswith("1 left out because it nearly is a row of the anchor (r9 ~ a1 (equal letters))")


def test_the_base_knows_where_it_comes_from():
    objects = MemoryObjects()
    version, _ = imported(objects, train=TrainSettings(base="data/base.csv"))
    provenance = manifest_of(version, objects=objects).provenance
    assert provenance is not None
    assert (provenance.file, provenance.read, provenance.kept) == ("base.csv", 3, 3)
    assert manifest_of(next_version(objects, version, label()), objects=objects).provenance is None


def test_a_version_that_was_stored_whole_is_read_and_continued():
    objects = MemoryObjects()
    parent, _ = imported(objects)
    made = manifest_of(parent, objects=objects)
    first = {
        name: getattr(made, name)
        for name in ("loop", "cycle", "parent", "rows", "by_class", "signature", "method", "selection")
    }
    content = msgspec.json.encode(first | {"schema": 1, "file": parent.file}, order="sorted")
    old = msgspec.structs.replace(parent, id=objects.put(content), parts=(), size=0)
    assert contents(old, objects) == contents(parent, objects)
    version = next_version(objects, old, label("p1", "new"))
    assert version.parent == old.id
    assert (len(version.parts), version.size) == (2, 0)
    assert contents(version, objects) == contents(parent, objects) | {b'"new"': "positive"}


def test_a_long_descent_is_read_as_it_was_cut():
    objects = MemoryObjects()
    version, _ = imported(objects)
    versions = [version]
    for number in range(1, 71):
        version = next_version(objects, version, label(f"p{number}", f"new {number}", cycle=number), number=number)
        versions.append(version)
        assert len(version.parts) <= 32
    for number, one in enumerate(versions):
        assert one.rows == len(contents(one, objects)) == 3 + number
        assert one.by_class == {"negative": 1, "neutral": 0, "positive": 2 + number}
