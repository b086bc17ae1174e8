"""Answers that break off: boto3 takes half of one for a whole one in which nothing is said.

So a call that tells what there is would tell that there is nothing.
"""

from __future__ import annotations

from typing import Any, Final

_TRIES: Final = 5
_PAUSE_S: Final = 0.2


def watch(client: Any) -> None:
    """Let a client make its calls again where half an answer comes, and raise BotoCoreError where that does not help."""
    client.meta.events.register("needs-retry", _again, unique_id="tailrace-whole")


def _again(response: Any, operation: Any, attempts: int, **_: Any) -> float | None:
    """The pause before the call is made again; None if the answer is whole. Called by botocore for each answer."""
    # What is streamed is read later, by somebody who counts; the answer to HEAD tells of a body that does not come.
    if response is None or operation.http.get("method") == "HEAD" or operation.has_streaming_output:
        return None
    answer, _parsed = response
    expected, found = answer.headers.get("Content-Length", ""), len(answer.content)
    if not str(expected).isdecimal() or found >= int(expected):
        return None
    if attempts < _TRIES:
        return _PAUSE_S * attempts
    from botocore.exceptions import IncompleteReadError  # noqa: PLC0415 - an optional library

    raise IncompleteReadError(actual_bytes=found, expected_bytes=int(expected))
