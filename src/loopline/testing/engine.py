"""What every adapter of ``Engine`` must keep."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from loopline.errors import InvalidRecord
from loopline.ports.engine import Engine, Predictor
from loopline.records.model import EngineName
from loopline.records.signature import Signature
from loopline.testing.scene import SIGNATURE

TABLE = Signature(input="tabular", width=2, labels=SIGNATURE.labels)
NUMBERS = ((4.0, 0.5), (-4.0, 0.5), (0.0, 0.25), (1.5, -2.0))
TEXTS = ("good", "bad", "good good bad", "", "ünknown wörds", "so so")
REVERSED = Signature(input="text", labels=SIGNATURE.labels[::-1])


class EngineContract:
    """Subclass it, say how to make an engine and a model for it, and run it with pytest.

    The model is of texts, over the classes negative, neutral and positive; it finds "good" positive, "bad" negative.
    """

    engine_name: EngineName

    def make(self) -> Engine:
        """An engine."""
        raise NotImplementedError

    def artifact(self) -> bytes:
        """The model."""
        raise NotImplementedError

    def table(self) -> bytes:
        """Another, of rows of two numbers over the same classes; it finds a large first number positive."""
        raise NotImplementedError

    def loaded(self, signature: Signature = SIGNATURE) -> Predictor:
        """The model, loaded under the signature."""
        return self.make().load(self.artifact(), engine=self.engine_name, signature=signature)

    def test_answers_are_distributions_in_single_precision(self) -> None:
        p = self.loaded().predict(TEXTS)
        assert p.shape == (len(TEXTS), 3)
        assert p.dtype == np.float32
        assert p.min() >= 0
        np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-5)

    def test_columns_are_in_the_order_of_the_labels(self) -> None:
        p = self.loaded().predict(["good", "bad"])
        assert p.argmax(axis=1).tolist() == [2, 0]

    def test_a_row_is_answered_alike_alone_in_company_and_again(self) -> None:
        predictor = self.loaded()
        together = predictor.predict(TEXTS)
        alone = np.vstack([predictor.predict([text]) for text in TEXTS])
        np.testing.assert_allclose(together, alone, atol=1e-6)
        np.testing.assert_array_equal(together, predictor.predict(TEXTS))
        np.testing.assert_array_equal(together, self.loaded().predict(TEXTS))

    def test_threads_may_ask_at_once(self) -> None:
        predictor = self.loaded()
        expected = predictor.predict(TEXTS)
        with ThreadPoolExecutor(8) as pool:
            for p in pool.map(predictor.predict, [TEXTS] * 40):
                np.testing.assert_array_equal(p, expected)

    def test_observing_says_the_same_and_gives_no_more_than_it_was_asked_for(self) -> None:
        predictor = self.loaded()
        said = predictor.observe(TEXTS, extras=frozenset())
        np.testing.assert_array_equal(said.probabilities, predictor.predict(TEXTS))
        assert (said.members, said.embedding) == (None, None)

    def test_what_is_given_besides_has_a_row_each(self) -> None:
        predictor = self.loaded()
        for rows in (TEXTS, TEXTS[:1]):
            said = predictor.observe(rows, extras=frozenset({"members", "embedding"}))
            np.testing.assert_array_equal(said.probabilities, predictor.predict(rows))
            if said.members is not None:
                assert said.members.dtype == np.float32
                assert (len(said.members), said.members.shape[2:]) == (len(rows), (3,))
                np.testing.assert_allclose(said.members.sum(axis=2), 1, atol=1e-5)
            if said.embedding is not None:
                assert said.embedding.dtype == np.float32
                assert (said.embedding.ndim, len(said.embedding)) == (2, len(rows))

    def test_a_table_is_answered_alike_as_tuples_and_as_one_array(self) -> None:
        predictor = self.make().load(self.table(), engine=self.engine_name, signature=TABLE)
        rows = np.array(NUMBERS)
        by_array = predictor.predict(rows)
        np.testing.assert_array_equal(rows, np.array(NUMBERS))
        np.testing.assert_array_equal(by_array, predictor.predict(NUMBERS))
        np.testing.assert_array_equal(by_array, predictor.observe(rows, extras=frozenset()).probabilities)
        np.testing.assert_allclose(by_array[:1], predictor.predict(rows[:1]), atol=1e-6)
        assert by_array.dtype == np.float32
        assert by_array.shape == (4, 3)
        assert by_array.argmax(axis=1)[:2].tolist() == [2, 0]

    @pytest.mark.parametrize("artifact", [b"", b"not a model", b"PK\x03\x04 half a zip", b"\x00" * 64])
    def test_bytes_that_are_no_model_are_refused(self, artifact: bytes) -> None:
        with pytest.raises(InvalidRecord):
            self.make().load(artifact, engine=self.engine_name, signature=SIGNATURE)

    def test_a_model_of_other_classes_is_refused(self) -> None:
        with pytest.raises(InvalidRecord, match=r"no.*yes"):
            self.loaded(Signature(input="text", labels=("no", "yes")))
