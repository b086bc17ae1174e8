"""What is wrong around the agent is told in a sentence, and costs no line: when it is put right, everything is in the bucket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from delivering import Agent, Place, agent, await_lines, lines_in, owner_of, run
from services.real import Ceph
from staging import wait_for

_GOOD = (
    b"<134>1 2026-11-22T08:37:21.142413+00:00 - haproxy 633 - - tailrace-http [22/Nov/2026:08:35:48 +0000] 134 "
    b"127.0.0.1:53198 127.0.0.1:7230 127.0.0.1:32849 plain app/s1 0/0/0/0/0/0/0 200 200 3080 58 ---- 16/13/6/6/0 0/0 36 - - "
    b'"" "www.example.com" "probe/1" "" "GET /good/%d HTTP/1.1" "" -\n'
)
_HOSTILE = (
    b"\0" * 500, b"\xff" * 65000, b"<134>1 \x1b[31mred\x1b[0m\x07 - - -", b"a" * 65000, b'"' * 2000, b"\n" * 50,
    b"<134>1 2026-11-22T08:37:21+00:00 - haproxy 1 - - tailrace-http [99/Nov/2026:99:99:99 +9999] -1 ::::: -",
    b"<134>1 2026-11-22T08:37:21+00:00 - haproxy 1 - - tailrace-http " + b"[" * 3000, b"<999999999999999999999>", b"<", b"%s%n",
    _GOOD % 7 + b"second line of the same datagram",
    _GOOD.replace(b" 200 200 ", b" 99999999999999999999999 200 ") % 8,
    _GOOD.replace(b"53198", b"9999999") % 8,
    _GOOD.replace(b"GET /good/%d HTTP/1.1", b"GET /%s HTTP/1.1" % (b"../" * 20000)),
)  # fmt: skip


def _log(device: Path, *lines: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sending:
        sending.connect(str(device))
        for line in lines:
            sending.send(line)


def _said(running: Agent, words: str) -> None:
    wait_for(lambda: words in running.output, lambda: f"{words!r} is not said: {running.output}")
    assert "Traceback" not in running.output


@contextmanager
def _agent(folder: Path, place: Place, bucket: str, **own: Any) -> Iterator[tuple[Agent, Path]]:
    device = folder / "log.sock"
    with agent(folder / "agent", place, bucket, receive=[f"unix:{device}"], interval="1s", **own) as running:
        yield running, device


def test_hostile_lines(on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    """Good lines between them arrive; what is no request is kept as it came."""
    with _agent(tmp_path, on_ceph, bucket) as (running, device):
        for number, line in enumerate(_HOSTILE):
            _log(device, _GOOD % (1000 + number), line)
        _log(device, _GOOD % 1)
        await_lines(on_ceph, bucket, len(_HOSTILE) + 2, lambda: running.output)
        lines = lines_in(on_ceph, bucket)
        assert {b"/good/%d " % (1000 + number) in b"".join(lines) for number in range(len(_HOSTILE))} == {True}
        assert any(b"/good/7 " in line for line in lines)
        assert b"\x1b" not in b"".join(lines)
        assert "\x1b" not in running.output
        running.stop()


def test_the_bucket_is_missing(on_ceph: Place, tmp_path: Path) -> None:
    bucket = f"lb-{uuid4().hex[:10]}"
    with _agent(tmp_path, on_ceph, bucket) as (running, device):
        _log(device, _GOOD % 1, _GOOD % 2)
        _said(running, "it stays in the spool and is tried again")
        _said(running, bucket)
        with closing(owner_of(on_ceph)) as owner:
            owner.create_bucket(Bucket=bucket)
        await_lines(on_ceph, bucket, 2, lambda: running.output)


def test_the_bucket_belongs_to_somebody_else(on_ceph: Place, gateway: Ceph, tmp_path: Path) -> None:
    stranger = gateway.user("tailrace-lb-stranger")
    theirs = replace(on_ceph, keys=(stranger.key, stranger.secret))
    bucket = f"lb-{uuid4().hex[:10]}"
    with closing(owner_of(theirs)) as owner:
        owner.create_bucket(Bucket=bucket)
        with _agent(
            tmp_path, on_ceph, bucket, bucket_owner="tailrace-lb-stranger", reader="tailrace-lb-stranger"
        ) as at:
            running, device = at
            _log(device, _GOOD % 1, _GOOD % 2)
            _said(running, "it stays in the spool and is tried again")
            _said(running, "is denied; give these credentials the permission")
            owner.put_bucket_acl(
                Bucket=bucket, GrantWrite='id="tailrace"', GrantFullControl='id="tailrace-lb-stranger"'
            )
            await_lines(theirs, bucket, 2, lambda: running.output)


def test_the_secret_key_is_wrong(on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    wrong = replace(on_ceph, keys=(on_ceph.keys[0], "a-secret-that-is-wrong"))
    with _agent(tmp_path, wrong, bucket) as (running, device):
        _log(device, _GOOD % 1)
        _said(running, "the credentials are not accepted")
        assert "a-secret-that-is-wrong" not in running.output


class _Metadata(BaseHTTPRequestHandler):
    """An instance's metadata, which hangs until it is let go."""

    go: threading.Event
    told = "/latest/meta-data/"

    def do_PUT(self) -> None:
        self._answer(b"token")

    def do_GET(self) -> None:
        known = {
            "public-ipv4": b"198.51.100.7",
            "instance-id": b"i-0a1b2c3d",
            "security-groups": b"euca-internal-000000000001-web",
        }
        self._answer(known.get(self.path.removeprefix(self.told)))

    def _answer(self, text: bytes | None) -> None:
        self.go.wait(30)
        self.send_response(404 if text is None else 200)
        self.send_header("Content-Length", str(len(text or b"")))
        self.end_headers()
        self.wfile.write(text or b"")

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@contextmanager
def _metadata() -> Iterator[tuple[str, threading.Event]]:
    go = threading.Event()
    handler = type("Handler", (_Metadata,), {"go": go})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", go
        finally:
            go.set()
            server.shutdown()
            thread.join()


def test_the_metadata_service_hangs(on_ceph: Place, bucket: str, tmp_path: Path) -> None:
    with _metadata() as (url, go):
        own = {"metadata": url, "name": "", "account": "", "address": "", "instance": ""}
        with _agent(tmp_path, on_ceph, bucket, **own) as (running, device):
            _log(device, _GOOD % 1, _GOOD % 2)
            _said(running, "lb.name")
            go.set()
            await_lines(on_ceph, bucket, 2, lambda: running.output)
            keys = _keys(on_ceph, bucket)
            assert all("/000000000001/" in key and "_web_" in key and "198.51.100.7" in key for key in keys)


def _keys(place: Place, bucket: str) -> list[str]:
    with closing(owner_of(place)) as owner:
        return [each["Key"] for each in owner.list_objects_v2(Bucket=bucket)["Contents"]]


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ({"receive": [], "follow": []}, "lb.receive"),
        ({"receive": ["udp:0.0.0.0:5514"]}, "other machines can reach"),
        ({"receive": ["tcp:127.0.0.1:514"]}, "lb.receive tcp:"),
        ({"interval": "0s"}, "lb.interval"),
        ({"interval": "2d"}, "lb.interval"),
        ({"form": "elb"}, "form"),
        ({"layout": "{nonsense}"}, "nonsense"),
        ({"bucket": "a/b"}, "a/b"),
        ({"bucket": ""}, "lb.bucket"),
        ({"bucket": "b", "attributes_url": "http://127.0.0.1:1", "nonsense": 1}, "nonsense"),
        ({"spool": "/proc/nowhere"}, "/proc/nowhere"),
        ({"expire_days": -1}, "expire_days"),
        ({"name": "web/../x"}, "lb.name"),
    ],
)
def test_contradictory_settings(own: dict[str, Any], words: str, on_ceph: Place, tmp_path: Path) -> None:
    """A sentence, and no traceback, before anything is received."""
    given = {"receive": [f"unix:{tmp_path}/log.sock"], **own}
    made = Agent(tmp_path, replace(on_ceph, endpoint="http://127.0.0.1:1"), "a-bucket", given)
    told = run(*made.arguments(), code=3 if "spool" in own else 2)
    assert words in told.stderr
    assert "Traceback" not in told.stderr
    assert len(told.stderr.strip().splitlines()) == 1


def test_a_region_that_nobody_knows(on_ceph: Place, tmp_path: Path) -> None:
    """It is not proposed to itself, and nothing is asked of AWS."""
    made = Agent(tmp_path, on_ceph, "a-bucket", {"receive": [f"unix:{tmp_path}/log.sock"]})
    told = run("lb", "agent", "--config", str(made.settings), "--region", "hera", code=2)
    assert "there is no region hera" in told.stderr
    assert "did you mean here?" in told.stderr
