"""The pages of dataset versions, over versions that the store really holds."""

import pytest

from loopline.dataset.stage import cut, import_base
from loopline.records.lineage import Entry
from loopline.records.settings import TrainSettings
from loopline.testing import factories as make
from loopline.testing.rooms import rooms

from .conftest import NOW, asker, talker

pytestmark = pytest.mark.service


@pytest.fixture(scope="module")
def ask():
    house = rooms(now=NOW, settings=make.settings(train=TrainSettings(base="base.csv")))
    rows = [make.labelled_row(f"r{i}", text) for i, text in enumerate(("good", "<b>bad</b>"))]
    base, _ = import_base(rows, anchor=(), settings=house.settings, objects=house.objects, now=NOW)
    changed = [make.label(f"<p{i}>", row.inputs.decode()[1:-1], label="neutral") for i, row in enumerate(rows)]
    version = cut(
        make.cycle(1), parent=base, batch=make.label_batch(*changed), selection=make.selection(), objects=house.objects,
        settings=house.settings, now=NOW,
    ).version  # fmt: skip
    tag = make.tag("prod", version="c1", dataset=version.id)
    house.ledger.commit(Entry(id="import", records=(base, version, tag)))
    return asker(talker(house))


def test_the_base_tells_where_its_rows_come_from(ask):
    page = ask("GET", "/data/c0").text
    assert "base.csv" in page
    assert "Rows undecided" in page
    assert "No label contradicted another." in page


def test_a_version_lists_its_conflicts_its_tags_and_its_size(ask):
    page = ask("GET", "/data/c1").text
    assert '<span class="badge">prod</span>' in page
    assert "2 contradicting labels" in page
    assert "positive (cycle 0)" in page
    assert "&lt;p0&gt;" in page
    assert "in 2 parts" in page
    assert ask("GET", "/data/prod").text.count("Dataset c1") == page.count("Dataset c1")


def test_the_list_shows_tags_and_sizes(ask):
    page = ask("GET", "/data").text
    assert "<td>prod</td>" in page
    assert "not kept" not in page
