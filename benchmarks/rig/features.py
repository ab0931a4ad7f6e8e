"""What the demo's own ``train.py`` makes of texts: hashed words and letters, weighed by how rare they are."""

from typing import Any

import numpy as np


def demo_features(texts: list[str]) -> Any:
    """(n, 327,680) sparse rows of float32; the weights are learnt from these texts."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
    from sklearn.pipeline import make_pipeline, make_union

    def counted(**grams: object) -> Any:
        counts = HashingVectorizer(alternate_sign=False, norm=None, **grams)
        return make_pipeline(counts, TfidfTransformer(sublinear_tf=True))

    words = counted(ngram_range=(1, 2), n_features=2**18)
    letters = counted(analyzer="char_wb", ngram_range=(2, 4), n_features=2**16)
    return make_union(words, letters).fit_transform(texts).astype(np.float32).tocsr()
