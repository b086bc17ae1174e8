"""HAProxy takes the log-format of Tailrace, leaves other captures alone, and says all that AWS's lines need."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from string import Template

from forming import application, classic, copied
from parsing import kernel_named, only, read
from services.balancing import haproxy, program
from services.certificates import Authority
from services.real import free_port
from tailrace.loadbalancer import logformat

GIVEN = {
    "rules": "\n    ".join(logformat.HTTP_RULES),
    "length": logformat.LENGTH,
    "http_format": logformat.HTTP,
    "tcp_format": logformat.TCP,
}
CONFIG = """
global
    log $folder/log.sock len $length format rfc5424 local2 info
defaults
    log global
    timeout connect 1s
    timeout client 2s
    timeout server 500ms
    timeout http-request 300ms
    retries 0
frontend web
    mode http
    bind 127.0.0.1:$http
    bind ::1:$http
    bind 127.0.0.1:$https ssl crt $folder/server.pem alpn h2,http/1.1
    capture request header Referer len 20
    $rules
    http-request deny if { path_beg /deny }
    http-request redirect location /else if { path_beg /redirect }
    http-request set-path /changed if { path_beg /rewrite }
    http-response set-status 410 if { status 404 }
    log-format '$http_format'
    use_backend none if { path_beg /none }
    use_backend dead if { path_beg /dead }
    default_backend app
backend app
    mode http
    server s1 127.0.0.1:$server
backend none
    mode http
backend dead
    mode http
    server d1 127.0.0.1:$nobody
frontend db
    mode tcp
    bind 127.0.0.1:$tcp
    log-format '$tcp_format'
    default_backend db
backend db
    mode tcp
    server s1 127.0.0.1:$server
"""
ACCEPTED = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
AGENT = b'a "b" \\c\\ ] #22 \xc3\xa9 {|} \t d\\'


@contextmanager
def standing(folder: Path) -> Iterator[tuple[dict[str, int], socket.socket]]:
    """HAProxy in front of a server, its ports, and the socket that its log comes to."""
    pair = Authority(folder).pair("server")
    (folder / "server.pem").write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    names = ("http", "https", "tcp", "server", "nobody")
    first = free_port(*range(len(names)))
    ports = {name: first + number for number, name in enumerate(names)}
    config = folder / "haproxy.cfg"
    config.write_text(Template(CONFIG).substitute(GIVEN, folder=folder, **ports))
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as log, serving(ports["server"]):
        log.bind(str(folder / "log.sock"))
        log.settimeout(5)
        with haproxy(config, ports["http"]):
            yield ports, log


@contextmanager
def serving(port: int) -> Iterator[None]:
    """A server that answers what its path asks for: /404, /slow; anything else is fine."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        threading.Thread(target=_serve, args=(listening,), daemon=True).start()
        yield


def _serve(listening: socket.socket) -> None:
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _answer(connection: socket.socket) -> None:
    with connection, suppress(OSError):  # HAProxy does not wait for the slow
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                return
            head += data
        if b" /slow" in head:
            time.sleep(0.7)
        if b" /ws" in head:
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + ACCEPTED
            )
            time.sleep(0.3)
            return
        status = b"404 Not Found" if b" /404" in head else b"200 OK"
        connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")


def ask(port: int, data: bytes, host: str = "127.0.0.1", *, tls: bool = False) -> None:
    """Send a request and read what comes."""
    connection = socket.create_connection((host, port), timeout=5)
    if tls:
        import ssl  # noqa: PLC0415 - only here

        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = context.wrap_socket(connection, server_hostname="www.example.com")
    with connection:
        connection.sendall(data)
        while connection.recv(65536):
            pass


def get(path: bytes, *headers: bytes) -> bytes:
    """A request."""
    return b"\r\n".join(
        (b"GET " + path + b" HTTP/1.1", b"Host: www.example.com", b"Connection: close", *headers, b"", b"")
    )


LONG = b"/" + b'x"' * 900
ASKED: dict[str, tuple[bytes, str, int | None, int | None]] = {
    # what is sent: the path and both statuses to be found
    "plain": (get(b'/a"b{|}?c', b"User-Agent: " + AGENT), '/a"b{|}?c', 200, 200),
    "long": (get(LONG), LONG.decode(), 200, 200),
    "denied": (get(b"/deny"), "/deny", 403, None),
    "redirected": (get(b"/redirect"), "/redirect", 302, None),
    "no server": (get(b"/none"), "/none", 503, None),
    "dead server": (get(b"/dead"), "/dead", 503, None),
    "slow server": (get(b"/slow"), "/slow", 504, None),
    "other status": (get(b"/404"), "/404", 410, 404),
    "rewritten": (get(b"/rewrite"), "/rewrite", 200, 200),
    "garbage": (b"garbage\r\n\r\n", "", 400, None),
}


def test_a_real_haproxy_says_what_aws_would(tmp_path: Path) -> None:
    with standing(tmp_path) as (ports, log):
        asked = [lambda data=data: ask(ports["http"], data) for data, *_ in ASKED.values()]
        asked.append(lambda: ask(ports["http"], get(b"/v6"), "::1"))
        asked.append(lambda: ask(ports["https"], get(b"/tls", b"User-Agent: t"), tls=True))
        asked.append(lambda: ask(ports["tcp"], get(b"/tcp")))
        lines = b""
        for one in asked:  # a datagram socket holds few lines
            one()
            lines += log.recv(65536)
    content, told = classic(lines)
    assert (told.lines, told.records, told.rejected) == (len(ASKED) + 3,) * 2 + (0,)
    records = read(kernel_named("reference"), content, plan=only("clb")).records()
    base = f"http://www.example.com:{ports['http']}"
    for (what, (_, path, sent, server)), record in zip(ASKED.items(), records, strict=False):
        assert record.get("elb_status_code") == sent, what
        assert record.get("backend_status_code") == server, what
        assert (record.get("backend_port") == ports["server"]) is (server is not None), what
        assert record["request_url"] == (base + path if path else f"http://127.0.0.1:{ports['http']}-"), what
    assert records[0]["user_agent"] == AGENT.decode().replace("\t", "\\x09")[:-1] + "\\x5C"
    v6, tls, tcp = records[-3:]
    assert v6["client_ip"] == "0:0:0:0:0:0:0:1"
    assert (tls["request_url"], tls["ssl_protocol"]) == (f"https://www.example.com:{ports['https']}/tls", "TLSv1.3")
    assert (tcp["request"], tcp["backend_port"], "ssl_protocol" in tcp) == ("- - - ", ports["server"], False)
    of_application = read(kernel_named("reference"), application(lines)[0], plan=only("alb")).records()
    assert [record.get("redirect_url") for record in of_application[:4]] == [None, None, None, "/else"]
    assert of_application[-1] | {"type": "https", "domain_name": "www.example.com"} == of_application[-1]
    own = read(kernel_named("reference"), copied(lines)[0])
    assert {record["format"] for record in own.records()} == {"haproxy_tailrace"}
    assert [record["lc"] for record in own.records()][: len(ASKED) + 2] == list(range(len(ASKED) + 2))


def test_times_are_those_at_which_clients_asked(tmp_path: Path) -> None:
    with standing(tmp_path) as (ports, log), socket.create_connection(("127.0.0.1", ports["http"]), timeout=5) as kept:
        asked = []
        for _ in range(6):  # over one connection, idle in between
            time.sleep(0.23)
            begin = time.time()
            kept.sendall(b"GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n")
            kept.recv(65536)
            asked.append((begin, time.time()))
        lines = b"".join(log.recv(65536) for _ in asked)
    records = read(kernel_named("reference"), application(lines)[0], plan=only("alb")).records()
    for (begin, end), record in zip(asked, records, strict=True):
        received, sent = (moment(record[name]) for name in ("request_creation_time", "time"))
        assert begin - 0.002 <= received <= sent <= end + 0.002  # HAProxy's times have no more than milliseconds


def test_a_websocket_is_one_of_the_time_when_it_was_closed(tmp_path: Path) -> None:
    with standing(tmp_path) as (ports, log):
        upgrade = b"GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        ask(
            ports["http"], upgrade + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        line = log.recv(65536)
    (record,) = read(kernel_named("reference"), application(line)[0], plan=only("alb")).records()
    assert (record["type"], record["elb_status_code"], record["target_status_code"]) == ("ws", 101, 101)
    assert moment(record["time"]) - moment(record["request_creation_time"]) >= 0.29


def test_http_2_is_told(tmp_path: Path) -> None:
    curl = program("curl")
    with standing(tmp_path) as (ports, log):
        url = f"https://127.0.0.1:{ports['https']}/two?a=1"
        subprocess.run(
            [curl, "-sk", "--http2", "-A", "two", "-H", "Host: www.example.com", url], check=True, capture_output=True
        )
        line = log.recv(65536)
    (record,) = read(kernel_named("reference"), application(line)[0], plan=only("alb")).records()
    assert (record["type"], record["request_protocol"], record["user_agent"]) == ("h2", "HTTP/2.0", "two")
    assert record["request_url"] == f"https://www.example.com:{ports['https']}/two?a=1"


def moment(text: str) -> float:
    """A time of a record in seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()
