"""An image of a digit as the row of numbers that a model was trained on.

    bytes ─▶ opened, its size judged ─▶ upright, grey, on white ─▶ ink on nothing ─▶ 8 × 8, 0 to 16

Nothing here knows of a store or an event, so another model's form is a change to this file only.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Final, cast

from PIL import Image, ImageChops, ImageOps, UnidentifiedImageError

#: What is read. Pillow knows others, of which some run a program to be read (EPS).
FORMATS: Final = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")

#: Scans of a JPEG, at most: each goes through all of its pixels, and is some 30 bytes at least.
#: Progressive ones have about ten. libjpeg has no limit of its own.
MAX_SCANS: Final = 100

#: So many times the row's own width and height an image is worked on, at most.
_WORKED_ON: Final = 64

#: What counts as ink when its edges are looked for, of 255.
_INK: Final = 32

#: An image of which the ink takes less than this, in width and in height, has a margin to cut off.
_MARGIN: Final = 0.8

#: How a JPEG begins, and a scan in it: nothing else there looks so, as its bits are escaped.
_JPEG: Final = b"\xff\xd8"
_SCAN: Final = b"\xff\xda"

#: Modes of which a grey value has 16 bits; Pillow's own conversion would cut them off at 255.
_SIXTEEN_BITS: Final = ("I;16", "I;16L", "I;16B", "I;16N")


def row(
    data: bytes,
    *,
    size: tuple[int, int] = (8, 8),
    scale: float = 16.0,
    max_pixels: int = 16_000_000,
    invert: bool | None = None,
) -> list[float]:
    """Return the ink in each field of *size* (columns, rows), row by row: 0 none, *scale* full.

    Those are the numbers of scikit-learn's digits, which are light on dark. *invert* says whether
    the image is dark on light; None looks at its edge. The image keeps its proportions, and a wide
    margin is cut off. Raise ValueError, saying why, for what is no image that can be read, and
    before anything is unpacked for one of more than *max_pixels*, or more than MAX_SCANS scans.
    """
    ink = _ink(_grey(_opened(data, max_pixels), size), invert)
    squared = _without_margin(ink, size)
    return [
        round(value * scale / 255, 4)
        for value in squared.resize(size, Image.Resampling.BOX).tobytes()
    ]


def _opened(data: bytes, max_pixels: int) -> Image.Image:
    """Return the image in *data*, the first of several, unpacked and upright."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"too large: {error}") from error
    except UnidentifiedImageError as error:
        raise ValueError(f"no image in one of {', '.join(FORMATS)}") from error
    except Exception as error:  # what a decoder raises depends on the bytes
        raise ValueError(f"a broken image ({_told(error)})") from error
    width, height = image.size
    if width * height > max_pixels:
        raise ValueError(f"{width} × {height} pixels, expected at most {max_pixels}")
    scans = data.count(_SCAN) if data.startswith(_JPEG) else 0
    if scans > MAX_SCANS:
        raise ValueError(f"a JPEG of {scans} scans, expected at most {MAX_SCANS}")
    try:
        image.load()
        return ImageOps.exif_transpose(image)
    except Exception as error:  # as above
        raise ValueError(f"a broken {image.format} image ({_told(error)})") from error


def _grey(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return *image* in 256 greys, what is transparent being white, and not larger than useful."""
    if image.mode in _SIXTEEN_BITS:
        image = image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    elif image.mode in ("I", "F"):
        image = _stretched(image)
    elif image.mode == "LAB":
        image = image.getchannel("L")
    elif image.has_transparency_data:
        image = _on_white(image.convert("RGBA"))
    image = image.convert("L")
    most = (size[0] * _WORKED_ON, size[1] * _WORKED_ON)
    if image.width > most[0] or image.height > most[1]:
        shrink = min(most[0] / image.width, most[1] / image.height)
        smaller = [max(1, round(length * shrink)) for length in image.size]
        image = image.resize((smaller[0], smaller[1]), Image.Resampling.BOX)
    return image


def _on_white(image: Image.Image) -> Image.Image:
    """Return *image* on white; on black where white shows nothing of it."""
    for background in ("white", "black"):
        shown = Image.new("RGBA", image.size, background)
        shown.alpha_composite(image)
        grey = shown.convert("L")
        low, high = grey.getextrema()
        if low != high:
            break
    return grey


def _stretched(image: Image.Image) -> Image.Image:
    """Return greys without a known white from the darkest, 0, to the lightest, 255."""
    low, high = cast("tuple[float, float]", image.getextrema())  # one channel
    if not (math.isfinite(low) and math.isfinite(high)):
        raise ValueError("its greys are no finite numbers")
    factor = 255 / ((high - low) or 1)
    return image.convert("F").point(lambda value: value * factor - low * factor).convert("L")


def _ink(grey: Image.Image, invert: bool | None) -> Image.Image:
    """Return *grey* light on dark, its background as black as its white is white."""
    background = _median_at_the_edge(grey)
    if background > 127 if invert is None else invert:
        grey, background = ImageChops.invert(grey), 255 - background
    if 0 < background < 255:
        white = 255 / (255 - background)
        grey = grey.point([round(max(0, value - background) * white) for value in range(256)])
    return grey


def _median_at_the_edge(grey: Image.Image) -> int:
    width, height = grey.size
    sides = (
        (0, 0, width, 1),
        (0, height - 1, width, height),
        (0, 0, 1, height),
        (width - 1, 0, width, height),
    )
    counts = [
        sum(level) for level in zip(*(grey.crop(side).histogram() for side in sides), strict=True)
    ]
    half = sum(counts) / 2
    return next(level for level, below in enumerate(accumulate(counts)) if below >= half)


def _without_margin(ink: Image.Image, size: Sequence[int]) -> Image.Image:
    """Return *ink* without its margin if that is wide, in the proportions of *size*."""
    box = ink.point([255 * (value >= _INK) for value in range(256)]).getbbox()
    if box is not None:
        width, height = box[2] - box[0], box[3] - box[1]
        if width < _MARGIN * ink.width and height < _MARGIN * ink.height:
            ink = ink.crop(box)
    width = max(ink.width, math.ceil(ink.height * size[0] / size[1]))
    height = max(ink.height, math.ceil(ink.width * size[1] / size[0]))
    if (width, height) == ink.size:
        return ink
    padded = Image.new("L", (width, height), 0)
    padded.paste(ink, ((width - ink.width) // 2, (height - ink.height) // 2))
    return padded


def _told(error: Exception) -> str:
    """Return what a decoder said, without the address of the bytes that it was given."""
    text = str(error)
    return type(error).__name__ if not text or "object at 0x" in text else text
