"""What was found of a subject, and what repairs it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any, Literal

Mark = Literal["ok", "wrong", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A subject, whether it is as it should be, what was found in a sentence, and the command that repairs it, if one does."""

    mark: Mark
    subject: str
    found: str
    remedy: str = ""


def ok(subject: str, found: str, remedy: str = "") -> Finding:
    """It is as it should be; a remedy is then what could be done yet."""
    return Finding("ok", subject, found, remedy)


def wrong(subject: str, found: str, remedy: str = "") -> Finding:
    """It is not."""
    return Finding("wrong", subject, found, remedy)


def unknown(subject: str, found: str, remedy: str = "") -> Finding:
    """It could not be found out."""
    return Finding("unknown", subject, found, remedy)


def aws(*words: str) -> str:
    """A line for AWS's own command, quoted for a shell."""
    return shlex.join(["aws", *words])


def compact(document: Any) -> str:
    """A document as a word of such a line."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)
