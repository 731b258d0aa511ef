"""What a demo shows of images: in the terminal with and without colours, and on one sheet."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from rich.text import Text

from bridge.cli.picture import (
    SHEET_COLUMNS,
    SHEET_SIDE,
    Captioned,
    blocks,
    gallery,
    opened,
    sheet,
)
from tests.fakes_mnist import make_images, saved


def bar(light: int, dark: int, side: int = 64) -> Image.Image:
    """Return a bar in the left half of the upper half: *dark* on *light*."""
    image = Image.new("L", (side, side), light)
    image.paste(dark, (side // 8, 0, side // 2, side // 2))
    return image


@pytest.mark.parametrize(("light", "dark"), [(255, 0), (0, 255)])
def test_without_colours_ink_is_full(light: int, dark: int) -> None:
    """Dark on light and light on dark look the same."""
    lines = blocks(bar(light, dark), colour=False)

    assert lines == [" ███    ", " ███    ", "        ", "        "]


def test_half_a_character_is_a_pixel() -> None:
    """The upper and the lower half are told apart."""
    image = Image.new("L", (8, 8), 0)
    image.putpixel((2, 2), 255)
    image.putpixel((3, 3), 255)

    assert blocks(image, colour=False)[1] == "  ▀▄    "


def test_with_colours_each_half_has_its_grey() -> None:
    """As it is, light or dark."""
    image = Image.new("L", (8, 8), 10)
    image.paste(200, (0, 1, 8, 2))

    first, *_ = blocks(image, colour=True)

    assert Text.from_markup(first).plain == "▀" * 8
    assert first.startswith("[rgb(10,10,10) on rgb(200,200,200)]▀[/]")


def test_images_stand_beside_each_other_as_far_as_there_is_room() -> None:
    """Their lines below them, in columns."""
    images = [
        Captioned(data=saved(bar(255, 0)), lines=(f"{number}.png", "digit-1"))
        for number in range(5)
    ]

    shown = gallery(images, width=30, colour=False).plain.splitlines()

    assert shown[4].split() == ["0.png", "1.png", "2.png"]
    assert shown[5].split() == ["digit-1"] * 3
    assert shown[11].split() == ["3.png", "4.png"]
    assert max(map(len, shown)) <= 30


def test_what_is_marked_is_red() -> None:
    """A digit taken for another is seen at once."""
    image = Captioned(data=saved(bar(255, 0)), lines=("0.png",), marked=True)

    (span,) = gallery([image], width=80, colour=False).spans

    assert span.style == "red"


def test_every_image_is_on_the_sheet(tmp_path: Path) -> None:
    """In rows of five, each readable: the sheet is as large as that takes."""
    drawn = list(make_images.images(7))
    images = [Captioned(data=image.data, lines=(image.name, "digit")) for image in drawn]

    sheet(images, tmp_path / "sheet.png")

    with Image.open(tmp_path / "sheet.png") as page:
        assert page.width > SHEET_COLUMNS * SHEET_SIDE
        assert 2 * SHEET_SIDE < page.height < 4 * SHEET_SIDE
        first = page.crop((16, 16, 16 + SHEET_SIDE, 16 + SHEET_SIDE)).convert("L")
    again = opened(drawn[0].data).resize((SHEET_SIDE, SHEET_SIDE), Image.Resampling.NEAREST)
    assert again.tobytes() == first.tobytes()


def test_every_form_of_the_demos_images_is_opened() -> None:
    """Palette, alpha, 16 bits and CMYK as what a person would see: a digit and its paper."""
    for image in make_images.images(7):
        low, high = opened(image.data).getextrema()

        assert (low, high) != (0, 0)
        assert high - low > 200, image.name
