"""The service answers on loopback, and to strangers only with a token."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tailrace.errors import UsageError
from tailrace.hosts._prometheus import exposition
from tailrace.hosts.listening import Listener, Told
from tailrace.metrics import IN_FLIGHT, LINES, Tally
from tailrace.model import Totals
from tailrace.run import Outcome

HERE = "127.0.0.1:0"


@contextmanager
def listening(token: str = "", *, ready: bool = True) -> Iterator[Listener]:
    made = Listener(HERE, token, Told(lambda: True, lambda: ready, lambda: (b"figures", "text/plain")))
    yield made
    made.close()


def get(listener: Listener, path: str, token: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(listener.address, timeout=10)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
    answer = connection.getresponse()
    told = answer.status, answer.read()
    connection.close()
    return told


def test_it_tells_that_it_lives_and_is_ready() -> None:
    with listening() as ready:
        assert [get(ready, path) for path in ("/live", "/ready", "/metrics")] == [
            (200, b"yes\n"),
            (200, b"yes\n"),
            (200, b"figures"),
        ]
        assert get(ready, "/etc/passwd")[0] == 404
    with listening(ready=False) as not_yet:
        assert get(not_yet, "/ready") == (503, b"no\n")


def test_metrics_need_the_token_where_there_is_one() -> None:
    with listening("secret") as closed:
        assert get(closed, "/metrics")[0] == 401
        assert get(closed, "/metrics", "secreT")[0] == 401
        assert get(closed, "/metrics", "secret") == (200, b"figures")
        assert get(closed, "/live")[0] == 200


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("0.0.0.0:0", "can be reached by others; set a token"),
        ("[::]:0", "can be reached by others"),
        ("example.org:1", "can be reached by others"),
        ("127.0.0.1", "expected HOST:PORT"),
        ("127.0.0.1:http", "expected HOST:PORT"),
        ("", "expected HOST:PORT"),
    ],
)
def test_an_address_that_cannot_be_is_told(address: str, sentence: str) -> None:
    with pytest.raises(UsageError, match="listen: ") as caught:
        Listener(address, "", Told(lambda: True, lambda: True, lambda: (b"", "")))
    assert sentence in str(caught.value)


def test_two_cannot_listen_at_one_place() -> None:
    with listening() as first, pytest.raises(UsageError, match="cannot be listened on: Address already in use"):
        Listener(first.address, "", Told(lambda: True, lambda: True, lambda: (b"", "")))


def test_the_figures_are_those_that_were_counted() -> None:
    tally = Tally()
    tally.add(LINES, 12)
    tally.add(IN_FLIGHT, 1)
    tally.retried()
    outcome = Outcome("delivered", content=100)
    outcome.totals["cloudwatch:g"] = Totals(9, 5, 1, 3)
    outcome.refused["cloudwatch:g", "too_old"] = 3
    outcome.reasons["bad_time"] = 2
    tally.delivered(outcome, lag=7.0)
    tally.delivered(Outcome("skipped"), lag=9e9)
    text, kind = exposition(tally)()
    assert kind.startswith("text/plain")
    told = [line for line in text.decode().splitlines() if not line.startswith("#")]
    for line in (
        'tailrace_objects_total{outcome="delivered"} 1.0',
        'tailrace_objects_total{outcome="skipped"} 1.0',
        "tailrace_read_bytes_total 100.0",
        "tailrace_lines_total 12.0",
        'tailrace_records_total{outcome="accepted",sink="cloudwatch:g"} 5.0',
        'tailrace_records_total{outcome="already",sink="cloudwatch:g"} 1.0',
        'tailrace_refusals_total{reason="too_old",sink="cloudwatch:g"} 3.0',
        'tailrace_rejects_total{reason="bad_time"} 2.0',
        "tailrace_retries_total 1.0",
        "tailrace_objects_in_flight 1.0",
        'tailrace_lag_seconds_bucket{le="5"} 0.0',
        'tailrace_lag_seconds_bucket{le="15"} 1.0',
        'tailrace_lag_seconds_bucket{le="+Inf"} 1.0',
        "tailrace_lag_seconds_sum 7.0",
    ):
        assert line in told
