"""The recipe: a window of the log in, a Selection out."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from loopline.ports.columns import Sift, Sketch
from loopline.ports.prediction_log import Pool
from loopline.ports.strategy import Learned, Strategy
from loopline.records.cycle import Cycle
from loopline.records.ids import VersionName
from loopline.records.selection import Selection
from loopline.records.settings import Settings
from loopline.select.batch import Chances, candidates_of, clusters_of, design_of, sentence, unscored_of
from loopline.select.draw import draw, probabilities
from loopline.select.growing import grown
from loopline.select.shortlist import Wish
from loopline.select.sifting import kernel_of, keys_of, positions, without

Ask = Callable[[Sequence[bytes]], NDArray[np.float32]]


def select(  # noqa: PLR0913  stage recipes take their ports by name
    cycle: Cycle,
    *,
    pool: Pool,
    taken: frozenset[str],
    model: VersionName,
    strategy: Strategy,
    settings: Settings,
    learned: Callable[[], Learned] | None = None,
    placing: Ask | None = None,
    committee: Ask | None = None,
) -> Selection:
    """The batch of the cycle: at most ``cycle.budget`` distinct samples of the window, none of them taken before.

    Duplicates are folded first; rows scored by ``model`` go first where there are enough of them. Chance is
    seeded by ``cycle.seed``: the same window, ``taken`` and seed give the same bytes, however the log is laid out and
    whoever reads it. Raises InvalidRecord when the strategy cannot work with what the log holds.
    """
    wish = Wish(
        strategy=strategy, wanted=max(1, cycle.budget), model=model, signature=settings.signature,
        quota_by=settings.select.quota_by, quota_share=settings.select.quota_share,
        learned=learned, placing=placing, committee=committee,
    )  # fmt: skip
    name, kernel = kernel_of(strategy, seed=cycle.seed)

    def survey(most: int, first: str) -> Sequence[Sketch]:
        sift = Sift(name=name, reads=strategy.reads, model=first, most=most, kernel=kernel)
        return tuple(pool.survey(sift, after=cycle.after, until=cycle.until))

    found = grown(survey, wish, taken=np.sort(keys_of(tuple(taken))), seed=cycle.seed)
    listed, samples = found.listed, found.pool.content
    design = design_of(listed, samples=len(samples), steps=cycle.budget, explore=cycle.explore, wish=wish)
    keys = keys_of(listed.rows.content)
    drawn = draw(design, candidates=keys, pool=samples, seed=cycle.seed)
    others = pool.at(positions(found.sketches, without(np.sort(drawn.content), np.sort(keys))).tolist())
    chances = Chances(*probabilities(design, np.random.default_rng(cycle.seed)))
    window = (cycle.after, cycle.until)
    return Selection(
        id=cycle.id, loop=cycle.loop, cycle=cycle.number, strategy=strategy.name, embedding=listed.embedding,
        seed=cycle.seed, model=model, after=cycle.after, until=cycle.until, pool_rows=found.pool.rows,
        pool_distinct=len(samples), budget=cycle.budget, explore=cycle.explore, audits=drawn.audits,
        quota_by=wish.quota_by, quota_share=wish.quota_share,
        shortlist=len(keys), clusters=clusters_of(drawn, listed), tail_probability=chances.tail,
        unscored=unscored_of(listed, wish),
        candidates=candidates_of(drawn, found, others=others, chances=chances, wish=wish),
        reason=sentence(drawn, found, samples=len(samples), wish=wish, window=window, budget=cycle.budget),
    )  # fmt: skip
