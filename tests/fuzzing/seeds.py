"""Where fuzzing begins: lines of the samples, each read in the ways that suit it, and the words that lines are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from fuzzing.plans import Way
from parsing import SAMPLES, sample_lines, sample_objects, sample_records
from tailrace.registry import formats

EVERY = 9
"""Of the 280 records of a kind every ninth is taken: all their widths and most of what is special in them."""
WORDS = (
    "<134>", "<134>1 ", "- - ", "Nov 20 19:54:26 ", "2026-11-20T19:54:26.481597+00:00 ", "haproxy[8482]: ", "[20/Nov/2026:19:54:26.882] ",
    "20/Nov/2026:19:54:42 +0000", "2026-09-23T07:15:47.805298Z", "2018-12-20T02:59:40", " -1 ", " - ", ' "-" ', ' "" ', '" "', '\\"',
    "\\x22", "\\x00000022", "#22", "\\xC3\\xA9", "\xc3\xa9", "\xff", "\r\n", "\n", "\t", "{a|b} ", "<BADREQ>", "<NOSRV>", "[::1]:80", "::1:80",
    "unix:1", "HTTP/1.1", "GET http://h:80/ HTTP/1.1", "Enable AccessLog for ELB: ", "#Version: 1.0\n", '{"elb_status_code":', "\\u00e9",
    '"h2","http/1.1"', "req_size=", "9223372036854775808", "+1", "0.000", "1e9", "\xef\xbb\xbf", '[a b="c\\]"] ',
)  # fmt: skip


def write_seeds(folder: Path, known: list[Way]) -> None:
    """Write every seed into a file named after its content."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds(known):
        path = folder / hashlib.sha1(seed, usedforsecurity=False).hexdigest()
        if not path.exists():
            path.write_bytes(seed)


def write_words(path: Path) -> None:
    """Write libFuzzer's dictionary."""
    lines = ("".join(f"\\x{ord(letter):02x}" for letter in word) for word in WORDS)
    path.write_text("".join(f'"{line}"\n' for line in lines))


def seeds(known: list[Way]) -> Iterator[bytes]:
    """Inputs: the number of a way, the size of the pieces, flags, and the bytes of an item."""
    for number, (kind, text) in enumerate(texts()):
        named = [way for way, (plan, _) in enumerate(known) if plan.explicit and plan.formats[0].name == kind]
        everything = [way for way, (plan, _) in enumerate(known) if not plan.explicit]
        for way in (*named[:1], everything[number % len(everything)]):
            yield bytes([way, (0, 7, 0, 200)[number % 4], (number % 16 == 0) + number % 4 * 2 + number % 6 * 8]) + text
    for way, (plan, _) in enumerate(known):
        if plan.formats[0].name == "haproxy_custom":
            for text in (
                sample_lines("haproxy/local.log")[::9]
                + sample_lines("haproxy_traffic/custom_httplog_format.udp_rfc5424.log")[:3]
            ):
                yield bytes([way, 0, 0]) + text


def texts() -> Iterator[tuple[str, bytes]]:
    """Lines with the names of their formats."""
    for known in formats().values():
        yield known.name, known.example.encode()
    for kind in ("alb", "alb_connection", "alb_health", "nlb", "clb"):
        records = [line for line, _ in sample_records(kind)]
        yield from ((kind, record) for record in records[::EVERY])
        yield kind, b"\n".join(records[:3]) + b"\n"
        yield kind, b"\t".join(records[1].replace(b'"', b"").split(b" "))
    for case in sample_objects("nasty.jsonl"):
        yield case["kind"], case["line"].encode()
    for path in sorted((SAMPLES / "haproxy").glob("*.log"))[:1]:
        yield from (("haproxy_http", line) for line in path.read_bytes().split(b"\n") if len(line) < 1000)
    for path in sorted((SAMPLES / "haproxy_traffic").glob("*.log")):
        lines = path.read_bytes().split(b"\n")
        yield from (("haproxy_http", line) for line in lines[:: max(len(lines) // 4, 1)] if line)
    yield "alb", json.dumps({"elb_status_code": "200", "time": "2026-09-23T07:15:47.8Z", "client_port": "192.0.2.1:1",
                             "request_line": "GET http://h:80/ HTTP/1.1", "new": [1, None, "x"]}).encode()  # fmt: skip
    yield (
        "clb",
        b'2026-10-14T11:30:00Z web 192.0.2.1:1 - 0 0 0 200 200 0 29 "GET http://h:80/ HTTP/1.1" "a\n\nb\r\nc" - -\n# x\n\nEnable a for ELB: b',
    )
