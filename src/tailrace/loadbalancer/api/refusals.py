"""What the API refuses, as AWS tells it: a status, a code and a sentence.

https://docs.aws.amazon.com/elasticloadbalancing/2012-06-01/APIReference/CommonErrors.html
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

_SHOWN: Final = 200


class Refusal(Exception):
    """A request that is not carried out."""

    def __init__(self, code: str, message: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, int(status)


def invalid(message: str) -> Refusal:
    """A parameter that cannot be."""
    return Refusal("ValidationError", message)


def missing(name: str) -> Refusal:
    """A parameter that has to be."""
    return invalid(
        f"1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
    )


def malformed(message: str) -> Refusal:
    """Parameters that cannot be read."""
    return Refusal("MalformedQueryString", message)


def denied(message: str) -> Refusal:
    """What this user may not do."""
    return Refusal("AccessDenied", message, HTTPStatus.FORBIDDEN)


def unavailable(message: str) -> Refusal:
    """What cannot be done now."""
    return Refusal("ServiceUnavailable", message, HTTPStatus.SERVICE_UNAVAILABLE)


def shown(text: str) -> str:
    """As much of what was sent as an answer repeats."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
