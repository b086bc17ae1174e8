"""Each field of AWS's lines, from what HAProxy logged, in every one of its log formats."""

from __future__ import annotations

import pytest

from forming import (
    ADMIN,
    BAD,
    FAILED,
    HEADER,
    NOBODY,
    TCP_LINE,
    WEB,
    Http,
    application,
    classic,
    copied,
    parser,
    written,
)
from parsing import KERNELS
from tailrace.accesslogging import AccessLogging
from tailrace.errors import UsageError
from tailrace.kernel.zones import zone
from tailrace.loadbalancer.forms import aws
from tailrace.loadbalancer.forms.opening import form
from tailrace.loadbalancer.forms.reading import CHUNK, plan
from tailrace.loadbalancer.logformat import beside
from tailrace.loadbalancer.model import Balancer
from tailrace.registry import formats

OK = Http()
TLS = OK.but(
    ft="web~", frontend="198.51.100.4:443", timers=(11, 3, 5, 7, 13, 40, 90), u=1234, b=56789, sni=b"www.example.com",
    tls=("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
)  # fmt: skip


def one(line: bytes, kernel: str = "reference") -> str:
    """A line of a Classic Load Balancer."""
    content, told = classic(line, kernel=kernel)
    assert (told.lines, told.records, told.rejected) == (1, 1, 0)
    return content.decode().removesuffix("\n")


def other(line: bytes, kernel: str = "reference") -> str:
    """A line of an Application Load Balancer."""
    content, told = application(line, kernel=kernel)
    assert (told.lines, told.records, told.rejected) == (1, 1, 0)
    return content.decode().removesuffix("\n")


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_request_is_a_line_of_either_load_balancer(kernel: str) -> None:
    assert one(OK.line, kernel) == (
        "2026-11-22T08:15:22.888000Z web 192.0.2.7:40440 10.0.0.9:8080 0.000000 0.001000 0.000000 200 200 86 160 "
        '"GET http://www.example.com:80/ok?a=1 HTTP/1.1" "curl/8" - -'
    )
    assert other(OK.line, kernel) == (
        "http 2026-11-22T08:15:22.889000Z app/web/50dc6c495c0c9188 192.0.2.7:40440 10.0.0.9:8080 0.000 0.001 0.000 200 200 "
        '86 160 "GET http://www.example.com:80/ok?a=1 HTTP/1.1" "curl/8" - - - "-" "-" "-" - 2026-11-22T08:15:22.888000Z '
        '"forward" "-" "-" "10.0.0.9:8080" "200" "-" "-" - "-" "-" "-" 203.0.113.9'
    )


@pytest.mark.parametrize("kernel", KERNELS)
def test_times_add_up_and_are_of_the_request_and_not_of_the_connection(kernel: str) -> None:
    # 888 ms + handshake 11 + idle 3 = 902: the first byte. + 5 + 7 + 13: at the server. + 40: its answer.
    assert one(TLS.line, kernel) == (
        "2026-11-22T08:15:22.902000Z web 192.0.2.7:40440 10.0.0.9:8080 0.025000 0.040000 0.000000 200 200 1234 56789 "
        '"GET https://www.example.com:443/ok?a=1 HTTP/1.1" "curl/8" TLS-AES-256-GCM-SHA384 TLSv1.3'
    )
    assert other(TLS.line, kernel) == (
        "https 2026-11-22T08:15:22.967000Z app/web/50dc6c495c0c9188 192.0.2.7:40440 10.0.0.9:8080 0.025 0.040 0.000 "
        '200 200 1234 56789 "GET https://www.example.com:443/ok?a=1 HTTP/1.1" "curl/8" TLS_AES_256_GCM_SHA384 TLSv1.3 '
        '- "-" "www.example.com" "-" - 2026-11-22T08:15:22.902000Z "forward" "-" "-" "10.0.0.9:8080" "200" "-" "-" - '
        '"-" "-" "-" 203.0.113.9'
    )


def test_a_request_that_waited_into_the_next_second_is_of_that_second() -> None:
    assert one(OK.but(ms=999, timers=(0, 5002, 0, 0, 0, 1, 1)).line).startswith("2026-11-22T08:15:28.001000Z ")


def test_the_last_moment_of_the_year_is_followed_by_the_first_of_the_next() -> None:
    line = OK.but(second=1_798_761_599, ms=999, timers=(0, 0, 0, 0, 1, 0, 1)).line
    assert one(line).startswith("2026-12-31T23:59:59.999000Z ")
    assert other(line).startswith("http 2027-01-01T00:00:00.000000Z ")


NO_SERVER = "- -1 -1 -1"
SENT = "192.0.2.7:40440 10.0.0.9:8080"
ANSWERS = {
    # what happened: the line, and its fields from the server to the server's status on both load balancers
    "no server": (NOBODY, f"{NO_SERVER} 503 -", f"{NO_SERVER} 503 -", "forward"),
    "connection refused": (
        OK.but(timers=(0, 0, 0, 0, -1, -1, 1001), st=503, status="-", tsc="SC--"),
        f"{NO_SERVER} 503 -", f"{NO_SERVER} 503 -", "forward",
    ),
    "server's time-out": (
        OK.but(timers=(0, 0, 0, 1, 2, -1, 2003), st=504, status="-", tsc="sH--"),
        "- 0.003000 -1 -1 504 -", "10.0.0.9:8080 0.003 -1 -1 504 -", "forward",
    ),
    "server hung up": (
        OK.but(timers=(0, 0, 0, 0, 0, -1, 3), st=502, status="-", tsc="SH--"),
        "- 0.000000 -1 -1 502 -", "10.0.0.9:8080 0.000 -1 -1 502 -", "forward",
    ),
    "client gave up": (
        OK.but(timers=(0, 0, 0, 0, 0, -1, 700), st=-1, status="-", tsc="CH--", b=0),
        "- 0.000000 -1 -1 - -", "10.0.0.9:8080 0.000 -1 -1 - -", "forward",
    ),
    "client gave up while it was sent": (
        OK.but(timers=(0, 0, 0, 0, 0, 5, 700), tsc="CD--"),
        "10.0.0.9:8080 0.000000 0.005000 0.000000 200 200", "10.0.0.9:8080 0.000 0.005 0.000 200 200", "forward",
    ),
    "blocked response": (
        OK.but(timers=(0, 0, 0, 0, 0, 5, 6), st=502, status="-", tsc="PH--"),
        "10.0.0.9:8080 0.000000 0.005000 0.000000 502 -", "10.0.0.9:8080 0.000 0.005 0.000 502 -", "forward",
    ),
    "status changed on the way": (
        OK.but(st=404, status="410"), "10.0.0.9:8080 0.000000 0.001000 0.000000 404 410",
        "10.0.0.9:8080 0.000 0.001 0.000 404 410", "forward",
    ),
    "denied": (NOBODY.but(st=403, tsc="PR--"), f"{NO_SERVER} 403 -", f"{NO_SERVER} 403 -", "-"),
    "returned": (NOBODY.but(st=200, tsc="LR--"), f"{NO_SERVER} 200 -", f"{NO_SERVER} 200 -", "fixed-response"),
    "statistics": (
        OK.but(server="-:-", chosen="stats/<STATS>", tsc="LR--"), f"{NO_SERVER} 200 -", f"{NO_SERVER} 200 -", "fixed-response",
    ),
    "redirected": (
        NOBODY.but(st=302, tsc="LR--", location=b'https://e.example/"a'), f"{NO_SERVER} 302 -", f"{NO_SERVER} 302 -", "redirect",
    ),
    "IPv6 server": (
        OK.but(server="2001:db8::9:80"), "2001:db8:0:0:0:0:0:9:80 0.000000 0.001000 0.000000 200 200",
        "2001:db8:0:0:0:0:0:9:80 0.000 0.001 0.000 200 200", "forward",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", ANSWERS)
def test_what_became_of_a_request(what: str) -> None:
    line, of_classic, of_application, action = ANSWERS[what]
    assert f" 192.0.2.7:40440 {of_classic} " in one(line.line)
    told = other(line.line)
    assert f" 192.0.2.7:40440 {of_application} " in told
    location = r"https://e.example/\x22a" if what == "redirected" else "-"
    server, status = of_application.split(" ")[0], of_application.split(" ")[-1]
    assert f' "{action}" "{location}" "-" "{server}" "{status}" ' in told


TYPES = {
    "http": OK.but(request=b"GET / HTTP/2.0"),
    "https": TLS,
    "h2": TLS.but(request=b"GET https://www.example.com/ HTTP/2.0"),
    "ws": OK.but(st=101, status="101", timers=(0, 0, 0, 0, 0, 1, 60_000)),
    "wss": TLS.but(st=101, status="101"),
}


@pytest.mark.parametrize("type_", TYPES)
def test_the_type_of_a_request(type_: str) -> None:
    assert other(TYPES[type_].line).split(" ")[0] == type_


def test_a_websocket_is_of_the_time_when_it_was_closed() -> None:
    fields = other(TYPES["ws"].line).split(" ")
    assert fields[1] == "2026-11-22T08:16:22.888000Z"
    assert fields[8:10] == ["101", "101"]
    assert "2026-11-22T08:15:22.888000Z" in fields[2:]


REQUESTS = {
    # request line, Host header, the rest of HAProxy's knowledge: what AWS writes
    "host with port": (OK.but(host=b"www.example.com:8443"), "GET http://www.example.com:8443/ok?a=1 HTTP/1.1"),
    "host is IPv6": (OK.but(host=b"[2001:db8::1]"), "GET http://[2001:db8::1]:80/ok?a=1 HTTP/1.1"),
    "host is IPv6 with port": (OK.but(host=b"[2001:db8::1]:81"), "GET http://[2001:db8::1]:81/ok?a=1 HTTP/1.1"),
    "no host": (OK.but(host=b""), "GET http://198.51.100.4:80/ok?a=1 HTTP/1.1"),
    "no host, IPv6": (OK.but(host=b"", frontend="2001:db8::4:80"), "GET http://[2001:db8::4]:80/ok?a=1 HTTP/1.1"),
    "absolute URL": (OK.but(request=b"GET http://a.example/x HTTP/1.1"), "GET http://a.example:80/x HTTP/1.1"),
    "absolute URL with port": (OK.but(request=b"GET http://a.example:1/x HTTP/1.1"), "GET http://a.example:1/x HTTP/1.1"),
    "absolute URL without path": (OK.but(request=b"GET http://a.example?x HTTP/1.1"), "GET http://a.example:80?x HTTP/1.1"),
    "HTTP/2": (TYPES["h2"], "GET https://www.example.com:443/ HTTP/2.0"),
    "asterisk": (OK.but(request=b"OPTIONS * HTTP/1.1"), "OPTIONS http://www.example.com:80/* HTTP/1.1"),
    "CONNECT": (OK.but(request=b"CONNECT a.example:443 HTTP/1.1"), "CONNECT http://a.example:443 HTTP/1.1"),
    "unreadable": (BAD, "- http://198.51.100.4:80- -"),
    "cut by HAProxy": (OK.but(request=b"GET /" + b"x" * 1010), f"GET http://www.example.com:80/{'x' * 1010} -"),
    "long": (
        OK.but(request=b"GET /" + b"x" * 1010, url=b"/" + b'x"' * 1000, version="1.1"),
        f"GET http://www.example.com:80/{'x{}' * 1000} HTTP/1.1",
    ),
    "URL in URL": (OK.but(request=b"GET /?u=http://b.example/ HTTP/1.1"), "GET http://www.example.com:80/?u=http://b.example/ HTTP/1.1"),
}  # fmt: skip


@pytest.mark.parametrize("what", REQUESTS)
def test_the_request_has_scheme_host_and_port_as_aws_writes_them(what: str) -> None:
    line, expected = REQUESTS[what]
    assert f'"{expected.replace("{}", chr(92) + chr(34))}"' in one(line.line)
    assert f'"{expected.replace("{}", chr(92) + "x22")}"' in other(line.line)


AGENTS = {
    # what the client sent: what either load balancer writes
    b"": ("-", "-"),
    b"-": ("-", "-"),
    b'a"b': (r"a\"b", r"a\x22b"),
    b"a\\b": (r"a\b", r"a\x5Cb"),
    b"a\\": (r"a\x5C", r"a\x5C"),
    b'a\\"': (r"a\x5C\"", r"a\x5C\x22"),
    b'\\\\"]': (r"\x5C\x5C\"]", r"\x5C\x5C\x22]"),
    b"tab\tdel\x7f": (r"tab\x09del\x7F", r"tab\x09del\x7F"),
    "에é".encode(): ("에é", r"\xEC\x97\x90\xC3\xA9"),
    b"x" * 9000: ("x" * 8192, "x" * 8192),
    "é".encode() * 5000: ("é" * 4096, r"\xC3\xA9" * 4096),
}


@pytest.mark.parametrize("agent", AGENTS)
def test_the_user_agent_is_escaped_as_aws_does_and_cut_at_8_kb(agent: bytes) -> None:
    of_classic, of_application = AGENTS[agent]
    assert f'HTTP/1.1" "{of_classic}" - -' in one(OK.but(agent=agent).line)
    assert f'HTTP/1.1" "{of_application}" - - - ' in other(OK.but(agent=agent).line)


def test_bytes_of_a_url_that_are_no_utf8_are_kept() -> None:
    line = OK.but(request=b"GET /\xe9#\xc3\xa9 HTTP/1.1").line
    assert r'"GET http://www.example.com:80/\xE9#é HTTP/1.1"' in one(line)
    assert r'"GET http://www.example.com:80/\xE9#\xC3\xA9 HTTP/1.1"' in other(line)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_connection_in_tcp_mode_is_a_line_of_a_classic_load_balancer_only(kernel: str) -> None:
    assert one(TCP_LINE, kernel) == (
        "2026-11-22T08:15:23.002000Z web 192.0.2.8:34546 10.0.0.9:5432 0.003000 0.001000 0.000000 - - 59 72 "
        '"- - - " "-" TLS-AES-256-GCM-SHA384 TLSv1.3'
    )
    content, told = application(TCP_LINE, kernel=kernel)
    assert (content, told.lines, told.records, told.rejected) == (b"", 1, 0, 1)
    assert [(reject.reason, reject.payload + b"\n") for reject in told.rejects] == [("no_match", TCP_LINE)]


def test_a_connection_that_reached_no_server() -> None:
    line = TCP_LINE.replace(b" 1/2/1/57 59 72 -- ", b" 1/2/-1/57 59 0 SC ")
    assert " 192.0.2.8:34546 - -1 -1 -1 - - 59 0 " in one(line)


@pytest.mark.parametrize("client", ["unix:1", "-:-"])
def test_a_client_without_an_address_has_one_that_tells_nothing(client: str) -> None:
    assert " web 0.0.0.0:" in one(OK.but(client=client).line)


OTHERS = {
    "httplog": (
        (b"<134>Nov 22 08:15:26 lb1 haproxy[8482]: 192.0.2.7:52170 [22/Nov/2026:08:15:26.882] web app/s1 1/2/3/4/10 200 79 - - "
        b'---- 1/1/0/0/0 0/0 {a|b} "GET /q?a=#22b#22 HTTP/1.1"'),
        ('2026-11-22T08:15:26.882000Z web 192.0.2.7:52170 - 0.006000 0.004000 0.000000 200 200 0 79 '
        r'"GET http://203.0.113.9:80/q?a=\"b\" HTTP/1.1" "-" - -'),
    ),
    "httpslog": (
        (b"<142>1 2026-11-22T08:15:41.922597+00:00 lb1 haproxy 8482 - - 192.0.2.7:41634 [22/Nov/2026:08:15:41.922] web~ app/s1 "
        b'0/0/0/-1/30 502 79 - - PH-- 1/1/0/0/0 0/0 "GET /tls HTTP/1.1" 0/0000000000000000/0/0/0 '
        b"www.example.com/TLSv1.2/ECDHE-RSA-AES128-GCM-SHA256"),
        ("2026-11-22T08:15:41.922000Z web 192.0.2.7:41634 - 0.000000 -1 -1 502 - 0 79 "
        '"GET https://203.0.113.9:443/tls HTTP/1.1" "-" ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2'),
    ),
    "tcplog": (
        b"<150>Nov 22 08:15:44 haproxy[8482]: 192.0.2.7:44464 [22/Nov/2026:08:15:44.064] db pg/s1 1/2/9 91 -- 1/1/0/0/0 0/0",
        '2026-11-22T08:15:44.064000Z web 192.0.2.7:44464 - 0.003000 0.002000 0.000000 - - 0 91 "- - - " "-" - -',
    ),
    "clf": (
        (b'<134>Nov 22 08:15:42 lb1 haproxy[8482]: 192.0.2.7 - - [22/Nov/2026:08:15:42 +0000] "GET /clf HTTP/1.1" 200 79 "" "" '
        b'53252 225 "web" "app" "s1" 0 0 0 2 2 ---- 1 1 0 0 0 0 0 "" "" "" ""'),
        ("2026-11-22T08:15:42.000000Z web 192.0.2.7:53252 - 0.000000 0.002000 0.000000 200 200 0 79 "
        '"GET http://203.0.113.9:80/clf HTTP/1.1" "-" - -'),
    ),
    "recipe": (  # whose only time is that of the header, at the end: 3 s before, the request came
        (b"<134>1 2026-11-22T08:15:42.922597+00:00 lb1 haproxy 1 - - httplog f_web b_web i-1 200 -- 2500 1 2 490 3000 "
        b'"GET /ok HTTP/1.1" 192.0.2.7:53952 10.0.0.4:80 10.0.0.9:8080 req_size=86 resp_size=160'),
        ("2026-11-22T08:15:39.922597Z web 192.0.2.7:53952 10.0.0.9:8080 0.003000 0.490000 0.000000 200 200 86 160 "
        '"GET http://10.0.0.4:80/ok HTTP/1.1" "-" - -'),
    ),
    "servo": (
        (b"<150>Nov 22 08:15:44 haproxy[1]: httplog 1795335322 192.0.2.7 53952 10.0.0.9 8080 0 1 2 3 7 200 86 160 f b s -- "
        b"GET /ok HTTP/1.1 curl/8 (a b)"),
        ("2026-11-22T08:15:22.000000Z web 192.0.2.7:53952 10.0.0.9:8080 0.003000 0.003000 0.000000 200 200 86 160 "
        '"GET http://203.0.113.9:80/ok HTTP/1.1" "curl/8 (a b)" - -'),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("what", OTHERS)
def test_every_format_of_haproxy_is_read(what: str, kernel: str) -> None:
    line, expected = OTHERS[what]
    assert one(line + b"\n", kernel) == expected


def test_a_log_format_of_the_users_own_and_dates_without_a_zone() -> None:
    how = plan("%ci:%cp at [%tr] %ST %HM %HU %HV %Tc %Tr", zone=zone("Europe/Zurich"))
    content, told = classic(b"192.0.2.7:1 at [22/Nov/2026:09:15:26.882] 200 GET /a?b HTTP/1.1 3 4\n", how)
    assert content.decode() == (
        "2026-11-22T08:15:26.882000Z web 192.0.2.7:1 - 0.003000 0.004000 0.000000 200 200 0 0 "
        '"GET http://203.0.113.9:80/a?b HTTP/1.1" "-" - -\n'
    )
    assert told.records == 1


def test_a_log_format_that_gives_names_another_meaning_is_refused() -> None:
    with pytest.raises(UsageError, match="the name 'client_port' is given to a text; give it another name"):
        plan("%ci %(client_port)[src]")


@pytest.mark.parametrize("kernel", KERNELS)
def test_what_is_no_line_of_a_request_is_told_with_its_place_and_reason(kernel: str) -> None:
    lines = [
        OK.line, ADMIN, FAILED, b"\n", b"garbage\n", b"# a comment\n", b"Enable AccessLog for ELB: web at noon\n",
        OK.line[:100] + b"\n", b"Connect from 192.0.2.7:1 to 198.51.100.4:80 (web/HTTP)\n", OK.line[:-1],
    ]  # fmt: skip
    content, told = classic(b"".join(lines), kernel=kernel)
    assert content.count(b"\n") == told.records == 2
    assert (told.lines, told.rejected) == (9, 7)
    at = {sum(map(len, lines[:n])): line.removesuffix(b"\n") for n, line in enumerate(lines)}
    assert all(at[reject.offset] == reject.payload for reject in told.rejects)
    reasons = {reject.payload: reject.reason for reject in told.rejects}
    notices = (ADMIN, FAILED, b"Connect from 192.0.2.7:1 to 198.51.100.4:80 (web/HTTP)\n")
    others = (b"garbage\n", b"# a comment\n", b"Enable AccessLog for ELB: web at noon\n", OK.line[:100] + b"\n")
    assert reasons == {
        **dict.fromkeys((line[:-1] for line in notices), "no_match"),
        **dict.fromkeys((line[:-1] for line in others), "unknown_format"),
    }


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_line_cut_at_haproxys_limit_is_written_as_far_as_it_goes(kernel: str) -> None:
    line = OTHERS["httplog"][0]
    content, told = classic(line[:-10] + b"\n" + line[:-60] + b"\n", kernel=kernel)
    assert told.records + told.rejected == told.lines == 2
    assert b'"GET http://203.0.113.9:80/q?a=\\"b\\" -"' in content


def test_a_cut_line_without_a_status_is_a_reject() -> None:
    content, told = classic(OTHERS["clf"][0].partition(b" HTTP/1.1")[0] + b"\n")
    assert (content, [reject.reason for reject in told.rejects]) == (b"", ["truncated"])


def test_a_line_without_a_time_is_a_reject() -> None:
    line = OTHERS["recipe"][0].partition(b"- - ")[2]
    content, told = classic(line + b"\n")
    assert (content, [reject.reason for reject in told.rejects]) == (b"", ["bad_time"])


def test_of_many_rejects_all_are_counted_and_some_kept() -> None:
    content, told = classic((b"x" * 500 + b"\n") * 3000 + OK.line)
    assert (told.lines, told.records, told.rejected) == (3001, 1, 3000)
    assert 900 < len(told.rejects) <= 1000
    assert content.count(b"\n") == 1


def test_haproxys_own_lines_are_copied_but_for_empty_ones() -> None:
    assert copied(b"\n\na\n\n\nb \x00\xff\r\n" + ADMIN + b"last")[0] == b"a\nb \x00\xff\r\n" + ADMIN + b"last\n"
    assert copied(b"\n\na\n\n\nb\n" + ADMIN + b"last")[1].records == 4
    assert copied(b"")[1].lines == 0


@pytest.mark.parametrize("size", [CHUNK - 1, CHUNK, CHUNK + 1, (1 << 20) + CHUNK + 7])
def test_lines_of_any_length_are_copied_whole(size: int) -> None:
    content = b"a\n" + b"x" * size + b"\nb\n\n" + b"y" * size
    copy, told = copied(content)
    assert copy == content.replace(b"\n\n", b"\n") + b"\n"
    assert told.lines == told.records == 4


def test_a_line_that_is_too_long_is_one_reject() -> None:
    content, told = classic(OK.line + b"#" + b"x" * ((1 << 20) + CHUNK) + b"\n" + OK.line)
    assert content.count(b"\n") == told.records == 2
    assert [reject.reason for reject in told.rejects] == ["line_too_long"]
    assert told.lines == 3


def test_the_same_lines_are_the_same_bytes_again() -> None:
    made = aws.application(WEB, parser(), plan())
    assert written(made, OK.line * 3)[0] == written(made, OK.line * 3)[0]


def test_the_form_that_settings_ask_for() -> None:
    def suffix(**of: str) -> str:
        return form(AccessLogging(**of), WEB, parser()).suffix  # type: ignore[arg-type]

    assert (suffix(), suffix(type="application"), suffix(form="haproxy", type="application")) == (
        ".log",
        ".log.gz",
        ".log",
    )
    with pytest.raises(
        UsageError, match=r"'my lb': AWS's logs allow letters, digits and hyphens in its name; set lb.name = 'my-lb'"
    ):
        form(AccessLogging(), Balancer(name="my lb", account="", region="", address=""), parser())


def test_lines_without_a_syslog_header_are_read_too() -> None:
    assert one(OK.line.removeprefix(HEADER)) == one(OK.line)


def test_all_formats_of_haproxy_are_tried_in_the_registrys_order() -> None:
    known = [known for known in formats().values() if known.vendor == "haproxy"]
    assert list(plan().formats) == known


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("line", [OK.line, TLS.line, BAD.line, TCP_LINE, OK.but(agent=b'" tailrace-end "x" - \\').line])
def test_the_line_of_other_log_targets_behind_ours_changes_nothing(line: bytes, kernel: str) -> None:
    for other_line in (OTHERS["httplog"][0].partition(b"]: ")[2], b"x", b'tailrace-http "', b""):
        fields = beside(line.removeprefix(HEADER)[:-1].decode("latin-1")).removeprefix("- ").encode("latin-1")
        both = HEADER + fields + b" " + other_line + b"\n"
        assert classic(both, kernel=kernel)[0] == classic(line, kernel=kernel)[0]
