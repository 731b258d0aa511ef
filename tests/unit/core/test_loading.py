"""A user's class by its name: where it is looked for, and what is said when it is not there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.core.errors import ConfigError
from bridge.core.loading import load_class
from tests.fakes_usercode import nothing_loaded, write


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Leave nothing of a test's files behind."""
    with nothing_loaded():
        yield


def refused(reference: str, folder: Path) -> str:
    """Return the text that loading *reference* is refused with."""
    with pytest.raises(ConfigError) as caught:
        load_class(reference, folder)
    return str(caught.value)


@pytest.mark.parametrize("reference", ["mine:Mine", "mine.py:Mine"])
def test_a_class_beside_the_file(tmp_path: Path, reference: str) -> None:
    """A module of the folder is found by its name and as a file."""
    write(tmp_path, "mine.py", "class Mine: pass")

    cls = load_class(reference, tmp_path)

    assert (cls.__name__, cls.__module__) == ("Mine", "mine")


def test_a_class_in_a_folder_below(tmp_path: Path) -> None:
    """A file below the folder imports what lies beside it."""
    write(tmp_path, "below/neighbour.py", "VALUE = 7")
    write(tmp_path, "below/mine.py", "import neighbour\nclass Mine: value = neighbour.VALUE")

    cls = load_class("below/mine.py:Mine", tmp_path)

    assert vars(cls)["value"] == 7


def test_a_class_in_a_package(tmp_path: Path) -> None:
    """`package.module:Class` may import relative to itself."""
    write(tmp_path, "package/__init__.py", "")
    write(tmp_path, "package/other.py", "VALUE = 7")
    write(tmp_path, "package/mine.py", "from .other import VALUE\nclass Mine: value = VALUE")

    cls = load_class("package.mine:Mine", tmp_path)

    assert vars(cls)["value"] == 7


def test_a_class_of_an_installed_package(tmp_path: Path) -> None:
    """What the folder does not have is looked for among the installed packages."""
    assert load_class("collections:OrderedDict", tmp_path).__name__ == "OrderedDict"


def test_the_folder_goes_before_installed_packages(tmp_path: Path) -> None:
    """A file called like an installed module that is imported already is still the file."""
    write(tmp_path, "collections.py", "class OrderedDict: mine = True")

    cls = load_class("collections:OrderedDict", tmp_path)

    assert vars(cls)["mine"] is True
    assert "OrderedDict" in vars(sys.modules["collections"])
    assert cls is not sys.modules["collections"].OrderedDict


def test_equal_names_in_two_folders_are_two_classes(tmp_path: Path) -> None:
    """The same module name in two folders never gives the other folder's class."""
    write(tmp_path / "a", "mine.py", "class Mine: folder = 'a'")
    write(tmp_path / "b", "mine.py", "class Mine: folder = 'b'")

    folders = [vars(load_class("mine:Mine", tmp_path / name))["folder"] for name in "aba"]

    assert folders == ["a", "b", "a"]


def test_the_same_file_is_imported_once(tmp_path: Path) -> None:
    """Two references to one file give the same class."""
    write(tmp_path, "mine.py", "class Mine: pass")

    assert load_class("mine:Mine", tmp_path) is load_class("mine.py:Mine", tmp_path)


def test_methods_may_import_their_neighbours_late(tmp_path: Path) -> None:
    """The folder stays on the path, as its last entry: it shadows nothing afterwards."""
    write(tmp_path, "neighbour.py", "VALUE = 7")
    write(
        tmp_path,
        "mine.py",
        """
        class Mine:
            def late(self):
                import neighbour
                return neighbour.VALUE
        """,
    )

    cls = load_class("mine:Mine", tmp_path)

    assert sys.path[-1] == str(tmp_path.resolve())
    assert sys.path.count(str(tmp_path.resolve())) == 1
    assert cls().late() == 7


def test_the_command_line_is_the_files_own(tmp_path: Path) -> None:
    """A file that reads `sys.argv` while it is imported reads what it is given."""
    before = list(sys.argv)
    file = write(tmp_path, "mine.py", "import sys\nclass Mine: argv = sys.argv")

    cls = load_class("mine:Mine", tmp_path, arguments=["--name", "x"])

    assert vars(cls)["argv"] == [str(file.resolve()), "--name", "x"]
    assert sys.argv == before


@pytest.mark.parametrize("reference", ["mine", "mine:", ":Mine", "mine:No-Name", ""])
def test_a_reference_that_is_none(tmp_path: Path, reference: str) -> None:
    """What names no class says what was expected."""
    assert refused(reference, tmp_path) == (
        f"type '{reference}' is no class: expected 'module:Class' or 'path/file.py:Class'"
    )


def test_a_module_that_is_missing_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt module is answered with the folder and the nearest file."""
    write(tmp_path, "transformer.py", "")

    assert refused("transfomer:Mine", tmp_path) == (
        f"type 'transfomer:Mine': no module 'transfomer' in {tmp_path.resolve()}, nor installed; "
        "did you mean 'transformer'?"
    )


def test_a_file_that_is_missing_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt file is answered with its whole path and the nearest name."""
    write(tmp_path, "transformer.py", "")
    missing = tmp_path.resolve() / "transfomer.py"

    assert refused("transfomer.py:Mine", tmp_path) == (
        f"type 'transfomer.py:Mine': no file {missing}; did you mean 'transformer.py'?"
    )


def test_a_class_that_is_missing_names_the_nearest(tmp_path: Path) -> None:
    """A misspelt class is answered with the nearest of the file's own, not of its imports."""
    file = write(
        tmp_path,
        "mine.py",
        "from collections import OrderedDict\nclass ImageTransformer: pass\nclass Other: pass",
    )

    assert refused("mine:ImageTransfomer", tmp_path) == (
        f"type 'mine:ImageTransfomer': {file.resolve()} has no class 'ImageTransfomer'; "
        "did you mean 'ImageTransformer'?"
    )
    assert refused("mine:X", tmp_path).endswith(
        "has no class 'X'; there is 'ImageTransformer', 'Other'"
    )


def test_a_name_that_is_no_class(tmp_path: Path) -> None:
    """A function is not taken for a class."""
    write(tmp_path, "mine.py", "def mine(): pass")

    assert refused("mine:mine", tmp_path) == (
        "type 'mine:mine': 'mine' is a function, expected a class"
    )


@pytest.mark.parametrize("reference", ["mine:Mine", "mine.py:Mine"])
@pytest.mark.parametrize(
    ("text", "line", "error"),
    [
        ("x = 1\ny = {}['k']\n", 2, "KeyError: 'k'"),
        ("x = 1\n\nclass Mine\n", 3, "SyntaxError: expected ':'"),
        ("import no_such_package\n", 1, "ModuleNotFoundError: No module named 'no_such_package'"),
        ("def f():\n    raise SystemExit(2)\nf()\n", 2, "SystemExit: 2"),
    ],
)
def test_an_error_at_import_names_the_line(
    tmp_path: Path, reference: str, text: str, line: int, error: str
) -> None:
    """What a file raises while it is imported is said with its line in the user's file."""
    file = write(tmp_path, "mine.py", text)

    found = refused(reference, tmp_path)

    assert found.startswith(f"type '{reference}': {file.resolve()}:{line}: {error}")


def test_a_file_that_failed_is_read_again(tmp_path: Path) -> None:
    """A failed import leaves nothing half made behind."""
    write(tmp_path, "mine.py", "1 / 0")
    refused("mine.py:Mine", tmp_path)
    write(tmp_path, "mine.py", "class Mine: mended = True")

    assert vars(load_class("mine.py:Mine", tmp_path))["mended"] is True


def test_a_file_whose_name_is_no_module(tmp_path: Path) -> None:
    """A file with a dash in its name cannot be imported by name, and is loaded all the same."""
    write(tmp_path, "my-file.py", "class Mine: pass")

    cls = load_class("my-file.py:Mine", tmp_path)

    assert cls is load_class("my-file.py:Mine", tmp_path)
    assert sys.modules[cls.__module__].__file__ == str(tmp_path.resolve() / "my-file.py")


def test_a_module_that_a_file_misses_is_the_files_error(tmp_path: Path) -> None:
    """A missing import of the file is not taken for the missing file."""
    file = write(tmp_path, "mine.py", "import other_that_is_missing")

    assert refused("mine:Mine", tmp_path) == (
        f"type 'mine:Mine': {file.resolve()}:1: "
        "ModuleNotFoundError: No module named 'other_that_is_missing'"
    )
