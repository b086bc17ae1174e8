"""`tailrace report` shows the figures so that they can be read at any width, and as JSON."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import stores
from cli.conftest import Run
from making import alb
from stores import made, truth
from tailrace.cli import _chart
from tailrace.cli._report import Asked, latency, number, scope_of
from tailrace.cli._summary import size
from tailrace.errors import UsageError

samples = stores.samples
NOW = 1_790_000_000.0
ALB = "app/shop-front-2a4f/65ffbf397924321f"


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_report_fits_its_width_and_tells_everything(samples: Path, run: Run, width: int) -> None:
    ran = run("report", "--store", samples, COLUMNS=str(width))
    assert (ran.code, ran.err) == (0, "")
    assert max(map(len, ran.out.splitlines())) <= width
    for word in ("requests   4xx", "load balancer", "by target", "p95 latency", "path", "client", "status"):
        assert word in ran.out
    assert "\x1b" not in ran.out


def test_figures_are_those_of_the_truth(samples: Path, run: Run) -> None:
    ran = run("report", "--store", samples, "--load-balancer", ALB, COLUMNS="140")
    records = truth("alb")
    client = sum(400 <= record.get("elb_status_code", 0) <= 499 for record in records)
    server = sum(500 <= record.get("elb_status_code", 0) <= 599 for record in records)
    assert ran.out.startswith(f"280 requests   4xx {client / 2.8:.1f} %   5xx {server / 2.8:.1f} % ")
    assert re.search(rf"^{ALB} +280 +{client} +{server} ", ran.out, re.MULTILINE)
    found = sum(record.get("elb_status_code") == 200 for record in records)
    assert re.search(rf"^200 +{found} +{found / 2.8:.1f} % ", ran.out, re.MULTILINE)


def test_json_holds_the_same_figures(samples: Path, run: Run) -> None:
    found = json.loads(run("report", "--store", samples, "--load-balancer", ALB, "--json", "--top", "3").out)
    assert set(found) == {"total", "exact", "step", "load_balancers", "over_time", "paths", "clients", "statuses"}
    assert found["total"]["requests"] == 280 == found["load_balancers"][0]["figures"]["requests"]
    assert sum(bucket["requests"] for bucket in found["over_time"]) == 280
    assert [len(found[name]) for name in ("paths", "clients", "statuses")] == [3, 3, 3]


def test_since_and_until_choose_the_time(samples: Path, run: Run) -> None:
    times = [record["time"] for record in truth("clb")]
    words = ("--since", "2026-10-14T11:31", "--until", "2026-10-14T13:32:00+02:00")
    found = json.loads(run("report", "--store", samples, *words, "--json").out)
    assert found["total"]["requests"] == sum("2026-10-14T11:31" <= time < "2026-10-14T11:32" for time in times) > 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--load-balancer", "nope\x1b[1m"], r"no requests of nope\x1b[1m; there are: app/shop-front"),
        (["--since", "2040-01-01"], "no requests in this time"),
    ],
)
def test_nothing_to_show_is_a_sentence(samples: Path, run: Run, words: list[str], said: str) -> None:
    ran = run("report", "--store", samples, *words, COLUMNS="160")
    assert ran.code == 0
    assert said in ran.out


def test_an_empty_store_is_a_sentence(tmp_path: Path, run: Run) -> None:
    ran = run("report", "--store", made(tmp_path / "store"))
    assert ran.code == 0
    assert "`tailrace ship` brings some" in " ".join(ran.out.split())
    assert json.loads(run("report", "--store", tmp_path / "store", "--json").out)["total"]["requests"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "yesterday"], "error: --since yesterday: write a time such as 2026-11-21"),
        (["--since", "1d", "--until", "2d"], "error: --since 1d is not before --until 2d"),
        (["--top", "0"], "--top"),
        (["--store", "missing"], "error: no store at"),
    ],
)
def test_what_is_wrong_is_told(samples: Path, run: Run, words: list[str], said: str) -> None:
    ran = run("report", *words, TAILRACE_STORE=str(samples))
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_what_a_terminal_obeys_is_written_out(tmp_path: Path, run: Run) -> None:
    line = (
        alb("2026-09-23").replace(b"/search/0", rb"/\x1B[31m\xC2\x9B2J\x0A").replace(b"app/web/", b"app/w[red]'\x1b/")
    )
    ran = run("report", "--store", made(tmp_path / "store", line), COLUMNS="140")
    assert r"/\x1b[31m\x9b2J\n" in ran.out
    assert r"app/w[red]'\x1b/" in ran.out
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", ran.out)


def test_times_are_written_in_many_ways() -> None:
    def at(*when: int) -> float:
        return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]

    def since(text: str) -> float | None:
        return scope_of(Asked(text, "", "x", 3), NOW).since

    assert since("2026-11-01") == at(2026, 11, 1)
    assert since("2026-11-01T08:00:00Z") == at(2026, 11, 1, 8)
    assert since("2026-11-01T08:00:00+02:00") == at(2026, 11, 1, 6)
    assert since("2h") == NOW - 7200
    assert since("3d") == NOW - 3 * 86400
    assert since("") is None
    for wrong in ("2026-13-01", "2x", "-3d", "999999999d"):
        with pytest.raises(UsageError, match="--since"):
            since(wrong)
    assert scope_of(Asked("2h", "1h", "x", 3), NOW).until == NOW - 3600


def test_numbers_are_short() -> None:
    assert [number(each) for each in (None, 0, 9999, 12_345, 1.2e6, 3e9)] == [
        "–",
        "0",
        "9,999",
        "12.3k",
        "1.2M",
        "3.0G",
    ]
    assert [latency(each) for each in (None, 0, 0.0042, 0.47212, 0.9996, 1, 12.345, 12345)] == [
        "–", "0 ms", "4.2 ms", "472 ms", "1 s", "1.00 s", "12.35 s", "12,345 s",
    ]  # fmt: skip
    assert [size(each) for each in (0, 1023, 1536, 5 << 30, 5 << 40)] == [
        "0 B",
        "1,023 B",
        "1.5 KiB",
        "5.0 GiB",
        "5.0 TiB",
    ]


@given(st.lists(st.none() | st.floats(0, 1e9), min_size=1, max_size=70), st.integers(1, 8), st.integers(70, 150))
def test_a_chart_fills_its_width_and_hides_no_value(values: list[float | None], height: int, width: int) -> None:
    lines = _chart.columns(values, height, width)
    assert [len(line) for line in lines] == [width] * height
    edges = [sum(_chart.spread(len(values), width)[:number]) for number in range(len(values))]
    for value, edge in zip(values, edges, strict=True):
        assert (lines[-1][edge] != " ") == bool(value)
    highest = max((value for value in values if value), default=0)
    if highest:
        assert lines[0][edges[values.index(highest)]] == "█"


def test_an_axis_has_its_first_and_its_last_label_at_the_ends() -> None:
    line = _chart.axis([f"label{number}" for number in range(10)], 40)
    assert len(line) == 40
    assert line.startswith("label0 ")
    assert line.endswith(" label9")
    assert len(_chart.axis(["one"], 20)) == 20
