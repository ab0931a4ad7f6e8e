"""Models of the owner's own Python, as the contract of engines asks for them."""

import numpy as np


class OfTexts:
    classes_ = ("positive", "negative", "neutral")

    def _scores(self, rows):
        counts = np.array([[text.split().count(word) for word in ("good", "bad")] for text in rows], float)
        return np.column_stack([counts, np.full(len(rows), 0.5)])

    def predict_proba(self, rows):
        raised = np.exp(self._scores(rows))
        return raised / raised.sum(axis=1, keepdims=True)

    def members(self, rows):
        p = self.predict_proba(rows)
        return np.stack([p, p[:, ::-1]], axis=1)

    def embed(self, rows):
        return self._scores(rows)


class OfNumbers:
    """Without classes: its columns are in the order of the loop's labels."""

    def predict(self, rows):
        raised = np.exp(rows[:, :1] * np.array([-1.0, 0.0, 1.0]))
        return raised / raised.sum(axis=1, keepdims=True)


def of_texts():
    return OfTexts()


def of_numbers():
    return OfNumbers()
