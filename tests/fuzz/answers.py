"""What came back on one connection, and whether it may: the oracle for every case.

bytes ─▶ read() ─▶ answers, in order     or Broken: no HTTP/1.1 at all
case, answers ─▶ judge() ─▶ what is wrong with them, "" for nothing
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.fuzz.cases import Case

#: A longer body of an error crashes a Knative dispatcher that has a dead letter sink.
MAX_ERROR_BYTES = 768

#: Answers that a listener gives when nothing is wrong with it: no 5xx is ever right.
ALLOWED = frozenset({200, 202, 204, 400, 404, 405, 408, 413, 414, 415, 417, 422, 431})


class Broken(Exception):
    """What came is no sequence of answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer; header names in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def read(data: bytes) -> list[Answer]:
    """Return the final answers in *data*; raise Broken where it is anything else."""
    answers = []
    at = 0
    while at < len(data):
        end = data.find(b"\r\n\r\n", at)
        lines = data[at:end].split(b"\r\n")
        found = _LINE.fullmatch(lines[0])
        if end < 0 or found is None:
            raise Broken(f"no head: {data[at : at + 80]!r}")
        status = int(found[1])
        at = end + 4
        if status == 100 and len(lines) == 1:
            continue
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(b": ")
            if not colon or not _TOKEN.fullmatch(name) or name.lower() in headers:
                raise Broken(f"header {line[:80]!r}")
            headers[name.lower()] = value
        length = headers.get(b"content-length", b"0" if status == 204 else b"")
        if not length.isdigit() or b"transfer-encoding" in headers:
            raise Broken(f"{status} without a length")
        body = data[at : at + int(length)]
        if data[at : at + 9] == b"HTTP/1.1 " or (at == len(data) and length != b"0"):
            body = b""  # the answer to a HEAD tells a length that is not there
        elif len(body) < int(length):
            raise Broken(f"{status} with {len(body)} of {int(length)} bytes")
        at += len(body)
        answers.append(Answer(status=status, headers=headers, body=body))
    return answers


def judge(case: Case, answers: Sequence[Answer]) -> str:
    """Return what is wrong with *answers* to *case*, in words; "" if nothing is."""
    statuses = [answer.status for answer in answers]
    for answer in answers:
        if answer.status not in ALLOWED and not _is_the_models(answer):
            return f"answered {answer.status}: {answer.body[:300]!r}"
        if answer.status >= 400 and len(answer.body) > MAX_ERROR_BYTES:
            return f"{answer.status} with {len(answer.body)} bytes"
        if b"date" not in answer.headers:
            return f"{answer.status} without a date"
    if case.expected is None:
        return ""
    last = statuses[-1] if len(statuses) > case.before else 0
    before = statuses[: case.before]
    if before != [200] * case.before or len(statuses) > case.before + 1:
        return f"answered {statuses}: expected {case.before} times 200 and one of {_shown(case)}"
    if last not in case.expected:
        return f"answered {last or 'nothing'}: expected {_shown(case)}"
    return ""


def _is_the_models(answer: Answer) -> bool:
    """Whether a 500 is the verdict of a Seldon model, told as Seldon's own wrapper tells it."""
    return answer.status == 500 and b'"reason":"MICROSERVICE_' in answer.body


def _shown(case: Case) -> str:
    return ", ".join(str(status or "nothing") for status in sorted(case.expected or ()))


_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9][0-9]) [\x20-\x7e]*")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
