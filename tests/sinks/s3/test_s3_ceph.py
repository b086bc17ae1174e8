"""The S3 sink against Ceph's gateway, which is strict where moto is not: signatures, sizes of parts, uploads that are no more."""

from __future__ import annotations

import io
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pyarrow.parquet as pq
import pytest

from breaking import Fault, Proxy, client_of, cut, instead, unheard
from making import StillClock, alb, batch, clb, item
from services.real import Ceph, ceph
from shelves import Shelf
from sinks.s3.test_s3_faults import MIB, lines_of, lost, noise, persist
from tailrace.errors import Fatal, Retryable


@pytest.fixture(scope="module")
def gateway() -> Iterator[Ceph]:
    with ceph() as made:
        yield made


@pytest.fixture(scope="module")
def before(gateway: Ceph) -> Iterator[Proxy]:
    """What breaks connections to it."""
    place = urlsplit(gateway.endpoint)
    made = Proxy((str(place.hostname), place.port or 80))
    yield made
    made.close()


@pytest.fixture
def shelf(gateway: Ceph, before: Proxy, clock: StillClock) -> Iterator[Shelf]:
    before.reset()
    keys = {"key": gateway.key, "secret": gateway.secret}
    through, direct = client_of(before.url, patience=20, **keys), client_of(gateway.endpoint, **keys)
    for client in (through, direct):
        client.meta.config.request_checksum_calculation = "when_required"
    made = Shelf(through, direct, clock, f"shelf-{uuid4().hex[:12]}")
    yield made
    for key in made.objects():
        direct.delete_object(Bucket=made.name, Key=key)
    direct.delete_bucket(Bucket=made.name)
    through.close()
    direct.close()


@pytest.mark.parametrize("compression", ["gzip", "zstd", "none"])
def test_ndjson_arrives(shelf: Shelf, compression: str) -> None:
    made = batch(alb("2026-09-23") + alb("2026-09-24") + clb("2026-09-23"))
    sink = shelf.sink(compression=compression)
    sink.write(item(), made, 0)
    assert shelf.objects() == []
    sink.flush()
    assert len(shelf.objects()) == 3
    assert shelf.lines() == lines_of(made)


def test_parquet_arrives(shelf: Shelf) -> None:
    sink = shelf.sink(form="parquet")
    sink.write(item(), batch(alb("2026-09-23") + alb("2026-09-24")), 0)
    sink.flush()
    rows = [pq.read_table(io.BytesIO(shelf.bytes_of(key))).num_rows for key in shelf.objects()]
    assert rows == [1, 1]
    sink.close()


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("fault", [lost, unheard(lost), unheard(instead(503, "SlowDown")), cut(40)])
def test_parts_arrive_once_whatever_call_fails(shelf: Shelf, before: Proxy, fault: Fault, number: int) -> None:
    sink = shelf.sink(compression="none", part_size="5MiB")
    batches = [noise(count, size=4 * MIB) for count in range(3)]
    before.faults = [None] * number + [fault]
    for each in batches:
        persist(lambda each=each: sink.write(item(), each, 0))
    assert shelf.objects() == []
    persist(sink.flush)
    assert shelf.lines() == lines_of(*batches)
    assert len(shelf.objects()) == 1


def test_an_upload_that_somebody_ended_is_told_and_what_is_abandoned_is_gone(shelf: Shelf) -> None:
    sink = shelf.sink(compression="none", part_size="5MiB")
    sink.write(item(), noise(1, size=6 * MIB), 0)
    sink.write(item(), noise(2), 0)
    (upload,) = shelf.direct.list_multipart_uploads(Bucket=shelf.name)["Uploads"]
    shelf.direct.abort_multipart_upload(Bucket=shelf.name, Key=upload["Key"], UploadId=upload["UploadId"])
    with pytest.raises(Retryable, match="was ended by somebody else"):
        sink.flush()
    sink.abandon()
    sink.write(item(), noise(1, size=6 * MIB), 0)
    sink.write(item(), noise(2), 0)
    assert len(shelf.uploads()) == 1
    sink.close()
    assert (shelf.uploads(), shelf.objects()) == ([], [])


def test_looking_and_what_will_not_pass(shelf: Shelf, gateway: Ceph) -> None:
    assert shelf.sink().check() == "objects can be put there"
    shelf.through = client_of(gateway.endpoint, key="nobody", secret="nothing")
    with pytest.raises(Fatal, match="the credentials are not accepted"):
        shelf.sink().check()
    name, shelf.name = shelf.name, "not-there"
    shelf.through = shelf.direct
    with pytest.raises(Fatal, match="there is no bucket not-there"):
        shelf.sink().check()
    shelf.name = name
