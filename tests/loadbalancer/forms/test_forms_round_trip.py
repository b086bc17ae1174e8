"""What was sent through HAProxy is what readers of AWS's logs find; and whatever comes, each line is accounted for."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forming import ADMIN, BAD, FAILED, NOBODY, TCP_LINE, Http, application, classic, hashed
from parsing import KERNELS, kernel_named, only, read
from tailrace.registry import format_named

OK = Http()
NATIVE = "native"
SENT = st.binary(max_size=60).map(lambda data: data.translate(None, b"\r\n\0"))
AWKWARD = st.sampled_from(
    [b'"', b"\\", b'\\"', b'" - -', b"#22", b"\\x22", b"]", b"\xe9", "é에".encode(), b" ", b"\t", b"-", b"{|}", b"%22"]
)
TEXTS = SENT | st.lists(AWKWARD | SENT, max_size=8).map(b"".join)
PATHS = TEXTS.map(lambda data: b"/" + data.translate(None, b" "))
TIMERS = st.tuples(*[st.integers(0, 99_999)] * 7)


def found(line: str, name: str) -> dict[str, Any]:
    """What Tailrace reads of a line as one of an AWS load balancer's."""
    told = read(kernel_named(NATIVE), line.encode(), plan=only(format_named(name)))
    assert (told.counts.records, told.counts.lines) == (1, 1)
    return told.record


def text(data: bytes) -> str | None:
    """As a reader has bytes; nothing and a dash are the same to a load balancer's log."""
    return data.decode("utf-8", "replace") if data not in (b"", b"-") else None


def kept(read_: str) -> str:
    """A text as a Classic Load Balancer's log shows it to readers that decode its quotes: it has no escape for the rest."""
    shown = "".join(f"\\x{ord(one):02X}" if one < " " or one == "\x7f" else one for one in read_)
    return re.sub(r'\\+(?="|\Z)', lambda match: r"\x5C" * len(match[0]), shown)


@settings(max_examples=150, deadline=None)
@given(path=PATHS, agent=TEXTS, sni=TEXTS, location=TEXTS)
def test_what_clients_sent_is_read_from_the_lines_of_an_application_load_balancer(
    path: bytes, agent: bytes, sni: bytes, location: bytes
) -> None:
    sent = NOBODY.but(
        request=b"GET " + path + b" HTTP/1.1", agent=agent, sni=sni, location=location, st=302, tsc="LR--", ft="web~"
    )
    content, told = application(sent.line, kernel=NATIVE)
    assert told.records == 1
    record = found(content.decode(), "alb")
    assert record["request_url"] == f"https://www.example.com:80{path.decode('utf-8', 'replace')}"
    assert (record["request_method"], record["request_protocol"]) == ("GET", "HTTP/1.1")
    assert record.get("user_agent") == text(agent)
    assert record.get("domain_name") == (None if text(sni) is None else escaped(sni))
    assert record.get("redirect_url") == text(location)


def escaped(sni: bytes) -> str:
    """A server's name as written: readers decode only what AWS documents as coming from clients."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02X}"
        for byte in sni.decode("utf-8", "replace").encode()
    )


@settings(max_examples=150, deadline=None)
@given(path=PATHS, agent=TEXTS)
def test_what_clients_sent_is_read_from_the_lines_of_a_classic_load_balancer(path: bytes, agent: bytes) -> None:
    content, told = classic(OK.but(request=b"GET " + path + b" HTTP/1.1", agent=agent).line, kernel=NATIVE)
    assert told.records == 1
    record = found(content.decode(), "clb")
    url = path.decode("utf-8", "surrogateescape")
    url = "".join(f"\\x{ord(one) - 0xDC00:02X}" if "\udc80" <= one <= "\udcff" else one for one in url)
    assert record["request_url"] == f"http://www.example.com:80{kept_inside(url)}"
    assert record.get("user_agent") == (None if text(agent) is None else kept(agent.decode("utf-8", "replace")))


def kept_inside(url: str) -> str:
    """As `kept`, in the midst of a text, where no quote follows the end."""
    return kept(f"{url}.")[:-1]


@settings(max_examples=200, deadline=None)
@given(
    timers=TIMERS, ms=st.integers(0, 999), second=st.integers(0, 4_102_444_800), code=st.integers(100, 599),
    u=st.integers(0, 1 << 60), b=st.integers(0, 1 << 60),
)  # fmt: skip
def test_numbers_and_times_are_those_of_haproxy(
    timers: tuple[int, ...], ms: int, second: int, code: int, u: int, b: int
) -> None:
    th, ti, tr, tw, tc, answer, _ = timers
    sent = OK.but(timers=(*timers[:6], sum(timers[2:6])), ms=ms, second=second, st=code, status=str(code), u=u, b=b)
    begin = second * 1000 + ms + th + ti
    of_application = found(application(sent.line, kernel=NATIVE)[0].decode(), "alb")
    of_classic = found(classic(sent.line, kernel=NATIVE)[0].decode(), "clb")
    waited = tr + tw + tc
    assert (of_classic["elb_status_code"], of_classic["backend_status_code"]) == (code, code)
    assert (of_classic["received_bytes"], of_classic["sent_bytes"]) == (u, b)
    assert of_classic["request_processing_time"] == pytest.approx(waited / 1000)
    assert of_classic["backend_processing_time"] == pytest.approx(answer / 1000)
    assert of_classic["response_processing_time"] == 0
    assert milliseconds(of_classic["time"]) == milliseconds(of_application["request_creation_time"]) == begin
    assert milliseconds(of_application["time"]) == begin + waited + answer
    same = ("request_processing_time", "received_bytes", "sent_bytes", "elb_status_code", "client_ip", "client_port")
    assert [of_application[name] for name in same] == [of_classic[name] for name in same]
    assert of_application["target_processing_time"] == of_classic["backend_processing_time"]


def milliseconds(time: str) -> int:
    """Since 1970."""
    from datetime import datetime  # noqa: PLC0415 - beside its only use

    return round(datetime.fromisoformat(time).timestamp() * 1000)


COOKIES = st.lists(
    st.sampled_from([b'"', b" ", b"q v", b"=", b"\xff", b"{a|b}", b"----", b"- -", b"1/1/0/0/0"]) | SENT, max_size=5
).map(b"".join)


@settings(max_examples=150, deadline=None)
@given(cookie=COOKIES, agent=TEXTS, path=PATHS)
def test_cookies_and_captures_that_haproxy_does_not_escape_change_nothing_else(
    cookie: bytes, agent: bytes, path: bytes
) -> None:
    request = b"GET " + path + b" HTTP/1.1"
    line = (
        b"<134>Nov 22 08:15:26 lb1 haproxy[8482]: 192.0.2.7:52170 [22/Nov/2026:08:15:26.882] web app/s1 1/2/3/4/10 201 79 "
        b"SID=" + cookie + b" - ---- 1/1/0/0/0 0/0 {" + captured(agent) + b'} "' + hashed(request) + b'"\n'
    )
    content, told = classic(line, kernel=NATIVE)
    assert told.records == 1
    record = found(content.decode(), "clb")
    assert (record["elb_status_code"], record["sent_bytes"], record["client_port"]) == (201, 79, 52170)
    assert record["request_processing_time"] == 0.006
    assert "user_agent" not in record
    assert record["request_url"].startswith("http://203.0.113.9:80/")


def captured(header: bytes) -> bytes:
    """As HAProxy encodes a captured header."""
    return b"".join(b"#%02X" % byte if byte in b"{|}" else hashed(bytes([byte])) for byte in header)


LINES = st.sampled_from([
    OK.line, BAD.line, NOBODY.line, TCP_LINE, ADMIN, FAILED, b"\n", b"# a\n", b"Enable x for ELB: y at z\n",
    OK.but(ft="web~", tls=("TLSv1.3", "x")).line,
])  # fmt: skip


@st.composite
def hostile(draw: st.DrawFn) -> bytes:
    """Lines with bytes changed, put in and taken out anywhere."""
    content = bytearray(b"".join(draw(st.lists(LINES | st.binary(max_size=40), max_size=6))))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(content)))
        end = draw(st.integers(at, min(len(content), at + 5)))
        content[at:end] = draw(
            AWKWARD | st.binary(max_size=6) | st.sampled_from([b"-1", b"99999999999999999999", b"\n", b":", b"["])
        )
    return bytes(content)


@pytest.mark.parametrize("kernel", KERNELS)
@settings(max_examples=150, deadline=None)
@given(content=hostile())
def test_whatever_comes_each_line_is_a_line_that_can_be_read_or_a_reject(kernel: str, content: bytes) -> None:
    lines = sum(1 for line in content.split(b"\n") if line.removesuffix(b"\r"))
    for convert, name in ((classic, "clb"), (application, "alb")):
        converted, told = convert(content, kernel=kernel)
        assert told.lines == told.records + told.rejected == lines
        assert len(told.rejects) == told.rejected
        assert all(reject.payload in content for reject in told.rejects)
        again = read(kernel_named(NATIVE), converted, plan=only(format_named(name)))
        assert (again.counts.lines, again.counts.records, again.counts.rejects) == (told.records, told.records, 0)
        assert again.counts.invalid == 0
