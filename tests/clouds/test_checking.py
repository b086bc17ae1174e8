"""Endpoints that answer, and those that do not; certificates, clocks and keys."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from cloud import client_of, cloud
from services.certificates import Authority, Pair
from tailrace.clock import SystemClock
from tailrace.clouds.checking.endpoints import Checked, check
from tailrace.clouds.checking.probing import Probe, probe
from tailrace.clouds.cloud import Cloud, Endpoint, Told
from tailrace.errors import Fatal, UsageError


def _cloud(verify: str = "true", **urls: str) -> Cloud:
    endpoints = {name: Endpoint(Told(url, "the test"), Told("v4", "default")) for name, url in urls.items()}
    return Cloud(
        name="here",
        kind=Told("other", "default"),
        region=Told("here", "default"),
        private=True,
        endpoints=endpoints,
        verify=Told(verify, "the test"),
    )


@contextmanager
def _server(pair: Pair | None = None, ahead: float = 0) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(403)
            self.send_header("Date", formatdate(time.time() + ahead, usegmt=True))
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    if pair:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http{'s' if pair else ''}://127.0.0.1:{server.server_port}/services/compute"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _probe(url: str, verify: str = "true") -> Probe:
    return probe(url, verify, SystemClock(), patience=2)


def test_a_server_without_tls_tells_its_clock() -> None:
    with _server() as url:
        assert _probe(url) == Probe(skew=0.0)
    with _server(ahead=1200) as url:
        found = _probe(url).skew
        assert found is not None
        assert 1195 < found < 1205


def test_a_certificate_is_checked_with_the_authorities_that_are_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with _server(authority.pair("server", days=90)) as url:
        assert _probe(url, str(authority.path)).tls.startswith("until 20")
        strange = _probe(url)
        assert (strange.trusted, strange.tls) == (False, "not trusted")
        assert "certificate" in strange.failure
        assert _probe(url, "false") == Probe(tls="not checked, and not trusted", skew=0.0)
    with _server(authority.pair("soon", days=3)) as url:
        assert _probe(url, str(authority.path)).tls.startswith("only until 20")
    with _server(authority.pair("old", days=-1)) as url:
        assert "expired" in _probe(url, str(authority.path)).failure


def test_a_file_of_authorities_that_is_not_there() -> None:
    with _server() as url:
        found = _probe(url.replace("http:", "https:"), "/nowhere.pem")
    assert found.failure == "the authorities in /nowhere.pem cannot be read (No such file or directory)"


def test_nothing_answers_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        silent = probe(f"http://127.0.0.1:{port}/", "true", SystemClock(), patience=0.2)
        assert silent.failure == "it cannot be reached: no answer in time"
    assert "it cannot be reached" in _probe(f"http://127.0.0.1:{port}/").failure
    with _server() as url:
        assert "certificate is not trusted" in _probe(url.replace("http:", "https:")).failure


@pytest.mark.parametrize("said", [b"SSH-2.0-x\r\n", b"\x00" * 100, b""])
def test_what_answers_is_no_web_server(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            there, _ = listening.accept()
            with there:
                there.recv(100)
                there.sendall(said)

        thread = Thread(target=answer)
        thread.start()
        found = _probe(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        thread.join()
    assert found.failure.startswith(("what answers speaks no HTTP", "it cannot be reached"))


def _check(there: Cloud, client: Any) -> dict[str, Checked]:
    return {each.service: each for each in check(there, client, SystemClock())}


def test_keys_are_tried_at_every_service_that_has_a_harmless_call() -> None:
    services = (
        "autoscaling",
        "cloudformation",
        "cloudwatch",
        "dynamodb",
        "ec2",
        "elb",
        "elbv2",
        "iam",
        "logs",
        "s3",
        "sns",
        "sqs",
        "sts",
        "swf",
    )
    with cloud() as endpoint:
        there = _cloud(**dict.fromkeys((*services, "polly"), endpoint))
        found = _check(there, partial(client_of, endpoint=endpoint))
    assert {each.credentials for name, each in found.items() if name != "polly"} == {"accepted"}
    assert found["polly"].credentials == "not tried"
    assert all(each.good and each.reachable and not each.remedy for each in found.values())


@pytest.mark.parametrize(
    ("code", "status", "told", "good"),
    [
        ("AccessDenied", 403, "accepted, not allowed to look", True),
        ("InvalidClientTokenId", 403, "refused (InvalidClientTokenId)", False),
        ("SignatureDoesNotMatch", 403, "refused (SignatureDoesNotMatch)", False),
        ("InvalidAction", 400, "not known (InvalidAction)", True),
        ("InternalError", 500, "failed (InternalError)", False),
    ],
)
def test_what_a_service_answers_to_the_keys(code: str, status: int, told: str, *, good: bool) -> None:
    class Refusing:
        meta = SimpleNamespace(endpoint_url="http://127.0.0.1:1")

        def list_buckets(self) -> None:
            raise ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "ListBuckets")

    with _server() as url:
        found = _check(_cloud(s3=url), lambda _service: Refusing())["s3"]
    assert (found.credentials, found.good) == (told, good)
    assert good is not bool(found.remedy)


def test_a_clock_that_is_wrong_and_an_endpoint_that_is_away_are_told_with_their_origin() -> None:
    def nobody(_service: str) -> Any:
        raise UsageError("there are no keys for here; write them")

    with _server(ahead=-4000) as late, socket.create_server(("127.0.0.1", 0)) as listening:
        away = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        listening.close()
        found = _check(_cloud(ec2=late, s3=away), nobody)
    assert "its clock differs by -" in found["ec2"].remedy
    assert found["s3"].remedy.endswith("; it is told by the test")
    assert not found["s3"].reachable
    assert not any(each.good for each in found.values())


def test_an_endpoint_of_every_service_is_checked_for_what_its_kind_of_cloud_has() -> None:
    with cloud() as endpoint:
        shared = Endpoint(Told(endpoint, "the test"), Told("v4", "default"))
        there = replace(_cloud(elb=endpoint), shared=shared, kind=Told("ceph", "the test"))
        found = _check(there, partial(client_of, endpoint=endpoint))
    assert list(found) == ["elb", "s3", "sts"]


def test_keys_that_cannot_be_had_and_a_client_that_cannot_be_made_are_rows_like_others() -> None:
    def refused(**_: object) -> None:
        raise Fatal("the role has no keys")

    def none(_service: str) -> Any:
        raise UsageError("no region is known")

    with _server() as url:
        found = _check(_cloud(s3=url), lambda _service: SimpleNamespace(list_buckets=refused))["s3"]
    assert (found.credentials, found.good, found.remedy) == ("refused", False, "the role has no keys")
    away = _check(replace(_cloud(), private=False), none)["s3"]
    assert (away.credentials, away.good, away.remedy) == ("no client", False, "no region is known")
