"""Half an answer is none: boto3 alone takes it for one that says nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from botocore.exceptions import IncompleteReadError

from tailrace.clouds import client, failures

ANSWER = b'{"QueueUrl": "http://queue"}'


class Halving(ThreadingHTTPServer):
    """Answers with so few bytes of the answer, one request after the other; then with all of them."""

    lengths: list[int]
    asked = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Halving

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        length = self.server.lengths.pop(0) if self.server.lengths else len(ANSWER)
        self.send_response(200)
        self.send_header("Content-Length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER[:length])
        self.close_connection = length < len(ANSWER)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def halving() -> Iterator[Halving]:
    server = Halving(("127.0.0.1", 0), Handler)
    server.lengths = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sqs(halving: Halving, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr("tailrace.clouds.whole._PAUSE_S", 0.0)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    made = client("sqs", region="eu-west-1", endpoint_url=f"http://127.0.0.1:{halving.server_port}")
    yield made
    made.close()


def test_the_call_is_made_again(halving: Halving, sqs: Any) -> None:
    halving.lengths = [0, 5, len(ANSWER) - 1]
    assert sqs.get_queue_url(QueueName="queue")["QueueUrl"] == "http://queue"
    assert halving.asked == 4


def test_if_that_does_not_help_it_has_failed(halving: Halving, sqs: Any) -> None:
    halving.lengths = [5] * 5
    with pytest.raises(IncompleteReadError) as raised:
        sqs.get_queue_url(QueueName="queue")
    assert isinstance(raised.value, failures.raised())
    assert halving.asked == 5
