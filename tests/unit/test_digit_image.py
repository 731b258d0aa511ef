"""examples/mnist/digit_image.py: the same digit in whatever form, and nothing without bounds."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.fakes_mnist import digit_image, digits_server, make_images, saved

row = digit_image.row


@pytest.fixture(scope="module")
def digits() -> list[Any]:
    """The 50 images that the demo and the tests of the whole pipeline are made of."""
    return list(make_images.images(50))


@pytest.fixture(scope="module")
def model() -> Any:
    return digits_server.trained()


@pytest.fixture(scope="module")
def two(digits: list[Any]) -> Image.Image:
    """A digit in grey on black, 28 × 28."""
    return Image.open(io.BytesIO(make_images.drawn(digits[0].row)))


def close(one: list[float], other: list[float], far: float = 0.2) -> bool:
    return bool(np.abs(np.array(one) - np.array(other)).max() < far)


def test_an_image_is_the_row_that_it_was_drawn_from(digits: list[Any]) -> None:
    """Sizes from 28 to 640, light and dark, grey, RGB, palette, CMYK, alpha, 16 bits, JPEG."""
    assert (50, 4) == (
        len({image.data for image in digits}),
        len({image.content_type for image in digits}),
    )
    for image in digits:
        assert close(image.row, row(image.data)), image.name


def test_an_image_has_the_class_of_its_row(digits: list[Any], model: Any) -> None:
    """What the model says of the images is what it says of the rows, 50 times out of 50."""
    expected = model.predict([image.row for image in digits]).tolist()

    found = model.predict([row(image.data) for image in digits]).tolist()

    assert expected == found


def test_smooth_images_cost_little(model: Any) -> None:
    """Enlarged smoothly instead of in blocks: within six points of the rows' own accuracy."""
    from sklearn.datasets import load_digits

    rows, known = (part[digits_server.LEARNED :] for part in load_digits(return_X_y=True))
    drawn = [
        row(
            saved(
                Image.frombytes(
                    "L", (8, 8), bytes(round(value * 255 / 16) for value in one)
                ).resize((200, 200), Image.Resampling.BICUBIC)
            )
        )
        for one in rows
    ]

    direct, smooth = model.score(rows, known), model.score(drawn, known)

    assert 0.90 < direct < 0.92  # what digits_server.py says of itself
    assert direct - smooth < 0.06


def test_a_margin_is_cut_off(two: Image.Image) -> None:
    """As MNIST has one: the digit in the middle of a canvas twice its size."""
    canvas = Image.new("L", (56 * 4, 56 * 4), 255)
    canvas.paste(ImageOps.invert(two.resize((112, 112), 0)), (56, 40))
    expected = row(saved(two.crop(two.point(lambda value: 255 * (value >= 32)).getbbox())))

    found = row(saved(canvas))

    assert close(expected, found, 2)


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F", "LAB"]
)
def test_every_mode_is_read(mode: str, two: Image.Image) -> None:
    """Ink or none is seen in each of Pillow's modes, in a file that holds it."""
    plain = two.point(lambda value: 255 * (value > 100))
    if mode == "I;16":
        image = plain.convert("I").point(lambda value: value * 257).convert(mode)
    elif mode == "LAB":
        zero = Image.new("L", plain.size, 128)
        image = Image.merge("LAB", (plain, zero, zero))
    else:
        image = plain.convert(mode)
    expected = row(saved(plain))

    found = row(saved(image, "TIFF" if mode in ("CMYK", "F", "I", "LAB") else "PNG"))

    assert close(expected, found)


def test_what_is_transparent_is_paper(two: Image.Image) -> None:
    """Black ink on nothing and white ink on nothing are both ink."""
    rows = []
    for ink in ("black", "white"):
        image = Image.new("RGBA", two.size, ink)
        image.putalpha(two)
        rows.append(row(saved(image)))

    assert close(row(saved(two)), rows[0])
    assert close(row(saved(two)), rows[1])


def test_a_transparent_colour_of_a_palette_is_paper(two: Image.Image) -> None:
    """A GIF or a PNG with one colour that is not there."""
    image = ImageOps.invert(two.point(lambda value: 255 * (value > 100))).convert("P")
    expected = row(saved(image))

    found = row(saved(image, transparency=image.getpixel((0, 14))))

    assert close(expected, found)


def test_a_photograph_is_turned_upright(two: Image.Image) -> None:
    """As its EXIF says it was held."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it
    lying = two.rotate(90)

    found = row(saved(lying, "JPEG", quality=100, subsampling=0, exif=exif))

    assert close(row(saved(two)), found, 1)


def test_grey_paper_is_no_ink(two: Image.Image) -> None:
    """A background that is not quite white or black is none of the digit."""
    grey = ImageOps.invert(two).point(lambda value: round(value * 200 / 255))

    assert close(row(saved(two)), row(saved(grey)), 0.3)


def test_light_and_dark_can_be_told(two: Image.Image) -> None:
    """`invert` is what the file says, whatever the edge looks like."""
    rows = {invert: row(saved(two), invert=invert) for invert in (None, False, True)}

    assert rows[None] == rows[False]
    assert close([16 - value for value in rows[False]], rows[True])


def test_proportions_are_kept() -> None:
    """A tall image is no square one that was squeezed: it gets paper at both sides."""
    one = Image.new("L", (40, 80), 255)
    one.paste(0, (10, 0, 30, 80))

    found = np.array(row(saved(one))).reshape(8, 8)

    assert found.tolist() == [[0, 0, 0, 16, 16, 0, 0, 0]] * 8


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5), (16, 16), (4001, 3999)])
def test_every_size_gives_a_row(size: tuple[int, int]) -> None:
    """From one pixel to more than is worked on, however long and thin."""
    found = row(saved(Image.linear_gradient("L").resize(size)))

    assert len(found) == 64
    assert min(found) >= 0
    assert max(found) <= 16


def test_another_models_form(two: Image.Image) -> None:
    """TensorFlow's MNIST: 28 × 28, from 0 to 1, row by row."""
    found = row(saved(two), size=(28, 28), scale=1)

    assert np.allclose(np.asarray(two) / 255, np.array(found).reshape(28, 28), atol=1e-3)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not an image", id="text"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", id="svg"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", id="eps"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 40, id="png in name only"),
        pytest.param(b"GIF89a", id="gif in name only"),
        pytest.param(b"II*\0\xff\xff\xff\xff", id="tiff without a directory"),
    ],
)
def test_what_is_no_image_is_told(data: bytes) -> None:
    """In words, with the forms that are read, and no address of Python's in them."""
    with pytest.raises(ValueError, match=r"^(no image in one of PNG, JPEG|a broken )") as caught:
        row(data)

    assert "0x" not in str(caught.value)


def test_an_eps_file_runs_no_program() -> None:
    """Pillow would hand it to Ghostscript."""
    assert "EPS" not in digit_image.FORMATS
    with pytest.raises(ValueError, match="no image in one of"):
        row(saved(Image.new("L", (8, 8)), "EPS"))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_half_an_image_is_none(form: str, two: Image.Image) -> None:
    """What was cut off is refused, not filled up with grey."""
    data = saved(two.resize((200, 200)).convert("RGB"), form)

    with pytest.raises(ValueError, match=r"^(a broken |no image)"):
        row(data[: len(data) // 2])


def test_a_bomb_is_not_unpacked() -> None:
    """A PNG of 900 million pixels in 100 bytes is judged by its head."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    def png(width: int, height: int) -> bytes:
        head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
        data = zlib.compress(b"\0" * 64)
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data)

    for width, height in ((30_000, 30_000), (10_000, 10_000)):
        with pytest.raises(ValueError, match=r"^too large: Image size"):
            row(png(width, height))
    with pytest.raises(ValueError, match=r"^5000 × 4000 pixels, expected at most 16000000$"):
        row(png(5_000, 4_000))
    with pytest.raises(ValueError, match=r"^9 × 9 pixels, expected at most 80$"):
        row(saved(Image.new("L", (9, 9))), max_pixels=80)
    assert [0.0] * 64 == row(saved(Image.new("L", (9, 9))), max_pixels=81)


def test_a_small_jpeg_that_would_be_unpacked_for_an_hour_is_refused(two: Image.Image) -> None:
    """The same scan again costs 33 bytes, and with 16 million pixels 20 ms of the one thread."""
    once = saved(two.resize((64, 64)), "JPEG", progressive=True)
    scan = once[once.rindex(b"\xff\xda") : -2]
    scans = once.count(b"\xff\xda")

    def repeated(times: int) -> bytes:
        return once[:-2] + scan * (times - scans) + b"\xff\xd9"

    assert [64, 64] == [len(row(once)), len(row(repeated(100)))]
    with pytest.raises(ValueError, match=r"^a JPEG of 101 scans, expected at most 100$"):
        row(repeated(101))


def test_an_empty_page_is_a_row_of_nothing() -> None:
    """White, black or grey: no ink."""
    for shade in (0, 90, 255):
        assert row(saved(Image.new("L", (30, 30), shade))) == [0.0] * 64
