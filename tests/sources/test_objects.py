"""Objects that events announce: what is asked of a real server for them, and what a refusal means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breaking import NOISE, SECRET, Bucket, Proxy, cut, instead, read, read_on
from making import StillClock
from tailrace.errors import Fatal, Gone, SourceError, Superseded
from tailrace.events import Announced
from tailrace.model import Item
from tailrace.sources._objects import Objects

DENIED = (
    "access to {name} at {url} is denied; give these credentials the permission to read it,"
    " or set requester_pays if its bucket makes readers pay"
)
TIME = "2026-11-20T10:05:03.123Z"


def announced(bucket: Bucket, content: bytes = NOISE, key: str = "a.log") -> Announced:
    """The whole truth about an object that is there."""
    etag = bucket.put(key, content)
    return Announced(bucket=bucket.name, key=key, etag=etag, size=len(content), time=TIME)


def item(bucket: Bucket, told: Announced, *, requester_pays: bool = False) -> Item:
    return Objects(bucket.client, bucket.clock, requester_pays=requester_pays).announced(told)


def test_an_event_that_tells_all_needs_no_request(bucket: Bucket, proxy: Proxy) -> None:
    told = announced(bucket)
    found = item(bucket, told)
    assert proxy.asked == []
    assert (found.identity.kind, found.identity.container) == ("s3", bucket.name)
    assert (found.identity.key, found.identity.etag) == ("a.log", told.etag)
    assert (found.size, found.modified, found.durable) == (len(NOISE), 1795169103.123, True)
    assert read(found) == read(found) == NOISE


def test_an_announced_object_is_the_listed_one(bucket: Bucket) -> None:
    told = announced(bucket, key="ü b+%2B.log")
    (listed,) = bucket.items()
    assert item(bucket, told).identity == item(bucket, replace(told, etag="")).identity == listed.identity


@pytest.mark.parametrize("lacking", ["etag", "size", "time"])
def test_what_an_event_does_not_tell_is_asked_for(bucket: Bucket, proxy: Proxy, lacking: str) -> None:
    told = announced(bucket)
    found = item(bucket, replace(told, **{lacking: None if lacking == "size" else ""}))
    assert [asked.line.split()[0] for asked in proxy.asked] == ["HEAD"]
    assert (found.identity.etag, found.size) == (told.etag, len(NOISE))
    modified = bucket.direct.head_object(Bucket=bucket.name, Key="a.log")["LastModified"].timestamp()
    assert found.modified == (modified if lacking == "time" else 1795169103.123)
    assert read(found) == NOISE


@pytest.mark.parametrize(("size", "requests"), [(0, ["HEAD", "GET"]), (100, ["GET", "GET"])])
def test_a_size_that_is_too_small_cuts_nothing_off(
    bucket: Bucket, proxy: Proxy, size: int, requests: list[str]
) -> None:
    found = item(bucket, replace(announced(bucket), size=size))
    proxy.faults = [None, cut(1000)] if size == 0 else [cut(1000)]
    content = read(found)
    assert content == NOISE
    assert [asked.line.split()[0] for asked in proxy.asked][:2] == requests


def test_an_empty_object_is_an_item(bucket: Bucket) -> None:
    found = item(bucket, announced(bucket, b""))
    assert (found.size, read(found)) == (0, b"")


def test_the_version_that_was_announced_is_read(bucket: Bucket) -> None:
    bucket.direct.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    made = bucket.direct.put_object(Bucket=bucket.name, Key="a.log", Body=NOISE)
    bucket.put("a.log", b"newer")
    told = Announced(bucket=bucket.name, key="a.log", version=made["VersionId"])
    assert read(item(bucket, told)) == NOISE
    bucket.direct.delete_object(Bucket=bucket.name, Key="a.log")
    assert read(item(bucket, told)) == NOISE, "a marker over it does not hide it"
    bucket.direct.delete_object(Bucket=bucket.name, Key="a.log", VersionId=made["VersionId"])
    with pytest.raises(Gone, match="does not exist any more"):
        item(bucket, replace(told, etag="1", size=1, time=TIME)).open()


@pytest.mark.parametrize("known", ["known", ""])
def test_an_object_that_is_gone_is_told_when_it_is_opened(bucket: Bucket, clock: StillClock, known: str) -> None:
    told = announced(bucket)
    bucket.direct.delete_object(Bucket=bucket.name, Key="a.log")
    begun = clock.now()
    found = item(bucket, told if known else replace(told, etag="", size=None))
    with pytest.raises(Gone, match=rf"^s3://{bucket.name}/a\.log does not exist any more$") as caught:
        found.open()
    assert not isinstance(caught.value, Superseded)
    assert clock.now() == begun


def test_nothing_is_delivered_in_the_place_of_what_was_replaced(bucket: Bucket, proxy: Proxy) -> None:
    told = announced(bucket)
    found = item(bucket, told)
    proxy.faults = [cut(100_000)]
    with found.open() as stream:
        newer = bucket.put("a.log", NOISE[::-1])
        with pytest.raises(Superseded, match="was replaced after its event; what is there now has an event of its own"):
            read_on(stream)
    for again in (found, item(bucket, replace(told, size=None))):
        with pytest.raises(Superseded):
            again.open()
    assert read(item(bucket, replace(told, etag=newer))) == NOISE[::-1]


@pytest.mark.parametrize(
    ("status", "code", "sentence"),
    [
        (403, "InvalidObjectState", "{name} is archived; restore it, then deliver its event again"),
        (403, "AccessDenied", DENIED),
        (404, "NoSuchBucket", "there is no bucket {bucket} at {url}; check its name, the region and the endpoint"),
        (400, "AuthorizationHeaderMalformed", "the bucket {bucket} is in another region than {url}; set AWS_REGION to it"),
        (400, "InvalidRequest", "{name} cannot be read (InvalidRequest)"),
        (503, "SlowDown", "{name} could not be read to its end (SlowDown); its event comes again"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("known", ["known", ""])
def test_one_bad_event_stops_nothing_else(
    bucket: Bucket, proxy: Proxy, known: str, status: int, code: str, sentence: str
) -> None:
    told = announced(bucket)
    proxy.always = instead(status, code)
    with pytest.raises(SourceError) as caught:
        item(bucket, told if known else replace(told, etag="")).open()
    assert not isinstance(caught.value, Gone)
    words = {"name": f"s3://{bucket.name}/a.log", "bucket": bucket.name, "url": proxy.url}
    if known or status < 500:
        assert str(caught.value) == sentence.format(**words)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "code"), [(403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken")]
)
@pytest.mark.parametrize("known", ["known", ""])
def test_credentials_that_are_not_accepted_stop_all(
    bucket: Bucket, proxy: Proxy, known: str, status: int, code: str
) -> None:
    told = announced(bucket)
    proxy.always = instead(status, code)
    with pytest.raises(Fatal, match=f"the credentials are not accepted by .* \\({code}\\)"):
        item(bucket, told if known else replace(told, etag="")).open()


def test_who_reads_pays_if_so_set(bucket: Bucket, proxy: Proxy) -> None:
    told = replace(announced(bucket), etag="")
    assert read(item(bucket, told, requester_pays=True)) == NOISE
    assert [asked.headers["x-amz-request-payer"] for asked in proxy.asked] == ["requester"] * 2
    proxy.asked.clear()
    assert read(item(bucket, told)) == NOISE
    assert all("x-amz-request-payer" not in asked.headers for asked in proxy.asked)
    proxy.always = instead(403, "AccessDenied")
    with pytest.raises(SourceError, match=r"the permission to read it$"):
        item(bucket, told, requester_pays=True).open()


@pytest.mark.parametrize(("name", "key"), [("no bucket", "a.log"), ("../up", "a.log"), ("", "a.log"), ("b", "\udcff")])
def test_names_that_cannot_be_are_told(bucket: Bucket, clock: StillClock, name: str, key: str) -> None:
    begun = clock.now()
    for etag in ("", "1"):
        told = Announced(bucket=name, key=key, etag=etag, size=1, time=TIME)
        with pytest.raises(SourceError, match="cannot be the name of an object"):
            item(bucket, told).open()
    assert clock.now() == begun


@pytest.mark.parametrize(
    "time", ["", "yesterday", "2026-11-20", "2026-11-20T10:05:03+01:00", "2026-11-20T10:05:03.123456789Z"]
)
def test_times_of_any_form(bucket: Bucket, proxy: Proxy, time: str) -> None:
    found = item(bucket, replace(announced(bucket), time=time))
    assert bool(proxy.asked) == (not time.startswith("2026"))
    assert found.modified > 1_700_000_000
