from hypothesis import given
from hypothesis import settings as checks
from hypothesis import strategies as st

from loopline.apps.notebook.difference import difference
from loopline.dataset.table import LabelledSample, tabled
from loopline.testing.factories import LABELS


def table(rows):
    return tabled([LabelledSample(c, c.encode(), label, f"p-{c}", 1, "chosen") for c, label in sorted(rows.items())])


versions = st.dictionaries(st.sampled_from("abcdefghij"), st.sampled_from(LABELS))


@checks(deadline=None)
@given(versions, versions)
def test_a_difference_is_what_came_what_went_and_what_was_relabelled(before, now):
    found = difference(table(before), table(now))
    assert found.added["content"].to_pylist() == sorted(now.keys() - before.keys())
    assert found.removed["content"].to_pylist() == sorted(before.keys() - now.keys())
    relabelled = {c: (before[c], now[c]) for c in sorted(before.keys() & now.keys()) if before[c] != now[c]}
    rows = found.relabelled.to_pylist()
    assert {row["content"]: (row["before"], row["label"]) for row in rows} == relabelled
