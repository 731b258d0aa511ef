"""A user's class by its name: `module:Class` or `path/file.py:Class`, from the YAML file's folder.

    reference ──▶ folder of the YAML file ──▶ installed packages ──▶ the alias modules
                  (first on sys.path)                               (bridge.core.aliases)

Everything that can be wrong with a file is found here, at start, and said with the line of
the user's own file.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import traceback
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from bridge.core import aliases
from bridge.core.errors import ConfigError
from bridge.core.event import shown

#: How many names an error offers.
_OFFERED = 5


def load_class(reference: str, folder: Path, *, arguments: Sequence[str] = ()) -> type:
    """Return the class that *reference* names.

    `module:Class` is looked for in *folder* first, then among the installed packages;
    `path/file.py:Class` is a file, relative to *folder*. While the file is imported, its
    folder is the first entry of `sys.path` and `sys.argv` is the file and *arguments*, so
    that a file which reads its command line does not read the bridge's. Afterwards the
    folder stays on `sys.path` as its last entry, because methods import late.

    Raise ConfigError with the reference, the folder and the nearest names where nothing is
    found, and with the error's own text and the line of the user's file where it raised.
    """
    module_name, _, class_name = reference.rpartition(":")
    if not module_name or not class_name.isidentifier():
        raise ConfigError(
            f"type {shown(reference)} is no class: expected 'module:Class' or 'path/file.py:Class'"
        )
    folder = folder.resolve()
    aliases.install()
    module = _module(reference, module_name, folder, arguments)
    found = getattr(module, class_name, None)
    if isinstance(found, type):
        return found
    if found is not None:
        kind = type(found).__name__
        raise ConfigError(f"type '{reference}': '{class_name}' is a {kind}, expected a class")
    classes = [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    raise ConfigError(
        f"type '{reference}': {module.__file__ or module_name} has no class '{class_name}'"
        + nearest(class_name, classes)
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?`, or what there is, or nothing: the end of an error's text."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean '{close[0]}'?"
    if not names:
        return ""
    more = ", …" if len(names) > _OFFERED else ""
    return "; there is " + ", ".join(f"'{known}'" for known in names[:_OFFERED]) + more


def _module(reference: str, name: str, folder: Path, arguments: Sequence[str]) -> ModuleType:
    """Import the module called *name*, whatever that raises being a ConfigError."""
    file = _file(name, folder)
    if name.endswith(".py") and not file.is_file():
        known = (path.name for path in file.parent.glob("*.py"))
        raise ConfigError(f"type '{reference}': no file {file}{nearest(file.name, known)}")
    with _on_path(file.parent if name.endswith(".py") else folder), _argv(str(file), arguments):
        try:
            return _import(name, file)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
                local = [path.stem for path in folder.glob("*.py")]
                raise ConfigError(
                    f"type '{reference}': no module '{name}' in {folder}, nor installed"
                    + nearest(name, local)
                ) from error
            raise ConfigError(_raised(reference, file, error)) from error
        except (Exception, SystemExit) as error:  # user code, run at import: any error is its own
            raise ConfigError(_raised(reference, file, error)) from error


def _file(name: str, folder: Path) -> Path:
    """Return where in *folder* the module called *name* would be."""
    if name.endswith(".py"):
        return (folder / name).resolve()
    path = folder.joinpath(*name.split("."))
    package = path / "__init__.py"
    return package if package.is_file() else path.with_name(path.name + ".py")


def _import(name: str, file: Path) -> ModuleType:
    """Import *file* under its own name, or under one made from its path if that is taken."""
    importlib.invalidate_caches()
    own_name = file.stem if name.endswith(".py") else name
    if not file.is_file():
        return importlib.import_module(name)
    known = sys.modules.get(own_name)
    if known is None and not name.endswith(".py"):
        return importlib.import_module(name)
    if known is not None and _same(known, file):
        return known
    if known is not None or not own_name.isidentifier():
        own_name = f"{file.stem}_{zlib.crc32(bytes(file)):08x}"
        if own_name in sys.modules:
            return sys.modules[own_name]
    spec = importlib.util.spec_from_file_location(own_name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is no Python file")
    module = sys.modules[own_name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[own_name]
        raise
    return module


def _same(module: ModuleType, file: Path) -> bool:
    return module.__dict__.get("__file__") is not None and Path(module.__file__ or "") == file


@contextmanager
def _on_path(folder: Path) -> Iterator[None]:
    """Have *folder* first on `sys.path` for now, and last from then on."""
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        sys.path.remove(entry)
        if entry not in sys.path:
            sys.path.append(entry)


@contextmanager
def _argv(file: str, arguments: Sequence[str]) -> Iterator[None]:
    before = sys.argv
    sys.argv = [file, *arguments]
    try:
        yield
    finally:
        sys.argv = before


def _raised(reference: str, file: Path, error: BaseException) -> str:
    """Say what *error* came out of importing *file*, and at which of its lines."""
    line: int | None = None
    if isinstance(error, SyntaxError) and error.filename is not None:
        file, line = Path(error.filename), error.lineno
    else:
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename == str(file):
                line = frame.lineno
    where = f"{file}:{line}" if line is not None else str(file)
    text = f"type '{reference}': {where}: {type(error).__name__}: {error}"
    if isinstance(error, ImportError) and aliases.stands_in(error.name):
        text += f"; {aliases.explain(error.name)}"
    return text
