"""HTTP/1.1 against a server of the standard library that also breaks off, refuses, hesitates, and says too much."""

from __future__ import annotations

import select
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.certificates import Authority
from services.logstash import HttpInput, blocked, hang_up, raw, reset, silent, status
from tailrace.errors import Fatal, Retryable, UsageError
from tailrace.transport import Answer, Connection, Tls

JSON = {"Content-Type": "application/json"}
BODY = b'[{"n":1}]'
LARGE = b'[{"n":"' + b"x" * 8_000_000 + b'"}]'
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def server() -> Iterator[HttpInput]:
    with HttpInput() as made:
        yield made
    assert made.complaints == []


@pytest.fixture
def connection(server: HttpInput) -> Iterator[Connection]:
    made = Connection(server.url, timeout=5)
    yield made
    made.close()


def post(connection: Connection, body: bytes = BODY, *, expect: bool = False) -> Answer:
    return connection.request("POST", "/logs", JSON, body, expect=expect)


@pytest.mark.parametrize("expect", [False, True])
def test_requests_share_a_connection(server: HttpInput, connection: Connection, *, expect: bool) -> None:
    for body in (BODY, LARGE, BODY):
        answer = post(connection, body, expect=expect)
        assert (answer.status, answer.ok, answer.body, answer.headers["content-type"]) == (
            200,
            True,
            b"ok",
            "text/plain",
        )
    assert (server.connections, len(server.events)) == (1, 3)
    assert [("expect" in seen.headers, seen.path) for seen in server.seen] == [(expect, "/logs")] * 3


def test_a_request_without_a_body_never_expects_and_has_no_length(server: HttpInput, connection: Connection) -> None:
    server.always = status(204)
    assert connection.request("GET", "/", {}, expect=True).status == 204
    assert server.seen[0].headers.keys() == {"host", "user-agent"}


def closed_by_the_server(connection: Connection) -> None:
    """Wait until the server's end of the connection is here, if it is to come."""
    if connection._channel:
        connection._channel._wait(select.POLLIN, 5)


@pytest.mark.parametrize("code", [100 + 99, 300, 304, 404, 429, 500])
def test_only_2xx_is_ok(code: int) -> None:
    assert not Answer(code, {}, b"").ok


def test_what_the_server_refuses_beforehand_is_not_sent(server: HttpInput, connection: Connection) -> None:
    server.faults += [blocked, None]
    assert post(connection, LARGE, expect=True).status == 429
    assert server.seen[0].body == b""
    assert post(connection, LARGE, expect=True).ok
    assert (server.connections, len(server.events)) == (2, 1)


def test_without_expect_the_refusal_is_still_read_from_a_connection_that_breaks(
    server: HttpInput, connection: Connection
) -> None:
    server.faults += [blocked]
    assert post(connection, LARGE).status == 429
    assert post(connection, LARGE).ok
    assert len(server.events) == 1


def test_an_answer_that_comes_before_the_body_is_whole_ends_the_request(
    server: HttpInput, connection: Connection
) -> None:
    server.faults += [status(413, read=False)]
    assert post(connection, LARGE).status == 413
    assert post(connection).ok


def test_a_server_that_does_not_know_expect_gets_the_body_after_a_while_and_soon_at_once(
    server: HttpInput, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tailrace.transport._exchange.CONTINUE_S", 0.05)
    server.heeds_expect = False
    for _ in range(4):
        assert post(connection, expect=True).ok
    assert ["expect" in seen.headers for seen in server.seen] == [True, True, True, False]
    assert (server.connections, len(server.events)) == (1, 4)


def test_a_server_that_refuses_to_be_asked_is_not_asked(server: HttpInput, connection: Connection) -> None:
    server.faults += [status(417, read=False)]
    assert post(connection, expect=True).ok
    assert post(connection, expect=True).ok
    assert ["expect" in seen.headers for seen in server.seen] == [True, False, False]
    assert len(server.events) == 2


@pytest.mark.parametrize("expect", [False, True])
def test_a_connection_that_was_closed_while_idle_is_replaced(
    server: HttpInput, connection: Connection, *, expect: bool
) -> None:
    server.faults += [raw(OK), None]
    assert post(connection, expect=expect).ok
    closed_by_the_server(connection)
    assert post(connection, expect=expect).ok
    assert (server.connections, len(server.events)) == (2, 2)


def test_words_on_an_idle_connection_are_no_answer(server: HttpInput, connection: Connection) -> None:
    server.faults += [raw(OK + b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", stay=5), None]
    assert post(connection).ok
    assert post(connection).status == 200


def test_a_kept_connection_that_breaks_before_the_body_was_asked_for_is_replaced(
    server: HttpInput, connection: Connection
) -> None:
    server.faults += [None, hang_up, None]
    assert post(connection, expect=True).ok
    assert post(connection, expect=True).ok
    assert (server.statuses, server.connections, len(server.events)) == ([200, 0, 200], 2, 2)


def test_a_request_without_effect_is_repeated_on_a_new_connection(server: HttpInput, connection: Connection) -> None:
    server.faults += [status(204), hang_up, status(204)]
    assert connection.request("GET", "/", {}).status == 204
    assert connection.request("GET", "/", {}).status == 204
    assert (server.statuses, server.connections) == ([204, 0, 204], 2)


def test_a_request_that_may_have_been_taken_is_not_repeated(server: HttpInput, connection: Connection) -> None:
    server.faults += [None, reset(read=True, taken=True)]
    assert post(connection).ok
    with pytest.raises(Retryable, match=f"^{server.url} did not answer: "):
        post(connection)
    assert (server.statuses, len(server.events)) == ([200, 0], 2)


def test_a_new_connection_that_breaks_is_told(server: HttpInput, connection: Connection) -> None:
    server.always = hang_up
    with pytest.raises(Retryable, match=f"^{server.url} did not take a request: the connection was closed"):
        post(connection, expect=True)
    assert server.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"x" * 1_000_000 + b"\r\n\r\n",
    ],
)
def test_half_an_answer_is_none(server: HttpInput, connection: Connection, answer: bytes) -> None:
    server.faults += [raw(answer)]
    with pytest.raises(Retryable, match="broke off its answer"):
        post(connection)
    assert post(connection).ok


def test_an_answer_beyond_the_limit_is_not_read_on(server: HttpInput) -> None:
    connection = Connection(server.url, timeout=5, limit=1000)
    server.faults += [raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n" + b"x" * 1001)]
    with pytest.raises(Retryable, match="longer than 1000 bytes"):
        post(connection)
    assert post(connection).ok
    connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nA: 1\r\na: 2\r\n\r\nok",
    ],
)
def test_answers_in_every_form(server: HttpInput, connection: Connection, answer: bytes) -> None:
    server.faults += [raw(answer), None]
    told = post(connection)
    assert (told.status, told.body, told.headers.get("a", "1, 2")) == (200, b"ok", "1, 2")
    closed_by_the_server(connection)
    assert post(connection).ok
    assert len(server.events) == 2


def test_a_silent_server_is_waited_for_only_so_long(server: HttpInput) -> None:
    connection = Connection(server.url, timeout=0.1)
    server.faults += [silent(5)]
    with pytest.raises(Retryable, match="did not answer: it took too long"):
        post(connection)
    assert connection.request("POST", "/", JSON, BODY).ok
    connection.close()


def test_an_answer_that_trickles_is_waited_for_only_so_long(server: HttpInput) -> None:
    ticking = iter(range(100))
    connection = Connection(server.url, timeout=3, monotonic=lambda: float(next(ticking)))
    server.faults += [raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", stay=5)]
    with pytest.raises(Retryable, match="it took too long"):
        post(connection)
    connection.close()


def test_nobody_there() -> None:
    with HttpInput() as gone:
        pass
    with pytest.raises(Retryable, match=f"^{gone.url} cannot be reached: Connection refused$"):
        post(Connection(gone.url))
    with pytest.raises(Retryable, match=r"^http://nowhere\.invalid:80 cannot be reached: its name is not known"):
        post(Connection("http://nowhere.invalid"))


def test_ipv6() -> None:
    with HttpInput(host="::1") as server:
        connection = Connection(server.url, timeout=5)
        assert post(connection).ok
        connection.close()
    assert (server.complaints, connection.where) == ([], server.url)


def test_a_header_that_cannot_be_is_told_without_it(connection: Connection) -> None:
    with pytest.raises(UsageError) as told:
        connection.request("POST", "/", {"Authorization": "Basic secret\r\nX: 1"}, BODY)
    assert "secret" not in f"{told.value} {told.value.__cause__}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("expect", [False, True])
def test_tls_with_certificates_on_both_sides(authority: Authority, version: ssl.TLSVersion, *, expect: bool) -> None:
    context = authority.server(authority.pair("server"), clients=True)
    context.maximum_version = version
    ours = authority.pair("us")
    with HttpInput(context=context) as server:
        tls = Tls(ca=str(authority.path), certificate=str(ours.certificate), key=str(ours.key))
        connection = Connection(server.url, tls, 5)
        for body in (BODY, LARGE, BODY):
            assert post(connection, body, expect=expect).ok
        server.faults += [blocked, raw(OK), None]
        for code in (429, 200, 200):
            assert post(connection, LARGE, expect=expect).status == code
            if len(server.seen) == 5:
                closed_by_the_server(connection)
        connection.close()
    assert (len(server.events), server.complaints) == (5, [])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_does_not_know_us_is_fatal(authority: Authority, version: ssl.TLSVersion, tmp_path: Path) -> None:
    context = authority.server(authority.pair("server"), clients=True)
    context.maximum_version = version
    foreign = Authority(tmp_path, "foreign").pair("foreigner")
    with HttpInput(context=context) as server:
        for own in ({}, {"certificate": str(foreign.certificate), "key": str(foreign.key)}):
            with pytest.raises(Fatal, match="does not take our side of TLS"):
                post(Connection(server.url, Tls(ca=str(authority.path), **own), 5), LARGE)
    assert server.events == []


def test_a_server_that_we_do_not_know_is_fatal(authority: Authority, tmp_path: Path) -> None:
    own, foreign = Tls(ca=str(authority.path)), Tls(ca=str(Authority(tmp_path).path))
    with HttpInput(context=authority.server(authority.pair("server"))) as server:
        with pytest.raises(Fatal, match=r"is not trusted .*setting `ca`"):
            post(Connection(server.url, foreign, 5))
        with pytest.raises(Fatal, match="is not trusted"):
            post(Connection(server.url, None, 5))
        for url, tls in ((server.url.replace("127.0.0.1", "localhost"), own), (server.url, Tls(verify=False))):
            with closing(Connection(url, tls, 5)) as trusted:
                assert post(trusted).ok
    with (
        HttpInput(context=authority.server(authority.pair("late", days=-1))) as late,
        pytest.raises(Fatal, match="expired"),
    ):
        post(Connection(late.url, own, 5))
    assert (len(server.events), late.events) == (2, [])


def test_tls_older_than_1_2_and_no_tls_at_all_are_fatal(authority: Authority, server: HttpInput) -> None:
    with pytest.raises(Fatal, match="does not speak TLS"):
        post(Connection(server.url.replace("http:", "https:"), None, 5))
    context = authority.server(authority.pair("server"))
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with HttpInput(context=context) as old, pytest.raises(Fatal, match="does not"):
        post(Connection(old.url, Tls(ca=str(authority.path)), 5))
