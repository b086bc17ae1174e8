"""The server behind a load balancer: answers as the query of each request wants, on 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

_HEAD_LIMIT = 128 << 10


@dataclass
class Origin:
    """An HTTP server, and one that sends back whatever it is sent.

    `status`, `size`: of the answer. `wait`: seconds before it. `stall`: no answer at all. `half`: so much of the body, then no more.
    """

    http: int = 0
    echo: int = 0
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def start(self) -> None:
        """Listen."""
        http = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_HEAD_LIMIT, backlog=512)
        echo = await asyncio.start_server(self._echo, "127.0.0.1", 0, backlog=512)
        self._servers = [http, echo]
        self.http, self.echo = (each.sockets[0].getsockname()[1] for each in (http, echo))

    async def end(self) -> None:
        """Close what is open."""
        for server in self._servers:
            server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        request, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        await reader.readexactly(int(headers.get("content-length", 0)))
        target = request.rsplit(" ", 1)[0].partition(" ")[2]
        wanted = {name: values[0] for name, values in parse_qs(target.partition("?")[2]).items()}
        if "stall" in wanted:
            await reader.read(1)
            return False
        await asyncio.sleep(float(wanted.get("wait", 0)))
        size = int(wanted.get("size", 7))
        writer.write(f"HTTP/1.1 {wanted.get('status', 200)} Told\r\nContent-Length: {size}\r\n\r\n".encode())
        writer.write(b"x" * (int(wanted["half"]) if "half" in wanted else 0 if request.startswith("HEAD ") else size))
        await writer.drain()
        return "half" not in wanted

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()


@contextmanager
def origin() -> Iterator[Origin]:
    """Both, in a thread of their own."""
    made = Origin()
    made.loop.run_until_complete(made.start())
    thread = threading.Thread(target=made.loop.run_forever, name="origin")
    thread.start()
    try:
        yield made
    finally:
        made.loop.call_soon_threadsafe(made.loop.stop)
        thread.join()
        made.loop.run_until_complete(made.end())
        made.loop.close()
