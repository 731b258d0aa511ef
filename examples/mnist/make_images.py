"""Images of the digits that scikit-learn brings along, to put into a bucket.

    python make_images.py FOLDER --count 50

The digits are those that `digits_server.py` did not learn from. Sizes, modes and formats differ, as
they do in life; `000-2.png` is the first of them, and a 2.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digits_server import LEARNED
from PIL import Image, ImageOps


@dataclass(frozen=True, slots=True)
class DigitImage:
    """One image: what it is called, its bytes, the digit it shows and the row it was made of."""

    name: str
    data: bytes
    content_type: str
    digit: int
    row: list[float]


def images(count: int, first: int = LEARNED) -> Iterator[DigitImage]:
    """Yield *count* images of the digits from number *first* on."""
    from sklearn.datasets import load_digits

    rows, digits = load_digits(return_X_y=True)
    forms = list(_FORMS)
    for index in range(count):
        number = first + index
        form = forms[index % len(forms)]
        suffix, content_type, _, _ = _FORMS[form]
        row = rows[number].tolist()
        yield DigitImage(
            name=f"{index:03d}-{digits[number]}.{suffix}",
            data=drawn(row, form),
            content_type=content_type,
            digit=int(digits[number]),
            row=row,
        )


def drawn(row: list[float], form: str = "png") -> bytes:
    """Return *row*, 64 numbers from 0 to 16, as an image of one of the forms below."""
    suffix, _, size, changed = _FORMS[form]
    grey = Image.frombytes("L", (8, 8), bytes(round(value * 255 / 16) for value in row))
    image = changed(grey.resize((size, size), Image.Resampling.NEAREST))
    written = io.BytesIO()
    image.save(written, {"jpg": "JPEG"}.get(suffix, suffix.upper()), quality=95)
    return written.getvalue()


def _transparent(grey: Image.Image) -> Image.Image:
    """Return black ink on nothing."""
    image = Image.new("RGBA", grey.size, "black")
    image.putalpha(grey)
    return image


def _sixteen_bits(grey: Image.Image) -> Image.Image:
    return grey.convert("I").point(lambda value: value * 257).convert("I;16")


#: Forms by name: suffix, media type, width and height, and what becomes of light grey on black.
_FORMS: dict[str, tuple[str, str, int, Any]] = {
    "png": ("png", "image/png", 28, lambda grey: grey),
    "dark on light": ("png", "image/png", 200, ImageOps.invert),
    "photograph": ("jpg", "image/jpeg", 640, lambda grey: ImageOps.invert(grey).convert("RGB")),
    "transparent": ("png", "image/png", 96, _transparent),
    "palette": ("gif", "image/gif", 64, lambda grey: grey.convert("P")),
    "16 bits": ("png", "image/png", 40, _sixteen_bits),
    "print": ("tiff", "image/tiff", 128, lambda grey: ImageOps.invert(grey).convert("CMYK")),
}


def main() -> None:
    """Write the images into a folder."""
    parser = argparse.ArgumentParser(description="Write images of digits into a folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=50)
    told = parser.parse_args()
    told.folder.mkdir(parents=True, exist_ok=True)
    for image in images(told.count):
        (told.folder / image.name).write_bytes(image.data)
    print(f"{told.count} images in {told.folder}")


if __name__ == "__main__":
    main()
