"""What a service refuses is told in a sentence, and stops the run where it would come again at every object."""

from __future__ import annotations

import socket

import boto3
import pytest

from breaking import NOISE, SECRET, Bucket, Fault, Proxy, client_of, cut, instead
from making import StillClock
from tailrace.errors import Fatal, TailraceError, UsageError
from tailrace.sources.s3 import S3

REFUSALS = [
    (403, "AccessDenied", "access to {what} at {endpoint} is denied"),
    (403, "", "access to {what} at {endpoint} is denied"),
    (403, "InvalidAccessKeyId", "the credentials are not accepted by {endpoint} (InvalidAccessKeyId)"),
    (403, "SignatureDoesNotMatch", "the credentials are not accepted by {endpoint} (SignatureDoesNotMatch)"),
    (400, "ExpiredToken", "the credentials are not accepted by {endpoint} (ExpiredToken)"),
    (403, "RequestTimeTooSkewed", "the clock of this machine differs from that of {endpoint}"),
    (404, "NoSuchBucket", "there is no bucket {bucket} at {endpoint}"),
    (400, "AuthorizationHeaderMalformed", "the bucket {bucket} is in another region than {endpoint}"),
]


@pytest.mark.parametrize(("status", "code", "told"), REFUSALS)
def test_what_will_fail_every_time_stops_all(bucket: Bucket, proxy: Proxy, status: int, code: str, told: str) -> None:
    item = bucket.item(NOISE)
    proxy.always = instead(status, code)
    words = {"endpoint": proxy.url, "bucket": bucket.name}
    with pytest.raises(Fatal) as caught:
        item.open()
    assert str(caught.value).startswith(told.format(what=f"s3://{bucket.name}/a.log", **words))
    assert SECRET not in str(caught.value)
    proxy.everything = True
    with pytest.raises(Fatal) as caught:
        bucket.items("logs/")
    assert str(caught.value).startswith(told.format(what=f"s3://{bucket.name}/logs/", **words))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("answer", [instead(200, body="<html>Welcome</html"), instead(503, "SlowDown"), cut(5)])
def test_a_listing_that_fails_otherwise_stops_all_too(bucket: Bucket, proxy: Proxy, answer: Fault) -> None:
    bucket.put("a.log", NOISE)
    proxy.everything, proxy.always = True, answer
    with pytest.raises(Fatal, match=rf"^s3://{bucket.name}/ cannot be listed \(\w+\); run again"):
        bucket.items()


def refusal(source: S3) -> TailraceError:
    with pytest.raises(TailraceError) as caught:
        list(source.items())
    return caught.value


def test_a_real_server_without_the_bucket(proxy: Proxy, clock: StillClock) -> None:
    client = client_of(proxy.url)
    error = refusal(S3("s3://no-such-bucket/logs", client, clock))
    client.close()
    assert isinstance(error, Fatal)
    assert (
        str(error) == f"there is no bucket no-such-bucket at {proxy.url}; check its name, the region and the endpoint"
    )


def test_an_endpoint_where_nobody_answers(clock: StillClock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = client_of(f"http://user:{SECRET}@127.0.0.1:{port}")
    error = refusal(S3("s3://bucket/logs", client, clock))
    assert isinstance(error, Fatal)
    assert str(error).startswith(f"http://127.0.0.1:{port} cannot be reached for s3://bucket/logs; check the endpoint")


def test_an_endpoint_that_goes_away_for_good(server: tuple[str, int], bucket: Bucket, clock: StillClock) -> None:
    proxy = Proxy(server)
    bucket.client = client_of(proxy.url)
    item = bucket.item(NOISE)
    proxy.close()
    begun = clock.now()
    with pytest.raises(Fatal, match="cannot be reached"):
        item.open()
    assert clock.now() - begun == 0.5 + 1 + 2 + 4


def test_no_credentials_and_no_bucket_name(proxy: Proxy, clock: StillClock, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    client = boto3.Session().client("s3", endpoint_url=proxy.url)
    error = refusal(S3("s3://bucket", client, clock))
    assert isinstance(error, Fatal)
    assert str(error).startswith(
        "there are no usable credentials for s3://bucket (NoCredentialsError); set AWS_ACCESS_"
    )
    error = refusal(S3("s3://no bucket", client_of(proxy.url), clock))
    assert isinstance(error, UsageError)
    assert str(error) == "no bucket cannot be the name of a bucket"
