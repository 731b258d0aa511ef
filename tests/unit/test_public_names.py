"""`bridge.__all__` is what users may build on: nothing more, nothing less."""

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import bridge

#: Where each public name lives.
PUBLIC = {
    "bridge.codecs.notification": ["notified_object"],
    "bridge.config.objects": ["ObjectStoreOptions"],
    "bridge.core.errors": [
        "BridgeError",
        "ConfigError",
        "DecodeError",
        "EventError",
        "Filtered",
        "Overloaded",
        "Rejected",
        "TransformError",
        "Unavailable",
    ],
    "bridge.core.event": ["Event", "Origin"],
    "bridge.core.payload": ["Body"],
    "bridge.core.ports": [
        "Component",
        "Context",
        "Handler",
        "Model",
        "Request",
        "Sink",
        "Source",
        "Transformer",
    ],
    "bridge.transports.objects": ["ObjectRef", "ObjectStore"],
}

#: Those that only some transformers need.
LAZY = {"ObjectRef", "ObjectStore", "ObjectStoreOptions", "notified_object"}

#: What nobody pays for who does not use it.
HEAVY = ["pydantic", "httptools", "bridge.codecs", "bridge.config", "bridge.transports"]


def test_the_public_names_are_these():
    """A name enters or leaves the list on purpose only, and the list is sorted."""
    expected = sorted(["__version__", *(name for names in PUBLIC.values() for name in names)])

    assert expected == sorted(bridge.__all__)
    assert sorted(bridge.__all__, key=lambda name: (not name[0].isupper(), name)) == bridge.__all__


def test_each_name_is_the_one_of_its_module():
    """A public name is no copy and no other thing of the same name."""
    for module, names in PUBLIC.items():
        for name in names:
            assert getattr(importlib.import_module(module), name) is getattr(bridge, name)


def test_nothing_else_is_left_lying_about():
    """Whatever can be imported from `bridge` without an underscore is public or a module."""
    for name in LAZY:
        getattr(bridge, name)

    found = {
        name
        for name, value in vars(bridge).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }

    assert found == set(bridge.__all__) - {"__version__"}


def test_a_name_that_is_not_public_is_told():
    """The lazy names do not make a misspelled one come from nowhere."""
    with pytest.raises(AttributeError, match="module 'bridge' has no attribute 'ObjectStores'"):
        bridge.ObjectStores  # noqa: B018  # asking is the test


def test_what_a_transformer_does_not_use_is_not_imported():
    """`import bridge` stays light; a store's options come without the SDK that signs."""
    heavy = [*HEAVY, "minio"]
    script = f"import sys, bridge; print([name for name in {heavy} if name in sys.modules])"
    store = f"{script}; bridge.ObjectStore; bridge.ObjectRef; print('minio' in sys.modules)"

    found = subprocess.run(
        [sys.executable, "-c", store], capture_output=True, text=True, check=False
    )

    assert ("[]\nFalse\n", "") == (found.stdout, found.stderr)


def test_each_public_name_says_what_it_promises():
    """The docstring is the contract; an alias has its comment above it."""
    for name in bridge.__all__:
        value = getattr(bridge, name)
        if inspect.isclass(value):
            assert inspect.getdoc(value), name


def test_the_version_is_one_that_packaging_understands():
    """The wheel takes its version from here."""
    assert re.fullmatch(r"\d+\.\d+\.\d+([ab]|rc)?\d*", bridge.__version__)
    assert "__version__" in Path(bridge.__file__).read_text()
