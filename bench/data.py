"""The logs that are measured: made once, from named seeds, into bench/data."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from isal import igzip

HERE = Path(__file__).parent
DATA = HERE / "data"
LINES = 200_000
SEED = 7


def made() -> Path:
    """Make what is missing; the folder with all of it."""
    DATA.mkdir(exist_ok=True)
    for kind, extra in (("alb", ["--width", "34"]), ("nlb", []), ("clb", [])):
        _generated(kind, extra)
    _haproxy("haproxy_http", _http)
    _haproxy("haproxy_tcp", _tcp)
    if not (DATA / "dirty.log.gz").exists():
        _packed("dirty", dirty((DATA / "alb.log").read_bytes()))
    parts = DATA / "parts"
    if not parts.exists():
        parts.mkdir()
        lines = (DATA / "alb.log").read_bytes().splitlines(keepends=True)
        for number in range(8):
            content = b"".join(lines[number * LINES // 8 : (number + 1) * LINES // 8])
            (parts / f"{number}.log.gz").write_bytes(igzip.compress(content))
    return DATA


def dirty(content: bytes) -> bytes:
    """The content with one malformed line in a hundred: cut short, without its time, or with a quote left open."""
    chance = random.Random(SEED)
    spoilt = (
        lambda line: line[: len(line) // 4],
        lambda line: line[30:],
        lambda line: line.replace(b'" "', b" ", 1)[:90],
    )
    lines = content.split(b"\n")
    for number in range(0, len(lines) - 1, 100):
        lines[number] = chance.choice(spoilt)(lines[number])
    return b"\n".join(lines)


def _generated(kind: str, extra: list[str]) -> None:
    if (DATA / f"{kind}.log.gz").exists():
        return
    command = [
        sys.executable,
        str(HERE / "generator" / "make_samples.py"),
        kind,
        "--lines",
        str(LINES),
        "--seed",
        str(SEED),
    ]
    subprocess.run([*command, "--plain", "--out", str(DATA), *extra], check=True)
    (DATA / f"{kind}.truth.jsonl").unlink()
    _packed(kind, (DATA / f"{kind}.log").read_bytes())


def _haproxy(name: str, ending: Callable[[random.Random], str]) -> None:
    """Lines in the form of HAProxy's `option httplog` or `tcplog` behind an RFC 5424 header, all different."""
    if (DATA / f"{name}.log.gz").exists():
        return
    chance = random.Random(SEED)
    begin = datetime(2026, 11, 19, 8, tzinfo=UTC)
    lines = []
    for number in range(LINES):
        at = begin + timedelta(milliseconds=37 * number + chance.randrange(37))
        client = f"198.51.100.{chance.randrange(1, 255)}:{chance.randrange(1024, 65536)}"
        stamp = f"{at:%d/%b/%Y:%H:%M:%S}.{at.microsecond // 1000:03}"
        lines.append(
            f"<134>1 {at:%Y-%m-%dT%H:%M:%S.%f}+00:00 lb1 haproxy {chance.choice((1070, 1071))} - - {client} [{stamp}] "
            f"{chance.choice(('f_web', 'f_api~'))} b_app/{chance.choice(('app1', 'app2', 'app3'))} {ending(chance)}\n"
        )
    _packed(name, "".join(lines).encode())


def _http(chance: random.Random) -> str:
    timers = "/".join(str(int(chance.expovariate(0.05))) for _ in range(5))
    path = f"/{chance.choice(('search', 'item', 'cart', 'api/v2/orders'))}/{chance.randrange(10_000)}?q={chance.randrange(99)}"
    return (
        f"{timers} {chance.choice((200, 200, 200, 304, 404, 503))} {chance.randrange(200, 90_000)} - - ---- "
        f"{chance.randrange(1, 90)}/{chance.randrange(1, 60)}/{chance.randrange(20)}/{chance.randrange(9)}/0 0/0 "
        f'"{chance.choice(("GET", "POST"))} {path} HTTP/1.1"'
    )


def _tcp(chance: random.Random) -> str:
    return (
        f"{chance.randrange(3)}/{chance.randrange(9)}/{int(chance.expovariate(0.001))} {chance.randrange(90_000)} -- "
        f"{chance.randrange(1, 90)}/{chance.randrange(1, 60)}/{chance.randrange(20)}/{chance.randrange(9)}/0 0/0"
    )


def _packed(name: str, content: bytes) -> None:
    (DATA / f"{name}.log").write_bytes(content)
    # As AWS's own objects: by zlib, at its usual level.
    subprocess.run(["gzip", "-kfn", str(DATA / f"{name}.log")], check=True)
