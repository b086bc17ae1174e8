"""Holds records against what was sent: each request has its one record, and each record its one request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from services.traffic import Sent

Record = Mapping[str, Any]
_MARK = re.compile(r"m\d+x\d+m")
_ESCAPED = re.compile(r"\\(\")|\\x([0-9A-Fa-f]{2})")
NO_REQUESTS = frozenset(("handshake",))
CONNECTIONS = frozenset(("tcp", "tcp_aborting", "tcp_deadend"))


def requests(sent: Iterable[Sent], without: frozenset[str] = frozenset()) -> list[Sent]:
    """What HAProxy logs as a request or connection; `without` some kinds."""
    return [each for each in sent if each.kind not in NO_REQUESTS | without]


def differences(sent: Iterable[Sent], records: Iterable[Record]) -> list[str]:
    """What is missing, twice, or told wrongly, each in a sentence."""
    left: dict[str, list[Record]] = {}
    for record in records:
        left.setdefault(_key(record), []).append(record)
    alike: dict[str, list[Sent]] = {}  # without a mark only the client's port tells, which may come again
    for each in sent:
        alike.setdefault(each.mark or each.client, []).append(each)
    found = []
    for key, several in alike.items():
        of = left.pop(key, [])
        if len(of) != len(several):
            found.append(f"{len(of)} records of {several}: {of}")
        found += _mismatches(several, of)
    return found + [f"nobody sent this: {each}" for several in left.values() for each in several]


def _mismatches(sent: list[Sent], records: list[Record]) -> Iterator[str]:
    left = list(records)
    for each in sent:
        wrong = [list(_wrong(each, record)) for record in left]
        if [] in wrong:
            del left[wrong.index([])]
        elif left:
            yield f"{', '.join(wrong[0])}: {each}: {left.pop(0)}"


def _client(record: Record) -> str:
    return f"{ip_address(record['client_ip'])}:{record['client_port']}"


def _key(record: Record) -> str:
    mark = _MARK.search(record.get("request_url") or "")
    return mark[0] if mark else _client(record)


def _wrong(sent: Sent, record: Record) -> Iterator[str]:
    """Which fields are not as they were sent."""
    if _client(record) != sent.client:
        yield "client"
    if sent.status is not None and record["elb_status_code"] != sent.status:
        yield "status"
    if sent.served != record.get("backend_status_code", record.get("target_status_code")):
        yield "status of the server"
    tls = (record["ssl_protocol"], _hyphens(record["ssl_cipher"])) if record.get("ssl_protocol") else None
    if tls != (sent.tls and (sent.tls[0], _hyphens(sent.tls[1]))):
        yield "TLS"
    if sent.mark:
        yield from _wrong_request(sent, record)


def _wrong_request(sent: Sent, record: Record) -> Iterator[str]:
    scheme = "https" if sent.tls else "http"
    if record["request_method"] != sent.method:
        yield "method"
    url = _plain(record["request"].partition(" ")[2].rpartition(" ")[0])
    if url != f"{scheme}://www.example.com:{sent.door}{sent.url}":
        yield "URL"
    if _text(_plain(record.get("user_agent_raw", record.get("user_agent")) or "-")) != _text(sent.agent):
        yield "user agent"
    if record["received_bytes"] < sent.body or (sent.size is not None and record["sent_bytes"] < sent.size):
        yield "bytes"


def _plain(text: str) -> str:
    """What the client sent, each escaped byte a character."""
    return _ESCAPED.sub(lambda match: match[1] or chr(int(match[2], 16)), text)


def _text(text: str) -> str:
    """What is left of bytes that are no UTF-8, of which a log keeps only that they were there."""
    return text if "\ufffd" in text else text.encode("latin-1").decode("utf-8", "replace")


def _hyphens(cipher: str) -> str:
    """A Classic Load Balancer writes hyphens in the names of all ciphers."""
    return cipher.replace("_", "-")
