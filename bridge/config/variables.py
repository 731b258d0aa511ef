"""Variables of the environment in the texts of the file: `${VAR}`, `${VAR:default}`, `$$`."""

from __future__ import annotations

import re
from collections.abc import Mapping


def interpolate(text: str, environ: Mapping[str, str]) -> str:
    """Return *text* with `${VAR}` and `${VAR:default}` replaced and `$$` as `$`.

    Raise ValueError, naming the variable but no value, where one is not set and has no
    default, and for a `${` that is nested, unclosed or without a name. What comes out of
    *environ* is not looked into again. Any other `$` is itself.
    """
    if "$" not in text:
        return text
    return _DOLLAR.sub(lambda found: _replacement(found, environ), text)


_DOLLAR = re.compile(r"\$\$|\$\{(?P<inside>[^}]*)(?P<end>\}?)")
_INSIDE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:.*)?", re.DOTALL)


def _replacement(found: re.Match[str], environ: Mapping[str, str]) -> str:
    inside = found["inside"]
    if inside is None:
        return "$"
    if "${" in inside:
        raise ValueError("'${' inside '${': a variable's default is plain text")
    if not found["end"]:
        raise ValueError("'${' without its '}'; write '$$' for a plain '$'")
    parts = _INSIDE.fullmatch(inside)
    if parts is None:
        raise ValueError("'${' without a variable's name; expected ${NAME} or ${NAME:default}")
    name, default = parts["name"], parts["default"]
    if name in environ:
        return environ[name]
    if default is None:
        raise ValueError(
            f"environment variable {name} is not set; set it, or write ${{{name}:default}}"
        )
    return str(default[1:]).replace("$$", "$")
