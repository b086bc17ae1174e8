"""A report's figures are those that the samples' truth gives when it is counted by hand."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import stores
from making import StillClock, alb, clb
from stores import haproxy_records, made, truth
from tailrace.model import StoredFile
from tailrace.store.query import Queries
from tailrace.store.report import Figures, Named, Report, Scope, load_balancers, report, step_of

samples = stores.samples
Record = dict[str, Any]
ALB, NLB, CLB = "app/shop-front-2a4f/65ffbf397924321f", "net/web-de96/88295ca52dcc2c08", "web-8408"
ALB_TIMES = ("request_processing_time", "target_processing_time", "response_processing_time")


def told(directory: Path, scope: Scope | None = None) -> Report:
    scope = scope or Scope()
    return report(Queries(directory, StillClock(), keep=scope.keeps), scope)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def latencies(records: list[Record], *names: str) -> list[float]:
    return sorted(sum(record[name] for name in names) for record in records if all(name in record for name in names))


def quantile(values: list[float], part: float) -> float:
    """Between the two values next to it, in proportion."""
    at = part * (len(values) - 1)
    low = int(at)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (at - low)


def named(rows: Any, name: Any) -> Figures:
    (found,) = [row.figures for row in rows if row.name == name]
    return found  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def whole(samples: Path) -> Report:
    return told(samples, Scope(top=1000))


def test_load_balancers_have_the_latencies_of_the_truth(whole: Report) -> None:
    clb_times = ("request_processing_time", "backend_processing_time", "response_processing_time")
    expected = {
        ALB: latencies(truth("alb"), *ALB_TIMES),
        CLB: latencies(truth("clb"), *clb_times),
        NLB: [milliseconds / 1000 for milliseconds in latencies(truth("nlb"), "connection_time")],
    }
    for name, values in expected.items():
        found = named(whole.load_balancers, name)
        assert (found.p50, found.p95, found.p99) == pytest.approx(
            [quantile(values, part) for part in (0.5, 0.95, 0.99)]
        )
    assert whole.exact


def test_load_balancers_have_the_errors_of_the_truth(whole: Report) -> None:
    for name, kind, target in ((ALB, "alb", "target_status_code"), (CLB, "clb", "backend_status_code")):
        records = truth(kind)
        server = [record for record in records if 500 <= record.get("elb_status_code", 0) <= 599]
        found = named(whole.load_balancers, name)
        assert found.requests == len(records)
        assert found.client_errors == sum(400 <= record.get("elb_status_code", 0) <= 499 for record in records)
        assert found.server_errors == len(server)
        assert found.target_errors == sum(500 <= record.get(target, 0) <= 599 for record in server)
        assert found.bytes_in == sum(record.get("received_bytes", 0) for record in records)
        assert found.bytes_out == sum(record.get("sent_bytes", 0) for record in records)
    assert named(whole.load_balancers, ALB).target_errors > 0
    alerts = sum("incoming_tls_alert" in record for record in truth("nlb"))
    assert named(whole.load_balancers, NLB).failures == alerts > 0


def test_the_total_is_that_of_all_formats(whole: Report) -> None:
    haproxy = [record for record in haproxy_records() if record["format"] != "haproxy_admin"]
    records = [*truth("alb"), *truth("clb"), *truth("nlb"), *haproxy]
    times = sorted(record["time"].removesuffix("Z") for record in records)
    assert whole.total.requests == len(records) == sum(row.figures.requests for row in whole.load_balancers)
    assert whole.total.first == times[0] + "Z"
    assert whole.total.last == times[-1] + "Z"


def test_status_codes_are_those_of_the_truth(samples: Path) -> None:
    counts = Counter(record.get("elb_status_code") for record in truth("alb"))
    found = told(samples, Scope(load_balancer=ALB, top=1000)).statuses
    assert {row.name: row.figures.requests for row in found} == counts
    assert [row.figures.requests for row in found] == sorted(counts.values(), reverse=True)


def test_clients_are_those_of_the_truth(samples: Path) -> None:
    counts = Counter(record["client_ip"] for record in truth("clb"))
    found = told(samples, Scope(load_balancer=CLB, top=3)).clients
    assert [row.figures.requests for row in found] == [count for _client, count in counts.most_common(3)]
    assert all(counts[row.name] == row.figures.requests for row in found)


def test_paths_are_without_their_queries(samples: Path) -> None:
    found = told(samples, Scope(load_balancer="shop-front-2a4f", top=1000)).paths
    assert found
    for row in found:
        assert isinstance(row.name, str)
        assert "?" not in row.name
    searches = [record for record in truth("alb") if "/search?" in record.get("request_url", "")]
    assert named(found, "/search").requests == len(searches) > 0


def test_time_is_divided_without_gaps(samples: Path) -> None:
    found = told(samples, Scope(load_balancer=ALB, buckets=30))
    assert found.step == 10
    counts: dict[int, int] = defaultdict(int)
    errors: dict[int, int] = defaultdict(int)
    for record in truth("alb"):
        start = int(seconds(record["time"].removesuffix("Z"))) // 10 * 10
        counts[start] += 1
        errors[start] += 400 <= record.get("elb_status_code", 0) <= 599
    expected = [(start, counts[start], errors[start]) for start in range(min(counts), max(counts) + 1, 10)]
    told_of = [(int(seconds(each.start.removesuffix("Z"))), each.requests, each.errors) for each in found.over_time]
    assert told_of == expected
    assert len(expected) <= 30
    assert sum(counts.values()) == 280


def test_a_bucket_without_requests_is_shown(tmp_path: Path) -> None:
    directory = made(tmp_path / "store", alb("2026-09-23", 1) + alb("2026-09-26", 2))
    found = told(directory, Scope(buckets=4))
    assert [(each.start, each.requests, each.p95) for each in found.over_time] == [
        ("2026-09-23T00:00:00Z", 1, pytest.approx(0.004)),
        ("2026-09-24T00:00:00Z", 0, None),
        ("2026-09-25T00:00:00Z", 0, None),
        ("2026-09-26T00:00:00Z", 1, pytest.approx(0.004)),
    ]


def test_since_is_kept_and_until_is_not(samples: Path) -> None:
    times = sorted(record["time"].removesuffix("Z") for record in truth("alb"))
    first, last = times[100], times[200]
    found = told(samples, Scope(since=seconds(first), until=seconds(last)))
    assert found.total.requests == sum(first <= time < last for time in times) > 0
    assert found.total.first == first + "Z"


def test_only_the_days_of_the_scope_are_read() -> None:
    scope = Scope(since=seconds("2026-09-24T23:59:59"), until=seconds("2026-09-25T00:00:01"))
    days = ("2026-09-23", "2026-09-24", "2026-09-25", "2026-09-26", "__none__")
    assert [day for day in days if scope.keeps(StoredFile("", "alb", day, 1, 1))] == ["2026-09-24", "2026-09-25"]
    assert all(Scope().keeps(StoredFile("", "alb", day, 1, 1)) for day in days)


def test_an_empty_store_has_an_empty_report(tmp_path: Path) -> None:
    found = told(made(tmp_path / "store"))
    assert found.total == Figures(0, 0, 0, 0, 0, 0, 0, None, None, None, None, None)
    assert not found.load_balancers


def test_a_load_balancer_is_found_by_its_whole_and_its_own_name(samples: Path) -> None:
    for name in (ALB, "shop-front-2a4f"):
        assert [row.name for row in told(samples, Scope(load_balancer=name)).load_balancers] == [ALB]
    assert ALB in load_balancers(Queries(samples, StillClock()))


@pytest.mark.parametrize("name", ["it's", "x' OR '1'='1", 'say "hi"', "a;b--c", "$1", "%s", "\\"])
def test_a_load_balancer_may_have_any_name(tmp_path: Path, name: str) -> None:
    line = clb("2026-10-14").replace(b" web ", f" {name.replace(' ', '_')} ".encode())
    directory = made(tmp_path / "store", line + clb("2026-10-14"))
    found = told(directory, Scope(load_balancer=name.replace(" ", "_")))
    assert [(row.name, row.figures.requests) for row in found.load_balancers] == [(name.replace(" ", "_"), 1)]
    assert told(directory, Scope(load_balancer=name + " OR 1=1")).total.requests == 0


def test_estimates_are_near(samples: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tailrace.store.report.EXACT_ROWS", 0)
    found = told(samples, Scope(load_balancer=ALB))
    assert not found.exact
    values = latencies(truth("alb"), *ALB_TIMES)
    assert found.total.p50 == pytest.approx(quantile(values, 0.5), rel=0.1)
    assert found.total.p95 == pytest.approx(quantile(values, 0.95), rel=0.1)


@pytest.mark.parametrize(
    ("first", "last", "buckets", "step"),
    [
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 60, 1),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:59:59Z", 60, 60),
        ("2026-01-01T00:00:30Z", "2026-01-01T01:00:29Z", 60, 120),
        ("2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z", 60, 86400),
        ("2006-01-01T00:00:00Z", "2026-01-01T00:00:00Z", 60, 364 * 86400),
    ],
)
def test_the_step_is_the_least_that_suffices(first: str, last: str, buckets: int, step: int) -> None:
    figures = Figures(2, 0, 0, 0, 0, 0, 0, first, last, None, None, None)
    assert step_of(figures, buckets) == step


def test_ranks_are_the_same_each_time(tmp_path: Path) -> None:
    lines = b"".join(alb("2026-09-23", number) for number in (3, 1, 2))
    found: list[Named] = list(told(made(tmp_path / "store", lines)).paths)
    assert [row.name for row in found] == ["/search/1", "/search/2", "/search/3"]
