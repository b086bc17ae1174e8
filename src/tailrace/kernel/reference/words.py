"""What the first words of a line look like, to recognise whose line it is."""

from __future__ import annotations

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
    match token:
        case "time":
            return word[4:5] == b"-" and times.read_whole(word) is not None
        case "path":
            return b"/" in word
        case "ip":
            return address(word) is not None
        case "endpoint":
            host, colon, port = word.rpartition(b":")
            return bool(colon) and port.isdigit() and address(host) is not None
        case "integer":
            return word.isdigit()
        case "float":
            return b"." in word and decimal(word) is not None
        case "version":
            return len(word) == 3 and word[1:2] == b"." and word[:1].isdigit() and word[2:].isdigit()  # noqa: PLR2004
        case "name":
            return word[:1] not in (b"", b'"', b"{", b"<")
        case _:
            return bool(word)
