"""The messages of gRPC: what is compiled is what the .proto files say, in a pool of its own."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool

from bridge.core.errors import Rejected
from bridge.protocols.proto import COMPILED, message, parsed

ROOTS = ("seldon.proto", "tensorflow_serving.proto", "inference.proto")


def _compiler() -> list[str] | None:
    """Return the command of a compiler at hand, or None."""
    if importlib.util.find_spec("grpc_tools") is not None:
        return [sys.executable, "-m", "grpc_tools.protoc"]
    protoc = shutil.which("protoc")
    return None if protoc is None else [protoc]


@pytest.mark.skipif(_compiler() is None, reason="no protoc here; `make protos` compiles them anew")
def test_compiled_is_what_the_files_say(tmp_path: Path) -> None:
    """The set that is checked in is that of the .proto files beside it."""
    compiler = _compiler()
    assert compiler is not None
    out = tmp_path / "messages.binpb"

    into = (f"-I{COMPILED.parent}", "--include_imports", f"--descriptor_set_out={out}")
    subprocess.run([*compiler, *into, *ROOTS], check=True)

    assert descriptors(out) == descriptors(COMPILED)


def descriptors(file: Path) -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """Return a set's files by name, Google's own left out: they come with the compiler."""
    found = descriptor_pb2.FileDescriptorSet.FromString(file.read_bytes())
    return {one.name: one for one in found.file if not one.name.startswith("google/")}


def test_every_file_is_compiled() -> None:
    """No .proto file is left out of the set."""
    assert {file.name for file in COMPILED.parent.glob("*.proto")} == set(descriptors(COMPILED))


_FIELD = re.compile(
    r"(?:(?P<many>repeated )?(?P<type>[\w.]+)|map<(?P<key>\w+), (?P<value>[\w.]+)>) "
    r"(?P<name>\w+) = (?P<number>\d+);"
)


def told(text: str) -> dict[str, set[str]]:
    """Return what a .proto file says: its messages and enums, and the fields of each."""
    found: dict[str, set[str]] = {}
    within: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if opened := re.fullmatch(r"(message|enum|oneof) (\w+) \{(\})?", line):
            if opened[1] != "oneof":
                found[".".join([*filter(None, within), opened[2]])] = set()
            if opened[3] is None:
                within.append("" if opened[1] == "oneof" else opened[2])
        elif line == "}":
            within.pop()
        elif field := _FIELD.fullmatch(line):
            kind = "map" if field["key"] else field["type"].rpartition(".")[2]
            many = "repeated " if field["many"] or field["key"] else ""
            found[".".join(filter(None, within))].add(
                f"{many}{kind} {field['name']} = {field['number']}"
            )
        elif value := re.fullmatch(r"(\w+) = (\d+);", line):
            found[".".join(filter(None, within))].add(f"{value[1]} = {value[2]}")
    return found


def compiled(within: Any, prefix: str = "") -> dict[str, set[str]]:
    """Return what a descriptor says, as `told` does."""
    found: dict[str, set[str]] = {}
    nested = within.nested_type if prefix else within.message_type
    for enum in within.enum_type:
        found[prefix + enum.name] = {f"{one.name} = {one.number}" for one in enum.value}
    for one in nested:
        if one.options.map_entry:
            continue
        maps = {inner.name for inner in one.nested_type if inner.options.map_entry}
        found[prefix + one.name] = {_field(field, maps) for field in one.field}
        found.update(compiled(one, f"{prefix}{one.name}."))
    return found


def _field(field: Any, maps: set[str]) -> str:
    named = field.type_name.rpartition(".")[2]
    simple = descriptor_pb2.FieldDescriptorProto.Type.Name(field.type)[len("TYPE_") :].lower()
    kind = "map" if named in maps else named or simple
    many = "repeated " if field.label == field.LABEL_REPEATED else ""
    return f"{many}{kind} {field.name} = {field.number}"


@pytest.mark.parametrize(
    "file", sorted(COMPILED.parent.glob("*.proto")), ids=lambda file: file.name
)
def test_no_file_was_changed_and_not_compiled(file: Path) -> None:
    """Every field of a .proto file has the number and type in the set that it has there."""
    expected = told(file.read_text())

    assert expected
    assert expected == compiled(descriptors(COMPILED)[file.name])


def test_no_message_is_in_the_pool_of_the_process() -> None:
    """Other packages register the same names there, and must find them free."""
    message("seldon.protos.SeldonMessage")
    message("tensorflow.serving.PredictRequest")
    message("inference.ModelInferRequest")

    pool = descriptor_pool.Default()
    for name in (
        "seldon.protos.SeldonMessage",
        "tensorflow.TensorProto",
        "inference.InferParameter",
    ):
        with pytest.raises(KeyError):
            pool.FindMessageTypeByName(name)


def test_a_message_reads_what_it_wrote() -> None:
    """A message of the set goes to bytes and back."""
    made = message("inference.ModelReadyRequest")(name="iris", version="2")

    assert b"\n\x04iris\x12\x012" == made.SerializeToString()
    assert made == parsed("inference.ModelReadyRequest", made.SerializeToString(), "it")


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05abc", b"\xff" * 9, b"\x0a\x02\xff\xfe"])
def test_what_is_no_message_is_garbage(data: bytes) -> None:
    """Cut off, no protobuf or no UTF-8: Rejected, naming who said it and what was expected."""
    with pytest.raises(
        Rejected, match=r"^it answered garbage: \d bytes that are no inference\.Mod"
    ):
        parsed("inference.ModelReadyRequest", data, "it")
