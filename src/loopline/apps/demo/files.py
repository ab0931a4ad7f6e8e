"""What a demo folder holds of user's code: a ``loop.toml`` and a ``train.py`` for each world."""

from typing import NamedTuple


class Project(NamedTuple):
    """The two files that a user writes."""

    loop: str
    train: str


_PACE = """\
[train]
run  = "train.py:train"
base = "base.jsonl"

[capture]
reserve = 0.25              # generous, since the gate must decide within minutes

[select]
when    = ["every 2m", "volume 2500"]
budget  = 150
explore = 0.10

[annotate]
overlap   = { min = 1, max = 3, stop_at = 0.99 }  # gold is easier than the rest: people look surer than they are
gold      = 0.05
gold_file = "gold.jsonl"
norm      = 0.9             # every rater agreed on the gold rows, so nine in ten is little to ask
blind     = 0.10
guideline = "GUIDELINE"

[gate]
margin = MARGIN
alpha  = 0.05
anchor = "anchor.jsonl"

[rollout]
shadow           = "300 predictions"
canary           = [20, 50, 100]
step_predictions = 100

[monitor]
tick      = 100
reference = 800

[cadence]
min         = "15s"       # time for a batch worth asking about
max         = "2h"
budget_max  = 150
explore_max = 0.10
"""


def _loop(head: str, *, guideline: str, margin: float) -> str:
    return head + _PACE.replace("GUIDELINE", guideline).replace("MARGIN", str(margin))


SENTENCES = Project(
    loop=_loop(
        """\
[loop]
name   = "sentiment"
labels = ["negative", "neutral", "positive"]
input  = "text"

""",
        guideline="How does the writer feel? Choose neutral when neither feeling outweighs the other.",
        margin=0.03,
    ),
    train='''\
"""Words and letters, weighed by a logistic regression; rows that the loop brought count four times."""

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union


def counted(**grams):
    """Hashed n-grams: no vocabulary to store, so that a version of the model loads at once."""
    counts = HashingVectorizer(alternate_sign=False, norm=None, **grams)
    return make_pipeline(counts, TfidfTransformer(sublinear_tf=True))


def train(dataset, run):
    texts, labels = dataset.to_numpy()
    words = counted(ngram_range=(1, 2), n_features=2**18)
    letters = counted(analyzer="char_wb", ngram_range=(2, 4), n_features=2**16)
    regression = LogisticRegression(C=3.0, solver="newton-cg", tol=1e-3, random_state=run.seed)
    model = make_pipeline(make_union(words, letters), regression)
    weights = np.where(dataset.cycle > 0, 4.0, 1.0)
    return model.fit(texts, labels, logisticregression__sample_weight=weights)
''',
)

DIGITS = Project(
    loop=_loop(
        """\
[loop]
name   = "digits"
labels = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
input  = "tabular"
width  = 64

""",
        guideline="Which digit do the 8 x 8 pixels show? It may be turned.",
        margin=0.05,
    ),
    train='''\
"""A kernel map and a logistic regression; rows that the loop brought count three times."""

import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def train(dataset, run):
    pixels, labels = dataset.to_numpy()
    kernel = Nystroem(gamma=0.15, n_components=400, random_state=run.seed)
    model = make_pipeline(kernel, LogisticRegression(C=10.0, max_iter=500, random_state=run.seed))
    weights = np.where(dataset.cycle > 0, 3.0, 1.0)
    return model.fit(pixels, labels, logisticregression__sample_weight=weights)
''',
)
