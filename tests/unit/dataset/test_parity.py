import numpy as np
import pytest

from loopline.apps.notebook.features import compared
from loopline.dataset.parity import require_parity
from loopline.errors import InvalidRecord
from loopline.records.signature import Signature
from loopline.testing.factories import LABELS


def test_each_feature_has_its_largest_difference_and_the_share_of_rows_beyond_the_tolerance():
    found, expected = np.zeros((4, 2)), np.zeros((4, 2))
    found[1, 1], found[2, 1], found[:, 0] = 0.25, -0.5, 9e-7
    first, second = compared(["0", "1"], found, expected)
    assert (first.feature, first.n, first.differing) == ("0", 4, 0.0)
    assert first.largest == pytest.approx(9e-7)
    assert second == ("1", 4, 0.5, 0.5)


def test_what_is_no_number_agrees_with_itself_only():
    odd = np.array([[np.nan, np.inf, np.nan, np.inf]])
    rows = compared("abcd", odd, np.array([[np.nan, np.inf, 1.0, -np.inf]]))
    assert [row.largest for row in rows] == [0.0, 0.0, np.inf, np.inf]


def test_no_rows_differ_nowhere():
    assert compared(["a"], np.empty((0, 1)), np.empty((0, 1))) == (("a", 0, 0.0, 0.0),)


def test_every_field_of_a_changed_signature_is_named():
    found = Signature(input="image", labels=LABELS, preprocessing="rgb-8x8-chw-unit.v1")
    with pytest.raises(InvalidRecord) as error:
        require_parity("dataset c7", found=found, expected=Signature(input="tabular", width=2, labels=LABELS[:2]))
    assert str(error.value).startswith(
        "dataset c7: signature: input image, width 0, labels [negative, neutral, positive], "
        "preprocessing rgb-8x8-chw-unit.v1, expected input tabular, width 2, labels [negative, neutral], "
        "preprocessing none;"
    )
