"""Images: bytes of a file in, the numbers that the signature's preprocessing names out, the same for every engine."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from loopline.adapters.onnx.conversion import converted
from loopline.adapters.onnx.engine import OnnxEngine
from loopline.adapters.pillow.engine import ImageEngine
from loopline.adapters.pillow.preprocessing import MAX_PIXELS, parsed
from loopline.adapters.sklearn.engine import SklearnEngine, package
from loopline.errors import InvalidRecord
from loopline.records.signature import Signature

DIGITS = Signature(input="image", labels=tuple("0123456789"), preprocessing="gray-8x8-flat-unit.v1")


def file_of(pixels, form="PNG", **options):
    """An image file of these pixels, (height, width) or (height, width, 3) of 0 to 255."""
    content = BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(content, form, **options)
    return content.getvalue()


def claiming(width, height):
    """A PNG whose header claims this size, and that holds next to nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(b"\x00")), (b"IEND", b""))
    whole = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(whole)


@pytest.fixture(scope="module")
def digits():
    """PNG files of handwritten digits, their labels, and a model of their preprocessed pixels."""
    shown, targets = load_digits(return_X_y=True)
    files = [file_of(image.reshape(8, 8) * 15) for image in shown[:300]]
    x, y = parsed(DIGITS.preprocessing).read(files), targets[:300].astype(str)
    return files, y, LogisticRegression(max_iter=300).fit(x, y)


def test_scikit_learn_and_onnx_say_the_same_of_the_same_files(digits):
    files, labels, model = digits
    native = ImageEngine(SklearnEngine()).load(package(model, signature=DIGITS), engine="sklearn", signature=DIGITS)
    other = ImageEngine(OnnxEngine()).load(converted(model, width=64), engine="onnx", signature=DIGITS)
    p = native.predict(files)
    assert np.mean(np.array(DIGITS.labels)[p.argmax(axis=1)] == labels) > 0.95
    np.testing.assert_allclose(other.predict(files), p, atol=1e-5)
    np.testing.assert_allclose(other.predict(files[:1]), p[:1], atol=1e-5)
    np.testing.assert_array_equal(native.observe(files, extras=frozenset()).probabilities, p)


def test_texts_and_tables_pass_by(digits):
    _, _, model = digits
    plain = Signature(input="tabular", width=64, labels=DIGITS.labels)
    predictor = ImageEngine(SklearnEngine()).load(package(model, signature=plain), engine="sklearn", signature=plain)
    np.testing.assert_allclose(predictor.predict(np.zeros((2, 64))), model.predict_proba(np.zeros((2, 64))), atol=1e-6)


PIXELS = [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]]


@pytest.mark.parametrize(
    ("name", "shape", "first"),
    [
        ("rgb-2x2-chw-raw.v1", (3, 2, 2), [255, 0, 0, 255]),
        ("rgb-2x2-hwc-raw.v1", (2, 2, 3), [255, 0, 0, 0]),
        ("rgb-2x2-flat-raw.v1", (12,), [255, 0, 0, 0]),
        ("rgb-2x2-hwc-unit.v1", (2, 2, 3), [1, 0, 0, 0]),
        ("rgb-2x2-hwc-signed.v1", (2, 2, 3), [1, -1, -1, -1]),
        ("gray-2x2-chw-raw.v1", (1, 2, 2), [76, 150, 29, 255]),
        ("rgb-2x2-chw-imagenet.v1", (3, 2, 2), [2.2489, -2.1179, -2.1179, 2.2489]),
    ],
)
def test_the_name_says_what_the_model_gets(name, shape, first):
    read = parsed(name).read([file_of(PIXELS), file_of(PIXELS)])
    assert read.shape == (2, *shape)
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read[0], read[1])
    np.testing.assert_allclose(read[0].ravel()[:4], first, atol=1e-3)


def test_other_sizes_are_brought_to_it_by_the_same_filter_everywhere():
    wide = np.tile(np.array([0, 100, 200, 100], np.uint8), (4, 1))
    read = parsed("gray-2x2-flat-raw.v1").read([file_of(wide)])
    np.testing.assert_allclose(read[0], [71, 143, 71, 143], atol=1)
    upright = parsed("gray-1x2-flat-raw.v1").read([file_of([[10, 20]], "JPEG", quality=100, exif=turned())])
    np.testing.assert_allclose(upright[0], [10, 20], atol=2)


def damaged():
    """A JPEG file whose EXIF data has a text where the image's width belongs."""
    exif = turned()
    exif[0x010E] = "hello"
    content = bytearray(file_of(np.zeros((4, 4)), "JPEG", exif=exif))
    content[content.index(b"\x01\x0e\x00\x02") + 1] = 0
    return bytes(content)


def turned():
    """EXIF data that says: hold the image a quarter turn to the right."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_the_usual_formats_are_read(form):
    read = parsed("gray-4x4-flat-raw.v1").read([file_of(np.full((4, 4), 128), form)])
    np.testing.assert_allclose(read, 128, atol=3)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "0 bytes that cannot be read"),
        (b"no image", "8 bytes that cannot be read"),
        (file_of(np.zeros((4, 4)), "TIFF"), "bytes that cannot be read"),
        (file_of(np.random.default_rng(0).integers(0, 255, (40, 40)))[:500], "500 bytes that cannot be read"),
        (damaged(), "bytes that cannot be read"),
        (claiming(5_000, 5_001), "5000 x 5001 pixels"),
        (claiming(60_000, 60_000), "exceeds limit"),
    ],
    ids=["empty", "text", "tiff", "cut short", "damaged EXIF data", "too large", "bomb"],
)
def test_what_cannot_or_must_not_be_read_is_named(content, found):
    expected = f"^image 1: .*{found}.*, expected one of PNG, JPEG, WEBP, BMP, GIF, of at most {MAX_PIXELS:,} pixels$"
    with pytest.raises(InvalidRecord, match=expected):
        parsed("gray-4x4-flat-raw.v1").read([file_of(np.zeros((4, 4))), content])


@pytest.mark.parametrize(
    "name",
    ["", "rgb", "rgb-32x32-chw-unit", "rgb-32x32-chw-unit.v2", "cmyk-8x8-chw-unit.v1", "rgb-0x8-chw-unit.v1",
     "rgb-8x9999-chw-unit.v1", "gray-8x8-chw-imagenet.v1", "rgb-8x8-wide-unit.v1"],
)  # fmt: skip
def test_a_preprocessing_that_does_not_exist_is_refused_with_the_form(name):
    with pytest.raises(InvalidRecord, match=r"^preprocessing: .*write it like rgb-32x32-chw-unit.v1"):
        parsed(name)
