"""A search server that takes bulk requests as Elasticsearch and OpenSearch do, and is strict about how they are written.

What it answers was seen at OpenSearch 2.19, and for documents with ids at OpenSearch Serverless
(https://github.com/opensearch-project/opensearch-py/issues/792). What is written wrongly is answered by 400 and noted in
`wrongs`, which a test finds empty at its end.
"""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

Error = tuple[int, str, str]
"""Status, type and reason of what became of a document."""
EXISTS: Error = (
    409,
    "version_conflict_engine_exception",
    "version conflict, document already exists (current version [1])",
)
BUSY: Error = (429, "es_rejected_execution_exception", "rejected execution of coordinating operation")
AWAY: Error = (503, "unavailable_shards_exception", "primary shard is not active")
BROKEN: Error = (500, "illegal_state_exception", "something went wrong")
UNFIT: Error = (
    400,
    "mapper_parsing_exception",
    "failed to parse field [source.port] of type [long] in document with id 'x'. Preview of field's value: 'SECRET CONTENT'",
)
NO_IDS: Error = (400, "illegal_argument_exception", "Document ID is not supported in create/index operation request")
_FILTER = "filter_path=errors%2Citems.%2A.status%2Citems.%2A.error"
_METADATA = {"_id", "_index", "_type", "_source", "_routing"}


class Asked(NamedTuple):
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Whole(NamedTuple):
    """What a request gets instead of an answer that tells of its documents; `done`: its documents are taken before."""

    status: int = 0
    headers: Mapping[str, str] = {}
    body: bytes = b""
    done: bool = False


RESET = Whole()
LOST = Whole(done=True)
"""The documents are taken, and then the connection breaks."""


def refused(status: int, **headers: str) -> Whole:
    """A status instead of an answer."""
    return Whole(status, headers, b'{"error":{"type":"some_exception","reason":"SECRET REASON"}}')


@dataclass
class StrictBulk:
    """`documents`: by index and id, as sent. `judge`: what becomes of a document that is not there yet; None to take it.

    `instead`: what the next requests get, None for what they ask for. `limit`: of a request's body in bytes, decompressed.
    """

    documents: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    judge: Callable[[str, str, dict[str, Any]], Error | None] = lambda _index, _id, _document: None
    instead: list[Whole | None] = field(default_factory=list)
    limit: int = 100 << 20
    ids: bool = True
    data_streams: set[str] = field(default_factory=set)
    welcome: Callable[[Asked], int] = lambda _asked: 200
    answers: dict[tuple[str, str], Callable[[Asked], tuple[int, Any]]] = field(default_factory=dict)
    """What is answered to other requests than bulk, by method and path."""
    asked: list[Asked] = field(default_factory=list)
    wrongs: list[str] = field(default_factory=list)
    most_at_once: int = 0

    def __post_init__(self) -> None:
        self._lock, self._at_once, self._numbers = threading.RLock(), 0, 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                outer._serve(self)

            do_GET = do_PUT = do_POST  # noqa: N815 - as the standard library names them

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reset(self) -> None:
        """As new, at the same place."""
        fresh = StrictBulk.__dataclass_fields__
        for name in ("documents", "instead", "data_streams", "answers", "asked", "wrongs"):
            setattr(self, name, fresh[name].default_factory())
        self.judge, self.limit, self.ids = fresh["judge"].default, fresh["limit"].default, True
        self.welcome, self.most_at_once = fresh["welcome"].default, 0

    def ids_in(self, index: str) -> set[str]:
        return {id_ for at, id_ in self.documents if at == index}

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        asked = Asked(handler.command, handler.path, dict(handler.headers.items()), handler.rfile.read(length))
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.asked.append(asked)
            bulk = asked.path.partition("?")[0].endswith("_bulk")
            instead = self.instead.pop(0) if bulk and self.instead else None
        try:
            answer = self._answer(asked, instead, bulk=bulk)
        finally:
            with self._lock:
                self._at_once -= 1
        if answer.status:
            _send(handler, answer)
        else:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.close_connection = True
            handler.connection.close()

    def _answer(self, asked: Asked, instead: Whole | None, *, bulk: bool) -> Whole:
        status = self.welcome(asked)
        if status != 200:
            return Whole(status, {}, b'{"error":"SECRET REASON"}')
        if instead and instead.done:
            self._bulk(asked)
        if instead:
            return instead
        status, document = self._bulk(asked) if bulk else self._other(asked)
        return Whole(status, {}, b"" if document is None else json.dumps(document, separators=(",", ":")).encode())

    def _other(self, asked: Asked) -> tuple[int, Any]:
        answer = self.answers.get((asked.method, asked.path.partition("?")[0]))
        return answer(asked) if answer else (404, {"error": "no such thing", "status": 404})

    def _bulk(self, asked: Asked) -> tuple[int, Any]:
        if not asked.body:
            return 400, {"error": {"type": "parse_exception", "reason": "request body is required"}, "status": 400}
        try:
            pairs = self._pairs(asked)
        except (AssertionError, ValueError) as error:
            self.wrongs.append(f"{type(error).__name__} {error}")
            return 400, {"error": {"type": "illegal_argument_exception", "reason": str(error)}, "status": 400}
        if pairs is None:
            return 413, None
        with self._lock:
            items = [self._item(*pair) for pair in pairs]
        told = {"errors": any("error" in item["create"] for item in items), "items": items}
        return 200, told if _FILTER in asked.path else {"took": 3, **told}

    def _pairs(self, asked: Asked) -> list[tuple[str, str, dict[str, Any]]] | None:
        assert asked.method == "POST"
        path, _, query = asked.path.partition("?")
        assert query in ("", _FILTER), query
        assert asked.headers["Content-Type"] == "application/x-ndjson"
        body = gzip.decompress(asked.body) if asked.headers.get("Content-Encoding") == "gzip" else asked.body
        if len(body) > self.limit:
            return None
        assert body, "nothing, but compressed"
        assert body.endswith(b"\n"), "the bulk request must be terminated by a newline"
        lines = body[:-1].split(b"\n")
        assert len(lines) % 2 == 0, "actions and documents come in pairs"
        return [self._pair(path.strip("/"), *lines[at : at + 2]) for at in range(0, len(lines), 2)]

    def _pair(self, path: str, action: bytes, source: bytes) -> tuple[str, str, dict[str, Any]]:
        (verb, told), *more = _object(action).items()
        assert verb == "create", "only this is safe to send again"
        assert not more
        assert told.keys() <= {"_id", "_index"}
        index = told.get("_index") or path.removesuffix("_bulk").rstrip("/")
        assert index, "an index must be named"
        assert index == index.lower()
        assert len(index.encode()) <= 255
        id_ = told.get("_id", "")
        assert isinstance(id_, str)
        assert len(id_.encode()) <= 512
        document = _object(source)
        assert not document.keys() & _METADATA, "metadata cannot be added inside a document"
        return index, id_, document

    def _item(self, index: str, id_: str, document: dict[str, Any]) -> dict[str, Any]:
        error = self._judged(index, id_, document)
        if error:
            status, kind, reason = error
            return {"create": {"status": status, "error": {"type": kind, "reason": reason, "index": index}}}
        self._numbers += 1
        self.documents[index, id_ or f"server-{self._numbers}"] = document
        return {"create": {"status": 201}}

    def _judged(self, index: str, id_: str, document: dict[str, Any]) -> Error | None:
        if id_ and not self.ids:
            return NO_IDS
        if (index, id_) in self.documents:
            return EXISTS
        if index in self.data_streams and not isinstance(document.get("@timestamp"), str):
            return 400, "mapper_parsing_exception", "failed to parse"
        return self.judge(index, id_, document)


def _object(line: bytes) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs), "a key comes twice"
        return dict(pairs)

    found = json.loads(line.decode("utf-8"), object_pairs_hook=once)
    assert isinstance(found, dict)
    return found


def _send(handler: BaseHTTPRequestHandler, answer: Whole) -> None:
    handler.send_response(answer.status)
    for name, value in answer.headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(answer.body)))
    handler.end_headers()
    handler.wfile.write(answer.body)
