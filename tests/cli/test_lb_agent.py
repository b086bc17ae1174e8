"""`tailrace lb agent` as people start it: against a store that takes PUT, and the load balancing API of `tailrace lb serve`'s kind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs

import pytest

from spooling import until

_LINE = (
    b"<134>Nov 22 08:15:22 haproxy[8482]: 192.0.2.7:52146 [22/Nov/2026:08:15:22.%03d] web app/one 1/2/3/4/10 200 150 - - ---- 1/1/0/0/0 0/0"
    b' "GET /%d HTTP/1.1"\n'
)
_ATTRIBUTES = (
    "<DescribeLoadBalancerAttributesResponse><DescribeLoadBalancerAttributesResult><LoadBalancerAttributes><AccessLog><Enabled>{}</Enabled>"
    "<S3BucketName>{}</S3BucketName><EmitInterval>5</EmitInterval><S3BucketPrefix>p</S3BucketPrefix></AccessLog></LoadBalancerAttributes>"
    "</DescribeLoadBalancerAttributesResult></DescribeLoadBalancerAttributesResponse>"
)


class _Cloud:
    """A store and a load balancing API at one address."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[dict[str, list[str]]] = []
        self.attributes = _ATTRIBUTES.format("true", "theirs")
        self.status = 200
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_told: object) -> None:
                pass

            def _answer(self, status: int, body: bytes = b"") -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIA/")
                if cloud.status == 200:
                    cloud.objects[self.path] = body
                self._answer(cloud.status)

            def do_POST(self) -> None:
                cloud.asked.append(parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()))
                assert "/elasticloadbalancing/aws4_request" in self.headers["Authorization"]
                self._answer(200, cloud.attributes.encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def cloud() -> Iterator[_Cloud]:
    made = _Cloud()
    yield made
    made.close()


def _config(folder: Path, cloud: _Cloud, **lb: object) -> Path:
    told = {
        "name": "web", "account": "123456789012", "address": "10.0.0.1", "bucket": "logs", "spool": str(folder / "spool"), **lb,
    }  # fmt: skip
    lines = [f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}" for key, value in told.items()]
    text = f'region = "lab"\n[clouds.lab]\nendpoint_url = "{cloud.url}"\naccess_key = "AKIA"\nsecret_key = "secret"\n[lb]\n'
    config = folder / "tailrace.toml"
    config.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    return config


def _words(config: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "tailrace", "lb", "agent", str(config), *more]


def _run(config: Path, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(config.parent)}
    return subprocess.run(
        _words(config, *more), capture_output=True, text=True, check=False, env=environment, timeout=60
    )


@contextmanager
def _running(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(config.parent)}
    with (
        (config.parent / "stderr").open("wb") as errors,
        subprocess.Popen(_words(config), stderr=errors, env=environment) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


def test_once_puts_what_a_file_has(tmp_path: Path, cloud: _Cloud) -> None:
    log = tmp_path / "haproxy.log"
    log.write_bytes(b"".join(_LINE % (number, number) for number in range(100)))
    config = _config(tmp_path, cloud, follow=[str(log)])
    done = _run(config, "--once")
    assert (done.returncode, done.stderr) == (0, "")
    ((key, content),) = cloud.objects.items()
    assert key.startswith("/logs/AWSLogs/123456789012/elasticloadbalancing/lab/")
    assert content.count(b"\n") == 100
    assert b'"GET http://10.0.0.1:80/99 HTTP/1.1"' in content.splitlines()[-1]
    assert _run(config, "--once").returncode == 0
    assert len(cloud.objects) == 1
    with log.open("ab") as file:
        file.write(_LINE % (1, 100))
    assert _run(config, "--once").returncode == 0
    assert sum(each.count(b"\n") for each in cloud.objects.values()) == 101


def test_dead_letters_can_be_replayed(tmp_path: Path, cloud: _Cloud) -> None:
    """An application load balancer's log knows no connections in TCP mode; the store does."""
    log = tmp_path / "haproxy.log"
    tcp = b"<134>Nov 22 08:15:22 haproxy[8482]: 192.0.2.7:52146 [22/Nov/2026:08:15:22.001] db app/one 1/2/30 200 -- 1/1/0/0/0 0/0\n"
    log.write_bytes(_LINE % (1, 1) + tcp)
    config = _config(tmp_path, cloud, follow=[str(log)], type="application")
    assert _run(config, "--once").returncode == 0
    assert len(cloud.objects) == 1
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [
        sys.executable,
        "-m",
        "tailrace",
        "replay",
        str(tmp_path / "spool" / "dead"),
        "--store",
        str(tmp_path / "store"),
        "--to",
        "stdout",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert '"frontend":"db"' in done.stdout, done.stderr
    assert list((tmp_path / "spool" / "dead").iterdir()) == []


def test_once_keeps_what_cannot_be_put(tmp_path: Path, cloud: _Cloud) -> None:
    log = tmp_path / "haproxy.log"
    log.write_bytes(_LINE % (1, 1))
    config = _config(tmp_path, cloud, follow=[str(log)], form="haproxy")
    cloud.status = 503
    done = _run(config, "--once")
    assert done.returncode == 4
    assert "run it again" in done.stderr
    cloud.status = 200
    log.unlink()
    assert _run(config, "--once").returncode == 0
    assert list(cloud.objects.values()) == [_LINE % (1, 1)]


def test_the_api_tells_bucket_prefix_and_whether(tmp_path: Path, cloud: _Cloud) -> None:
    log = tmp_path / "haproxy.log"
    log.write_bytes(_LINE % (1, 1))
    config = _config(tmp_path, cloud, follow=[str(log)], attributes_url=cloud.url, bucket="")
    done = _run(config, "--once")
    assert (done.returncode, "switched on: to theirs/p, every 5 minutes" in done.stderr) == (0, True)
    assert cloud.asked[0]["Action"] == ["DescribeLoadBalancerAttributes"]
    assert cloud.asked[0]["LoadBalancerName"] == ["web"]
    (key,) = cloud.objects
    assert key.startswith("/theirs/p/AWSLogs/")
    cloud.attributes = _ATTRIBUTES.format("false", "")
    with log.open("ab") as file:
        file.write(_LINE % (2, 2))
    assert _run(config, "--once").returncode == 0
    assert len(cloud.objects) == 1


def test_it_stays_and_takes_datagrams(tmp_path: Path, cloud: _Cloud) -> None:
    path = tmp_path / "log.sock"
    config = _config(tmp_path, cloud, receive=[f"unix:{path}"], interval="1h")
    with _running(config) as process, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        until(path.exists, (tmp_path / "stderr").read_text)
        for number in range(50):
            out.sendto(_LINE % (number, number), str(path))
        until(lambda: any((tmp_path / "spool" / "segments").glob("*.open")))
        process.send_signal(signal.SIGUSR1)
        until(lambda: cloud.objects, (tmp_path / "stderr").read_text)
        assert _memory_mib(process.pid) < 40
        process.terminate()
        assert process.wait(20) == 0
    assert b"".join(cloud.objects.values()).count(b"\n") == 50
    assert b'"pending":0' in (tmp_path / "stderr").read_bytes()
    assert not path.exists()


def _memory_mib(main: int) -> float:
    """What all its processes take together, what they share counted once."""
    children = Path(f"/proc/{main}/task/{main}/children").read_text(encoding="ascii").split()
    assert len(children) == 2
    told = [Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii") for pid in (main, *children)]
    return sum(int(each.partition("\nPss:")[2].split()[0]) for each in told) / 1024


@pytest.mark.parametrize(
    ("lb", "why"),
    [
        ({}, "there is nothing to take: set lb.receive"),
        ({"receive": ["udp:127.0.0.1:22180"], "interval": "0.1s"}, "lb.interval = 0.1s: write 5m or 60m"),
        ({"receive": ["udp:127.0.0.1:22180"], "bucket": ""}, "lb.bucket is not set"),
        ({"receive": ["udp:127.0.0.1:22180"], "spool": "/proc/spool"}, "cannot write to /proc"),
        ({"receive": ["udp:127.0.0.1:22180"], "attributes_url": "ftp://x"}, "ftp://x"),
        ({"receive": ["udp:127.0.0.1:22180"], "kind": "eucalyptus"}, "lb.bucket_owner is not set"),
        ({"receive": ["udp:127.0.0.1:22180"], "kind": "eucalyptus", "name": ""}, "lb.bucket_owner is not set"),
        ({"receive": ["udp:127.0.0.1:22180"], "kind": "swift", "access": "acl"}, "lb.access = acl: Swift"),
        ({"receive": ["udp:127.0.0.1:22180"], "metadata": "", "name": ""}, "names no service to ask; set lb.name"),
        (
            {"receive": ["udp:127.0.0.1:22180"], "metadata": "", "account": ""},
            "names no service to ask; set lb.account",
        ),
    ],
)
def test_what_cannot_be_is_told_at_once(tmp_path: Path, cloud: _Cloud, lb: dict[str, object], why: str) -> None:
    done = _run(_config(tmp_path, cloud, **lb))
    assert done.returncode in (2, 3)
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr.replace("secret_key", "")


def test_a_status_that_cannot_be_written_is_told_at_once(tmp_path: Path, cloud: _Cloud) -> None:
    config = _config(tmp_path, cloud, receive=["udp:127.0.0.1:22180"])
    done = _run(config, "--status", str(tmp_path))
    assert (done.returncode, f"--status {tmp_path}: nothing can be appended to it" in done.stderr) == (2, True)
    assert not (tmp_path / "spool").exists()
