"""A real OpenSearch, started by tools/servers/opensearch.sh."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from making import absent

SCRIPT = Path(__file__).parents[2] / "tools" / "servers" / "opensearch.sh"
RUNNING = "TAILRACE_TEST_OPENSEARCH"
"""The URL of one that runs already, if there is one."""


class OpenSearch:
    """The server, as administrators see it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        data = None if document is None else json.dumps(document).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            raise

    def documents(self, index: str) -> dict[str, dict[str, Any]]:
        """By id; those that are there twice fail."""
        self.ask("POST", f"{index}/_refresh")
        found = self.ask("GET", f"{index}/_search?size=10000")["hits"]["hits"]
        by_id = {hit["_id"]: hit["_source"] for hit in found}
        assert len(by_id) == len(found)
        return by_id

    def count(self, index: str) -> int:
        self.ask("POST", f"{index}/_refresh")
        return int(self.ask("GET", f"{index}/_count")["count"])


@contextmanager
def running(folder: Path) -> Iterator[OpenSearch]:
    """Skips the test without Java and Maven, which nothing here installs."""
    if url := os.environ.get(RUNNING):
        yield OpenSearch(url)
        return
    for program in ("java", "mvn"):
        if not shutil.which(program):
            pytest.skip(f"OpenSearch needs {program}")
    fetched = subprocess.run([SCRIPT, "fetch"], capture_output=True, text=True, check=False, timeout=900)
    if fetched.returncode:
        absent("OpenSearch", f"it cannot be fetched: {(fetched.stdout + fetched.stderr)[-200:]}")
    port = _free_port()
    subprocess.run([SCRIPT, "start", folder, str(port)], check=True, timeout=300)
    try:
        yield OpenSearch(f"http://127.0.0.1:{port}")
    finally:
        subprocess.run([SCRIPT, "stop", folder], check=True, timeout=60)


def _free_port() -> int:
    """One of those that the server can be told."""
    for port in range(9201, 9300):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port between 9201 and 9299 is free")
