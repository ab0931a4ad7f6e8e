"""What every adapter of ``Engine`` must keep."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from loopline.errors import InvalidRecord
from loopline.ports.engine import Engine, Predictor
from loopline.records.model import EngineName
from loopline.records.signature import Signature
from loopline.testing.scene import SIGNATURE

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

    @pytest.mark.parametrize("artifact", [b"", b"not a model", b"PK\x03\x04 half a zip", b"\x00" * 64])
    def test_bytes_that_are_no_model_are_refused(self, artifact: bytes) -> None:
        with pytest.raises(InvalidRecord):
            self.make().load(artifact, engine=self.engine_name, signature=SIGNATURE)

    def test_a_model_of_other_classes_is_refused(self) -> None:
        with pytest.raises(InvalidRecord, match=r"no.*yes"):
            self.loaded(Signature(input="text", labels=("no", "yes")))
