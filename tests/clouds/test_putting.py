"""Objects are put whole or not at all, signed as the store wants it, and what is refused is told with its remedy."""

from __future__ import annotations

import io
import itertools
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from breaking import client_of
from cloud import address_of, cloud
from making import python
from services.real import Ceph
from tailrace.clock import SystemClock
from tailrace.clouds.cloud import Cloud, Endpoint, Told, User
from tailrace.clouds.direct.putting import Putting, Target, UserKeys, target_of
from tailrace.clouds.direct.signatures import Keys
from tailrace.clouds.secrets import Vault
from tailrace.errors import Fatal, Retryable, UsageError
from tailrace.quantities import Secret

NOISE = random.Random(5).randbytes(700_000)
NUMBERS = itertools.count()
CLOCK = SystemClock()


@dataclass
class Known:
    """Keys, and others once they are asked for anew."""

    keys: Keys
    later: Keys | None = None
    asked: list[bool] = field(default_factory=list)

    def read(self, *, anew: bool = False) -> Keys:
        self.asked.append(anew)
        if anew and self.later:
            self.keys = self.later
        return self.keys


@pytest.fixture(scope="module")
def direct(gateway: Ceph) -> Iterator[Any]:
    with closing(gateway.client("s3")) as client:
        yield client


@pytest.fixture
def bucket(direct: Any) -> str:
    name = f"putting-{id(NUMBERS):x}-{next(NUMBERS)}"
    direct.create_bucket(Bucket=name)
    return name


def keys_of(gateway: Ceph) -> Keys:
    return Keys(access=gateway.key, secret=gateway.secret)


def put(url: str, keys: Keys | Known, bucket: str, content: bytes = NOISE, **own: Any) -> None:
    known = keys if isinstance(keys, Known) else Known(keys)
    headers = own.pop("headers", {})
    key = own.pop("key", "a.log")
    patience = own.pop("patience", 10.0)
    store = Putting(Target(url, "default", **own), known, CLOCK, patience=patience)
    store.put(bucket, key, io.BytesIO(content), headers)


def missing(direct: Any, bucket: str, key: str = "a.log") -> bool:
    with pytest.raises(ClientError) as raised:
        direct.head_object(Bucket=bucket, Key=key)
    return bool(raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404)


# A real store


@pytest.mark.parametrize("signature", ["v4", "v2"])
@pytest.mark.parametrize("key", ["AWSLogs/a b+é.log", "x//y/z%20&=?#.log", "~'()!*,;:@$"])
def test_an_object_is_put(gateway: Ceph, direct: Any, bucket: str, signature: str, key: str) -> None:
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "x-amz-acl": "bucket-owner-full-control",
        "x-amz-meta-a": "b  c",
    }
    put(gateway.endpoint, keys_of(gateway), bucket, signature=signature, key=key, headers=headers)
    found = direct.get_object(Bucket=bucket, Key=key)
    assert found["Body"].read() == NOISE
    assert found["ContentType"] == headers["Content-Type"]


@pytest.mark.parametrize("signature", ["v4", "v2"])
def test_what_a_real_store_refuses_is_told(gateway: Ceph, bucket: str, signature: str) -> None:
    def told(keys: Keys, bucket: str, **own: Any) -> str:
        with pytest.raises(Fatal) as raised:
            put(gateway.endpoint, keys, bucket, signature=signature, **own)
        assert gateway.secret not in str(raised.value)
        return str(raised.value)

    keys = keys_of(gateway)
    assert "credentials are not accepted" in told(replace(keys, secret="wrong"), bucket)
    assert "(InvalidAccessKeyId)" in told(replace(keys, access="nobody"), bucket)
    assert told(keys, "nowhere-at-all").startswith("there is no bucket nowhere-at-all at http://127.0.0.1:")
    assert "does not take the object" in told(keys, bucket, headers={"x-amz-acl": "nonsense"})


def test_the_body_is_read_from_its_start_and_in_pieces(gateway: Ceph, direct: Any, bucket: str) -> None:
    class Body(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert size > 0
            piece = super().read(size)
            self.largest = max(self.largest, len(piece))
            return piece

    body = Body(NOISE)
    body.seek(1000)
    Putting(Target(gateway.endpoint, "default"), Known(keys_of(gateway)), CLOCK).put(bucket, "a.log", body, {})
    assert direct.get_object(Bucket=bucket, Key="a.log")["Body"].read() == NOISE
    assert body.largest <= 256 << 10


def test_an_empty_object_is_put(gateway: Ceph, direct: Any, bucket: str) -> None:
    put(gateway.endpoint, keys_of(gateway), bucket, b"")
    assert direct.head_object(Bucket=bucket, Key="a.log")["ContentLength"] == 0


# On the way to it


@contextmanager
def in_between(server: tuple[str, int], change: Callable[[bytes], bytes], *, cut: int | None = None) -> Iterator[str]:
    """Passes connections on, with what is sent there changed, and cut after so many bytes; its URL."""
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(client: socket.socket) -> None:
        with client, socket.create_connection(server) as upstream:
            carried = 0
            back = threading.Thread(target=_all, args=(upstream, client))
            back.start()
            while data := client.recv(65536):
                data = change(data)[: None if cut is None else max(cut - carried, 0)]
                carried += len(data)
                upstream.sendall(data)
                if cut is not None and carried >= cut:
                    break
            upstream.shutdown(socket.SHUT_WR)
            back.join()

    thread = threading.Thread(target=_accepting, args=(listener, carry))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _all(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # one side has gone


def _accepting(listener: socket.socket, carry: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with suppress(OSError):  # one side has gone
            carry(client)


@pytest.mark.parametrize("signature", ["v4", "v2"])
@pytest.mark.parametrize("cut", [300, 2_000, 350_000])
def test_a_part_of_an_object_is_never_an_object(
    gateway: Ceph, direct: Any, bucket: str, signature: str, cut: int
) -> None:
    with in_between(address_of(gateway.endpoint), bytes, cut=cut) as url, pytest.raises(Retryable):
        put(url, keys_of(gateway), bucket, signature=signature, patience=3)
    assert missing(direct, bucket)


@pytest.mark.parametrize("signature", ["v4", "v2"])
def test_another_object_is_never_the_object(gateway: Ceph, direct: Any, bucket: str, signature: str) -> None:
    def spoil(data: bytes) -> bytes:
        return data.replace(NOISE[200_000:200_008], b"spoiled!")

    with in_between(address_of(gateway.endpoint), spoil) as url, pytest.raises(Retryable, match="cannot be put at"):
        put(url, keys_of(gateway), bucket, signature=signature)
    assert missing(direct, bucket)


def test_a_store_that_does_not_look_is_found_out() -> None:
    """moto takes any sum; its etag tells what it has."""
    with cloud() as url, closing(client_of(url)) as client:
        client.create_bucket(Bucket="bucket")
        keys = Keys(access="AKIDEXAMPLE", secret="x")
        told = pytest.raises(Retryable, match=r"stored something else than was sent as bucket/a\.log")
        with in_between(address_of(url), lambda data: data.replace(NOISE[9:20], bytes(11))) as between, told:
            put(between, keys, "bucket", signature="v2")
        put(url, keys, "bucket", signature="v2")
        assert client.get_object(Bucket="bucket", Key="a.log")["Body"].read() == NOISE


def test_what_becomes_shorter_while_it_is_sent_is_no_object(gateway: Ceph, direct: Any, bucket: str) -> None:
    class Shrinking(io.BytesIO):
        starts = 0

        def seek(self, at: int, whence: int = 0, /) -> int:
            self.starts += 1
            if self.starts == 2:
                self.truncate(300_000)
            return super().seek(at, whence)

    store = Putting(Target(gateway.endpoint, "default"), Known(keys_of(gateway)), CLOCK, patience=3)
    with pytest.raises(Retryable, match="became shorter while it was sent"):
        store.put(bucket, "a.log", Shrinking(NOISE), {})
    assert missing(direct, bucket)


# Stores that answer as they like

DONE = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@contextmanager
def answering(*answers: bytes, early: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """A server with its answers, one for each request, and then it hangs up; its URL, and the requests. `early`: before the body has come."""
    listener = socket.create_server(("127.0.0.1", 0))
    left, asked = list(answers), []

    def carry(client: socket.socket) -> None:
        with client:
            client.settimeout(5)
            received = client.recv(65536)
            while b"\r\n\r\n" not in received:
                received += client.recv(65536)
            head, _, body = received.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            while not early and len(body) < length and (data := client.recv(65536)):
                body += data
            asked.append(head + b"\r\n\r\n" + body)
            if left:
                client.sendall(left.pop(0))
            if early:  # without this, what was not read resets the connection, and may undo the answer
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass

    thread = threading.Thread(target=_accepting, args=(listener, carry))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


KEYS = Keys(access="AKIDEXAMPLE", secret="a-secret-that-nobody-may-see", token="a-token")


def error(status: int, code: str, *headers: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>{KEYS.secret} is bad</Message></Error>" if code else ""
    lines = [f"HTTP/1.1 {status} Told", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        (error(503, "SlowDown", "Retry-After: 7"), Retryable, "cannot be put at http://127.0.0.1:"),
        (error(500, ""), Retryable, "(500)"),
        (error(400, "BadDigest"), Retryable, "(BadDigest)"),
        (error(400, "IncompleteBody"), Retryable, "(IncompleteBody)"),
        (error(400, "RequestTimeout"), Retryable, "(RequestTimeout)"),
        (error(403, "AccessDenied"), Fatal, "access to the object b/k at http://127.0.0.1:"),
        (error(403, "RequestTimeTooSkewed"), Fatal, "the clock of this machine differs"),
        (error(403, "SignatureDoesNotMatch"), Fatal, "credentials are not accepted"),
        (error(400, "ExpiredToken"), Fatal, "credentials are not accepted"),
        (error(404, "NoSuchBucket"), Fatal, "there is no bucket b"),
        (error(400, "InvalidBucketName"), Fatal, "does not take the object b/k (InvalidBucketName)"),
        (error(501, "NotImplemented"), Fatal, "(NotImplemented)"),
        (error(400, "AuthorizationHeaderMalformed"), Fatal, "is in another region"),
        (error(307, "TemporaryRedirect", "Location: https://b.s3.amazonaws.com/k?sig=1"), Fatal,
         "sends b 'https://b.s3.amazonaws.com/k'; nothing is sent there"),
        (error(301, "PermanentRedirect"), Fatal, "sends b 'elsewhere'"),
        (b"HTTP/1.1 200", Retryable, "broke off its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", Retryable, "broke off its answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Retryable, "broke off its answer"),
        (b"HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", Retryable, "broke off its answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Retryable, "or answered what is no HTTP/1.1"),
        (b"x" * 70_000, Retryable, "or answered what is no HTTP/1.1"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", Retryable, "broke off its answer"),
        (b"", Retryable, "http://127.0.0.1:"),
    ],
)  # fmt: skip
def test_answers_are_told(answer: bytes, kind: type[Exception], told: str, *, early: bool) -> None:
    with answering(answer, early=early) as (url, _), pytest.raises(kind) as raised:
        put(url, KEYS, "b", b"body", key="k")
    assert told in str(raised.value)
    assert KEYS.secret not in str(raised.value)
    if b"Retry-After" in answer:
        assert raised.value.after == 7  # type: ignore[attr-defined]


def test_a_success_before_the_body_was_sent_is_none() -> None:
    with answering(DONE, early=True) as (url, _), pytest.raises(Retryable):
        put(url, KEYS, "b", NOISE * 20)


def test_a_refusal_before_the_body_was_sent_is_told() -> None:
    with (
        answering(error(403, "AccessDenied"), early=True) as (url, _),
        pytest.raises(Fatal, match="access to the object"),
    ):
        put(url, KEYS, "b", NOISE * 20)


@pytest.mark.parametrize("answer", [DONE, DONE.replace(b"\r\n\r\n", b'\r\nETag: "x-y"\r\n\r\n'), error(200, "")])
def test_success_is_success(answer: bytes) -> None:
    with answering(b"HTTP/1.1 100 Continue\r\n\r\n" + answer) as (url, asked):
        put(f"{url}/services/objectstorage/", KEYS, "b", b"body", key="k")
    head, _, body = asked[0].partition(b"\r\n\r\n")
    assert head.startswith(b"PUT /services/objectstorage/b/k HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nContent-Length: 4\r\nContent-MD5: hBotaJrYa9FhFEdFPCLG/A==\r\n" in head
    assert b"\r\nX-Amz-Security-Token: a-token\r\n" in head
    assert body == b"body"


def test_the_etag_of_what_is_encrypted_is_no_sum() -> None:
    etag = f'ETag: "{"0" * 32}"'
    with answering(error(200, "", etag)) as (url, _), pytest.raises(Retryable, match="something else than was sent"):
        put(url, KEYS, "b")
    with answering(error(200, "", etag, "x-amz-server-side-encryption: aws:kms")) as (url, _):
        put(url, KEYS, "b")


@pytest.mark.parametrize("answer", [error(403, "InvalidAccessKeyId"), error(401, ""), error(400, "ExpiredToken")])
def test_keys_that_are_refused_are_read_again_once(answer: bytes) -> None:
    known = Known(KEYS, replace(KEYS, access="AKIDLATER"))
    with answering(answer, DONE) as (url, asked):
        put(url, known, "b")
    assert known.asked == [False, True]
    assert b"Credential=AKIDEXAMPLE/" in asked[0]
    assert b"Credential=AKIDLATER/" in asked[1]
    with answering(answer, DONE) as (url, asked), pytest.raises(Fatal):
        put(url, Known(KEYS), "b")
    assert len(asked) == 1


def test_nobody_there_and_nobody_who_answers() -> None:
    with pytest.raises(Retryable, match=r"^http://127\.0\.0\.1:1 cannot be reached"):
        put("http://127.0.0.1:1", KEYS, "b")
    long = pytest.raises(Retryable, match="it took too long")
    with closing(socket.create_server(("127.0.0.1", 0))) as silent, long:
        put(f"http://127.0.0.1:{silent.getsockname()[1]}", KEYS, "b", b"body", patience=0.3)


@pytest.mark.parametrize("headers", [{"x-amz-meta-a": "b\r\nX-Amz-Acl: public-read"}, {"x-amz-meta-a": "☃"}])
def test_a_header_cannot_bring_others(headers: dict[str, str]) -> None:
    with answering() as (url, asked), pytest.raises((UsageError, Fatal), match="what HTTP does not allow"):
        put(url, KEYS, "b", headers=headers)
    assert not asked


# Where, and with whose keys


def cloud_of(**own: Any) -> Cloud:
    told = {"kind": Told("eucalyptus", "test"), "region": Told("", "test"), "private": True, "endpoints": {}, **own}
    return Cloud(name="euca", **told)


def at(url: str, signature: str = "v4") -> Endpoint:
    return Endpoint(Told(url, "test"), Told(signature, "test"))


def test_the_target_is_the_clouds_store() -> None:
    assert target_of(cloud_of(endpoints={"s3": at("http://s3:8773/x", "v2")}, shared=at("http://y"))) == Target(
        "http://s3:8773/x", "euca", "v2", "true"
    )
    other = cloud_of(shared=at("http://y"), region=Told("r", "test"), verify=Told("false", "test"))
    assert target_of(other) == Target("http://y", "r", "v4", "false")
    with pytest.raises(UsageError, match="the cloud euca has no endpoint of s3"):
        target_of(cloud_of(endpoints={"ec2": at("http://y")}))


def test_keys_may_be_references() -> None:
    environ = {"SECRET": "one"}
    user = User(
        name=Told("me", "t"),
        access_key=Told("AK", "t"),
        secret_key=Told("env:SECRET", "t"),
        session_token=Told("env:T", "t"),
    )
    vault = Vault(lambda _: None, environ)
    with pytest.raises(UsageError, match="env:T"):
        UserKeys(user, vault).read()
    environ["T"] = "token"
    keys = UserKeys(user, vault)
    assert keys.read() == Keys(access="AK", secret="one", token="token")
    environ["SECRET"] = "two"
    assert keys.read().secret == "one"
    assert keys.read(anew=True).secret == "two"
    with pytest.raises(UsageError, match="me has no access key"):
        UserKeys(replace(user, access_key=Told("", "t")), vault).read()
    assert not Secret("")


def test_little_is_loaded_for_it() -> None:
    heavy = python(
        "import sys, tailrace.clouds.direct.putting, tailrace.clouds.direct.instance, tailrace.clouds.direct.metadata;"
        "print(sorted({'boto3', 'botocore', 'urllib3', 'h11', 'pyarrow', 'click', 'rich'} & set(sys.modules)))"
    )
    assert heavy == "[]\n"
