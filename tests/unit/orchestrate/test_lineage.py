"""Every thing has a maker, and the walk back ends in the outside world."""

from loopline.orchestrate.lineage import DEPTH, entities, orphans, why
from loopline.testing.factories import activity

ACTS = (
    activity(id="base", generated=("dataset:c0", "anchor:a"), used=()),
    activity(id="train", generated=("model:v1",), used=("dataset:c0",)),
    activity(id="judge", generated=("verdict:x",), used=("model:v1", "anchor:a")),
    activity(id="again", generated=("dataset:c0",), used=("model:v1",)),
)


def test_why_walks_back_to_the_base_set() -> None:
    tree = why("verdict:x", ACTS)
    assert entities(tree) == {"verdict:x", "model:v1", "dataset:c0", "anchor:a"}
    assert tree.act == "judge"
    assert tree.sources[0].sources[0].act == "base"


def test_a_circle_in_the_graph_ends_the_walk() -> None:
    circle = (activity(id="a", generated=("x:1",), used=("y:1",)), activity(id="b", generated=("y:1",), used=("x:1",)))
    assert entities(why("x:1", circle)) == {"x:1", "y:1"}


def test_what_nobody_made_is_an_orphan() -> None:
    assert orphans(("model:v1", "dataset:c0"), ACTS) == ()
    assert orphans(("model:v9",), ACTS) == ("model:v9",)
    assert orphans((), (activity(id="t", used=("dataset:gone", "annotator:ana"), generated=("model:v3",)),)) == (
        "dataset:gone",
    )


def test_a_thousand_generations_end_in_an_answer() -> None:
    acts = tuple(activity(f"a{i}", generated=(f"dataset:c{i + 1}",), used=(f"dataset:c{i}",)) for i in range(1_000))
    assert len(entities(why("dataset:c1000", acts))) == DEPTH + 1
