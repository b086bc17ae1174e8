"""Rejects where something is redacted: which of their bytes would be a field is not known."""

from __future__ import annotations

from dataclasses import replace

from tailrace.model import Reject

_STRUCTURE = bytes(
    ord("0") if 48 <= byte < 58 else byte if byte < 128 and not chr(byte).isalpha() else ord("x")  # noqa: PLR2004 - digits, ASCII
    for byte in range(256)
)


def redacted(reject: Reject) -> Reject:
    """The reject with `x` for letters and bytes beyond ASCII, and `0` for digits: what is left tells why it is none.

    Its offset, length and SHA-256 are those of the bytes that were read, which can be looked for by them.
    """
    return replace(reject, payload=reject.payload.translate(_STRUCTURE))
