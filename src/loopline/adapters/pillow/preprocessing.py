"""How the bytes of an image become numbers: named, bounded, and the same everywhere."""

import re
import struct
from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopline.errors import InvalidRecord, Unreadable

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
MAX_PIXELS = 25_000_000
"""Of one image, as its header says, before anything is decoded."""
MAX_SIDE = 4_096
"""Of what the model gets, in pixels."""
MODES = {"rgb": "RGB", "gray": "L"}
LAYOUTS = ("chw", "hwc", "flat")
SCALINGS = ("raw", "unit", "signed", "imagenet")
MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
"""Of the red, green and blue of ImageNet, in [0, 1]: Krizhevsky et al., 2012, as torchvision rounds them."""
GRAMMAR = re.compile(r"(?P<mode>\w+)-(?P<width>\d{1,4})x(?P<height>\d{1,4})-(?P<layout>\w+)-(?P<scaling>\w+)\.v1")


class Preprocessing(NamedTuple):
    """``mode-WxH-layout-scaling.v1``, taken apart.

    Version 1: the first frame, turned as its EXIF data says, in the mode (transparency is ignored), brought to width
    times height by Pillow's antialiased bilinear filter unless it has that size, then scaled, as float32. Scalings:
    ``raw`` 0 to 255, ``unit`` 0 to 1, ``signed`` -1 to 1, ``imagenet`` the unit less the mean by the deviation.
    """

    mode: str
    width: int
    height: int
    layout: str
    scaling: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one image, as the model gets it.

        >>> parsed("rgb-32x16-chw-unit.v1").shape, parsed("gray-8x8-flat-raw.v1").shape
        ((3, 16, 32), (64,))
        """
        channels = 3 if self.mode == "rgb" else 1
        shapes = {"chw": (channels, self.height, self.width), "hwc": (self.height, self.width, channels)}
        return shapes.get(self.layout, (self.height * self.width * channels,))

    def read(self, images: Sequence[bytes]) -> NDArray[np.float32]:
        """Shape (n, *shape). Raises InvalidRecord naming the first image that cannot be read."""
        return np.stack([self._one(content, thing=f"image {place}") for place, content in enumerate(images)])

    def _one(self, content: bytes, *, thing: str) -> NDArray[np.float32]:
        pixels = np.asarray(_decoded(content, self, thing=thing), np.float32).reshape(self.height, self.width, -1)
        scaled = _scaled(pixels, self.scaling)
        if self.layout == "chw":
            scaled = scaled.transpose(2, 0, 1)
        return np.ascontiguousarray(scaled).reshape(self.shape)


def parsed(name: str) -> Preprocessing:
    """The preprocessing of this name. Raises InvalidRecord when there is none."""
    found = GRAMMAR.fullmatch(name)
    named = found.groupdict() if found else {}
    size = [int(named.get(side, 0)) for side in ("width", "height")]
    is_known = named.get("mode") in MODES and named.get("layout") in LAYOUTS and named.get("scaling") in SCALINGS
    is_possible = named.get("mode") == "rgb" or named.get("scaling") != "imagenet"
    if not (is_known and is_possible and all(1 <= side <= MAX_SIDE for side in size)):
        expected = f"rgb or gray, WxH up to {MAX_SIDE}, {', '.join(LAYOUTS)}, one of {', '.join(SCALINGS)}"
        remedy = "write it like rgb-32x32-chw-unit.v1; imagenet needs rgb"
        raise InvalidRecord("preprocessing", found=repr(name), expected=expected, remedy=remedy)
    return Preprocessing(named["mode"], size[0], size[1], named["layout"], named["scaling"])


def _decoded(content: bytes, wanted: Preprocessing, *, thing: str) -> Any:
    """The image in its mode and size. What its header says is held to the bounds before it is decoded."""
    from PIL import Image, ImageOps

    expected = f"one of {', '.join(FORMATS)}, of at most {MAX_PIXELS:,} pixels"
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Unreadable(thing, found=f"{image.width} x {image.height} pixels", expected=expected)
            turned = ImageOps.exif_transpose(image).convert(MODES[wanted.mode])
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise Unreadable(thing, found=str(error), expected=expected) from error
    except (OSError, SyntaxError, ValueError, EOFError, KeyError, TypeError, struct.error) as error:
        if isinstance(error, InvalidRecord):
            raise
        found = f"{len(content)} bytes that cannot be read ({type(error).__name__})"
        raise Unreadable(thing, found=found, expected=expected) from error
    size = (wanted.width, wanted.height)
    return turned if turned.size == size else turned.resize(size, Image.Resampling.BILINEAR)


def _scaled(pixels: NDArray[np.float32], scaling: str) -> NDArray[np.float32]:
    """Shape (height, width, channels), from 0 to 255, as the model wants it."""
    match scaling:
        case "unit":
            return pixels / np.float32(255)
        case "signed":
            return pixels / np.float32(127.5) - np.float32(1)
        case "imagenet":
            return (pixels / np.float32(255) - MEAN) / DEVIATION
        case _:
            return pixels
