import io
import json
import tarfile

import numpy as np
import pytest

from loopline.apps.demo.corpus import label_of, read_samples, unpack
from loopline.apps.demo.digits import digit_world
from loopline.apps.demo.project import settle, write_project
from loopline.apps.demo.sentences import MOVIES, PRODUCTS, TWEETS, Shares, sentence_world
from loopline.apps.demo.whole import write_whole
from loopline.apps.demo.world import (
    CARELESS,
    PEOPLE,
    Sample,
    answer,
    known_samples,
    majority,
    read_world,
    votes,
    write_world,
)
from loopline.errors import InvalidRecord

INNER = "box-1/inner.tar.gz"
SMALL = Shares(base=60, anchor=20, before=20, measured_new=30, gold_per_label=2)


def archive(members, *, kind=tarfile.REGTYPE):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.size = kind, len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def samples(name, count):
    rng = np.random.default_rng(len(name))
    made = []
    for number in range(count):
        ratings = tuple(label_of(float(r)) for r in rng.integers(-2, 3, 20)) if number % 3 else ("positive",) * 20
        made.append(Sample(id=f"{name}-{number}", row=f"{name} {number}", label="positive", ratings=ratings))
    return tuple(made)


@pytest.fixture
def world():
    corpus = {MOVIES: samples(MOVIES, 120), TWEETS: samples(TWEETS, 90), PRODUCTS: samples(PRODUCTS, 30)}
    return sentence_world(corpus, shares=SMALL)


def parts(world):
    return (world.base, world.anchor, world.gold, world.before, world.after, world.measured_old, world.measured_new)


def test_only_the_wanted_members_are_unpacked():
    inner = archive({"inner/a.txt": b"rated", "../../outside.txt": b"evil", "inner/b.txt": b"unwanted"})
    assert unpack(archive({INNER: inner}), inner=INNER, members=("a.txt",)) == {"a.txt": b"rated"}


def test_a_link_in_place_of_a_member_is_refused():
    inner = archive({"inner/a.txt": b""}, kind=tarfile.SYMTYPE)
    with pytest.raises(InvalidRecord, match=r"corpus: inner/a.txt is 0 bytes of type b'2', expected a plain file"):
        unpack(archive({INNER: inner}), inner=INNER, members=("a.txt",))


def test_a_member_that_is_too_large_is_refused():
    inner = archive({"inner/a.txt": b"x" * (4 * 2**20 + 1)})
    with pytest.raises(InvalidRecord, match="a plain file of at most 4194304 bytes"):
        unpack(archive({INNER: inner}), inner=INNER, members=("a.txt",))


def test_an_absent_member_is_named():
    with pytest.raises(InvalidRecord, match=r"corpus: no member inner/a.txt, expected it in the archive"):
        unpack(archive({INNER: archive({})}), inner=INNER, members=("a.txt",))


def test_sentences_keep_their_own_ratings(tmp_path):
    (tmp_path / "x_GroundTruth.txt").write_text("﻿1\t9\tgood\n2\t9\tso so\n3\t9\tgood\n", encoding="utf-8")
    ratings = "1\t2.0\t0.1\t[2, 3, 0]\n2\t0.3\t0.1\t[0, 1, 0]\n3\t-4\t0\t[-4]\n"
    (tmp_path / "x_anonDataRatings.txt").write_text(ratings, encoding="utf-8")
    good, middling = read_samples(tmp_path, "x")
    assert (good.row, good.label, good.ratings) == ("good", "positive", ("positive", "positive", "neutral"))
    assert (middling.label, middling.agreement) == ("neutral", pytest.approx(2 / 3))


def test_no_sample_serves_two_purposes(world):
    rows = [sample.row for part in parts(world) for sample in part]
    assert len(rows) == len(set(rows))
    assert [len(part) for part in parts(world)] == [60, 20, 2, 20, 60, 20, 30]


def test_measuring_sets_are_never_asked_about(world):
    asked = known_samples(world)
    assert not any(sample.row in asked for sample in (*world.measured_new, *world.measured_old, *world.anchor))


def test_gold_is_what_nobody_disputes(world):
    assert all(sample.agreement == 1.0 for sample in world.gold)


def test_the_plan_is_the_same_again(world):
    corpus = {MOVIES: samples(MOVIES, 120), TWEETS: samples(TWEETS, 90), PRODUCTS: samples(PRODUCTS, 30)}
    assert sentence_world(corpus, shares=SMALL) == world


def test_a_corpus_that_is_too_small_is_refused():
    corpus = {MOVIES: samples(MOVIES, 100), TWEETS: samples(TWEETS, 90), PRODUCTS: ()}
    with pytest.raises(InvalidRecord, match="100 movie reviews and 90 tweets, expected more than 100 and 30"):
        sentence_world(corpus, shares=SMALL)


def test_a_frozen_world_is_read_back(world, tmp_path):
    write_world(world, tmp_path / "demo" / "world.json")
    assert read_world(tmp_path / "demo" / "world.json") == world


def test_honest_people_quote_real_ratings_and_each_another(world):
    honest = [name for name in PEOPLE if name != CARELESS]
    for sample in world.after:
        given = [answer(world, sample, name) for name in honest]
        assert all(given.count(label) <= sample.ratings.count(label) for label in given)
        assert given == [answer(world, sample, name) for name in honest]


def test_the_careless_one_errs_on_gold_and_nobody_else_does(world):
    sure = [sample for sample in world.after if sample.agreement == 1.0]
    wrong = {name: sum(answer(world, s, name) != s.label for s in sure) for name in PEOPLE}
    assert [name for name, count in wrong.items() if count] == [CARELESS]


def test_most_votes_win_the_first_voice_breaks_a_tie_and_a_third_is_asked_only_then(world):
    for sample in world.after:
        three = [answer(world, sample, name) for name in [p for p in PEOPLE if p != CARELESS][:3]]
        expected = three[0] if len(set(three)) == 3 else max(set(three), key=three.count)
        assert majority(world, sample) == expected
        assert votes(world, sample) == tuple(three[:2] if three[0] == three[1] else three)


@pytest.mark.slow
def test_digits_serve_one_purpose_each_and_drift_by_turning():
    world = digit_world()
    assert [len(part) for part in parts(world)] == [1080, 400, 140, 960, 2660, 360, 788]
    distinct = [{sample.row for sample in part} for part in parts(world)]
    rows = set().union(*distinct)
    assert len(rows) == sum(map(len, distinct))
    assert all(len(row) == 64 and min(row) >= 0 and max(row) <= 1 for row in rows)
    assert world == digit_world()
    assert 0.9 < np.mean([sample.agreement for sample in world.after]) < 0.97


def test_a_folder_keeps_its_first_world_and_its_files(world, tmp_path):
    write_world(world, tmp_path / "demo" / "world.json")
    write_project(world, tmp_path)
    (tmp_path / "train.py").write_text("# mine\n")
    again, said = settle(tmp_path, offline=True)
    assert again == world
    assert "as this folder began with it" in said
    assert (tmp_path / "train.py").read_text() == "# mine\n"


def test_rows_are_written_as_the_loop_reads_them(world, tmp_path):
    write_project(world, tmp_path)
    first = json.loads((tmp_path / "base.jsonl").read_text().splitlines()[0])
    assert first == {"id": world.base[0].id, "text": world.base[0].row, "label": "positive"}


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "taken" / "by-a-folder").mkdir(parents=True)
    with pytest.raises(OSError, match="irectory"):
        write_whole(tmp_path / "taken", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
