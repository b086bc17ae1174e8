"""Answers of HTTP servers, when they ask to come again, and how they are told who asks."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

UNAUTHORIZED: Final = (401, 403)
"""The credentials are missing, wrong or not enough."""
_PASSING: Final = (408, 425, 429)
_SERVER_ERROR: Final = 500


def passing(status: int) -> bool:
    """Whether the same may be asked again later: the server has no time for it, or is at fault itself."""
    return status in _PASSING or status >= _SERVER_ERROR


def basic(username: str, password: str) -> str:
    """What basic authentication puts into `Authorization`."""
    return f"Basic {b64encode(f'{username}:{password}'.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server has answered. Names of headers are in lower case; one that came twice is joined by commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether it is a success: 2xx, and nothing else."""
        return 200 <= self.status < 300  # noqa: PLR2004 - as HTTP defines it


def retry_after(answer: Answer, now: float) -> float | None:
    """In how many seconds the server asks to come again, if it does; `now` in seconds since 1970.

    A date is measured from the server's own, where it tells that: its clock need not be ours. None also for "at once",
    for then whoever asks had better choose the pause.

    https://www.rfc-editor.org/rfc/rfc9110#name-retry-after
    """
    told = answer.headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        seconds = float(told[:12])
    else:
        date = _seconds(told)
        sent = _seconds(answer.headers.get("date", ""))
        seconds = 0.0 if date is None else date - (now if sent is None else sent)
    return seconds if seconds > 0 else None


def _seconds(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
