"""Valid bytes changed a little: what no rule says, and somebody will send."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

#: What parsers stumble over.
NASTY = (
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b"\t", b" ", b"  ", b"\x7f", b"\x80", b"\xff"),
    *(b"\xc0\x80", b"\xed\xa0\x80", b"\xef\xbf\xbe", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf"),
    *(b":", b";", b",", b'"', b"%", b"%00", b"%C0%A0", b"%zz", b"\\", b"\\u0000", b"\\ud800"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b"null",
        b"true",
        b"1e999",
        b"-0",
        b"NaN",
        b"[" * 2000,
        b'{"a":' * 2000,
    ),
    *(b"0", b"-1", b"+1", b"0x1", b"9" * 30, b"99999999999999999999", b"4294967296"),
    *(b"content-length: 0\r\n", b"transfer-encoding: chunked\r\n", b"connection: close\r\n"),
    *(b"expect: 100-continue\r\n", b"content-encoding: gzip\r\n", b"host: other\r\n", b" fold\r\n"),
    *(b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1", b"HTTP/1.0", b"x" * 70_000, b"0\r\n\r\n", b"x" * 300),
)

Mutation = Callable[[Random, bytes], bytes]


def mutated(chance: Random, data: bytes) -> tuple[str, bytes]:
    """Return *data* after one to three changes, and their names."""
    names = []
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        mutation = chance.choice(MUTATIONS)
        data = mutation(chance, data)
        names.append(mutation.__name__)
    return " and ".join(names), data


def a_bit_flipped(chance: Random, data: bytes) -> bytes:
    """Change one bit."""
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def a_byte_of_the_head_changed(chance: Random, data: bytes) -> bytes:
    """Change one byte before the body."""
    end = max(1, data.find(b"\r\n\r\n"))
    at = chance.randrange(end)
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def cut_off(chance: Random, data: bytes) -> bytes:
    """End too early."""
    return data[: chance.randrange(len(data) + 1)]


def a_part_left_out(chance: Random, data: bytes) -> bytes:
    """Leave a few bytes out of the middle."""
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.randint(1, 20) :]


def a_part_doubled(chance: Random, data: bytes) -> bytes:
    """Say some bytes twice, or fifty times."""
    start = chance.randrange(len(data) + 1)
    part = data[start : start + chance.choice([1, 2, 5, 20, 100, 1000])]
    return data[:start] + part * chance.choice([2, 2, 3, 50]) + data[start + len(part) :]


def nasty_bytes_inserted(chance: Random, data: bytes) -> bytes:
    """Put in what parsers stumble over."""
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(NASTY) + data[at:]


def noise_inserted(chance: Random, data: bytes) -> bytes:
    """Put in bytes of any kind."""
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.randint(1, 40)) + data[at:]


def two_headers_swapped(chance: Random, data: bytes) -> bytes:
    """Exchange two lines of the head, the request line among them."""
    start, empty, body = data.partition(b"\r\n\r\n")
    lines = start.split(b"\r\n")
    a, b = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[a], lines[b] = lines[b], lines[a]
    return b"\r\n".join(lines) + empty + body


def a_header_doubled(chance: Random, data: bytes) -> bytes:
    """Say one line of the head again."""
    start, empty, body = data.partition(b"\r\n\r\n")
    lines = start.split(b"\r\n")
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
    return b"\r\n".join(lines) + empty + body


def a_header_left_out(chance: Random, data: bytes) -> bytes:
    """Leave one line of the head out."""
    start, empty, body = data.partition(b"\r\n\r\n")
    lines = start.split(b"\r\n")
    del lines[chance.randrange(len(lines))]
    return b"\r\n".join(lines) + empty + body


def other_line_ends(chance: Random, data: bytes) -> bytes:
    """End lines as other systems do."""
    start, empty, body = data.partition(b"\r\n\r\n")
    end = chance.choice([b"\n", b"\r", b"\n\r", b"\r\r\n", b"\0\r\n"])
    return (start + empty).replace(b"\r\n", end, chance.choice([-1, 1, 2])) + body


def a_number_changed(chance: Random, data: bytes) -> bytes:
    """Change a number, most often a length."""
    at = data.find(b"content-length: ")
    at = at + 16 if at >= 0 and chance.random() < 0.5 else chance.randrange(len(data) + 1)
    while at < len(data) and not data[at : at + 1].isdigit():
        at += 1
    end = at
    while end < len(data) and data[end : end + 1].isdigit():
        end += 1
    other = chance.choice([b"0", b"1", b"-1", b"7", b"34", b"36", b"1000", b"8388609", b"1" * 40])
    return data[:at] + other + data[end:]


MUTATIONS: tuple[Mutation, ...] = (
    a_bit_flipped,
    a_byte_of_the_head_changed,
    cut_off,
    a_part_left_out,
    a_part_doubled,
    nasty_bytes_inserted,
    noise_inserted,
    two_headers_swapped,
    a_header_doubled,
    a_header_left_out,
    other_line_ends,
    a_number_changed,
)
