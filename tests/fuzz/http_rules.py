"""Requests that HTTP/1.1 (RFC 9110, RFC 9112) forbids or allows, each with what must come back.

Every table holds ways of breaking one rule; the rest of the request is as good as can be.
"""

from __future__ import annotations

from random import Random

from tests.fuzz.cases import ACCEPTED, CLOSED, MALFORMED, TAKEN, Case, Rule
from tests.fuzz.valid import (
    DATA,
    attributes,
    binary_headers,
    bomb,
    chunked,
    event,
    head,
    packed,
    request,
)

#: The limits of the listener that is fuzzed: its defaults.
MAX_BODY_BYTES = 8 * 1024 * 1024
MAX_HEAD_BYTES = 64 * 1024

TOO_LARGE = frozenset({413})
LONG_HEAD = frozenset({414, 431})
NO_METHOD = frozenset({405})

_REQUEST_LINES = {
    MALFORMED: (
        *(b"POST  / HTTP/1.1", b"POST /  HTTP/1.1", b"POST / HTTP/1.1 ", b" POST / HTTP/1.1"),
        *(b"POST\t/\tHTTP/1.1", b"POST / HTTP/1.1\r", b"POST /", b"POST", b"", b"POST / ", b"/"),
        *(b"post / HTTP/1.1", b"Post / HTTP/1.1", b"FOO / HTTP/1.1", b"PO\0ST / HTTP/1.1"),
        *(
            b"POST /\0 HTTP/1.1",
            b"POST /\x7f HTTP/1.1",
            b"POST /\xff HTTP/1.1",
            b"POST /a b HTTP/1.1",
        ),
        *(b"POST x HTTP/1.1", b"POST fuzz:80 HTTP/1.1", b"POST * HTTP/1.1", b"POST ?q HTTP/1.1"),
        *(b"POST /#part HTTP/1.1", b"POST http:// HTTP/1.1", b"POST ftp://fuzz/ HTTP/1.1"),
        *(
            b"POST / http/1.1",
            b"POST / HTTP/1",
            b"POST / HTTP/1.",
            b"POST / HTTP/1.11",
            b"POST / HTTPS/1.1",
        ),
        *(b"POST / HTTP /1.1", b"POST / HTTP/1,1", b"POST / HTTP/11.1", b"POST / HTTP/\xb9.1"),
        *(
            b"CONNECT fuzz:443 HTTP/1.1",
            b"CONNECT / HTTP/1.1",
            b"POST/ HTTP/1.1",
            b"POST /HTTP/1.1",
        ),
        *(b"\xef\xbb\xbfPOST / HTTP/1.1", b"POST / HTTP/1.1 HTTP/1.1", b"@POST / HTTP/1.1"),
        *(b"POST / HTTP/1.2", b"POST / HTTP/2.0", b"POST / HTTP/0.9", b"POST / HTTP/9.9"),
        b"POST / HTTP/1.9",
    ),
    ACCEPTED: (
        *(
            b"POST http://fuzz/ HTTP/1.1",
            b"POST HTTP://fuzz:80/a?b HTTP/1.1",
            b"POST /%zz HTTP/1.1",
        ),
        *(b"POST //a/../b HTTP/1.1", b"POST /?a=/b HTTP/1.1", b"POST /%00%2e HTTP/1.1"),
        *(
            b"POST / HTTP/1.0",
            b"POST https://u:p@fuzz?x HTTP/1.1",
            b"POST /" + b"a" * 5000 + b" HTTP/1.1",
        ),
    ),
    NO_METHOD: tuple(
        b"%b / HTTP/1.1" % method
        for method in (b"GET", b"PUT", b"DELETE", b"PATCH", b"TRACE", b"HEAD", b"PROPFIND", b"LINK")
    ),
}

_HEADERS = {
    MALFORMED: (
        *(b"x : y", b"x\t: y", b" x: y", b"\tx: y", b": y", b"no colon", b"x y: z", b"(x): y"),
        *(b"x\0: y", b"x\x7f: y", b"x\xe9: y", b"x: \0", b"x: \x01", b"x: a\x1fb", b"x: \x7f"),
        *(
            b"x: a\r\n b",
            b"x: a\r\n\tb",
            b"x: a\r\n ",
            b"x: a\nb: c",
            b"x: a\rb: c",
            b"x: a\r",
            b"x: a\n",
        ),
        *(b"host: other", b"host: fuzz", b"Host : fuzz", b'"x": y', b"x=y", b"\xef\xbb\xbfx: y"),
    ),
    ACCEPTED: (
        *(
            b"x:y",
            b"x:",
            b"x: ",
            b"x:\t y \t",
            b"X-A: b\r\nx-a: c",
            b"x: \xff\xfe",
            b"!#$%&'*+.^_`|~: y",
        ),
        *(
            b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA",
            b"te: trailers",
        ),
        *(b"connection: close", b"connection: keep-alive", b"connection: x, y", b"keep-alive: 5"),
        *(
            b"x: " + b"a" * 20_000,
            b"cookie: a=b",
            b"range: bytes=0-1",
            b"prefer: reply;x=y, respond-async",
        ),
        *(b"trailer: x", b"via: 1.1 x", b"accept: */*", b"prefer: ", b"content-language: de"),
    ),
}

_LENGTHS = (
    *(
        b"+35",
        b"-35",
        b"0x23",
        b"35 35",
        b"35,35",
        b"35, 35",
        b"",
        b"9" * 30,
        b"35.0",
        b"3 5",
        b"x",
    ),
    *(
        b"\xb3\xb5",
        b"35\0",
        b"35;",
        b"1e1",
        b"35\r\ncontent-length: 36",
        b"35\r\nContent-Length: 35",
    ),
    *(b"35\r\ntransfer-encoding: chunked", b"35\r\nTRANSFER-ENCODING: chunked", b"'35'"),
)

_CODINGS = (
    *(b"gzip", b"gzip, chunked", b"chunked, gzip", b"chunked, chunked", b"identity", b"xchunked"),
    *(
        b"chunked\r\ntransfer-encoding: chunked",
        b"chunked\r\ncontent-length: 35",
        b"",
        b"\x0bchunked",
    ),
    *(
        b"chunked;q=1",
        b'"chunked"',
        b"chunked\0",
        b"chunked,",
        b",chunked",
        b"chunk",
        b"identity, chunked",
    ),
)

_CHUNKS = (
    *(
        b"0x1\r\na\r\n",
        b"+1\r\na\r\n",
        b"-1\r\na\r\n",
        b"1 \r\na\r\n",
        b" 1\r\na\r\n",
        b"\r\na\r\n",
    ),
    *(
        b"1_0\r\na\r\n",
        b"g\r\n",
        b"1\na\r\n",
        b"1\r\na\n",
        b"1\r\nab\r\n",
        b"1\r\n\r\n\r\n",
        b"1;\0\r\na\r\n",
    ),
    *(
        b"f" * 17 + b"\r\n",
        b"1;a\nb\r\na\r\n",
        b"1;a\rb\r\na\r\n",
        b"1;=\r\na\r\n",
        b'1;a="\r\na\r\n',
    ),
    *(
        b"1;" + b"a" * 9000 + b"\r\na\r\n",
        b"1\r\ra",
        b"\xb9\r\na\r\n",
        b"1\r\na0\r\n\r\n",
        b"1\r\na\r\r\n",
    ),
    *(b"1;a b\r\na\r\n", b"1 ;a\r\na\r\n", b"1\t\r\na\r\n"),
)

_TRAILERS = (
    *(b"content-length: 1\r\n", b"transfer-encoding: chunked\r\n", b"host: x\r\n", b" x: y\r\n"),
    *(b"x : y\r\n", b"x\r\n", b": y\r\n", b"x: \0\r\n", b"x: y\n", b"x: a\r\n b\r\n", b"\n"),
    b"x: " + b"a" * 9000 + b"\r\n",
)


def a_request_line(chance: Random) -> Case:
    """RFC 9112, 3: method, target and version with one space between them."""
    expected = chance.choice(list(_REQUEST_LINES))
    line = chance.choice(_REQUEST_LINES[expected])
    good = event(chance)
    data = line + good[good.index(b"\r\n") :]
    return Case(name=f"request line {line[:60]!r}", data=data, expected=expected)


def a_header(chance: Random) -> Case:
    """RFC 9112, 5: token, colon, value; no folding; CR, LF and NUL nowhere."""
    expected = chance.choice([MALFORMED, ACCEPTED])
    line = chance.choice(_HEADERS[expected])
    first, rest = event(chance).split(b"\r\n", 1)
    return Case(
        name=f"header {line[:60]!r}",
        data=b"%b\r\n%b\r\n%b" % (first, line, rest),
        expected=expected,
    )


def a_host(chance: Random) -> Case:
    """RFC 9112, 3.2: one Host in HTTP/1.1, at most one in HTTP/1.0."""
    version, hosts, expected = chance.choice(
        [
            (b"HTTP/1.1", 0, MALFORMED),
            (b"HTTP/1.1", 1, ACCEPTED),
            (b"HTTP/1.1", 2, MALFORMED),
            (b"HTTP/1.0", 0, ACCEPTED),
            (b"HTTP/1.0", 2, MALFORMED),
        ]
    )
    headers = binary_headers(attributes(chance)) + [(b"Host", b"fuzz")] * hosts
    chance.shuffle(headers)
    data = head([*headers, (b"content-length", b"35")], version=version, host=False) + DATA
    return Case(name=f"{hosts} hosts, {version.decode()}", data=data, expected=expected)


def a_length(chance: Random) -> Case:
    """RFC 9112, 6.2 and 6.3: one length, in digits, and no coding beside it."""
    length = chance.choice(_LENGTHS)
    headers = [*binary_headers(attributes(chance)), (b"content-length", length)]
    return Case(
        name=f"content-length {length[:60]!r}", data=head(headers) + DATA, expected=MALFORMED
    )


def a_coding(chance: Random) -> Case:
    """RFC 9112, 6.1: chunked, once, in HTTP/1.1, and nothing else that we do not undo."""
    coding = chance.choice(_CODINGS)
    headers = [*binary_headers(attributes(chance)), (b"transfer-encoding", coding)]
    data = head(headers) + chunked(DATA, chance)
    return Case(name=f"transfer-encoding {coding[:60]!r}", data=data, expected=MALFORMED)


def a_coding_of_old(chance: Random) -> Case:
    """RFC 9112, 6.1: HTTP/1.0 knows no transfer codings."""
    headers = [*binary_headers(attributes(chance)), (b"transfer-encoding", b"chunked")]
    data = head(headers, version=b"HTTP/1.0") + chunked(DATA, chance)
    return Case(name="chunked in HTTP/1.0", data=data, expected=MALFORMED)


def chunks(chance: Random) -> Case:
    """RFC 9112, 7.1: sizes in hexadecimal, each line ended, each chunk as long as it says."""
    headers = [*binary_headers(attributes(chance)), (b"transfer-encoding", b"Chunked")]
    good = chunked(DATA, chance)
    way = chance.randrange(4)
    if way == 0:
        return Case(name="chunks", data=head(headers) + good, expected=ACCEPTED)
    if way == 1:
        bad = chance.choice(_CHUNKS)
        name = f"chunk {bad[:60]!r}"
        return Case(name=name, data=head(headers) + bad + good, expected=MALFORMED)
    if way == 2:
        bad = chance.choice(_TRAILERS)
        body = b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(DATA), DATA, bad)
        return Case(name=f"trailer {bad[:60]!r}", data=head(headers) + body, expected=MALFORMED)
    cut = chance.randrange(len(good))
    return Case(name="chunks cut off", data=head(headers) + good[:cut], expected=CLOSED)


def line_ends(chance: Random) -> Case:
    """RFC 9112, 2.2: CRLF ends a line, a few empty ones before a request are nothing."""
    good = event(chance)
    count = chance.choice([1, 2, 8, 9, 50, 5000])
    return Case(
        name=f"{count} empty lines first",
        data=b"\r\n" * count + good,
        expected=ACCEPTED if count <= 8 else MALFORMED,
    )


def line_ends_of_others(chance: Random) -> Case:
    """A bare LF or CR ends no line here, though RFC 9112, 2.2 would allow the LF."""
    good = event(chance)
    start, _, body = good.partition(b"\r\n\r\n")
    end = chance.choice([b"\n", b"\r"])
    lines = (start + b"\r\n\r\n").replace(b"\r\n", end)
    # Its end is never found, or it is found in the next request's.
    data = lines + body + (good if chance.random() < 0.5 else b"")
    return Case(name=f"lines that end in {end!r}", data=data, expected=frozenset({0, 400}))


def sizes(chance: Random) -> Case:
    """What is too large is refused by its kind, and as soon as it says so."""
    headers = binary_headers(attributes(chance))
    count = chance.randint(2, 1000)
    over = MAX_BODY_BYTES + chance.choice([1, 2, 10**6, 10**12])
    name, data, expected = chance.choice(
        [
            ("a long target", head(headers, target=b"/" + b"a" * MAX_HEAD_BYTES), LONG_HEAD),
            ("a long header", head([*headers, (b"x", b"a" * MAX_HEAD_BYTES)]), LONG_HEAD),
            ("a head without end", b"POST / HTTP/1.1\r\n" + b"x: y\r\n" * 12_000, LONG_HEAD),
            ("a line without end", b"POST /" + b"a" * 2 * MAX_HEAD_BYTES, LONG_HEAD),
            ("a long length", head([*headers, (b"content-length", b"%d" % over)]), TOO_LARGE),
            (
                "many headers",
                request([*headers, *[(b"x-%d" % n, b"y") for n in range(count)]]),
                ACCEPTED,
            ),
            (
                "a long chunk",
                head([*headers, (b"transfer-encoding", b"chunked")]) + b"%x\r\n" % over,
                TOO_LARGE,
            ),
        ]
    )
    return Case(name=name, data=data, expected=expected)


def bodies_cut_off(chance: Random) -> Case:
    """RFC 9112, 8: a request that is not whole is none, and nobody is left to be answered."""
    good = event(chance)
    cut = chance.randrange(1, len(good))
    return Case(name=f"cut off at {cut}", data=good[:cut], expected=CLOSED)


def pipelined(chance: Random) -> Case:
    """RFC 9112, 9.3.2: answers in the order of the requests; a bad one is the last."""
    count = chance.randint(1, 6)
    stream = b"".join(event(chance) for _ in range(count))
    way = chance.randrange(3)
    if way == 0:
        return Case(name=f"{count} pipelined", data=stream, expected=ACCEPTED, before=count - 1)
    if way == 1:
        bad = stream + b"nonsense\r\n\r\n" + stream
        return Case(name=f"{count} and nonsense", data=bad, expected=MALFORMED, before=count)
    return Case(
        name=f"{count} and a half", data=stream + event(chance)[:-1], before=count, expected=CLOSED
    )


def smuggled(chance: Random) -> Case:
    """A body longer than it says is the next request, or refused as one."""
    first = event(chance)
    return Case(
        name="a byte behind a body", data=first + b"x\r\n\r\n", expected=MALFORMED, before=1
    )


def expectations(chance: Random) -> Case:
    """RFC 9110, 10.1.1: 100-continue, and nothing else is expected of us."""
    headers = binary_headers(attributes(chance))
    told = chance.choice([b"100-continue", b"100-Continue", b"200-ok", b"100-continue, x", b"x"])
    good = told.lower() == b"100-continue"
    return Case(
        name=f"expect {told!r}",
        data=request([*headers, (b"expect", told)]),
        expected=ACCEPTED if good else frozenset({417}),
    )


def other_protocols(chance: Random) -> Case:
    """What is no HTTP/1 at all: its first bytes are no request line."""
    data = chance.choice(
        [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + chance.randbytes(200) + b"\r\n\r\n",
            b"GET /\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"\0\0\0\x10\0\x03\0\0" + b"\r\n\r\n",
            b"*1\r\n$4\r\nPING\r\n\r\n",
            b"\x04\x01\x01\xbb\0\0\0\x01\0\r\n\r\n",
            b"EHLO fuzz\r\n\r\n",
            chance.randbytes(chance.randint(1, 400)) + b"\r\n\r\n",
        ]
    )
    # What is random may be empty lines and then the end, or another version by chance.
    return Case(name=f"no HTTP/1: {data[:20]!r}", data=data, expected=frozenset({400}))


def packed_bodies(chance: Random) -> Case:
    """RFC 9110, 8.4: gzip and deflate are undone within bounds, others refused."""
    coding = chance.choice([b"gzip", b"deflate", b"x-gzip", b"GZIP"])
    good = packed(DATA, coding.lower())
    size = chance.choice([70_000, 10**6, 9 * 10**6])
    name, told, body, expected = chance.choice(
        [
            ("packed", coding, good, ACCEPTED),
            ("not packed", b"identity", DATA, ACCEPTED),
            ("cut", coding, good[: chance.randrange(1, len(good))], MALFORMED),
            ("not at all", coding, DATA, MALFORMED),
            ("and more", coding, good + b"x", MALFORMED),
            ("a bomb", coding, bomb(size, coding.lower()), TOO_LARGE),
            ("unknown", chance.choice([b"br", b"zstd", b"x"]), good, frozenset({415})),
            ("twice", b"gzip, gzip", packed(packed(DATA, b"gzip"), b"gzip"), frozenset({415})),
        ]
    )
    headers = [*binary_headers(attributes(chance)), (b"content-encoding", told)]
    return Case(name=f"{told.decode()}, {name}", data=request(headers, body), expected=expected)


def other_requests(chance: Random) -> Case:
    """Probes and questions that are no events."""
    line = chance.choice([b"GET /healthz", b"HEAD /healthz", b"GET /readyz", b"OPTIONS /"])
    data = b"%b HTTP/1.1\r\nhost: fuzz\r\n\r\n" % line
    return Case(name=line.decode(), data=data, expected=TAKEN)


RULES: list[Rule] = [
    a_request_line,
    a_header,
    a_host,
    a_length,
    a_coding,
    a_coding_of_old,
    chunks,
    line_ends,
    line_ends_of_others,
    sizes,
    bodies_cut_off,
    pipelined,
    smuggled,
    expectations,
    other_protocols,
    packed_bodies,
    other_requests,
]
