"""What is there is put in one run, however little the spool holds."""

from __future__ import annotations

import os
from pathlib import Path

from making import StillClock
from spooling import Ashore
from tailrace.errors import EXIT_OK, EXIT_PARTIAL
from tailrace.loadbalancer.agent.once import Once

_LINE = b"%06d " + b"x" * 992 + b"\n"
_HALF_MB = 500_000


def _run(agent: Ashore) -> int:
    agent.start()
    return Once(None, lambda: agent.worker, agent.shipper).run()


def test_more_than_the_spool_holds_is_put_in_turns(tmp_path: Path, clock: StillClock) -> None:
    log = tmp_path / "haproxy.log"
    log.write_bytes(b"".join(_LINE % number for number in range(3000)))
    agent = Ashore(tmp_path, clock, limit=_HALF_MB, follow=(str(log),))
    assert _run(agent) == EXIT_OK
    assert [int(line[:6]) for line in sorted(agent.shelf.lines())] == list(range(3000))
    assert len(agent.shelf.objects()) > 3000_000 // _HALF_MB
    before = len(agent.shelf.objects())
    assert _run(agent) == EXIT_OK
    assert len(agent.shelf.objects()) == before


def test_a_spool_that_stays_full_is_partial_delivery(tmp_path: Path, clock: StillClock) -> None:
    log = tmp_path / "haproxy.log"
    log.write_bytes(b"".join(_LINE % number for number in range(3000)))
    agent = Ashore(tmp_path, clock, limit=_HALF_MB, follow=(str(log),))
    (agent.shelf.folder / "down").touch()
    assert _run(agent) == EXIT_PARTIAL
    assert "run it again" in agent.said[-1]
    (agent.shelf.folder / "down").unlink()
    clock.time += 600
    assert _run(agent) == EXIT_OK
    assert [int(line[:6]) for line in sorted(agent.shelf.lines())] == list(range(3000))


def test_a_spool_that_is_too_small_for_anything_is_told(tmp_path: Path, clock: StillClock) -> None:
    log = tmp_path / "haproxy.log"
    log.write_bytes(b"".join(_LINE % number for number in range(300)))
    agent = Ashore(tmp_path, clock, limit=10_000, follow=(str(log),))
    assert _run(agent) == EXIT_PARTIAL
    assert "was full before all was read" in agent.said[-1]
    assert agent.shelf.objects() == {}


def test_a_file_that_was_rotated_long_ago_is_done_in_one_run(tmp_path: Path, clock: StillClock) -> None:
    log = tmp_path / "haproxy.log"
    log.write_bytes(b"one\n")
    agent = Ashore(tmp_path, clock, follow=(str(log),))
    assert _run(agent) == EXIT_OK
    with log.open("ab") as file:
        file.write(b"two\nlast words")
    os.utime(log, (clock.time - 60, clock.time - 60))
    log.rename(f"{log}.1")
    log.write_bytes(b"three\n")
    os.utime(log, (clock.time, clock.time))
    assert _run(agent) == EXIT_OK
    assert sorted(agent.shelf.lines()) == [b"last words", b"one", b"three", b"two"]
    (position,) = agent.worker._spool.reached.files.values()
    assert position.inode == log.stat().st_ino


def test_a_file_that_was_rotated_just_now_may_still_be_written(tmp_path: Path, clock: StillClock) -> None:
    log = tmp_path / "haproxy.log"
    log.write_bytes(b"one\n")
    agent = Ashore(tmp_path, clock, follow=(str(log),))
    assert _run(agent) == EXIT_OK
    with log.open("ab") as late:
        late.write(b"half")
        late.flush()
        os.utime(log, (clock.time - 1, clock.time - 1))
        log.rename(f"{log}.1")
        log.touch()
        assert _run(agent) == EXIT_OK
        assert agent.shelf.lines() == [b"one"]
        late.write(b" and half\n")
    assert _run(agent) == EXIT_OK
    assert sorted(agent.shelf.lines()) == [b"half and half", b"one"]
