"""Buckets are emptied of every version, while others write into them, and removed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from cloud import REGION, client_of, cloud
from deploy.recorded import Error, recorded
from making import StillClock
from services.real import ministack
from tailrace.deploy.cloud import Cloud
from tailrace.deploy.destroy import buckets
from tailrace.deploy.destroy.buckets import Bucket, needs
from tailrace.errors import Fatal, TailraceError, UsageError


class Writing(StillClock):
    """A clock during whose pauses something happens."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self.happens, self.pause = happens, 0

    def sleep(self, seconds: float) -> None:
        super().sleep(max(seconds, self.pause))
        self.happens()


class Pail:
    """A bucket on a server, and what a deployment sees of it."""

    def __init__(self, endpoint: str) -> None:
        self.s3 = client_of("s3", endpoint)
        self.name = f"pail-{uuid4().hex[:8]}"
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": REGION})
        self.said: list[str] = []
        self.written = 0

    def bucket(self, clock: StillClock | None = None) -> Bucket:
        return Bucket(Cloud(lambda _service: self.s3, clock or StillClock()), self.name, self.said.append)

    def put(self, *keys: str) -> None:
        for key in keys:
            self.s3.put_object(Bucket=self.name, Key=key, Body=b"x")

    def write(self, times: int) -> None:
        """Something that goes on writing for so many pauses."""
        if self.written < times:
            self.written += 1
            self.put(f"AWSLogs/late{self.written}")

    def left(self) -> list[str]:
        told = self.s3.list_object_versions(Bucket=self.name)
        uploads = self.s3.list_multipart_uploads(Bucket=self.name).get("Uploads", [])
        return [each["Key"] for each in (*told.get("Versions", []), *told.get("DeleteMarkers", []), *uploads)]


@pytest.fixture(scope="module", params=["moto", "ministack"])
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    with (cloud if request.param == "moto" else ministack)() as url:
        yield url


@pytest.fixture
def pail(endpoint: str) -> Pail:
    return Pail(endpoint)


def test_every_version_marker_and_upload_goes(pail: Pail) -> None:
    pail.put("first")
    pail.s3.put_bucket_versioning(Bucket=pail.name, VersioningConfiguration={"Status": "Enabled"})
    pail.put("first", "a/b", "a/b", "odd +&<key>%ä")
    pail.s3.delete_object(Bucket=pail.name, Key="a/b")
    pail.s3.create_multipart_upload(Bucket=pail.name, Key="half")
    assert pail.bucket().empty() == 7
    assert pail.left() == []
    assert pail.bucket().empty() == 0


def test_more_than_a_page_goes(pail: Pail) -> None:
    def small(params: dict[str, Any], **_: Any) -> None:
        params["MaxKeys"] = 4

    pail.s3.meta.events.register("provide-client-params.s3.ListObjectVersions", small)
    pail.put(*(str(number) for number in range(11)))
    assert pail.bucket().empty() >= 11  # MiniStack tells some twice when others go meanwhile
    assert pail.left() == []


def test_only_what_is_named_goes(pail: Pail) -> None:
    pail.put("packages/a", "packages/b", "dead/c")
    pail.bucket().empty(prefix="packages/", but={"packages/b"})
    assert sorted(pail.left()) == ["dead/c", "packages/b"]


def test_what_is_written_meanwhile_goes_too(pail: Pail) -> None:
    pail.put("AWSLogs/a")
    clock = Writing(lambda: pail.write(3))
    assert pail.bucket(clock).empty() == 4
    assert pail.left() == []


def test_what_is_written_for_ever_is_told_by_its_key(pail: Pail) -> None:
    pail.put("AWSLogs/a")
    clock = Writing(lambda: pail.write(10_000))
    clock.pause = 100
    with pytest.raises(
        TailraceError, match=rf"something writes into {pail.name} again and again, such as AWSLogs/late\d+"
    ) as caught:
        pail.bucket(clock).empty()
    assert caught.value.exit_code == 4


def test_a_bucket_is_removed_however_late_the_last_log_comes(pail: Pail) -> None:
    late = iter([True, True, False])

    def before(**_: Any) -> None:
        if next(late):
            pail.put("AWSLogs/late")

    pail.s3.meta.events.register("before-call.s3.DeleteBucket", before)
    pail.bucket().remove()
    assert not pail.bucket().is_there()
    pail.bucket().remove()


def test_a_bucket_with_control_objects_only_holds_no_logs(pail: Pail) -> None:
    pail.put("AWSLogs/1/ELBAccessLogTestFile", "AWSLogs/1/TailraceSmokeTest-1")
    assert pail.bucket().kept() == ""
    assert pail.bucket().remove_bare() == ""
    assert not pail.bucket().is_there()


@pytest.mark.parametrize("key", ["AWSLogs/1/a.log.gz", "half"])
def test_a_bucket_with_logs_stays_to_the_letter(pail: Pail, key: str) -> None:
    if key == "half":
        pail.s3.create_multipart_upload(Bucket=pail.name, Key=key)
    else:
        pail.put(key)
    assert pail.bucket().remove_bare() == key
    assert pail.left() == [key]


def test_a_log_that_comes_at_the_last_moment_stays(pail: Pail) -> None:
    pail.s3.meta.events.register("before-call.s3.DeleteBucket", lambda **_: pail.put("AWSLogs/late"))
    assert pail.bucket().remove_bare() == "AWSLogs/late"
    assert pail.left() == ["AWSLogs/late"]


def test_a_bucket_of_others_is_known_by_its_tags(pail: Pail) -> None:
    tags = {"tailrace:environment": "prod"}
    pail.bucket().check(tags)
    pail.s3.put_bucket_tagging(Bucket=pail.name, Tagging={"TagSet": [{"Key": "tailrace:environment", "Value": "test"}]})
    with pytest.raises(UsageError, match="tagged tailrace:environment=test"):
        pail.bucket().check(tags)


# --- answers that no server here gives ---


def _page(*keys: str) -> Any:
    return {"Versions": [{"Key": each, "VersionId": "null"} for each in keys]}


def test_an_object_that_is_locked_ends_it() -> None:
    s3 = recorded(
        "s3",
        ListObjectVersions=lambda _: _page("a"),
        DeleteObjects=lambda _: {"Errors": [{"Key": "a", "Code": "AccessDenied", "Message": "held by object lock"}]},
    )
    with pytest.raises(Fatal, match=r"s3://logs/a cannot be removed .AccessDenied.: held by object lock"):
        Bucket(Cloud(lambda _service: s3, StillClock()), "logs", pytest.fail).empty()


def test_keys_that_xml_cannot_tell_go_one_by_one() -> None:
    there = ["a\x01", "b"]

    def many(_: Any) -> Any:
        raise Error("MalformedXML", "The XML you provided was not well-formed")

    def single(arguments: Any) -> Any:
        there.remove(arguments["Key"])
        return {}

    s3 = recorded(
        "s3", ListObjectVersions=lambda _: _page(*there), DeleteObjects=many, DeleteObject=single, ListMultipartUploads=lambda _: {}
    )  # fmt: skip
    assert Bucket(Cloud(lambda _service: s3, StillClock()), "logs", pytest.fail).empty() == 2
    assert there == []


def test_many_objects_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    left, said = 5, list[str]()
    monkeypatch.setattr(buckets, "_TOLD_EACH", 2000)

    def listed(_: Any) -> Any:
        return {
            **_page(*(str(number) for number in range(1000))),
            "IsTruncated": left > 1,
            "NextKeyMarker": "m",
            "NextVersionIdMarker": "v",
        }

    def deleted(arguments: Any) -> Any:
        nonlocal left
        assert arguments["Delete"]["Quiet"]
        left -= 1
        return {}

    s3 = recorded(
        "s3",
        ListObjectVersions=lambda it: listed(it) if left else {},
        DeleteObjects=deleted,
        ListMultipartUploads=lambda _: {},
    )
    assert Bucket(Cloud(lambda _service: s3, StillClock()), "logs", said.append).empty() == 5000
    assert said == ["2,000 objects removed from logs", "4,000 objects removed from logs"]


def test_what_is_called_is_told() -> None:
    told = {need.call: need.resource for need in needs("arn:aws:s3:::logs")}
    assert told["s3:DeleteBucket"] == "arn:aws:s3:::logs"
    assert told["s3:DeleteObjects"] == "arn:aws:s3:::logs/*"
