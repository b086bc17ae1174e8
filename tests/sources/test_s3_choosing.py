"""Which objects of a bucket are taken: by time, by key, by a list; and how few requests that takes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breaking import Bucket, Proxy, instead, read
from making import StillClock
from tailrace.errors import Fatal, Gone, UsageError
from tailrace.keys import time_of
from tailrace.sources._listing import Listing
from tailrace.sources._selection import Selection, level_of, patterns
from tailrace.sources.s3 import S3, S3Settings

REGION = "AWSLogs/123456789012/elasticloadbalancing/eu-west-1"
ODD = ["with space+plus.log", "ümläut/日本.log", "q?a=b&c#d%20e.log", "a//b", "quote\"'.log", " edges "]


def key(time: str, *, day: str = "", name: str = "app.shop.50dc6c495c0c9188", number: int = 1) -> str:
    """The key of a log whose interval ends at a time such as 2026-11-20T10:05."""
    stamp = f"{datetime.fromisoformat(time):%Y%m%dT%H%MZ}"
    folder = (day or time[:10]).replace("-", "/")
    return f"{REGION}/{folder}/123456789012_elasticloadbalancing_eu-west-1_{name}_{stamp}_10.0.0.{number}_x.log.gz"


def keys(bucket: Bucket, prefix: str = "", **own: Any) -> list[str]:
    return [item.identity.key for item in bucket.source(prefix, **own).items()]


def listings(proxy: Proxy) -> list[str]:
    """The prefixes that were listed, with a star where all below them was."""
    found = []
    for asked in proxy.asked:
        if "list-type" in asked.line:
            words = dict(re.findall(r"[?&]([a-z-]+)=([^& ]*)", asked.line))
            found.append(unquote_plus(words["prefix"]) + ("" if "delimiter" in words else "*"))
    return found


def test_a_period_takes_what_ends_in_it(bucket: Bucket) -> None:
    times = ["2026-11-19T23:55", "2026-11-20T00:00", "2026-11-20T23:55", "2026-11-21T00:00"]
    for time in times:
        bucket.put(key(time), b"x")
    since, until = {"since": "2026-11-20"}, {"until": "2026-11-21"}
    assert keys(bucket, **since, **until) == [key(time) for time in times[1:3]]
    assert keys(bucket, **since) == [key(time) for time in times[1:]]
    assert keys(bucket, **until) == [key(time) for time in times[:3]]
    assert keys(bucket, since="2026-11-20T23:55:00Z") == [key(time) for time in times[2:]]
    assert keys(bucket, since="2026-11-21T00:55+01:00") == [key(time) for time in times[2:]]


def test_an_age_counts_from_now(bucket: Bucket, clock: StillClock) -> None:
    for hours in (30, 20, 10):
        at = datetime.fromtimestamp(clock.now(), UTC) - timedelta(hours=hours)
        bucket.put(key(f"{at:%Y-%m-%dT%H:%M}"), b"x")
    assert len(keys(bucket, since="1d")) == 2
    assert len(keys(bucket, since="25h", until="15h")) == 1


def test_only_the_days_that_matter_are_listed(bucket: Bucket, proxy: Proxy) -> None:
    for day in ("2025-11-20", "2026-10-20", *(f"2026-11-{day:02}" for day in range(10, 29)), "2027-01-01"):
        bucket.put(key(f"{day}T10:00"), b"x")
    bucket.put("AWSLogs/123456789012/ELBAccessLogTestFile", b"x")
    bucket.put("AWSLogs/123456789012/CloudTrail/eu-west-1/2026/01/01/x.json.gz", b"x")
    bucket.put("other/2026/11/20/a.log", b"x")
    proxy.asked.clear()
    found = keys(bucket, since="2026-11-20", until="2026-11-21")
    assert found == [key("2026-11-20T10:00"), "other/2026/11/20/a.log"]
    assert listings(proxy) == [
        "", "AWSLogs/", "AWSLogs/123456789012/", "AWSLogs/123456789012/CloudTrail/*",
        "AWSLogs/123456789012/elasticloadbalancing/", f"{REGION}/", f"{REGION}/2026/", f"{REGION}/2026/11/",
        f"{REGION}/2026/11/19/*", f"{REGION}/2026/11/20/*", f"{REGION}/2026/11/21/*", "other/", "other/2026/*",
    ]  # fmt: skip
    proxy.asked.clear()
    assert keys(bucket, f"{REGION}/2026/1", since="2026-11-20", until="2026-11-21") == [key("2026-11-20T10:00")]
    assert listings(proxy)[:2] == [f"{REGION}/2026/1", f"{REGION}/2026/11/"]
    proxy.asked.clear()
    assert keys(bucket, f"{REGION}/2026/11/20/123", since="2026-11-20") == [key("2026-11-20T10:00")]
    assert listings(proxy)[-1] == f"{REGION}/2026/11/20/123*"


def test_without_a_period_one_listing_is_enough(bucket: Bucket, proxy: Proxy) -> None:
    for day in range(10, 20):
        bucket.put(key(f"2026-11-{day}T10:00"), b"x")
    proxy.asked.clear()
    assert len(keys(bucket, include=("*.gz",), exclude=("*_x.log",))) == 10
    assert listings(proxy) == ["*"]


def test_a_bucket_with_many_folders_is_listed_as_a_whole(bucket: Bucket, proxy: Proxy) -> None:
    for number in range(120):
        bucket.put(f"host-{number:03}/2026/11/20/a.log", b"x")
    proxy.asked.clear()
    assert len(keys(bucket, since="2026-11-20")) == 120
    assert listings(proxy) == ["", "*"]


def test_what_tells_no_time_is_of_when_it_was_written(bucket: Bucket) -> None:
    bucket.put("a.log", b"x")
    written = bucket.direct.head_object(Bucket=bucket.name, Key="a.log")["LastModified"]
    assert keys(bucket, since=written.isoformat()) == ["a.log"]
    with pytest.raises(UsageError, match=f"^no objects under s3://{bucket.name}/ that the settings choose$"):
        keys(bucket, until=written.isoformat())


def test_keys_are_chosen_by_patterns(bucket: Bucket) -> None:
    for name in ("a/1.log", "a/2.log.gz", "b/3.log", "b/[x].log", *ODD):
        bucket.put(name, b"x")
    assert keys(bucket, include=("*.log.gz", "b/*")) == ["a/2.log.gz", "b/3.log", "b/[x].log"]
    assert keys(bucket, include=("a/*",), exclude=("*.gz",)) == ["a//b", "a/1.log"]
    assert keys(bucket, include=("b/[[]x].log",)) == ["b/[x].log"]
    assert keys(bucket, exclude=("?/*", '[!"]*"*', "q*")) == sorted(
        {*ODD} - {"quote\"'.log", "q?a=b&c#d%20e.log", "a//b"}
    )
    assert keys(bucket, "a/", include=("a/?.log",)) == ["a/1.log"], "a pattern is for the whole key"


def test_a_listing_starts_after_a_key(bucket: Bucket, proxy: Proxy) -> None:
    for name in ("a.log", "b/1.log", "b/2.log", "c.log", *ODD):
        bucket.put(name, b"x")
    everything = keys(bucket)
    for name in [*everything, "b", "zz"]:
        after = [each for each in everything if each.encode() > name.encode()]
        if after:
            assert keys(bucket, start_after=name) == after
    proxy.asked.clear()
    assert keys(bucket, start_after="b/1.log")[0] == "b/2.log"
    assert "start-after=b%2F1.log" in proxy.asked[0].line
    assert keys(bucket, start_after="b/1.log", since="1970-01-01")[0] == "b/2.log"


def test_a_listing_of_days_starts_after_a_key_too(bucket: Bucket, proxy: Proxy) -> None:
    for day in range(10, 29):
        bucket.put(key(f"2026-11-{day}T10:00"), b"x")
        bucket.put(key(f"2026-11-{day}T11:00"), b"x")
    proxy.asked.clear()
    found = keys(bucket, since="2026-11-12", until="2026-11-23", start_after=key("2026-11-21T10:00"))
    assert found == [key("2026-11-21T11:00"), key("2026-11-22T10:00"), key("2026-11-22T11:00")]
    assert [each for each in listings(proxy) if each.endswith("*")] == [
        f"{REGION}/2026/11/{day}/*" for day in (21, 22, 23)
    ]


def test_a_list_names_the_objects(bucket: Bucket, tmp_path: Path) -> None:
    names = ["a.log", *ODD]
    for name in names:
        bucket.put(name, name.encode())
    listed = tmp_path / "list"
    lines = [*(f"s3://{bucket.name}/{name}" for name in names[::2]), "", *names[1::2], *names]
    listed.write_bytes("\r\n".join(lines).encode())
    for source in (
        bucket.source(list=str(listed)),
        bucket.source(list="-", stdin=io.BytesIO(listed.read_bytes() + b"\n")),
    ):
        items = list(source.items())
        assert [item.identity.key for item in items] == [*names[::2], *names[1::2]], "each once"
        assert [read(item) for item in items] == [item.identity.key.encode() for item in items]
        assert {item.identity for item in items} == {item.identity for item in bucket.items()}


def test_a_list_may_be_long_and_name_other_buckets(bucket: Bucket, tmp_path: Path) -> None:
    names = [f"{number:03}.log" for number in range(90)]
    for name in names:
        bucket.put(name, b"x")
    listed = tmp_path / "list"
    listed.write_text("".join(f"s3://{bucket.name}/{name}\n" for name in names))
    other = S3("s3://other", bucket.client, bucket.clock, S3Settings(list=str(listed), exclude=("*5.log",)))
    found = [item.identity for item in other.items()]
    assert [each.key for each in found] == [name for name in names if not name.endswith("5.log")]
    assert {each.container for each in found} == {bucket.name}
    assert list(other.sizes()) == [None]


def test_a_list_is_chosen_from_by_time(bucket: Bucket, tmp_path: Path, proxy: Proxy) -> None:
    for name in (key("2026-11-19T10:00"), key("2026-11-20T10:00"), "now.log"):
        bucket.put(name, b"x")
    listed = tmp_path / "list"
    listed.write_text(f"{key('2026-11-19T10:00')}\n{key('2026-11-20T10:00')}\nnow.log\n")
    proxy.asked.clear()
    assert keys(bucket, list=str(listed), since="2026-11-20", until="2026-11-21") == [key("2026-11-20T10:00")]
    assert len(proxy.asked) == 2, "one of them is known by its name"


def test_what_a_list_names_wrongly_is_told(bucket: Bucket, tmp_path: Path, proxy: Proxy) -> None:
    bucket.put("a.log", b"x")
    listed = tmp_path / "list"
    listed.write_bytes(b"gone.log\n\xff\na.log\n")
    gone, odd, there = bucket.source(list=str(listed)).items()
    with pytest.raises(Gone, match=r"gone\.log does not exist any more"):
        gone.open()
    with pytest.raises(Exception, match="cannot be the name of an object"):
        odd.open()
    assert read(there) == b"x"
    proxy.always = instead(403, "AccessDenied")
    (denied,) = bucket.source(list="-", stdin=io.BytesIO(b"a.log")).items()
    with pytest.raises(Fatal, match=r"access to .* is denied"):
        denied.open()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a.log\ns3://bucket\n", "line 2 of {path} names no object; write a key, or s3://BUCKET/KEY"),
        (b"s3:///key\n", "line 1 of {path} names no object"),
        (b"x" * 5000, "line 1 of {path} is no key of an object: it is too long"),
        (b"\n\n", "no objects in the list {path} that"),
        (None, "list: cannot read {path}: No such file"),
    ],
)
def test_a_list_that_cannot_be_is_told(bucket: Bucket, tmp_path: Path, content: bytes | None, told: str) -> None:
    listed = tmp_path / "list"
    if content is not None:
        listed.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        keys(bucket, list=str(listed))
    assert told.format(path=listed).removesuffix(" that") in str(caught.value)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (
            {"since": "yesterday"},
            "since yesterday: write a time such as 2026-11-21 or 2026-11-21T08:00:00Z, or an age such as",
        ),
        ({"until": "2026-13-01"}, "until 2026-13-01: write a time"),
        ({"since": "2026-11-21", "until": "2026-11-21"}, "since 2026-11-21 is not before until 2026-11-21"),
        ({"list": "x"}, "s3://b/prefix: a list names whole keys; write s3://b with it"),
    ],
)
def test_settings_that_cannot_be_are_told(own: dict[str, str], told: str, clock: StillClock) -> None:
    with pytest.raises(UsageError) as caught:
        S3("s3://b/prefix", None, clock, S3Settings(**own))
    assert told in str(caught.value)


def test_how_much_there_is_is_known_without_items(bucket: Bucket, proxy: Proxy) -> None:
    for number in range(5):
        bucket.put(f"{number}.log", b"x" * number)
    bucket.put("folder/", b"")
    proxy.asked.clear()
    assert list(bucket.source(exclude=("3*",)).sizes()) == [0, 1, 2, 4]
    assert len(proxy.asked) == 1
    assert bucket.source().check() == "can be listed"
    assert bucket.source("none").check() == "can be listed, and there are no objects now"


def test_who_lists_pays_if_so_set(bucket: Bucket, proxy: Proxy) -> None:
    bucket.put("a.log", b"x")
    proxy.asked.clear()
    (item,) = bucket.source(requester_pays=True).items()
    assert read(item) == b"x"
    assert [asked.headers.get("x-amz-request-payer") for asked in proxy.asked] == ["requester"] * 2


@pytest.mark.parametrize(
    ("folder", "level"),
    [
        ("AWSLogs/", "root"), ("p/AWSLogs/1/", "account"), ("AWSLogs/1/elasticloadbalancing/", "service"),
        (f"{REGION}/", "region"), (f"{REGION}/2026/", "year"), (f"p/q/{REGION}/2026/11/", "month"),
        (f"{REGION}/2026/11/20/", "day"), (f"{REGION}/2026/11/20/x/", None), ("AWSLogs/1/CloudTrail/", None),
        (f"{REGION}/odd/", None), ("", None), ("p/", None), (f"{REGION}/２０２６/", None),
    ],
)  # fmt: skip
def test_a_folder_has_its_level(folder: str, level: str | None) -> None:
    assert level_of(folder)[0] == level


@pytest.mark.parametrize(
    ("name", "time"),
    [
        (key("2026-11-20T10:05", day="2026-11-21"), "2026-11-20T10:05"),
        ("x/2026/11/20/a.log", "2026-11-20"),
        ("2026/11/20/a.log", "2026-11-20"),
        ("x/2026/13/20/2026/11/21/a.log", "2026-11-21"),
        ("x/2026/11/20", None),
        ("x/12026/11/20/a", None),
        ("a.log", None),
    ],
)
def test_a_key_tells_its_time(name: str, time: str | None) -> None:
    at = datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() if time else 7.0
    assert time_of(name, 7.0) == at


class Pages:
    """Lists as S3 does, a few at a time."""

    def __init__(self, found: Sequence[str]) -> None:
        self.found = sorted(found, key=str.encode)
        self.asked = 0

    def get_paginator(self, _name: str) -> Pages:
        return self

    def paginate(self, *, Bucket: str, Prefix: str, Delimiter: str = "", StartAfter: str = "") -> Iterator[Any]:  # noqa: ARG002, N803
        names: list[tuple[str, bool]] = []
        for each in self.found:
            if each.startswith(Prefix) and each > StartAfter:
                head, slash, _ = each[len(Prefix) :].partition(Delimiter) if Delimiter else (each, "", "")
                entry = (f"{Prefix}{head}/", True) if slash else (each, False)
                if entry not in names:
                    names.append(entry)
        for at in range(0, max(len(names), 1), 3):
            self.asked += 1
            page = names[at : at + 3]
            modified = datetime(2026, 11, 15, tzinfo=UTC)
            yield {
                "IsTruncated": at + 3 < len(names),
                "Contents": [{"Key": name, "LastModified": modified} for name, folder in page if not folder],
                "CommonPrefixes": [{"Prefix": name} for name, folder in page if folder],
            }


DAYS = st.integers(-500, 500).map(lambda days: datetime(2026, 11, 20, tzinfo=UTC) + timedelta(days=days))
LOGS = st.builds(
    lambda at, minutes, beside, prefix: prefix + key(f"{at + timedelta(minutes=minutes):%Y-%m-%dT%H:%M}",
                                                    day=f"{at + timedelta(days=beside):%Y-%m-%d}"),
    DAYS, st.integers(0, 1439), st.integers(-1, 1), st.sampled_from(["", "p/", "p/q/"]),
)  # fmt: skip
OTHERS = st.builds(
    lambda at, folder, name: f"{folder}{at:%Y/%m/%d}/{name}",
    DAYS, st.sampled_from(["", "a/", f"{REGION}/", "AWSLogs/1/CloudTrail/x/"]), st.sampled_from(["a", "b/c", "é+ %"]),
)  # fmt: skip
FOUND = st.lists(
    LOGS | OTHERS | st.sampled_from(["a", "AWSLogs", "AWSLogs/", "p/AWSLogs/x", "b/a", "p/x"]), max_size=25
)


@settings(max_examples=400, deadline=None)
@given(FOUND, DAYS, st.integers(1, 800), st.sampled_from(["", "p", "p/", "AWS", REGION, f"{REGION}/2026/1"]), st.data())
def test_sparing_requests_loses_nothing(found: list[str], since: datetime, days: int, prefix: str, data: Any) -> None:
    after = data.draw(st.sampled_from(["", *found]))
    until = (since + timedelta(days=days)).timestamp()
    chosen = Selection(since=since.timestamp(), until=until, after=after, exclude=patterns(("*é*",)))
    modified = datetime(2026, 11, 15, tzinfo=UTC).timestamp()
    expected = [
        each for each in sorted(set(found), key=str.encode) if each.startswith(prefix) and chosen.takes(each, modified)
    ]
    listing = Listing(Pages(list(set(found))), "bucket", prefix, chosen)
    assert [entry["Key"] for entry in listing] == expected
