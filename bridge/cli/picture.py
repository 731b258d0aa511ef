"""Images for a person to look at: in the terminal, and many on one sheet.

    bytes ─▶ opened ─┬─▶ blocks   two pixels in each character, the upper and the lower half
                     └─▶ sheet    one PNG, a line of words under each image

A Captioned image is one of a demo's own making: nothing here is meant for a stranger's.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL.Image import Image
    from rich.text import Text

#: Pixels that an image has in the terminal, in width and in height.
SIDE: Final = 8

#: Pixels that an image has on a sheet, and how many stand in a line.
SHEET_SIDE: Final = 112
SHEET_COLUMNS: Final = 5

#: Room around an image on a sheet, and below it for its words.
_ROOM: Final = 16
_WORDS: Final = 40

_PAPER: Final = "#ffffff"
_PLAIN: Final = "#303030"
_MARKED: Final = "#c02020"


@dataclass(frozen=True, slots=True, kw_only=True)
class Captioned:
    """An image, the lines below it, and whether they are *marked*."""

    data: bytes
    lines: tuple[str, ...]
    marked: bool = False


def opened(data: bytes) -> Image:
    """Return the image in *data* in grey, on white where it is transparent."""
    from PIL import Image

    image = Image.open(io.BytesIO(data))
    image.load()
    if image.mode.startswith("I;16"):
        return image.convert("I").point(lambda value: value * (1 / 257)).convert("L")
    paper = Image.new("RGBA", image.size, _PAPER)
    paper.alpha_composite(image.convert("RGBA"))
    return paper.convert("L")


def blocks(image: Image, *, colour: bool) -> list[str]:
    """Return the lines of *image* in the terminal, as markup of rich.

    In *colour* each half of a character has its own grey; without, it is full where ink is, be
    the ink light or dark.
    """
    from PIL import Image, ImageOps

    image = image.resize((SIDE, SIDE), Image.Resampling.BOX)
    small = image.tobytes()
    corners = small[0] + small[SIDE - 1] + small[-SIDE] + small[-1]
    if corners > 2 * 255 and not colour:
        small = ImageOps.invert(image).tobytes()
    lines = []
    for top in range(0, SIDE * SIDE, 2 * SIDE):
        pairs = zip(small[top : top + SIDE], small[top + SIDE : top + 2 * SIDE], strict=True)
        if colour:
            lines.append(
                "".join(
                    f"[rgb({upper},{upper},{upper}) on rgb({lower},{lower},{lower})]▀[/]"
                    for upper, lower in pairs
                )
            )
        else:
            lines.append(
                "".join(" ▄▀█"[2 * (upper > 127) + (lower > 127)] for upper, lower in pairs)
            )
    return lines


def gallery(images: Sequence[Captioned], *, width: int, colour: bool) -> Text:
    """Return *images* beside each other, so many as *width* characters hold, with their lines."""
    from rich.text import Text

    room = max([SIDE, *(len(line) for image in images for line in image.lines)]) + 2
    columns = max(1, (width + 1) // room)
    found = Text()
    for first in range(0, len(images), columns):
        shown = images[first : first + columns]
        drawn = [blocks(opened(image.data), colour=colour) for image in shown]
        for parts in zip(*drawn, strict=True):
            for part in parts:
                found.append_text(Text.from_markup(part)).append(" " * (room - SIDE))
            found.append("\n")
        for number in range(len(shown[0].lines)):
            for image in shown:
                style = "red" if image.marked else "dim"
                found.append(image.lines[number].ljust(room), style=style)
            found.append("\n")
        found.append("\n")
    found.rstrip()
    return found


def sheet(images: Sequence[Captioned], file: Path) -> None:
    """Write *images* with their lines, all on one sheet, into *file*."""
    from PIL import Image, ImageDraw, ImageFont

    columns = min(SHEET_COLUMNS, max(1, len(images)))
    rows = -(-len(images) // columns)
    wide, high = SHEET_SIDE + _ROOM, SHEET_SIDE + _WORDS + _ROOM
    page = Image.new("RGB", (columns * wide + _ROOM, rows * high + _ROOM), _PAPER)
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        left, top = _ROOM + column * wide, _ROOM + row * high
        shown = opened(image.data)
        shown = shown.resize((SHEET_SIDE, SHEET_SIDE), Image.Resampling.NEAREST)
        page.paste(shown.convert("RGB"), (left, top))
        edge = (left - 1, top - 1, left + SHEET_SIDE, top + SHEET_SIDE)
        pen.rectangle(edge, outline=_MARKED if image.marked else "#b0b0b0")
        pen.multiline_text(
            (left, top + SHEET_SIDE + 3),
            "\n".join(image.lines),
            fill=_MARKED if image.marked else _PLAIN,
            font=font,
            spacing=3,
        )
    page.save(file)
