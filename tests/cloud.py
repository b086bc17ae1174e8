"""AWS as a real server of this machine, and its clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

REGION = "eu-west-1"
TESTS = "tests"
"""Stands in the user agent of clients that tests use themselves."""


def client_of(
    service: str, endpoint: str, region: str = REGION, *, key: tuple[str, str] = ("AKIDEXAMPLE", "example")
) -> Any:
    """A client that trusts whatever answers there."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
        config=Config(
            user_agent_extra=TESTS, retries={"total_max_attempts": 1, "mode": "standard"}, max_pool_connections=16
        ),
    )


class _Silent(WSGIRequestHandler):
    def log(self, *_: object) -> None:
        pass


def _one_by_one(application: Any) -> Any:
    """The application, which does one thing of DynamoDB at a time: moto's transactions are not made for threads."""
    lock = Lock()

    def answer(environ: dict[str, Any], start: Any) -> Any:
        if not environ.get("HTTP_X_AMZ_TARGET", "").startswith("DynamoDB"):
            return application(environ, start)
        with lock:
            return application(environ, start)

    return answer


def _forget(endpoint: str) -> None:
    """Make a server new: all servers of a process have the same buckets, queues and tables."""
    with urlopen(Request(f"{endpoint}/moto-api/reset", method="POST"), timeout=30) as answer:
        answer.read()


@contextmanager
def cloud() -> Iterator[str]:
    """A new server of all services; its URL."""
    application = _one_by_one(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Silent)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        _forget(endpoint)
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def address_of(endpoint: str) -> tuple[str, int]:
    """Host and port of a server, for what stands before it."""
    parts = urlsplit(endpoint)
    return str(parts.hostname), int(parts.port or 0)


@contextmanager
def served(service: str) -> Iterator[Any]:
    """A client of a service on a server of its own."""
    with cloud() as endpoint:
        client = client_of(service, endpoint)
        try:
            yield client
        finally:
            client.close()
