"""Clients of a load balancer, good and bad. Each writes down what it sent and what it saw: the truth that a log is held against."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

_SOON = 0.05


@dataclass(frozen=True)
class Doors:
    """Ports of a load balancer. `plain` listens on ::1 too; `dead`: TCP without a server; `tls` speaks HTTP."""

    plain: int
    tls: int
    tcp: int
    dead: int


@dataclass(kw_only=True)
class Sent:
    """A request, or a connection without one. `status`: what the client read; None if it saw none. `mark`: unique, and in the URL.

    `served`: the status that the server behind gave; None if the request did not get there, or it gave none.
    `tls`: version and cipher. `body`: bytes of the request's body.
    """

    kind: str
    client: str = ""
    door: int = 0
    mark: str = ""
    method: str = ""
    url: str = ""
    agent: str = ""
    status: int | None = None
    served: int | None = None
    body: int = 0
    size: int | None = None
    tls: tuple[str, str] | None = None


@dataclass
class Clients:
    """Makes traffic. All that was sent is in `sent`; the same seed makes the same requests."""

    doors: Doors
    trusted: ssl.SSLContext
    seed: int = 1
    sent: list[Sent] = field(default_factory=list)
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def run(self, visits: int, *, at_once: int = 16, kinds: Sequence[str] = ()) -> list[Sent]:
        """So many visits, each of one kind; what they have sent."""
        before = len(self.sent)
        named = {name: getattr(self, f"visit_{name}") for name in kinds or KINDS}
        asyncio.run(self._all([*named.values()], visits, at_once))
        return self.sent[before:]

    async def _all(self, kinds: Sequence[Callable[[], Awaitable[None]]], visits: int, at_once: int) -> None:
        gate = asyncio.Semaphore(at_once)

        async def one(visit: Callable[[], Awaitable[None]]) -> None:
            async with gate:
                await asyncio.wait_for(visit(), 30)

        await asyncio.gather(*(one(kinds[number % len(kinds)]) for number in range(visits)))

    # Good ones

    async def visit_plain(self) -> None:
        """Some requests over one connection."""
        async with self._connected(self.doors.plain) as (reader, writer):
            for _ in range(4):
                await self._get(reader, writer, "plain", f"size={self._random.randrange(20_000)}")

    async def visit_v6(self) -> None:
        """The same over IPv6."""
        async with self._connected(self.doors.plain, host="::1") as (reader, writer):
            await self._get(reader, writer, "v6", "status=404")

    async def visit_tls(self) -> None:
        """The same over TLS."""
        async with self._connected(self.doors.tls, tls=self.trusted) as (reader, writer):
            for _ in range(2):
                await self._get(reader, writer, "tls")

    async def visit_post(self) -> None:
        """A request with a body."""
        async with self._connected(self.doors.plain) as (reader, writer):
            await self._get(reader, writer, "post", "status=201", body=self._random.randrange(1, 30_000))

    async def visit_head(self) -> None:
        """A request whose answer has no body."""
        async with self._connected(self.doors.plain) as (reader, writer):
            await self._get(reader, writer, "head", "size=1234", method="HEAD")

    async def visit_waiting(self) -> None:
        """A request that takes the server a while."""
        async with self._connected(self.doors.plain) as (reader, writer):
            await self._get(reader, writer, "waiting", f"wait={_SOON}")

    async def visit_slow(self) -> None:
        """A client that sends its request and reads its answer in small pieces."""
        async with self._connected(self.doors.plain) as (reader, writer):
            sent, content = self._request(writer, "slow", "size=3000", body=40)
            for at in range(0, len(content), 40):
                writer.write(content[at : at + 40])
                await asyncio.sleep(_SOON / 5)
            sent.status, sent.size = await _answer(reader, sent.method, pieces=5)
            sent.served = sent.status

    async def visit_strange(self) -> None:
        """URLs and agents that would break a log whose quotes are not kept."""
        url = self._random.choice(
            ['/"quoted"/%22', "/a|b/{c}", "/caf\xe9/\xfc", "/\\back\\slash", "/" + "long/" * 1500, "/#22/~`'"]
        )
        agent = self._random.choice(['say "hi" \\ {x}', "tab\there", "\xfcml\xe4ut", "-", '"', "a" * 3000])
        async with self._connected(self.doors.plain) as (reader, writer):
            await self._get(reader, writer, "strange", url=url, agent=agent)

    async def visit_tcp(self) -> None:
        """A connection that is not HTTP."""
        async with self._connected(self.doors.tcp) as (reader, writer):
            self._note("tcp", writer)
            writer.write(b"hello" * 100)
            await reader.readexactly(500)

    # Those that the load balancer answers itself

    async def visit_nobody(self) -> None:
        """A backend without servers."""
        await self._refused("nobody")

    async def visit_deadend(self) -> None:
        """A server that is not there."""
        await self._refused("deadend")

    async def visit_denied(self) -> None:
        """What is forbidden."""
        await self._refused("denied")

    async def visit_elsewhere(self) -> None:
        """A redirection."""
        await self._refused("elsewhere")

    async def _refused(self, kind: str) -> None:
        async with self._connected(self.doors.plain) as (reader, writer):
            sent = await self._get(reader, writer, kind)
            sent.served = None

    # Bad ones

    async def visit_aborting(self) -> None:
        """A client that does not wait for its answer."""
        async with self._connected(self.doors.plain) as (_, writer):
            self._ask(writer, "aborting", "stall=1")
            await asyncio.sleep(_SOON)

    async def visit_leaving(self) -> None:
        """A client that leaves in the middle of its answer."""
        async with self._connected(self.doors.plain) as (reader, writer):
            sent = self._ask(writer, "leaving", "size=4000000&half=100000")
            sent.status = sent.served = 200
            await reader.readexactly(50_000)

    async def visit_tcp_aborting(self) -> None:
        """A connection that ends before anything was sent."""
        async with self._connected(self.doors.tcp) as (_, writer):
            self._note("tcp_aborting", writer)

    async def visit_tcp_deadend(self) -> None:
        """A connection to a server that is not there."""
        async with self._connected(self.doors.dead) as (reader, writer):
            self._note("tcp_deadend", writer)
            writer.write(b"hello")
            await reader.read()

    async def visit_garbage(self) -> None:
        """What is no HTTP."""
        async with self._connected(self.doors.plain) as (reader, writer):
            sent = self._note("garbage", writer)
            writer.write(b"\x16\x03\x01 \x00 hello\r\n\r\n")
            sent.status = await _status(reader)

    async def visit_unfinished(self) -> None:
        """A client whose request never ends."""
        async with self._connected(self.doors.plain) as (reader, writer):
            sent = self._note("unfinished", writer)
            writer.write(b"GET /unfinished HTTP/1.1\r\nHost: ")
            sent.status = await _status(reader)

    async def visit_silent(self) -> None:
        """A client that sends a byte and goes."""
        async with self._connected(self.doors.plain) as (_, writer):
            self._note("silent", writer)
            writer.write(b"G")

    async def visit_handshake(self) -> None:
        """A client that goes before TLS is agreed on: HAProxy logs an error, not a request."""
        async with self._connected(self.doors.tls) as (_, writer):
            self._note("handshake", writer)

    # Parts

    def _note(self, kind: str, writer: asyncio.StreamWriter, **more: Any) -> Sent:
        host, port = writer.get_extra_info("sockname")[:2]
        tls = writer.get_extra_info("ssl_object")
        sent = Sent(kind=kind, client=f"{host}:{port}", door=writer.get_extra_info("peername")[1], **more)
        sent.tls = (tls.version(), tls.cipher()[0]) if tls else None
        self.sent.append(sent)
        return sent

    def _ask(self, writer: asyncio.StreamWriter, kind: str, query: str = "", **more: Any) -> Sent:
        sent, content = self._request(writer, kind, query, **more)
        writer.write(content)
        return sent

    def _request(self, writer: asyncio.StreamWriter, kind: str, query: str, **more: Any) -> tuple[Sent, bytes]:
        """A request that is still to be sent. `url`: what stands before the query; `agent`, `method` and `body` likewise as `Sent` tells."""
        mark = f"m{self.seed}x{next(self._numbers)}m"
        target = f"{more.get('url') or '/' + kind}?mark={mark}{'&' if query else ''}{query}"
        agent, body = more.get("agent") or f"probe/{mark}", more.get("body", 0)
        method = more.get("method") or ("POST" if body else "GET")
        sent = self._note(kind, writer, mark=mark, method=method, url=target, agent=agent, body=body)
        length = f"Content-Length: {body}\r\n" if body else ""
        head = f"{method} {target} HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: {agent}\r\n{length}\r\n"
        return sent, head.encode("latin-1") + b"b" * body

    async def _get(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kind: str, query: str = "", **more: Any
    ) -> Sent:
        sent = self._ask(writer, kind, query, **more)
        sent.status, sent.size = await _answer(reader, sent.method)
        sent.served = sent.status
        return sent

    @asynccontextmanager
    async def _connected(
        self, port: int, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=name)
        try:
            yield reader, writer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _status(reader: asyncio.StreamReader) -> int:
    return int((await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1])


async def _answer(reader: asyncio.StreamReader, method: str, *, pieces: int = 1) -> tuple[int, int]:
    """Status and length of the body, which is read: at once, or in pieces with time between."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = [line.partition(b":") for line in head.lower().split(b"\r\n")]
    size = next((int(value) for name, _, value in lines if name == b"content-length"), 0)
    body = 0 if method == "HEAD" else size
    for _ in range(pieces - 1):
        await reader.readexactly(body // pieces)
        await asyncio.sleep(_SOON / pieces)
    await reader.readexactly(body - (pieces - 1) * (body // pieces))
    return int(head.split(b" ", 2)[1]), body


KINDS = tuple(name.removeprefix("visit_") for name in vars(Clients) if name.startswith("visit_"))
