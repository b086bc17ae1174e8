"""Years that lines do not tell, zones that they do not name, and days that not every year has."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from parsing import Kernel, micros, only, read
from tailrace.errors import UsageError
from tailrace.kernel.plan import ItemPlan
from tailrace.kernel.zones import UTC_ZONE, zone

DEFAULT = "Connect from 192.0.2.7:34534 to 198.51.100.4:80 (web/HTTP)"


def syslog_time(kernel: Kernel, stamp: str, *reference: int, timezone: str = "UTC") -> str | None:
    """The time of a line with this RFC 3164 stamp, read at the reference time."""
    item = ItemPlan(reference_us=micros(*reference))
    plan = only("haproxy_default", zone=zone(timezone))
    record = read(kernel, f"<134>{stamp} lb1 haproxy[1]: {DEFAULT}".encode(), plan=plan, item=item).record
    return record.get("time")


def own_time(kernel: Kernel, stamp: str, timezone: str = "UTC") -> str | None:
    """The time of a line of HAProxy with this stamp."""
    line = f"192.0.2.7:44464 [{stamp}] db pg/s1 1/0/9 91 -- 1/1/0/0/0 0/0"
    record = read(kernel, line.encode(), plan=only("haproxy_tcp", zone=zone(timezone))).record
    return record.get("time")


@pytest.mark.parametrize(
    ("stamp", "reference", "time"),
    [
        ("Nov 20 19:54:26", (2026, 11, 21), "2026-11-20T19:54:26Z"),
        ("Dec 31 23:59:59", (2026, 1, 1), "2025-12-31T23:59:59Z"),
        ("Dec 31 23:59:59", (2026, 1, 20), "2025-12-31T23:59:59Z"),
        ("Jan  1 00:00:00", (2025, 12, 31), "2026-01-01T00:00:00Z"),
        ("Jan  1 12:00:01", (2025, 12, 31, 12), "2025-01-01T12:00:01Z"),
        ("Jan  1 12:00:00", (2025, 12, 31, 12), "2026-01-01T12:00:00Z"),
        ("Nov 22 11:59:59", (2026, 11, 21, 12), "2026-11-22T11:59:59Z"),
        ("Nov 22 12:00:01", (2026, 11, 21, 12), "2025-11-22T12:00:01Z"),
        ("Feb 29 10:00:00", (2026, 11, 21), "2024-02-29T10:00:00Z"),
        ("Feb 29 10:00:00", (2024, 2, 28, 12), "2024-02-29T10:00:00Z"),
        ("Feb 29 10:00:00", (2024, 2, 28, 9), "2020-02-29T10:00:00Z"),
        ("Feb 29 10:00:00", (1970, 1, 1), "1968-02-29T10:00:00Z"),
        ("Nov  2 09:08:07", (2026, 11, 21), "2026-11-02T09:08:07Z"),
        ("Nov 02 09:08:07", (2026, 11, 21), "2026-11-02T09:08:07Z"),
    ],
)
def test_a_missing_year_is_the_latest_not_more_than_a_day_ahead(
    kernel: Kernel, stamp: str, reference: tuple[int, ...], time: str
) -> None:
    assert syslog_time(kernel, stamp, *reference) == time


def test_the_zone_decides_near_the_end_of_a_year(kernel: Kernel) -> None:
    """What is a day ahead in UTC may not be in the zone of the line."""
    reference = (2025, 12, 31, 12)
    assert syslog_time(kernel, "Jan  1 20:00:00", *reference, timezone="Asia/Tokyo") == "2026-01-01T11:00:00Z"
    assert syslog_time(kernel, "Jan  1 20:00:00", *reference, timezone="America/New_York") == "2025-01-02T01:00:00Z"


def test_two_february_29ths_may_be_eight_years_apart(kernel: Kernel) -> None:
    assert syslog_time(kernel, "Feb 29 10:00:00", 2103, 6, 1) == "2096-02-29T10:00:00Z"


@pytest.mark.parametrize("stamp", ["Feb 30 10:00:00", "Nov 31 10:00:00", "Nov 00 10:00:00", "Nov 20 24:00:00", "Nov 20 10:60:00",
                                   "Nov 20 10:00:61", "Noz 20 10:00:00", "Nov 20 1:00:00"])  # fmt: skip
def test_a_day_or_an_hour_that_never_was_is_no_time(kernel: Kernel, stamp: str) -> None:
    plan = only("haproxy_default")
    assert read(kernel, f"<134>{stamp} lb1 haproxy[1]: {DEFAULT}".encode(), plan=plan).reject.reason == "no_match"


@pytest.mark.parametrize(
    ("stamp", "timezone", "time"),
    [
        ("20/Nov/2026:19:54:44.064", "UTC", "2026-11-20T19:54:44.064Z"),
        ("20/Nov/2026:19:54:44", "UTC", "2026-11-20T19:54:44Z"),
        ("20/Nov/2026:19:54:44.064", "Europe/Zurich", "2026-11-20T18:54:44.064Z"),
        ("20/Jul/2026:19:54:44.064", "Europe/Zurich", "2026-07-20T17:54:44.064Z"),
        ("20/Nov/2026:19:54:44.064", "America/New_York", "2026-11-21T00:54:44.064Z"),
        ("20/Nov/2026:19:54:44.064", "Asia/Kathmandu", "2026-11-20T14:09:44.064Z"),
        ("01/Jan/2026:00:30:00.000", "Europe/Zurich", "2025-12-31T23:30:00.000Z"),
        # The clock is set forward from 2:00 to 3:00: what stands between is read as if it had not been set yet.
        ("29/Mar/2026:01:59:59.999", "Europe/Zurich", "2026-03-29T00:59:59.999Z"),
        ("29/Mar/2026:02:30:00.000", "Europe/Zurich", "2026-03-29T01:30:00.000Z"),
        ("29/Mar/2026:03:00:00.000", "Europe/Zurich", "2026-03-29T01:00:00.000Z"),
        # It is set back from 3:00 to 2:00: the hour that comes twice is its first occurrence.
        ("25/Oct/2026:01:59:59.999", "Europe/Zurich", "2026-10-24T23:59:59.999Z"),
        ("25/Oct/2026:02:30:00.000", "Europe/Zurich", "2026-10-25T00:30:00.000Z"),
        ("25/Oct/2026:02:59:59.999", "Europe/Zurich", "2026-10-25T00:59:59.999Z"),
        ("25/Oct/2026:03:00:00.000", "Europe/Zurich", "2026-10-25T02:00:00.000Z"),
        ("29/Feb/2024:12:00:00.000", "Europe/Zurich", "2024-02-29T11:00:00.000Z"),
        ("31/Dec/2016:23:59:60.000", "UTC", "2017-01-01T00:00:00.000Z"),
    ],
)
def test_a_date_without_a_zone_is_read_in_that_of_the_plan(
    kernel: Kernel, stamp: str, timezone: str, time: str
) -> None:
    assert own_time(kernel, stamp, timezone) == time


@pytest.mark.parametrize(
    "name", ["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Caracas"]
)
def test_the_table_of_a_zone_says_what_the_zone_data_say(name: str) -> None:
    """Every hour around each change, and one hour of every week between."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415

    table, info = zone(name), ZoneInfo(name)
    days = [
        *range(0, 4_000_000_000, 7 * 86_400),
        *range(1_774_000_000, 1_775_300_000, 1_800),
        *range(1_792_000_000, 1_794_000_000, 1_800),
    ]
    for second in days:
        naive = datetime.fromtimestamp(second, UTC).replace(tzinfo=None)
        expected = int(naive.replace(tzinfo=info, fold=0).timestamp())
        assert table.to_utc(second * 1_000_000) == expected * 1_000_000, naive


def test_a_zone_that_is_not_known_is_named() -> None:
    for name in ("Europe/Atlantis", "", "../etc/passwd", "/etc/localtime"):
        with pytest.raises(UsageError, match="timezone"):
            zone(name)
    assert zone("UTC") is UTC_ZONE


def test_a_named_zone_wins_over_that_of_the_plan(kernel: Kernel) -> None:
    line = b'192.0.2.7 - - [20/Nov/2026:19:54:42 +0100] "GET / HTTP/1.1" 200 79 "" "" 1 2 "w" "a" "s" 0 0 0 0 0 ---- 1 1 0 0 0 0 0 "" ""'
    record = read(kernel, line, plan=only("haproxy_clf", zone=zone("Asia/Tokyo"))).record
    assert record["time"] == "2026-11-20T18:54:42Z"


def test_lines_of_aws_are_utc_whatever_the_zone(kernel: Kernel) -> None:
    line = b"tls 2.0 2026-10-03T22:15:00 net/web/1 g3 192.0.2.1:1 192.0.2.2:443 5 2 98 246 -"
    for how in (only("nlb"), only("nlb", zone=zone("Asia/Tokyo"))):
        assert read(kernel, line, plan=how).record["time"] == "2026-10-03T22:15:00Z"


@pytest.mark.parametrize(("stamp", "ms"), [
    ("1969-12-31T23:59:59.9999Z", -1), ("1970-01-01T00:00:00Z", 0), ("0001-01-01T00:00:00Z", -62_135_596_800_000),
    ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999), ("2026-09-23T07:15:47.805999Z", 1_790_147_747_805),
])  # fmt: skip
def test_times_in_ms_are_rounded_down_and_years_have_four_digits(kernel: Kernel, stamp: str, ms: int) -> None:
    told = read(
        kernel, f"tls 2.0 {stamp} net/web/1 g3 192.0.2.1:1 192.0.2.2:443 5 2 98 246 -".encode(), plan=only("nlb")
    )
    assert told.record["time"] == stamp
    assert told.lines[0][1] == ms


@pytest.mark.parametrize(
    "stamp", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z"]
)
def test_a_time_outside_of_the_years_1_to_9999_is_none(kernel: Kernel, stamp: str) -> None:
    line = f"tls 2.0 {stamp} net/web/1 g3 192.0.2.1:1 192.0.2.2:443 5 2 98 246 -"
    assert read(kernel, line.encode(), plan=only("nlb")).reject.reason == "bad_time"
