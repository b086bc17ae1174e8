"""What a real HAProxy logs becomes AWS's lines, which tell of each request what its client knows."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.comparing import CONNECTIONS, NO_REQUESTS, differences, requests
from services.traffic import KINDS
from staging import stage
from tailrace.accesslogging import AccessLogging
from tailrace.kernel.load import parser_class
from tailrace.loadbalancer.forms.opening import form
from tailrace.loadbalancer.model import Balancer, Slot

_BALANCER = Balancer(name="web", account="000000000001", region="cloud", address="198.51.100.7", instance="i-1")


@pytest.mark.parametrize("kind", ["classic", "application"])
def test_each_request_has_its_line(kind: Any, tmp_path: Path) -> None:
    with stage(tmp_path, "127.0.0.1:9") as scene:
        sent = scene.clients.run(6 * len(KINDS))
        scene.logged(len(sent))
        raw = b"".join(scene.witness.heard)
        assert scene.handled() == len(requests(sent))
    others = CONNECTIONS if kind == "application" else frozenset[str]()
    made = form(AccessLogging(type=kind), _BALANCER, parser_class("auto", print))
    written = made.write(io.BytesIO(raw), (out := io.BytesIO()), Slot(1795336500, 1795336800))
    path = tmp_path / f"object{made.suffix}"
    path.write_bytes(out.getvalue())
    told = subprocess.run([sys.executable, "-m", "tailrace", "parse", path], check=True, capture_output=True, text=True)
    records = [json.loads(line) for line in told.stdout.splitlines()]
    assert differences(requests(sent, others), records) == []
    assert written.lines == len(sent)
    assert written.records == len(records)
    assert len(written.rejects) == sum(each.kind in NO_REQUESTS | others for each in sent)
