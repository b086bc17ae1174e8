"""The Lambda Runtime API (2018-06-01) on this machine: AWS's own runtime client, in a process of its own, runs the handler.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any, BinaryIO
from uuid import uuid4

GROUP = "/aws/lambda/tailrace"
_NEXT = "/2018-06-01/runtime/invocation/next"


@dataclass
class Invoked:
    """An invocation: what it is given, and what the function answered (`error`: that it raised)."""

    event: Any
    seconds: float
    request: str
    answered: Event = field(default_factory=Event)
    error: bool = False
    answer: Any = None


class Runtime:
    """Serves the API; `start` starts the function. What it writes goes to the file `log`."""

    def __init__(self, handler: str, folder: Path, environ: Mapping[str, str]) -> None:
        self._handler, self._folder, self._environ = handler, folder, dict(environ)
        self._waiting: SimpleQueue[Invoked | None] = SimpleQueue()
        self._under_way: dict[str, Invoked] = {}
        self.failed_to_start: Any = None
        self._forgotten = 0
        self.log = folder / "function.log"
        self.process: subprocess.Popen[bytes] | None = None
        self._server = _Server(("127.0.0.1", 0), _api(self))
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def start(self, *before: str) -> None:
        """Start the function's process; `before`: a command that starts it."""
        environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "TAILRACE_"))},
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": "tailrace",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_LOG_GROUP_NAME": GROUP,
            "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/22/[$LATEST]0",
            "LAMBDA_TASK_ROOT": str(self._folder),
            "_HANDLER": self._handler,
            **self._environ,
        }
        command = [*before, sys.executable, "-X", "faulthandler", "-m", "awslambdaric", self._handler]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self._folder, env=environ, stdout=log, stderr=log)

    def begin(self, event: Any, *, seconds: float = 60, request: str = "") -> Invoked:
        """Invoke the function without waiting. It has so much time; the request's id is the same when Lambda tries again."""
        if self.process is None or self.process.poll() is not None:
            self.start()
        invoked = Invoked(event, seconds, request or str(uuid4()))
        self._under_way[invoked.request] = invoked
        self._waiting.put(invoked)
        return invoked

    def invoke(self, event: Any, *, seconds: float = 60, request: str = "") -> Any:
        """What the function answers. Raises AssertionError with what it raised, or if it does not answer."""
        invoked = self.begin(event, seconds=seconds, request=request)
        last = time.monotonic() + seconds + 30
        while not invoked.answered.wait(0.2):
            assert self.process is not None
            if self.process.poll() is not None:
                message = f"it ended by itself ({self.process.returncode}): {self.told()[-2000:]}"
                raise FunctionError(message)
            if time.monotonic() > last:
                self.process.send_signal(signal.SIGABRT)  # it writes where it hangs
                self.process.wait()
                raise AssertionError(self.told())
        assert self.failed_to_start is None, self.failed_to_start
        if invoked.error:
            raise FunctionError(invoked.answer["errorMessage"])
        return invoked.answer

    def kill(self) -> None:
        """End the process at once, in the middle of an invocation."""
        assert self.process is not None
        assert self._under_way, "it waits for an event: the next one would be given to the dead"
        self.process.kill()
        self.process.wait()

    def told(self) -> str:
        """What the function has written."""
        return self.log.read_text(encoding="utf-8")[self._forgotten :] if self.log.exists() else ""

    def forget(self) -> None:
        """Tell only what is written from now on."""
        self._forgotten += len(self.told())

    def lines(self, kind: str = "summary") -> list[dict[str, Any]]:
        """The lines of JSON that it has written: summaries, or metrics (`_aws`)."""
        found = [json.loads(line) for line in self.told().splitlines() if line.startswith("{")]
        return [line for line in found if line.get("tailrace") == kind or kind in line]

    def close(self) -> None:
        """End everything."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self._waiting.put(None)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next(self) -> Invoked | None:
        return self._waiting.get()

    def answered(self, request: str, answer: Any, *, error: bool) -> None:
        invoked = self._under_way.pop(request)
        invoked.answer, invoked.error = answer, error
        invoked.answered.set()

    def not_started(self, answer: Any) -> None:
        self.failed_to_start = answer
        for invoked in self._under_way.values():
            invoked.answered.set()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """The function is gone: it was killed."""


class FunctionError(Exception):
    """The function raised."""


def _api(runtime: Runtime) -> type[BaseHTTPRequestHandler]:
    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            invoked = runtime.next() if self.path == _NEXT else None
            if invoked is None:
                self.close_connection = True
                return
            headers = {
                "Lambda-Runtime-Aws-Request-Id": invoked.request,
                "Lambda-Runtime-Deadline-Ms": str(int((time.time() + invoked.seconds) * 1000)),
                "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:tailrace",
                "Content-Type": "application/json",
            }
            self._reply(200, json.dumps(invoked.event).encode(), headers)

        def do_POST(self) -> None:
            answer = json.loads(self._body() or b"null")
            self._reply(202, b"", {})
            *_, request, kind = self.path.split("/")
            if request == "init":
                runtime.not_started(answer)
            else:
                runtime.answered(request, answer, error=kind == "error")

        def _body(self) -> bytes:
            if "chunked" in self.headers.get("Transfer-Encoding", ""):
                return b"".join(_unchunked(self.rfile))
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))

        def _reply(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()

    return Api


def _unchunked(stream: BinaryIO) -> Iterator[bytes]:
    while size := int(stream.readline(), 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


@contextmanager
def runtime(handler: str, folder: Path, environ: Mapping[str, str]) -> Iterator[Runtime]:
    """The API, and the function once it is invoked."""
    made = Runtime(handler, folder, environ)
    try:
        yield made
    finally:
        made.close()
