"""Query strategies of scikit-activeml, run by name; and as witnesses for our own."""

import importlib.metadata

import numpy as np
import pytest

from loopline.apps.strategies import resolved
from loopline.errors import Conflict, InvalidRecord, NotFound
from loopline.ports.strategy import Shortlist
from loopline.select.strategies.committee import consensus_kl, variation_ratio, vote_entropy
from loopline.select.strategies.coverage import cover, covered_by
from loopline.select.strategies.k_center import k_center
from loopline.select.strategies.uncertainty_herding import gaussian

pytestmark = pytest.mark.service
pool = pytest.importorskip("skactiveml.pool", reason="the extra skactiveml is not installed")
WANTED = 8


def shortlist(rows: int = 60, *, labelled: int = 6, members: int = 3, seed: int = 0) -> Shortlist:
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rows + labelled, 5))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    p = rng.dirichlet(np.ones(3), rows).astype(np.float32)
    top = np.sort(p, axis=1)
    return Shortlist(
        urgency=np.sort(top[:, -1] - top[:, -2]), probabilities=p,
        members=rng.dirichlet(np.ones(3), (rows, members)).astype(np.float32), vectors=vectors[:rows],
        multiplicity=np.ones(rows, np.int64), labelled=vectors[rows:], labels=np.arange(labelled) % 3,
    )  # fmt: skip


def order(name: str, listed: Shortlist, seed: int = 1) -> np.ndarray:
    arrange = resolved(name).arrange
    assert arrange is not None
    found = arrange(listed, WANTED, np.random.default_rng(seed)).order
    assert sorted(found.tolist()) == list(range(len(listed.vectors)))
    return found


def test_uncertainty_sampling_is_asked_about_the_answers_of_the_serving_model() -> None:
    listed = shortlist()
    expected = np.argsort(listed.probabilities.max(axis=1))[:WANTED]
    assert order("scikit-activeml:UncertaintySampling", listed)[:WANTED].tolist() == expected.tolist()


def test_equal_vectors_keep_their_own_answers() -> None:
    listed = shortlist()
    same = listed._replace(vectors=np.repeat(listed.vectors[:1], 60, axis=0))
    expected = np.argsort(same.probabilities.max(axis=1))[:WANTED]
    assert order("scikit-activeml:UncertaintySampling", same)[:WANTED].tolist() == expected.tolist()


def test_core_set_takes_what_our_k_center_takes() -> None:
    listed = shortlist()
    expected = k_center(listed.vectors, labelled=listed.labelled, wanted=WANTED)
    assert order("scikit-activeml:CoreSet", listed)[:WANTED].tolist() == expected.tolist()


@pytest.mark.parametrize("name", ["TypiClust", "ProbabilisticAL", "Badge", "QueryByCommittee", "DiscriminativeAL"])
@pytest.mark.parametrize("labelled", [0, 6])
def test_others_give_an_order_and_the_same_one_again(name: str, labelled: int) -> None:
    listed = shortlist(labelled=labelled)
    assert np.array_equal(order(f"scikit-activeml:{name}", listed), order(f"scikit-activeml:{name}", listed))


def test_nothing_and_too_much_are_no_trouble() -> None:
    for rows in (0, 1, 3):
        for name in ("UncertaintySampling", "CoreSet"):
            order(f"scikit-activeml:{name}", shortlist(rows))


def test_the_name_carries_the_version_of_the_library() -> None:
    installed = importlib.metadata.version("scikit-activeml")
    strategy = resolved("scikit-activeml:CoreSet")
    assert strategy.name == f"scikit-activeml:CoreSet@{installed}"
    assert resolved(strategy.name).name == strategy.name
    assert resolved("scikit-activeml:QueryByCommittee").needs_members
    with pytest.raises(Conflict, match=r"install scikit-activeml 0\.1 to replay it"):
        resolved("scikit-activeml:CoreSet@0.1")


def test_what_can_not_be_run_says_why() -> None:
    with pytest.raises(NotFound, match="no query strategy 'Nothing'; known: Badge, "):
        resolved("scikit-activeml:Nothing")
    with pytest.raises(InvalidRecord, match="ExpectedModelChangeMaximization: it needs reg, expected no more than"):
        resolved("scikit-activeml:ExpectedModelChangeMaximization")
    with pytest.raises(InvalidRecord, match="MonteCarloEER: it needs a model that it fits anew for every candidate"):
        resolved("scikit-activeml:MonteCarloEER")


def test_one_that_raises_is_named() -> None:
    with pytest.raises(InvalidRecord, match=r"strategy scikit-activeml:FourDs@.*: it raised TypeError: .*clf"):
        order("scikit-activeml:FourDs", shortlist())


def test_the_committee_measures_agree_with_theirs() -> None:
    members = shortlist(members=5).members
    theirs = pool.average_kl_divergence(members.transpose(1, 0, 2).astype(float))
    votes = members.argmax(axis=2)
    assert np.allclose(consensus_kl(members), theirs, atol=1e-5)
    assert np.allclose(variation_ratio(members), pool.variation_ratios(votes), atol=1e-6)
    assert np.allclose(vote_entropy(members), pool.vote_entropy(votes, classes=np.arange(3)), atol=1e-6)


def test_herding_without_uncertainty_is_their_max_herding() -> None:
    listed = shortlist()
    x = np.concatenate([listed.labelled, listed.vectors]).astype(float)
    y = np.concatenate([listed.labels, np.full(60, np.nan)])
    theirs = pool.MaxHerding(metric_dict={"gamma": 1 / (2 * 0.7**2)}, random_state=0).query(x, y, batch_size=WANTED)

    def kernel(cosines: np.ndarray) -> np.ndarray:
        return gaussian(cosines, radius=0.7)

    covered = covered_by(listed.labelled, listed.vectors, kernel)
    ours = cover(listed.vectors, weights=np.ones(60, np.float32), kernel=kernel, covered=covered, wanted=WANTED)
    assert ours.tolist() == (theirs - 6).tolist()


def test_every_strategy_that_is_offered_runs_or_says_why() -> None:
    listed = shortlist(30)
    offered = [name for name in pool.__all__ if hasattr(getattr(pool, name), "query")]
    refused: dict[str, str] = {}
    for name in offered:
        try:
            order(f"scikit-activeml:{name}", listed)
        except InvalidRecord as error:
            refused[name] = str(error)
    assert all(f"strategy scikit-activeml:{name}" in told for name, told in refused.items())
    assert len(offered) - len(refused) >= 15, refused
