"""Nothing that is meant for a private cloud goes anywhere else, whatever answers, names and settings say."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from botocore.loaders import create_loader
from hypothesis import given
from hypothesis import strategies as st

from tailrace.clouds import failures
from tailrace.clouds.cloud import Cloud, Endpoint, Told, User
from tailrace.clouds.connecting import connect
from tailrace.clouds.connecting.repairs import within
from tailrace.errors import Fatal, UsageError

USER = User(name=Told("me", "test"), access_key=Told("AKIDEXAMPLE", "test"), secret_key=Told("secret", "test"))
REDIRECTS = (
    (
        301,
        "PermanentRedirect",
        {"Location": "https://b.s3.us-west-2.amazonaws.com/", "x-amz-bucket-region": "us-west-2"},
    ),
    (307, "TemporaryRedirect", {"Location": "https://b.s3.us-west-2.amazonaws.com/"}),
    (302, "Found", {"Location": "http://elsewhere.example/"}),
    (400, "AuthorizationHeaderMalformed", {"x-amz-bucket-region": "us-west-2"}),
    (400, "IllegalLocationConstraintException", {"x-amz-bucket-region": "us-west-2"}),
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer: tuple[int, str, dict[str, str]]
    asked: list[str]

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked.append(f"{self.headers['Host']}{self.path}")
        status, code, headers = self.answer
        body = (
            f"<Error><Code>{code}</Code><Endpoint>b.s3.us-west-2.amazonaws.com</Endpoint><Region>us-west-2</Region></Error>"
        ).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815 - as the standard library calls them

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    handler: Any = type("Handler", (_Handler,), {"asked": [], "answer": REDIRECTS[0]})
    made = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=made.serve_forever, args=(0.02,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that anybody wants to reach, but for this machine's own: none may be looked up."""
    wanted: list[str] = []
    looked_up = socket.getaddrinfo

    def look_up(host: Any, *told: Any, **more: Any) -> Any:
        if host != "127.0.0.1":
            wanted.append(str(host))
            raise socket.gaierror(-2, "no such name")
        return looked_up(host, *told, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return wanted


def cloud_at(server: ThreadingHTTPServer, *told: str, **own: Any) -> Cloud:
    url = f"http://127.0.0.1:{server.server_port}/services"
    endpoints = {service: Endpoint(Told(f"{url}/{service}", "test"), Told("v4", "test")) for service in told or ("s3",)}
    given: dict[str, Any] = {
        "kind": Told("other", "test"),
        "region": Told("us-east-1", "test"),
        "private": True,
        "user": USER,
    }
    return Cloud(**{"name": "home", "endpoints": endpoints, **given, **own})


def test_no_service_is_asked_for_where_its_cloud_has_none() -> None:
    nowhere = Cloud(name="home", kind=Told("other", ""), region=Told("eu-west-1", ""), private=True, endpoints={})
    for service in create_loader().list_available_services("service-2"):
        with pytest.raises(
            UsageError, match=f"the cloud home has no endpoint of {service}, and it is not asked for elsewhere"
        ):
            connect(nowhere, service)


@pytest.mark.parametrize("answer", REDIRECTS, ids=[each[1] for each in REDIRECTS])
@pytest.mark.parametrize("signature", ["v4", "v2"])
def test_redirects_are_not_followed_there(
    server: ThreadingHTTPServer, names: list[str], answer: tuple[int, str, dict[str, str]], signature: str
) -> None:
    handler: Any = server.RequestHandlerClass
    handler.answer = answer
    cloud = cloud_at(server)
    url = cloud.endpoints["s3"].url
    with closing(
        connect(Cloud(**{**_fields(cloud), "endpoints": {"s3": Endpoint(url, Told(signature, "test"))}}), "s3")
    ) as s3:
        for call, told in (
            ("list_objects_v2", {}), ("head_bucket", {}), ("get_object", {"Key": "k"}), ("head_object", {"Key": "k"}),
            ("put_object", {"Key": "k", "Body": b"x"}),
        ):  # fmt: skip
            with pytest.raises(failures.raised()):
                getattr(s3, call)(Bucket="b", **told)
    assert not names
    assert {each.partition("?")[0] for each in handler.asked} <= {
        f"127.0.0.1:{server.server_port}/services/s3/b", f"127.0.0.1:{server.server_port}/services/s3/b/k",
    }  # fmt: skip


def _fields(cloud: Cloud) -> dict[str, Any]:
    return {name: getattr(cloud, name) for name in Cloud.__dataclass_fields__}


BUCKETS = [
    "arn:aws:s3:us-west-2:123456789012:accesspoint/point",
    "arn:aws:s3::123456789012:accesspoint/multi.mrap",
    "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-1/accesspoint/point",
    "arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/point",
    "directory--usw2-az1--x-s3",
    "point-abcdefghijklmnopqrstuvwxyz0123456--op-s3",
    "b.s3.amazonaws.com",
]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_names_of_aws_do_not_lead_there(server: ThreadingHTTPServer, names: list[str], bucket: str) -> None:
    with closing(connect(cloud_at(server), "s3")) as s3:
        for call, told in (
            ("list_objects_v2", {}),
            ("get_object", {"Key": "k"}),
            ("put_object", {"Key": "k", "Body": b"x"}),
        ):
            with pytest.raises((Fatal, *failures.raised())):
                getattr(s3, call)(Bucket=bucket, **told)
    assert not names


SETTINGS = """
[default]
region = us-west-2
use_fips_endpoint = true
use_dualstack_endpoint = true
endpoint_discovery_enabled = true
s3 =
    addressing_style = virtual
    use_accelerate_endpoint = true
    use_dualstack_endpoint = true
    use_arn_region = true
endpoint_url = https://sts.us-west-2.amazonaws.com
"""


def test_settings_for_aws_do_not_lead_there(
    server: ThreadingHTTPServer, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").write_text(SETTINGS)
    told = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true",
        "AWS_ENDPOINT_URL": "https://s3.us-west-2.amazonaws.com", "AWS_ENDPOINT_URL_S3": "https://s3.us-west-2.amazonaws.com",
        "AWS_ENABLE_ENDPOINT_DISCOVERY": "true", "AWS_S3_USE_ARN_REGION": "true", "AWS_REGION": "us-west-2",
    }  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    handler: Any = server.RequestHandlerClass
    handler.answer = (403, "AccessDenied", {})
    cloud = cloud_at(server, "s3", "sts", "dynamodb", "logs", "sqs")
    for service, call, arguments in (
        ("s3", "list_objects_v2", {"Bucket": "b"}), ("sts", "get_caller_identity", {}), ("dynamodb", "list_tables", {}),
        ("logs", "start_live_tail", {"logGroupIdentifiers": ["arn:aws:logs:us-west-2:123456789012:log-group:g"]}),
        ("sqs", "receive_message", {"QueueUrl": "https://sqs.us-west-2.amazonaws.com/1/q"}),
    ):  # fmt: skip
        with closing(connect(cloud, service)) as client, pytest.raises(failures.raised()):
            getattr(client, call)(**arguments)
        assert handler.asked[-1].startswith(f"127.0.0.1:{server.server_port}/services/{service}"), handler.asked[-1]
    assert not names


PROFILES = """
[profile role]
role_arn = arn:aws:iam::123456789012:role/reader
source_profile = keys
[profile web]
role_arn = arn:aws:iam::123456789012:role/reader
web_identity_token_file = {token}
[profile sso]
sso_start_url = https://start.example/start
sso_region = us-west-2
sso_account_id = 123456789012
sso_role_name = reader
[profile keys]
aws_access_key_id = AKIDEXAMPLE
aws_secret_access_key = secret
"""


@pytest.mark.parametrize("profile", ["role", "web", "sso"])
def test_keys_of_profiles_are_not_fetched_from_aws(
    server: ThreadingHTTPServer, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str
) -> None:
    (tmp_path / "token").write_text("token")
    (tmp_path / "config").write_text(PROFILES.format(token=tmp_path / "token"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    cloud = cloud_at(server, user=None, profile=Told(profile, "test"))
    with pytest.raises((UsageError, *failures.raised())) as raised, closing(connect(cloud, "s3")) as s3:
        s3.list_buckets()
    assert profile == "sso" or "the cloud home has no endpoint of sts" in str(raised.value)
    assert not names
    handler: Any = server.RequestHandlerClass
    assert not handler.asked


def test_an_endpoint_at_aws_is_refused_before_anything_is_sent(server: ThreadingHTTPServer, names: list[str]) -> None:
    at_aws = Endpoint(Told("https://s3.us-east-1.amazonaws.com", "~/.boto"), Told("v4", "test"))
    with pytest.raises(UsageError, match=r"^~/\.boto: the endpoint https://s3\.us-east-1\.amazonaws\.com is AWS's"):
        connect(cloud_at(server, endpoints={"s3": at_aws}), "s3")
    assert not names


PIECES = st.sampled_from(
    [
        "http",
        "https",
        "://",
        "cloud.example",
        ":8773",
        "/services",
        "/s3",
        "/",
        "@",
        "amazonaws.com",
        "?",
        "#",
        ".",
        "\\",
    ]
)


@given(st.lists(PIECES, max_size=6).map("".join))
def test_what_is_within_an_endpoint_begins_as_it_does(rest: str) -> None:
    endpoint = "https://cloud.example:8773/services"
    if within(endpoint + rest, endpoint):
        assert rest == "" or rest[0] in "/?#"
    assert not within(rest, endpoint) or rest.startswith("https://cloud.example:8773/services")
    assert within(f"{endpoint}/{rest}", f"{endpoint}/")
