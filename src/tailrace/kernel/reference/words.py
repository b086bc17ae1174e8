"""What the first words of a line look like, to recognise whose line it is."""

from __future__ import annotations

import re
from collections.abc import Callable

from tailrace.kernel.layout import Token
from tailrace.kernel.reference import times
from tailrace.kernel.reference.values import address, decimal

_WORDS = 4


def begins_as(line: bytes, starts: tuple[Token, ...]) -> bool:
    """Whether the first words of the line look like `starts`, one after the other."""
    words = line.split(separator(line), _WORDS)
    return len(words) >= len(starts) and all(
        looks_like(token, word) for token, word in zip(starts, words, strict=False)
    )


def separator(line: bytes) -> bytes:
    """Tab if it comes before the first space (CloudWatch's copies), else space."""
    return b"\t" if b"\t" in line.split(b" ", 1)[0] else b" "


def looks_like(token: Token, word: bytes) -> bool:
    """Whether a word looks like a token of that name."""
    return _LOOKS[token](word)


def _time(word: bytes) -> bool:
    return word[4:5] == b"-" and times.read_whole(word) is not None


def _endpoint(word: bytes) -> bool:
    host, colon, port = word.rpartition(b":")
    return bool(colon) and port.isdigit() and address(host) is not None


_VERSION = re.compile(rb"[0-9]\.[0-9]")
_LOOKS: dict[Token, Callable[[bytes], bool]] = {
    "any": bool,
    "time": _time,
    "name": lambda word: word[:1] not in (b"", b'"', b"{", b"<"),
    "path": lambda word: b"/" in word,
    "ip": lambda word: address(word) is not None,
    "endpoint": _endpoint,
    "integer": bytes.isdigit,
    "float": lambda word: b"." in word and decimal(word) is not None,
    "version": lambda word: _VERSION.fullmatch(word) is not None,
}
