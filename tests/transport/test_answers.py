"""When servers ask to come again."""

from __future__ import annotations

import pytest

from tailrace.transport import Answer, retry_after

NOW = 1_790_000_000.0
"""2026-09-21T14:13:20Z"""
IN_30_S = "Mon, 21 Sep 2026 14:13:50 GMT"


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 120 "}, 120.0),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "1.5"}, None),
        ({"retry-after": "²"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 5000}, 999_999_999_999.0),
        ({"retry-after": IN_30_S}, 30.0),
        ({"retry-after": "Monday, 21-Sep-26 14:13:50 GMT"}, 30.0),
        ({"retry-after": "Mon, 21 Sep 2026 14:13:20 GMT"}, None),
        ({"retry-after": "Mon, 21 Sep 2020 14:13:20 GMT"}, None),
        ({"retry-after": "Mon, 99 Sep 2026 14:13:20 GMT"}, None),
        ({"retry-after": IN_30_S, "date": "Mon, 21 Sep 2026 14:13:40 GMT"}, 10.0),
        ({"retry-after": IN_30_S, "date": "yesterday"}, 30.0),
    ],
)
def test_seconds_and_dates(told: dict[str, str], seconds: float | None) -> None:
    assert retry_after(Answer(503, told, b""), NOW) == seconds
