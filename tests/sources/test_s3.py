"""Objects are listed and read from a real server, through a proxy that breaks connections."""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable

import pytest

from breaking import (
    NOISE,
    SECRET,
    Bucket,
    Fault,
    Proxy,
    client_of,
    cut,
    instead,
    late_reset,
    read,
    read_on,
    reset,
    short,
    silent,
    without_etag,
)
from making import StillClock
from tailrace.errors import Gone, SourceError, UsageError
from tailrace.framing import chunks
from tailrace.sources._resuming import Part, Remote, Resuming
from tailrace.sources.s3 import S3


def test_an_object_is_an_item_with_all_that_is_known_of_it(bucket: Bucket) -> None:
    etag = bucket.put("AWSLogs/a.log", b"a line\n")
    modified = bucket.direct.head_object(Bucket=bucket.name, Key="AWSLogs/a.log")["LastModified"].timestamp()
    (item,) = bucket.items()
    assert (item.identity.kind, item.identity.container) == ("s3", bucket.name)
    assert (item.identity.key, item.identity.etag) == ("AWSLogs/a.log", etag)
    assert (item.size, item.modified, item.durable) == (7, modified, True)
    assert read(item) == b"a line\n"
    assert read(item) == b"a line\n", "it can be opened again"


def test_objects_are_those_below_the_prefix(bucket: Bucket) -> None:
    for key in ("a/1.log", "a/2.log", "a/b/3.log", "ab.log", "c"):
        bucket.put(key, b"x")
    expected = {
        "": ["a/1.log", "a/2.log", "a/b/3.log", "ab.log", "c"],
        "a": ["a/1.log", "a/2.log", "a/b/3.log", "ab.log"],
        "a/": ["a/1.log", "a/2.log", "a/b/3.log"],
        "a/b": ["a/b/3.log"],
        "a/2.log": ["a/2.log"],
    }
    for prefix, keys in expected.items():
        assert [item.identity.key for item in bucket.items(prefix)] == keys
    whole = S3(f"s3://{bucket.name}", bucket.client, bucket.clock)
    assert [item.identity.key for item in whole.items()] == expected[""]


def test_an_object_of_exactly_the_key_is_taken_alone(bucket: Bucket) -> None:
    for key in ("a.log", "a.log.1", "folder/", "folder/a.log"):
        bucket.put(key, b"x")
    assert [item.identity.key for item in bucket.items("a.log")] == ["a.log"]
    assert [item.identity.key for item in bucket.items("a.lo")] == ["a.log", "a.log.1"]
    assert [item.identity.key for item in bucket.items("folder/")] == ["folder/", "folder/a.log"]


def test_placeholders_for_folders_are_no_items_but_empty_objects_are(bucket: Bucket) -> None:
    for key in ("logs/", "logs/sub/"):
        bucket.put(key)
    with pytest.raises(UsageError, match=f"^no objects under s3://{bucket.name}/logs/$"):
        bucket.items("logs/")
    bucket.put("logs/empty.log")
    (item,) = bucket.items("logs/")
    assert (item.identity.key, item.size, read(item)) == ("logs/empty.log", 0, b"")


@pytest.mark.parametrize("prefix", ["", "nothing/here"])
def test_nothing_under_the_prefix_is_told(bucket: Bucket, prefix: str) -> None:
    with pytest.raises(UsageError) as caught:
        bucket.items(prefix)
    assert str(caught.value) == f"no objects under s3://{bucket.name}/{prefix}"


def test_a_listing_is_read_page_by_page(bucket: Bucket, proxy: Proxy) -> None:
    keys = [f"{number:03}.log" for number in range(7)]
    for key in keys:
        bucket.put(key)
    client = client_of(proxy.url)
    events = client.meta.events
    events.register("provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 3})
    items = S3(f"s3://{bucket.name}", client, bucket.clock).items()
    first = next(items)
    assert len(proxy.asked) == 1, "no page is asked for before it is needed"
    assert [item.identity.key for item in (first, *items)] == keys
    assert len(proxy.asked) == 3


@pytest.mark.parametrize("key", ["with space+plus.log", "ümläut/日本.log", "q?a=b&c#d%20e.log", "a//b", "quote\"'.log"])
def test_any_key_is_listed_and_read(bucket: Bucket, key: str) -> None:
    item = bucket.item(b"x" * 100, key)
    assert item.identity.key == key
    assert read(item) == b"x" * 100


@pytest.mark.parametrize("url", ["s3://", "s3:///key", "bucket/key", "https://bucket/key", ""])
def test_a_url_without_a_bucket_is_refused(url: str, clock: StillClock) -> None:
    with pytest.raises(UsageError, match="write s3://bucket or s3://bucket/prefix"):
        S3(url, None, clock)


# A reset throws away what has come in and was not read yet.
@pytest.mark.parametrize(("broken", "kept"), [(cut, 150_000), (short, 150_000), (reset, 0)])
def test_a_broken_connection_is_taken_up_where_it_broke(
    bucket: Bucket, proxy: Proxy, broken: Callable[[int], Fault], kept: int
) -> None:
    item = bucket.item(NOISE)
    proxy.faults = [broken(150_000), broken(100), broken(70_000)]
    proxy.asked.clear()
    assert read(item) == NOISE
    ranges = [asked.headers.get("Range", "bytes=0-") for asked in proxy.asked]
    offsets = [int(text.removeprefix("bytes=").removesuffix("-")) for text in ranges]
    assert len(offsets) == 4
    assert offsets == sorted(offsets)
    assert offsets[1] >= kept, "what was read is not read again"
    assert all(asked.headers["If-Match"] == f'"{item.identity.etag}"' for asked in proxy.asked)


def test_connections_that_last_for_less_than_a_read_bring_it_forward_too(bucket: Bucket, proxy: Proxy) -> None:
    item = bucket.item(NOISE[:100_000])
    proxy.always = late_reset
    assert read(item) == NOISE[:100_000]


def test_a_connection_that_falls_silent_is_given_up_for_another(bucket: Bucket, proxy: Proxy) -> None:
    item = bucket.item(NOISE)
    proxy.faults = [silent]
    assert read(item) == NOISE


def test_progress_is_all_that_it_takes_to_go_on(bucket: Bucket, proxy: Proxy, clock: StillClock) -> None:
    item = bucket.item(NOISE)
    proxy.always = cut(20_000)
    begun = clock.now()
    assert read(item) == NOISE
    assert len(proxy.asked) > 10
    assert clock.now() - begun == pytest.approx(0.5 * (len(proxy.asked) - 2)), "each pause is a first one"


@pytest.mark.parametrize(
    "broken", [cut(0), reset(0), short(0), instead(503, "SlowDown"), instead(500, "InternalError")]
)
def test_an_object_that_gives_nothing_more_is_given_back(
    bucket: Bucket, proxy: Proxy, clock: StillClock, broken: Fault
) -> None:
    item = bucket.item(NOISE)
    with item.open() as stream:
        assert stream.read(1000) == NOISE[:1000]
        proxy.always = broken
        stream.seek(2000)
        begun, before = clock.now(), len(proxy.asked)
        with pytest.raises(SourceError) as caught:
            stream.read(1000)
        assert not isinstance(caught.value, Gone)
        assert f"s3://{bucket.name}/a.log" in str(caught.value)
        assert SECRET not in str(caught.value)
        assert len(proxy.asked) - before == 5
        assert clock.now() - begun == 0.5 + 1 + 2 + 4
        proxy.always = None
    assert read(item) == NOISE


def test_a_service_that_recovers_is_waited_for(bucket: Bucket, proxy: Proxy, clock: StillClock) -> None:
    item = bucket.item(NOISE)
    proxy.faults = [instead(503, "SlowDown"), instead(429, "TooManyRequests"), instead(500, "InternalError")]
    begun = clock.now()
    assert read(item) == NOISE
    assert clock.now() - begun == 0.5 + 1 + 2


def test_an_object_that_is_gone_is_told_at_once(bucket: Bucket, clock: StillClock) -> None:
    item = bucket.item(NOISE)
    bucket.direct.delete_object(Bucket=bucket.name, Key="a.log")
    begun = clock.now()
    with pytest.raises(Gone, match=rf"^s3://{bucket.name}/a\.log does not exist any more$"):
        item.open()
    assert clock.now() == begun


def test_an_object_that_was_replaced_is_not_read_in_its_place(bucket: Bucket, proxy: Proxy) -> None:
    item = bucket.item(NOISE)
    proxy.faults = [cut(100_000)]
    with item.open() as stream:
        bucket.put("a.log", NOISE[::-1])
        with pytest.raises(SourceError, match=rf"^s3://{bucket.name}/a\.log was replaced after it was listed"):
            read_on(stream)
    with pytest.raises(SourceError, match="was replaced"):
        item.open()


def test_a_service_that_does_not_know_conditions_is_found_out_by_the_etag(bucket: Bucket, proxy: Proxy) -> None:
    item = bucket.item(NOISE)
    other = bucket.put("other.log", NOISE[::-1])
    answer = f'HTTP/1.1 200 OK\r\nETag: "{other}"\r\nConnection: close\r\nContent-Length: 5\r\n\r\nother'
    proxy.faults = [lambda client, _: client.sendall(answer.encode()), without_etag]
    with pytest.raises(SourceError, match="was replaced"):
        item.open()
    assert read(item) == NOISE, "one that tells no etag is believed"


def test_a_service_that_does_not_know_ranges_is_never_taken_at_its_word(bucket: Bucket, proxy: Proxy) -> None:
    item = bucket.item(NOISE)
    proxy.ranges = False
    proxy.faults = [cut(100_000)]
    with item.open() as stream, pytest.raises(SourceError, match="the service gives whole objects only"):
        read_on(stream)


def test_an_archived_object_is_told(bucket: Bucket, proxy: Proxy) -> None:
    item = bucket.item(NOISE)
    proxy.faults = [instead(403, "InvalidObjectState")]
    with pytest.raises(SourceError, match="is archived; restore it, then run again"):
        item.open()


def test_another_refusal_is_final_for_the_object_only(bucket: Bucket, proxy: Proxy, clock: StillClock) -> None:
    item = bucket.item(NOISE)
    proxy.faults = [instead(400, "InvalidRequest")]
    begun = clock.now()
    with pytest.raises(SourceError, match=r"a\.log cannot be read \(InvalidRequest\)"):
        item.open()
    assert clock.now() == begun


def test_compressed_objects_come_out_whole_however_often_the_connection_breaks(bucket: Bucket, proxy: Proxy) -> None:
    content = b"".join(b"%d GET /%x\n" % (number, number * 7919) for number in range(60_000))
    chance = random.Random(7)
    item = bucket.item(gzip.compress(content), "a.log.gz")
    proxy.faults = [broken(chance.randrange(9000, 90_000)) for broken in (cut, reset, short) * 2]
    with item.open() as stream:
        assert b"".join(chunks(stream)) == content
    with item.open() as stream:
        assert b"".join(chunks(stream, skip=100_000)) == content[100_000:]


def test_skipping_in_a_plain_object_does_not_fetch_what_is_skipped(bucket: Bucket, proxy: Proxy) -> None:
    item = bucket.item(b"plain" + NOISE)
    proxy.asked.clear()
    with item.open() as stream:
        assert b"".join(chunks(stream, skip=200_000)) == (b"plain" + NOISE)[200_000:]
    assert [asked.headers.get("Range") for asked in proxy.asked] == [None, "bytes=200000-"]


def test_the_stream_behaves_as_a_file(bucket: Bucket) -> None:
    with bucket.item(NOISE).open() as stream:
        assert stream.readable()
        assert stream.seekable()
        assert stream.read() == NOISE
        assert (stream.read(10), stream.tell()) == (b"", len(NOISE))
        assert stream.seek(-5, 2) == len(NOISE) - 5
        assert stream.read(100) == NOISE[-5:]
        assert stream.seek(3) == 3
        assert stream.seek(2, 1) == 5
        assert stream.read(0) == b""
        assert stream.seek(5) == 5
        assert stream.read(5) == NOISE[5:10]
    assert stream.closed


def test_closing_and_going_elsewhere_let_go_of_the_connection(clock: StillClock) -> None:
    bodies = [io.BytesIO(NOISE), io.BytesIO(NOISE), io.BytesIO(NOISE)]
    left = iter(bodies)
    stream = Resuming(Remote(len(NOISE), lambda _: Part(next(left), len(NOISE)), lambda _: AssertionError()), clock)
    stream.connect()
    stream.seek(10)
    assert [body.closed for body in bodies] == [True, False, False]
    stream.read(1)
    stream.close()
    stream.close()
    assert [body.closed for body in bodies] == [True, True, False]


def test_a_source_of_objects_needs_no_thanks(bucket: Bucket) -> None:
    bucket.put("a.log", NOISE)
    source = bucket.source()
    (item,) = source.items()
    source.ack(item)
    source.nack(item, ValueError())
    source.close()
    source.close()
