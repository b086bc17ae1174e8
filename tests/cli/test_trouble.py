"""What a user is told while a sink keeps refusing, and how the command ends."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

from cli.conftest import PROGRAM, Run, environment
from making import alb
from services.logstash import HttpInput, silent, status

FAST = ("--set", "retry.first_pause=10ms", "--set", "retry.longest_pause=20ms")
AWAY = ("--to", "logstash:http://127.0.0.1:1", *FAST, "--set", "retry.deadline=200ms")


def logs(folder: Path, number: int) -> None:
    for each in range(number):
        (folder / f"{each}.log").write_bytes(alb("2026-09-23", each))


def test_a_sink_that_is_away_is_told_while_it_is_waited_for(run: Run, tmp_path: Path) -> None:
    logs(tmp_path, 1)
    done = run("ship", "0.log", *AWAY)
    assert done.code == 3
    assert "warning: http://127.0.0.1:1 cannot be reached: Connection refused; it is tried again" in done.err


def test_a_failure_that_passes_at_once_is_not_worth_a_word(run: Run, tmp_path: Path) -> None:
    logs(tmp_path, 1)
    with HttpInput() as server:
        server.faults += [status(503)]
        done = run("ship", "0.log", "--to", f"logstash:{server.url}", *FAST)
    assert (done.code, len(server.events)) == (0, 1)
    assert "warning" not in done.err


def test_one_trouble_of_many_objects_is_told_once(run: Run, tmp_path: Path) -> None:
    logs(tmp_path, 3)
    done = run("ship", "0.log", "1.log", "2.log", *AWAY)
    assert [line for line in done.err.splitlines() if line.startswith("error")] == [
        "error: http://127.0.0.1:1 cannot be reached: Connection refused (3 objects)"
    ]


def test_a_service_tells_which_object_is_given_back(run: Run, tmp_path: Path) -> None:
    logs(tmp_path, 1)
    done = run("run", "--from", "0.log", "--listen", "", *AWAY)
    assert f"error: {tmp_path}/0.log is given back: http://127.0.0.1:1 cannot be reached" in done.err


def test_strict_makes_refusals_a_failure(run: Run, tmp_path: Path) -> None:
    logs(tmp_path, 1)
    with HttpInput(poison=lambda _event: True) as server:
        to = ("ship", "0.log", "--to", f"logstash:{server.url}", "--again")
        assert run(*to).code == 0
        assert run(*to, "--strict").code == 1


def test_a_stop_that_has_to_wait_says_so_and_a_second_one_ends_at_once(tmp_path: Path) -> None:
    logs(tmp_path, 1)
    with HttpInput(always=silent(60)) as server:
        command = [*PROGRAM, "ship", "0.log", "--to", f"logstash:{server.url}"]
        with subprocess.Popen(command, env=environment(), cwd=tmp_path, stderr=subprocess.PIPE, text=True) as worker:
            while not server.seen:
                time.sleep(0.02)
            worker.send_signal(signal.SIGTERM)
            assert worker.stderr
            assert worker.stderr.readline().startswith("stopping: ")
            worker.send_signal(signal.SIGTERM)
            # The second signal may meet the first sentence half way out, which then comes again.
            assert worker.stderr.read().splitlines()[-1] == "interrupted"
    assert worker.returncode == 130
