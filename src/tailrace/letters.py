"""A dead letter: what was not delivered, as one line of JSON, with where it stood and why.

The payload is text where it is valid UTF-8, else it stands as base64 under `payload_base64`; a key that is no valid
UTF-8 likewise. At most the first 64 KiB of a reject are kept; `length` and `sha256` are of all of it. A refusal is a record
that a sink never takes: `sink` tells which, and the payload is the whole line. `modified` is the time of the object, from
which dates without a year are understood when the letter is read again.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Any

import msgspec

from tailrace.model import Identity, Refusal, Reject, record_id

DEAD_LETTER = "dead_letter"
"""The format of letters where they travel as records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A reject, or a record that a sink refused; `lines` are of a reject, `sink` and `detail` of a refusal."""

    item: Identity
    offset: int
    reason: str
    payload: bytes
    length: int
    sha256: str
    lines: int = 0
    sink: str = ""
    detail: str = ""
    modified: float | None = None

    @property
    def id(self) -> str:
        """The letter's own id: several sinks may have refused the same record."""
        return record_id(self.item.token + self.sink.encode("utf-8", "surrogateescape"), self.offset)

    @property
    def is_whole(self) -> bool:
        """Whether the payload is all that there was, as it was."""
        return len(self.payload) == self.length and sha256(self.payload).hexdigest() == self.sha256


def of_reject(item: Identity, reject: Reject, modified: float | None = None) -> Letter:
    """The letter of a reject."""
    return Letter(
        item=item,
        offset=reject.offset,
        reason=reject.reason,
        payload=reject.payload,
        length=reject.length,
        sha256=reject.sha256,
        lines=reject.lines,
        modified=modified,
    )


def of_refusal(item: Identity, sink: str, refusal: Refusal, modified: float | None = None) -> Letter:
    """The letter of a record that a sink refused."""
    return Letter(
        item=item,
        offset=refusal.offset,
        reason=refusal.reason,
        payload=refusal.payload,
        length=len(refusal.payload),
        sha256=sha256(refusal.payload).hexdigest(),
        sink=sink,
        detail=refusal.detail,
        modified=modified,
    )


def fields(letter: Letter) -> dict[str, Any]:
    """What a letter tells, as JSON has it, but for its id."""
    of_kind = {"sink": letter.sink} if letter.sink else {"lines": letter.lines}
    return {
        "item": described(letter.item),
        "offset": letter.offset,
        **of_kind,
        "reason": letter.reason,
        **({"detail": letter.detail} if letter.detail else {}),
        "length": letter.length,
        "sha256": letter.sha256,
        **({} if letter.modified is None else {"modified": letter.modified}),
        **text_or_base64("payload", letter.payload),
    }


def encoded(letter: Letter) -> bytes:
    """A letter as a line, under the id of the record that it is or would be."""
    return msgspec.json.encode({"_id": record_id(letter.item.token, letter.offset), **fields(letter)}) + b"\n"


def decoded(line: bytes) -> Letter:
    """The letter that a line of JSON is, also one that went through a sink. Raises ValueError if it is none."""
    told = _object.decode(line)
    item = msgspec.convert(told.get("item"), dict[str, Any])
    names = {name: _bytes(item, name).decode("utf-8", "surrogateescape") for name in ("container", "key")}
    return msgspec.convert({**told, "item": {**item, **names}, "payload": _bytes(told, "payload")}, Letter)


_object = msgspec.json.Decoder(dict[str, Any])


def _bytes(told: dict[str, Any], name: str) -> bytes:
    """What `text_or_base64` has written, nothing if it is not there. Raises ValueError."""
    base64 = msgspec.convert(told.get(f"{name}_base64", ""), str)
    return b64decode(base64, validate=True) if base64 else msgspec.convert(told.get(name, ""), str).encode()


def described(item: Identity) -> dict[str, str]:
    """An item for JSON, where the bytes of a name that is no UTF-8 stand as base64."""
    return {
        "kind": item.kind,
        **text_or_base64("container", item.container.encode("utf-8", "surrogateescape")),
        **text_or_base64("key", item.key.encode("utf-8", "surrogateescape")),
        "etag": item.etag,
    }


def text_or_base64(name: str, data: bytes) -> dict[str, str]:
    """Bytes for JSON: text under their name, or base64 where they are no UTF-8."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": b64encode(data).decode("ascii")}


def fits(sink: str, wanted: str) -> bool:
    """Whether a sink is meant: by its name, by the beginning of it, or by a pattern."""
    return bool(sink) and (sink.startswith(wanted) or fnmatchcase(sink, wanted))
