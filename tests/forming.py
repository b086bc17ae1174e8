"""Lines as HAProxy writes them with the log-formats of Tailrace, and forms to turn them into objects."""

from __future__ import annotations

import gzip
import io
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

from parsing import kernel_named
from tailrace.kernel.plan import Plan
from tailrace.loadbalancer.forms import aws
from tailrace.loadbalancer.forms.haproxy import Haproxy
from tailrace.loadbalancer.forms.reading import plan
from tailrace.loadbalancer.model import Balancer, Slot, Written

WEB = Balancer(
    name="web", account="123456789012", region="eucalyptus", address="203.0.113.9", instance="i-1a2b3c4d",
    id="50dc6c495c0c9188",
)  # fmt: skip
SLOT = Slot(1_795_334_400.0, 1_795_338_000.0)
"""2026-11-22, 08:00 to 09:00 UTC."""
HEADER = b"<150>1 2026-11-22T08:15:22.900774+00:00 - haproxy 31702 - - "
HASHED = frozenset((*range(0x20), *range(0x7F, 0x100), *b'"#'))


@dataclass(frozen=True)
class Http:
    """What HAProxy knows of a request, as its manual names it; texts are the bytes that came over the wire."""

    second: int = 1_795_335_322
    ms: int = 888
    client: str = "192.0.2.7:40440"
    frontend: str = "198.51.100.4:80"
    server: str = "10.0.0.9:8080"
    ft: str = "web"
    chosen: str = "app/s1"
    timers: tuple[int, ...] = (0, 0, 0, 0, 0, 1, 1)
    """Th, Ti, TR, Tw, Tc, Tr, Ta."""
    st: int = 200
    status: str = "200"
    u: int = 86
    b: int = 160
    tsc: str = "----"
    tls: tuple[str, str] = ("-", "-")
    sni: bytes = b""
    host: bytes = b"www.example.com"
    agent: bytes = b"curl/8"
    location: bytes = b""
    request: bytes = b"GET /ok?a=1 HTTP/1.1"
    url: bytes = b""
    version: str = "-"

    @property
    def line(self) -> bytes:
        """The line, behind a syslog header."""
        seconds, rest = divmod(self.ms + self.timers[0] + self.timers[1], 1000)
        assert 0 <= rest < 1000
        begin = apache(self.second + seconds)
        texts = [quoted(structured(text)) for text in (self.sni, self.host, self.agent, self.location)]
        texts += [quoted(hashed(self.request)), quoted(structured(self.url)), self.version.encode()]
        rest_of_line = (
            f"tailrace-http [{begin}] {self.ms:03d} {self.client} {self.frontend} {self.server} {self.ft} {self.chosen} "
            f"{'/'.join(map(str, self.timers))} {self.st} {self.status} {self.u} {self.b} {self.tsc} 1/1/0/0/0 0/0 2 "
            f"{self.tls[0]} {self.tls[1]} "
        )
        return HEADER + rest_of_line.encode() + b" ".join(texts) + b"\n"

    def but(self, **other: object) -> Http:
        """The same request, but for some of it."""
        return replace(self, **other)  # type: ignore[arg-type]


NOBODY = Http(server="-:-", chosen="web/<NOSRV>", timers=(0, 0, 0, -1, -1, -1, 2), st=503, status="-", tsc="SC--")
BAD = NOBODY.but(
    timers=(0, 0, -1, -1, -1, -1, 7), st=400, tsc="PR--", host=b"", agent=b"", request=b"<BADREQ>", u=0, b=0
)
TCP_LINE = HEADER + (
    b"tailrace-tcp 1795335323 002 192.0.2.8:34546 198.51.100.4:5432 10.0.0.9:5432 db~ db/s1 1/2/1/57 59 72 -- "
    b'1/1/0/0/0 0/0 1 TLSv1.3 TLS_AES_256_GCM_SHA384 "db.example.com"\n'
)
ADMIN = b"<145>1 2026-11-22T08:15:24.056685+00:00 - haproxy 31702 - - Server app/s1 is DOWN, reason: Layer4 timeout\n"
FAILED = HEADER + b"192.0.2.7:41650 [22/Nov/2026:08:15:20.074] web/1: SSL handshake failure\n"


def apache(second: int) -> str:
    """A second as `%trg` has it."""
    return datetime.fromtimestamp(second, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")


def hashed(text: bytes) -> bytes:
    """As HAProxy encodes `%r` (configuration manual, 8.6)."""
    return b"".join(b"#%02X" % byte if byte in HASHED else bytes([byte]) for byte in text)


def structured(text: bytes) -> bytes:
    """As `+E` escapes (RFC 5424, 6.3.3)."""
    return b"".join(b"\\" + bytes([byte]) if byte in b'"\\]' else bytes([byte]) for byte in text)


def quoted(text: bytes) -> bytes:
    """As `+Q` does."""
    return b'"' + text + b'"'


def parser(name: str = "reference") -> aws.ParserClass:
    """A kernel's parser."""
    return cast("aws.ParserClass", kernel_named(name).Parser)


def classic(content: bytes, how: Plan | None = None, kernel: str = "reference") -> tuple[bytes, Written]:
    """The lines of a Classic Load Balancer."""
    return written(aws.classic(WEB, parser(kernel), how or plan()), content)


def application(content: bytes, how: Plan | None = None, kernel: str = "reference") -> tuple[bytes, Written]:
    """The lines of an Application Load Balancer."""
    packed, told = written(aws.application(WEB, parser(kernel), how or plan()), content)
    return gzip.decompress(packed), told


def copied(content: bytes) -> tuple[bytes, Written]:
    """HAProxy's lines as they are."""
    return written(Haproxy(), content)


def written(form: aws.Aws | Haproxy, content: bytes) -> tuple[bytes, Written]:
    """An object's content, and what became of the lines."""
    out = io.BytesIO()
    told = form.write(io.BytesIO(content), out, SLOT)
    return out.getvalue(), told
