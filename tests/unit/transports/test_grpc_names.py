"""Targets of gRPC: how they are written, and what their names stand for."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from bridge.core.errors import ConfigError, Unavailable
from bridge.transports.names import Names, Target, lookup, target_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("iris:9000", Target("iris", 9000)),
        ("dns:///iris.models.svc:9000", Target("iris.models.svc", 9000)),
        ("dns:iris:9000", Target("iris", 9000)),
        ("iris.models.svc.:9000", Target("iris.models.svc.", 9000)),
        ("10.0.0.3:9000", Target("10.0.0.3", 9000)),
        ("[fd00::3]:9000", Target("fd00::3", 9000)),
    ],
)
def test_targets(text: str, expected: Target) -> None:
    """Host and port, with or without the scheme that gRPC's own users write."""
    assert expected == target_of(text)
    assert expected == target_of(str(expected))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "iris",
        "iris:",
        ":9",
        "iris:99999",
        "iris:\u0663",
        "unix:/x",
        "http://iris:9",
        "a b:9",
        "[x]:9",
        "::1:9",
    ],
)
def test_what_is_none(text: str) -> None:
    """Anything else is told of at start."""
    with pytest.raises(ConfigError, match="expected"):
        target_of(text)


@pytest.mark.parametrize("text", ["iris..svc:9000", ".iris:9000", ".:9000", f"{'x' * 64}:9000"])
def test_a_name_that_cannot_be_looked_up_ended_the_lookups(text: str) -> None:
    """The system raises no OSError for it: nobody was found, for ever, and without a word why."""
    with pytest.raises(ConfigError, match=r"^target '.*: expected host:port"):
        target_of(text)


async def test_addresses_of_several_names() -> None:
    """All addresses of all names, once each, with the name that each was found by."""
    one, two, own = Target("one", 9), Target("two", 9), Target("10.0.0.9", 9)
    a, b = Target("10.0.0.1", 9), Target("10.0.0.2", 9)
    known = {one: (a, b), two: (b,)}

    async def lookup(target: Target) -> tuple[Target, ...]:
        return known[target]

    assert {a: one, b: two, own: own} == await Names([one, two, own], lookup).now()


async def test_a_name_that_fails_keeps_what_it_had() -> None:
    """Only a name that has answered can take its addresses away."""
    name, address = Target("iris", 9), Target("10.0.0.1", 9)
    answers: list[tuple[Target, ...] | OSError] = [(address,), OSError(-3, "try again"), ()]

    async def lookup(target: Target) -> tuple[Target, ...]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    names = Names([name], lookup)

    assert {address: name} == await names.now()
    assert {address: name} == await names.now()
    with pytest.raises(Unavailable, match="iris:9: the name has no address"):
        await names.now()


async def test_a_name_that_is_unknown() -> None:
    """Where there is no address at all, the first name says why."""

    async def lookup(target: Target) -> tuple[Target, ...]:
        raise OSError(-2, "Name or service not known")

    with pytest.raises(Unavailable, match="iris:9: the name was not found: Name or service"):
        await Names([Target("iris", 9)], lookup).now()


class BothFamilies(asyncio.SelectorEventLoop):
    """A loop whose system knows each name by two addresses, of one server."""

    async def getaddrinfo(self, host: Any, port: Any, **how: Any) -> Any:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("fd00::3", port, 0, 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.3", port)),
        ]


def test_a_name_of_both_families_is_one_server() -> None:
    """It would be given the calls of two; the addresses of IPv4 are taken."""
    with asyncio.Runner(loop_factory=BothFamilies) as runner:
        assert (Target("10.0.0.3", 9000),) == runner.run(lookup(Target("iris", 9000)))
