"""What CloudWatch Logs refuses as too old is replayed: refused again, or sent with the time of its delivery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.conftest import Run
from cloud import address_of, cloud
from making import alb
from services.strict_logs import KEY, REGION, SECRET, StrictLogs

GROUP = "/logs/replayed"


@pytest.fixture
def logs() -> Iterator[StrictLogs]:
    with cloud() as endpoint, StrictLogs(upstream=address_of(endpoint)) as made:
        yield made
        assert made.broken == []


def test_what_is_too_old_may_be_sent_as_of_now(run: Run, logs: StrictLogs) -> None:
    lines = [alb("2020-01-01", number) for number in range(40)]
    Path("a.log").write_bytes(b"".join(lines))
    cloud = {
        "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION, "AWS_ENDPOINT_URL": logs.url,
    }  # fmt: skip
    sink = ("--to", f"cloudwatch:{GROUP}", "--set", "create_group=true")
    assert "too_old 40" in run("ship", "a.log", *sink, **cloud).err
    assert run("receipts", "--check").out == "1 receipt over 40 lines: all balance\n"
    again = run("replay", *sink, **cloud)
    assert (again.code, again.err.split()[:2]) == (4, ["letters", "40"])
    assert "refused again: too_old" in again.err
    assert run("receipts", "--check").code == 0
    words = ("replay", "--reason", "too_old", "--sink", "cloudwatch", *sink, "--set", "out_of_range=now")
    assert run(*words, "--limit", "15", **cloud).code == 0
    assert run(*words, **cloud).code == 0
    assert len(logs.accepted) == len(lines)
    assert all(any(line.strip() in event.message.encode() for event in logs.accepted) for line in lines)
    assert run("receipts", "--check").out == "2 receipts over 80 lines: all balance\n"
    assert list(Path("tailrace-store/dead").iterdir()) == []
