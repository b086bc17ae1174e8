"""`tailrace ship --to logstash:…`, as a user sees it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from cli.conftest import Run
from cli.test_extras import bare
from making import alb
from parsing import SAMPLES
from services.certificates import Authority
from services.logstash import HttpInput, TcpInput, status

BUCKET = SAMPLES / "s3" / "AWSLogs"
FAST = ("--set", "retry.first_pause=10ms", "--set", "retry.longest_pause=20ms")


def parsed(run: Run) -> Counter[str]:
    return Counter(run("parse", BUCKET).out.splitlines())


def told(events: list[dict[str, Any]]) -> Counter[str]:
    return Counter(json.dumps(event, separators=(",", ":"), ensure_ascii=False) for event in events)


def receipts(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("receipts", "--json").out.splitlines()]


def as_json(lines: Counter[str]) -> Counter[str]:
    return told([json.loads(line) for line in lines.elements()])


def test_http_takes_every_record_once(run: Run) -> None:
    with HttpInput() as server:
        server.faults += [status(429, read=False), None, status(503)]
        first = run("ship", BUCKET, "--to", f"logstash:{server.url}", *FAST)
        second = run("ship", BUCKET, "--to", f"logstash:{server.url}")
    assert (first.code, second.code) == (0, 0)
    assert "6 delivered before" in second.err
    assert (told(server.events), server.complaints) == (as_json(parsed(run)), [])
    assert run("receipts", "--check").code == 0
    assert {(entry["state"], entry["unconfirmed"]) for entry in receipts(run)} == {("complete", False)}


def test_tcp_takes_every_record_and_the_receipts_say_that_nobody_confirmed(run: Run) -> None:
    with TcpInput() as server:
        done = run("ship", BUCKET, "--to", f"logstash:{server.address}", "--workers", "1")
        server.wait_until(lambda: server.ended == 1)
    assert done.code == 0
    assert (told(server.events), server.complaints, server.cut) == (as_json(parsed(run)), [], [])
    assert server.connections == 1
    assert {(entry["state"], entry["unconfirmed"]) for entry in receipts(run)} == {("complete", True)}


def test_what_is_rejected_is_kept_as_a_dead_letter(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(b"".join(alb("2026-09-23", number) for number in range(20)))
    with HttpInput(poison=lambda event: "/search/13?" in event["request_url"]) as server:
        done = run("ship", "a.log", "--to", f"logstash:{server.url}")
    assert (done.code, len(server.events)) == (0, 19)
    (letter,) = [json.loads(each.read_text()) for each in (tmp_path / "tailrace-store" / "dead").glob("*.ndjson")]
    assert (letter["reason"], letter["detail"]) == ("rejected", "HTTP 400")
    assert letter["payload"] == alb("2026-09-23", 13).decode().rstrip("\n")


def test_a_shape_with_constants_over_tls(run: Run, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    (tmp_path / "tailrace.toml").write_text(
        f"""
        [sinks.stash]
        url = "logstash:tls://localhost:PORT"
        shape = "elb"
        environment = "prod"
        type = "ELB"
        ca = "{authority.path}"
        """
    )
    with TcpInput(context=authority.server(authority.pair("server"))) as server:
        toml = tmp_path / "tailrace.toml"
        toml.write_text(toml.read_text().replace("PORT", str(server.port)))
        assert run("ship", BUCKET, "--to", "stash").code == 0
        server.wait_until(lambda: server.ended >= 1 and not server._open)
    assert len(server.events) == sum(parsed(run).values())
    assert {(event["Environment"], event["Type"]) for event in server.events} == {("prod", "ELB")}


def test_the_flag_names_the_shape(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb("2026-09-23"))
    with HttpInput() as server:
        done = run("ship", "a.log", "--to", f"logstash:{server.url}", "--shape", "message", "--set", "component=lb")
    assert done.code == 0
    assert [(event["Component"], "message" in event) for event in server.events] == [("lb", True)]
    refused = run("ship", "a.log", "--to", "stdout", "--shape", "elb")
    assert refused.code == 2
    assert "shape" in refused.err


def test_what_cannot_be_is_told_without_secrets(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb("2026-09-23"))
    refused = run("ship", "a.log", "--to", "logstash:http://user:hidden@localhost:1")
    assert (refused.code, "hidden" in refused.err) == (2, False)
    with HttpInput(user="us", password="right") as server:
        wrong = run(
            "ship", "a.log", "--to", f"logstash:{server.url}", "--set", "username=us", "--set", "password=env:PASS", PASS="hidden"
        )  # fmt: skip
    assert (wrong.code, "hidden" in wrong.err, server.statuses) == (3, False, [401, 401])
    gone = run("ship", "a.log", "--to", f"logstash:{server.url}", "--set", "retry.deadline=0s")
    assert (gone.code, "cannot be reached: Connection refused" in gone.err) == (3, True)


def test_without_h11_http_tells_what_to_install_and_tcp_works(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(alb("2026-09-23"))
    done = bare("ship", "a.log", "--to", "logstash:http://localhost:1", cwd=tmp_path)
    assert (done.returncode, "pip install 'tailrace[http]'" in done.stderr) == (2, True)
    with TcpInput() as server:
        done = bare("ship", "a.log", "--kernel", "reference", "--to", f"logstash:{server.address}", cwd=tmp_path)
        assert done.returncode == 0
        server.wait_until(lambda: len(server.events) == 1)
