"""The S3 sink where calls fail, answers are lost, uploads vanish: every record once, and nothing left over."""

from __future__ import annotations

import io
import random
import socket
import struct
import tracemalloc
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import date
from functools import lru_cache
from typing import Any
from zlib import crc32

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from breaking import SECRET, Fault, Proxy, client_of, cut, instead, reset, silent, unheard
from making import alb, batch, item, rows
from shelves import Shelf
from tailrace.errors import Fatal, Retryable
from tailrace.model import Batch, Counts, RawLines
from tailrace.sinks import _s3_ndjson
from tailrace.sinks._compressing import EXTENSIONS
from tailrace.sinks._s3_keys import template
from tailrace.sinks._s3_ndjson import NdjsonObjects, Writing
from tailrace.sinks._s3_upload import Place, checksum_of
from tailrace.sinks.s3 import S3Sink

DAY = "2026-09-23"
MIB = 1 << 20


def lost(client: socket.socket, _answer: object) -> None:
    """The server has done what it was asked for, and its answer never arrives."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


GONE = unheard(instead(404, "NoSuchUpload"))


def elsewhere(client: socket.socket, _answer: object) -> None:
    body = b"<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>"
    head = b"HTTP/1.1 301 Moved\r\nx-amz-bucket-region: eu-west-1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    client.sendall(head % len(body) + body)


class Noise:
    """Records that do not compress, of given days; as cheaply as tests of many bytes need them."""

    def __init__(self, days: list[str], number: int, size: int) -> None:
        self._days = days
        self._lines = [_line(number, row, size) for row in range(len(days))]
        self._number = number

    def __len__(self) -> int:
        return len(self._days)

    def partitions(self) -> list[tuple[str, str | None, int]]:
        return [("alb", day, self._days.count(day)) for day in dict.fromkeys(self._days)]

    def ndjson(self, schema: str = "aws", *, ids: bool = False) -> bytes:
        assert (schema, ids) == ("aws", False)
        return b"".join(self._lines)

    def raw(self) -> RawLines:
        times = [(date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400_000 for day in self._days]
        return RawLines(b"", [0] * len(times), times, [self._number * 1000 + row for row in range(len(times))])


@lru_cache(maxsize=64)
def _line(number: int, row: int, size: int) -> bytes:
    text = random.Random(number * 1000 + row).randbytes(size // 2).hex()
    return b'{"format":"alb","x":"%s"}\n' % text.encode()


def noise(number: int, days: list[str] | None = None, size: int = MIB) -> Batch:
    records: Any = Noise(days or [DAY], number, size)
    return Batch(records, [], Counts(records=len(records)), 0)


def lines_of(*batches: Batch) -> list[bytes]:
    return sorted(line for each in batches for line in bytes(each.records.ndjson()).splitlines())


def persist(call: Callable[[], object], tries: int = 20) -> int:
    """Make a call as the loop does: again while it raises Retryable; how often it did."""
    for count in range(tries):
        try:
            call()
        except Retryable:
            continue
        return count
    raise AssertionError("it never came through")


@pytest.fixture
def sink(shelf: Shelf) -> Iterator[S3Sink]:
    made = shelf.sink(compression="none", part_size="5MiB")
    yield made
    made.close()


def test_what_is_larger_than_a_part_goes_in_parts_and_appears_at_the_flush(
    shelf: Shelf, proxy: Proxy, sink: S3Sink
) -> None:
    batches = [noise(number) for number in range(13)]
    for each in batches:
        sink.write(item(), each, 0)
    assert shelf.objects() == []
    assert len(shelf.uploads()) == 1
    sink.flush()
    assert shelf.uploads() == []
    (key,) = shelf.objects()
    assert shelf.lines() == lines_of(*batches)
    etag = shelf.direct.head_object(Bucket=shelf.name, Key=key)["ETag"]
    assert etag.endswith('-3"')
    calls = [asked.line.split(" ")[0] for asked in proxy.asked]
    assert calls == ["POST", "PUT", "PUT", "PUT", "POST"]


@pytest.mark.parametrize("computes", [True, False])
def test_parts_are_put_together_by_their_checksums_where_the_client_computes_them(
    shelf: Shelf, *, computes: bool
) -> None:
    """AWS refuses to put together parts with checksums of which the last call does not tell; moto does not mind."""
    asked: dict[str, Any] = {}
    client = client_of(shelf.direct.meta.endpoint_url)
    client.meta.config.request_checksum_calculation = "when_supported" if computes else "when_required"
    for name in ("CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"):
        client.meta.events.register(
            f"provide-client-params.s3.{name}", lambda params, model, **_: asked.update({model.name: params})
        )
    sink = written_by(
        shelf,
        Writing(part_size=5 * MIB, memory=16 * MIB, compression="none"),
        client=client,
        checksum=checksum_of(client),
    )
    sink.write(item(), noise(1, size=6 * MIB), 0)
    sink.write(item(), noise(2), 0)
    sink.flush()
    of_parts = [asked[name].get("ChecksumAlgorithm") for name in ("CreateMultipartUpload", "UploadPart")]
    assert of_parts == (["CRC32"] * 2 if computes else [None] * 2)
    content = shelf.bytes_of(shelf.objects()[0])
    checksums = [part.get("ChecksumCRC32") for part in asked["CompleteMultipartUpload"]["MultipartUpload"]["Parts"]]
    expected = [b64encode(crc32(each).to_bytes(4, "big")).decode() for each in (content[: 5 * MIB], content[5 * MIB :])]
    assert checksums == (expected if computes else [None] * 2)


def test_looking_whether_objects_may_be_put_leaves_nothing(shelf: Shelf, proxy: Proxy) -> None:
    sink = shelf.sink(kms_key="alias/logs")
    assert sink.check() == "objects can be put there"
    assert (shelf.objects(), shelf.uploads()) == ([], [])
    assert [asked.line.split(" ")[0] for asked in proxy.asked] == ["POST", "DELETE"]
    proxy.faults = [unheard(instead(403, "AccessDenied"))]
    with pytest.raises(Fatal, match="is denied; give these credentials the permission"):
        sink.check()
    proxy.faults = [None, unheard(instead(403, "AccessDenied"))]
    with pytest.raises(Fatal, match="can be begun but not ended; give these credentials the permission s3:Abort"):
        sink.check()
    shelf.through = shelf.direct
    assert shelf.sink().check()


def test_exactly_one_part_is_no_more_than_that(shelf: Shelf, sink: S3Sink) -> None:
    size = 5 * MIB - len(b'{"format":"alb","x":""}\n')
    whole = noise(1, size=size)
    assert len(whole.records.ndjson()) == 5 * MIB
    sink.write(item(), whole, 0)
    assert shelf.uploads() == []
    sink.write(item(), batch(b""), 0)
    assert len(shelf.uploads()) == 1
    sink.flush()
    assert shelf.lines() == lines_of(whole)


def test_parquet_files_go_in_parts_too(shelf: Shelf, proxy: Proxy) -> None:
    sink = shelf.sink(form="parquet", part_size="5MiB")
    records: Any = rows([DAY] * 12_000, width=1000, noise=True).records
    records.raw = lambda: RawLines(b"", [], [], [0])
    sink.write(item(), Batch(records, [], Counts(records=12_000), 0), 0)
    proxy.faults = [None, unheard(instead(503, "SlowDown")), None, lost, None, lost]
    assert persist(sink.flush) == 3
    (key,) = shelf.objects()
    assert pq.read_table(io.BytesIO(shelf.bytes_of(key)))["number"].to_pylist() == list(range(12_000))
    assert shelf.uploads() == []
    sink.close()


@pytest.mark.parametrize("form", ["ndjson", "parquet"])
@pytest.mark.parametrize(
    "fault",
    [
        instead(503, "SlowDown"),
        unheard(instead(503, "SlowDown")),
        unheard(instead(500, "InternalError")),
        unheard(instead(500)),
        unheard(instead(429, "TooManyRequests")),
        unheard(instead(400, "RequestTimeout")),
        unheard(instead(409, "OperationAborted")),
        unheard(instead(502, body="<html>")),
        unheard(lost),
        lost,
    ],
)
def test_a_put_is_made_again_until_it_is_confirmed(shelf: Shelf, proxy: Proxy, fault: Fault, form: str) -> None:
    made = batch(alb(DAY) + alb("2026-09-24"))
    sink = shelf.sink(form=form)
    sink.write(item(), made, 0)
    proxy.faults = [fault, fault]
    persist(sink.flush)
    assert len(shelf.objects()) == 2
    if form == "ndjson":
        assert shelf.lines() == lines_of(made)
    sink.close()


def test_what_is_confirmed_is_not_sent_again(shelf: Shelf, proxy: Proxy) -> None:
    sink = shelf.sink()
    sink.write(item(), batch(alb(DAY) + alb("2026-09-24") + alb("2026-09-25")), 0)
    proxy.faults = [None, unheard(instead(503, "SlowDown"))]
    with pytest.raises(Retryable, match=r"could not be written \(SlowDown\) at http://127") as caught:
        sink.flush()
    assert SECRET not in str(caught.value)
    assert len(shelf.objects()) == 1
    sink.flush()
    assert len(shelf.objects()) == 3
    assert len(proxy.asked) == 4


@pytest.fixture
def small(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> S3Sink:
    """A sink with parts of 50 kB, for a server that takes them; so many calls take little time."""
    monkeypatch.setattr("moto.s3.models.S3_UPLOAD_PART_MIN_SIZE", 50_000)
    monkeypatch.setattr(_s3_ndjson, "LEAST_PART", 50_000)
    return written_by(shelf, Writing(compression="none", part_size=50_000, memory=200_000))


def written_by(shelf: Shelf, how: Writing, **place: Any) -> S3Sink:
    made = template("{day}/{item}-{offset}.{extension}", "", f"ndjson{EXTENSIONS[how.compression]}")
    into = Place(**{"client": shelf.through, "bucket": shelf.name, **place})
    return S3Sink("s3://b", into, made, NdjsonObjects(into, how))


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize(
    "fault", [unheard(instead(503, "SlowDown")), unheard(lost), lost, instead(500, "InternalError"), reset(30), cut(40)]
)
def test_records_arrive_once_whatever_call_fails(
    shelf: Shelf, proxy: Proxy, small: S3Sink, fault: Fault, number: int
) -> None:
    """Two parts and a rest: five calls, of which each fails in turn, before or after the server has heard of it."""
    batches = [noise(count, size=40_000) for count in range(3)]
    proxy.faults = [None] * number + [fault]
    for each in batches:
        persist(lambda each=each: small.write(item(), each, 0))
    persist(small.flush)
    assert shelf.lines() == lines_of(*batches)
    assert len(shelf.objects()) == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.sampled_from([None, None, unheard(instead(503, "SlowDown")), unheard(lost), lost, cut(40)]), max_size=40
    ),
    sizes=st.lists(st.tuples(st.sampled_from([DAY, "2026-09-24", "2026-09-25"]), st.integers(10, 90_000)), max_size=12),
)
def test_records_arrive_once_whatever_calls_fail(
    shelf: Shelf, proxy: Proxy, small: S3Sink, faults: list[Fault | None], sizes: list[tuple[str, int]]
) -> None:
    for key in shelf.objects():
        shelf.direct.delete_object(Bucket=shelf.name, Key=key)
    proxy.faults = list(faults)
    batches = [noise(number, [day], size // 2 * 2) for number, (day, size) in enumerate(sizes)]
    for each in batches:
        persist(lambda each=each: small.write(item(), each, 0), tries=50)
    persist(small.flush, tries=50)
    proxy.faults = []
    assert shelf.lines() == lines_of(*batches)


def test_a_server_that_falls_silent_is_given_up(shelf: Shelf, proxy: Proxy) -> None:
    sink = shelf.sink()
    sink.write(item(), batch(alb(DAY)), 0)
    proxy.faults = [silent]
    persist(sink.flush)
    assert shelf.lines() == lines_of(batch(alb(DAY)))


def test_a_completion_whose_answer_was_lost_is_found_out(shelf: Shelf, proxy: Proxy, sink: S3Sink) -> None:
    """AWS may forget an upload that is complete, where moto remembers it."""
    sink.write(item(), noise(1, size=6 * MIB), 0)
    sink.write(item(), noise(2), 0)
    proxy.faults = [None, lost, GONE]
    with pytest.raises(Retryable):
        sink.flush()
    assert len(shelf.objects()) == 1
    sink.flush()
    assert [asked.line.split(" ")[0] for asked in proxy.asked][-2:] == ["POST", "HEAD"]
    assert shelf.lines() == lines_of(noise(1, size=6 * MIB), noise(2))


@pytest.mark.parametrize("other", [b"", b"another object"])
def test_an_upload_that_somebody_ended_is_told_and_never_taken_for_done(
    shelf: Shelf, proxy: Proxy, sink: S3Sink, other: bytes
) -> None:
    sink.write(item(), noise(1, size=6 * MIB), 0)
    sink.write(item(), noise(2), 0)
    (upload,) = shelf.direct.list_multipart_uploads(Bucket=shelf.name)["Uploads"]
    if other:
        shelf.direct.put_object(Bucket=shelf.name, Key=upload["Key"], Body=other)
    proxy.faults = [None, GONE, None, GONE]
    for _ in range(2):
        with pytest.raises(Retryable, match="was ended by somebody else; its records are delivered again"):
            sink.flush()
    proxy.faults = [GONE]
    sink.abandon()
    sink.write(item(), noise(3), 0)
    sink.flush()
    assert shelf.lines() == sorted([*lines_of(noise(3)), *other.splitlines()])


def test_an_answer_that_tells_nothing_confirms_nothing(shelf: Shelf, proxy: Proxy, sink: S3Sink) -> None:
    sink.write(item(), noise(1, size=6 * MIB), 0)
    empty = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    def nothing(client: Any, _answer: object) -> None:
        client.sendall(empty)

    proxy.faults = [None, unheard(nothing)]
    with pytest.raises(Retryable, match="without ETag"):
        sink.write(item(), noise(2), 0)
    assert persist(lambda: sink.write(item(), noise(2), 0)) == 0
    sink.flush()
    assert shelf.lines() == lines_of(noise(1, size=6 * MIB), noise(2))


@pytest.mark.parametrize("end", ["abandon", "close"])
def test_what_is_abandoned_leaves_no_upload(shelf: Shelf, proxy: Proxy, sink: S3Sink, end: str) -> None:
    sink.write(item(), noise(1, [DAY, "2026-09-24"], 6 * MIB), 0)
    sink.write(item(), noise(2), 0)
    assert len(shelf.uploads()) == 2
    getattr(sink, end)()
    assert (shelf.uploads(), shelf.objects()) == ([], [])
    getattr(sink, end)()
    before = len(proxy.asked)
    sink.abandon()
    assert len(proxy.asked) == before
    sink.write(item("b.log"), noise(3), 0)
    sink.flush()
    assert shelf.lines() == lines_of(noise(3))


def test_a_service_that_is_away_does_not_keep_from_abandoning(proxy: Proxy, sink: S3Sink) -> None:
    sink.write(item(), noise(1, [DAY, "2026-09-24"], 6 * MIB), 0)
    sink.write(item(), noise(2), 0)
    before = len(proxy.asked)
    proxy.always = unheard(reset(0))
    sink.abandon()
    assert len(proxy.asked) == before + 1, "the second is not tried where the first did not answer"


def test_a_flush_that_failed_half_way_is_abandoned_as_well(shelf: Shelf, proxy: Proxy, sink: S3Sink) -> None:
    sink.write(item(), noise(1, [DAY, "2026-09-24"], 6 * MIB), 0)
    sink.write(item(), noise(2), 0)
    proxy.faults = [None, None, unheard(instead(503, "SlowDown"))]
    with pytest.raises(Retryable):
        sink.flush()
    sink.abandon()
    assert shelf.uploads() == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (instead(403, "AccessDenied"), "access to s3://.* is denied"),
        (instead(403, "SignatureDoesNotMatch"), "credentials are not accepted"),
        (instead(403, "QuotaExceeded"), r"cannot be written \(QuotaExceeded\); check the settings"),
        (instead(400, "InvalidStorageClass"), r"cannot be written \(InvalidStorageClass\); check the settings"),
        (instead(400, "KMS.NotFoundException"), r"cannot be written \(KMS.NotFoundException\)"),
        (instead(404, "NoSuchBucket"), "there is no bucket shelf-.*; check its name"),
        (elsewhere, "is in another region than http://127"),
    ],
)
@pytest.mark.parametrize("size", [MIB, 6 * MIB])
def test_what_will_not_pass_is_fatal(proxy: Proxy, sink: S3Sink, fault: Fault, message: str, size: int) -> None:
    sink.write(item(), noise(1, size=size), 0)
    proxy.always = unheard(fault)
    call = sink.flush if size == MIB else lambda: sink.write(item(), noise(2), 0)
    with pytest.raises(Fatal, match=message) as caught:
        call()
    assert SECRET not in str(caught.value)
    proxy.always = None
    sink.abandon()


def test_a_setting_that_no_call_can_have_is_fatal(shelf: Shelf) -> None:
    sink = shelf.sink(key="{item}-{offset}")
    sink._contents._place.arguments["ACL"] = 5  # type: ignore[attr-defined]
    sink.write(item(), batch(alb(DAY)), 0)
    with pytest.raises(Fatal, match="ParamValidationError"):
        sink.flush()


def test_a_server_that_is_not_there_may_come(shelf: Shelf) -> None:
    nobody = client_of("http://127.0.0.1:9")
    sink = written_by(shelf, Writing(part_size=5 * MIB, memory=16 * MIB), client=nobody)
    sink.write(item(), batch(alb(DAY)), 0)
    with pytest.raises(Retryable, match="EndpointConnectionError"):
        sink.flush()


def test_many_partitions_share_the_memory(shelf: Shelf) -> None:
    """Days of very different sizes in 12 MiB: the largest make room, small ones end early; every record is there once."""
    sink = written_by(shelf, Writing(compression="none", part_size=6 * MIB, memory=12 * MIB), client=shelf.direct)
    days = [f"2026-09-{day:02}" for day in range(1, 31)]
    batches = [noise(number, [days[0], *days], 40_000) for number in range(30)]
    most = 0
    for each in batches:
        sink.write(item(), each, 0)
        most = max(most, sink._contents._memory)  # type: ignore[attr-defined]
    assert most <= 12 * MIB + 31 * 40_100
    sink.flush()
    assert shelf.lines() == lines_of(*batches)
    assert len(shelf.objects()) > 30, "some days have several objects"
    assert shelf.uploads() == []


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_many_days_in_turn_are_whole_again(shelf: Shelf, compression: Any) -> None:
    """More days than compressors, and less memory than they need: members end and begin, objects too."""
    how = Writing(compression=compression, part_size=6 * MIB, memory=3 * MIB)
    sink = written_by(shelf, how, client=shelf.direct)
    days = [f"2026-09-{day:02}" for day in range(1, 31)]
    batches = [noise(number, days[number % 2 :: 2], 30_000) for number in range(40)]
    for each in batches:
        sink.write(item(), each, 0)
    sink.flush()
    assert shelf.lines() == lines_of(*batches)


def test_an_object_that_has_all_its_parts_is_followed_by_another(shelf: Shelf, proxy: Proxy, small: S3Sink) -> None:
    del small  # the server takes small parts
    sink = written_by(shelf, Writing(compression="none", part_size=50_000, memory=200_000), most_parts=2)
    batches = [noise(number, size=60_000) for number in range(12)]
    proxy.faults = [None, None, unheard(lost), None, lost]
    for each in batches:
        persist(lambda each=each: sink.write(item(), each, 0))
    persist(sink.flush)
    assert shelf.lines() == lines_of(*batches)
    parts = [shelf.direct.head_object(Bucket=shelf.name, Key=key)["ETag"] for key in shelf.objects()]
    assert [int(etag.strip('"').partition("-")[2]) for etag in parts] == [2] * len(parts)
    assert len(parts) >= 3


class _Discarding:
    """A client that takes everything and keeps nothing."""

    def __getattr__(self, operation: str) -> Callable[..., dict[str, Any]]:
        return lambda **_: {"UploadId": "1", "ETag": '"1"'}


def test_memory_does_not_grow_with_the_item(shelf: Shelf) -> None:
    """100 MB that are not compressed, in two days: so much more than the memory that it would be seen."""
    how = Writing(compression="none", part_size=8 * MIB, memory=24 * MIB)
    sink = written_by(shelf, how, client=_Discarding())
    each = noise(0, [DAY, "2026-09-24"])
    tracemalloc.start()
    try:
        for _ in range(50):
            sink.write(item(), each, 0)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * MIB
    sink.flush()
