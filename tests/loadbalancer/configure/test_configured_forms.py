"""Lines that hold our fields beside those of others become the same objects as lines that hold ours alone."""

from __future__ import annotations

import io
import re

import pytest

from parsing import kernel_named
from tailrace.formats import haproxy_tailrace
from tailrace.loadbalancer.forms import aws
from tailrace.loadbalancer.forms.reading import plan
from tailrace.loadbalancer.model import Balancer, Slot

BALANCER = Balancer(
    name="web", account="123456789012", region="eucalyptus", address="203.0.113.9", id="50dc6c495c0c9188"
)
HTTP = haproxy_tailrace.FORMAT.example.encode()
LONG = HTTP.replace(b' "" -', b' "/' + b"u" * 3000 + b'" 1.1')
TCP = (
    b"<134>1 2026-11-22T08:31:04.964831+00:00 - haproxy 1 - - tailrace-tcp 1795336264 960 192.0.2.7:1 192.0.2.8:2 192.0.2.9:3"
    b' t b/s 0/1/0/4 21 113 -- 1/1/0/0/0 0/0 0 - - ""'
)
THEIRS = [
    b"x",
    b'httplog 1 2 "GET /a HTTP/1.1" {agent tailrace-end "-" x',
    b'192.0.2.7:1 [22/Nov/2026:08:31:04.960] f b/s 0/0/0/0/0 200 1 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1"',
]


@pytest.mark.parametrize("kernel", ["reference", "native"])
@pytest.mark.parametrize("form", [aws.classic, aws.application])
@pytest.mark.parametrize("theirs", THEIRS)
def test_the_lines_of_others_change_nothing(kernel: str, form: object, theirs: bytes) -> None:
    def written(lines: list[bytes]) -> bytes:
        out = io.BytesIO()
        made = form(BALANCER, kernel_named(kernel).Parser, plan())  # type: ignore[operator]
        told = made.write(io.BytesIO(b"".join(line + b"\n" for line in lines)), out, Slot(1795336200, 1795336500))
        assert told.records == len(lines) - (form is aws.application)
        return out.getvalue()

    plain = [HTTP, LONG, TCP]
    beside = [re.sub(rb" tailrace-(http|tcp) ", rb" tailrace-\1-beside ", line, count=1) for line in plain]
    assert written([b"%s tailrace-end %s" % (line, theirs) for line in beside]) == written(plain)
