r"""How AWS's load balancers write texts that clients chose.

An Application Load Balancer writes quotes, control and non-ASCII bytes as `\xHH`. What it does with a backslash is not
known: here it is `\x5C`, since only then every reader gets back what was sent. A Classic Load Balancer writes `\"` and
keeps the rest. Control characters, bytes that are no UTF-8, and backslashes right before a quote, which would make it an
escaped backslash for some readers, are `\xHH` there too.
"""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = frozenset(range(0x20, 0x7F)) - {*b'"\\'}
_HEX: Final = tuple(chr(byte) if byte in _PLAIN else f"\\x{byte:02X}" for byte in range(256))
_HASH = re.compile(rb"#([0-9A-Fa-f]{2})")
_CLASSIC = re.compile(r'[\x00-\x1f\x7f\udc80-\udcff]|\\(?=\\*(?:"|\Z))|"')
_LIMIT: Final = 8192


def application(text: str) -> str:
    """As an Application Load Balancer writes a text; bytes that were no UTF-8 are surrogates in it."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join([_HEX[byte] for byte in text.encode("utf-8", "surrogateescape")])


def classic(text: str) -> str:
    """As a Classic Load Balancer writes a text."""
    if text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return _CLASSIC.sub(_classic, text)


def _classic(match: re.Match[str]) -> str:
    return '\\"' if match[0] == '"' else f"\\x{ord(match[0]) & 0xFF:02X}"


def unhashed(text: str) -> str:
    """What HAProxy wrote as `#HH`, with surrogates for bytes that are no UTF-8."""
    return _HASH.sub(lambda match: bytes.fromhex(match[1].decode()), text.encode()).decode("utf-8", "surrogateescape")


def cut(text: str) -> str:
    """The first 8 KiB of a text."""
    if len(text) * 4 <= _LIMIT:
        return text
    return text.encode("utf-8", "surrogateescape")[:_LIMIT].decode("utf-8", "ignore")
