"""Settings as TOML: the least of it that reads back the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")


def toml(document: Mapping[str, Any]) -> str:
    """The document; tables in it become tables, and those in lists are written in one line."""
    return "\n".join(_lines(document, ()))


def _lines(document: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    plain = {key: value for key, value in document.items() if not isinstance(value, Mapping)}
    if path and (plain or not document):
        yield f"[{'.'.join(map(_key, path))}]"
    for key, value in plain.items():
        yield f"{_key(key)}={_value(value)}"
    for key, value in document.items():
        if isinstance(value, Mapping):
            yield from _lines(value, (*path, key))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_value, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{_key(key)}={_value(each)}' for key, each in value.items())}}}"
    return _number(value)


def _number(value: float) -> str:
    """Numbers; of a whole one that is a float the point stays, or it would be read as another type."""
    if isinstance(value, int):
        return str(int(value))
    return f"{float(value)!r}"


def _text(text: str) -> str:
    """A basic string: JSON's escapes are TOML's, but for DEL, and for surrogates, which no text has."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
