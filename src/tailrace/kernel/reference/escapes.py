r"""Escapes: what the bytes of a field stand for.

`hex` is how an Application Load Balancer writes quotes, control and non-ASCII bytes: `\x22`, and in older lines
`\x00000022`. `backslash` is a Classic Load Balancer's `\"`. `hash` is HAProxy's `#22` (configuration manual, 8.6).
`structured` is HAProxy's `+E`: `\"`, `\\`, `\]` (RFC 5424, 6.3.3); in what HAProxy encodes anyway it writes `both`.
Nothing is decoded twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tailrace.kernel.layout import Escape

_HEX = re.compile(rb'\\x000000([0-9A-Fa-f]{2})|\\x([0-9A-Fa-f]{2})|\\"')
_BACKSLASH = re.compile(rb'\\"')
_HASH = re.compile(rb"#([0-9A-Fa-f]{2})")
_STRUCTURED = re.compile(rb'\\(["\\\]])')
_BOTH = re.compile(rb'#([0-9A-Fa-f]{2})|\\(["\\\]])')


def _hex(match: re.Match[bytes]) -> bytes:
    digits = match[1] or match[2]
    return bytes.fromhex(digits.decode()) if digits else b'"'


_DECODERS: dict[Escape, Callable[[bytes], bytes]] = {
    "": lambda text: text,
    "hex": lambda text: _HEX.sub(_hex, text),
    "backslash": lambda text: _BACKSLASH.sub(b'"', text),
    "hash": lambda text: _HASH.sub(lambda match: bytes.fromhex(match[1].decode()), text),
    "structured": lambda text: _STRUCTURED.sub(rb"\1", text),
    "both": lambda text: _BOTH.sub(lambda match: match[2] or bytes.fromhex(match[1].decode()), text),
}


def decode(text: bytes, escape: Escape) -> str:
    """The text with its escapes decoded; bytes that are no UTF-8 read as U+FFFD."""
    return utf8(_DECODERS[escape](text))


def utf8(text: bytes) -> str:
    """The bytes as text; what is no UTF-8 reads as U+FFFD, once for each maximal part (Unicode, 3.9)."""
    return text.decode("utf-8", "replace")
