"""Names and texts as SQL writes them."""

from __future__ import annotations

from collections.abc import Iterable


def quoted(name: str) -> str:
    """A name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in single quotes."""
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """A list of texts."""
    return "[" + ", ".join(literal(text) for text in texts) + "]"
