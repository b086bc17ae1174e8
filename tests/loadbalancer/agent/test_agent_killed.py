"""SIGKILL at any moment, of any of its processes, loses and doubles nothing that was sent."""

from __future__ import annotations

import os
import random
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pytest

from spooling import Running, running, until
from tailrace.loadbalancer.agent.spool import CLOSED, OPEN, segments


class _Sender:
    """Sends numbered lines, as fast as a load balancer under load, until it is told to stop. Every line that the kernel took counts."""

    def __init__(self, path: Path, pause: float = 0.001) -> None:
        self._path, self._pause = path, pause
        self.sent = self.failed = 0
        self._stop = Event()
        self._thread = Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            while not self._stop.is_set():
                for _ in range(20):
                    try:
                        out.sendto(b"<134>haproxy[1]: %d %s\n" % (self.sent, b"x" * 150), str(self._path))
                        self.sent += 1
                    except OSError:
                        self.failed += 1
                time.sleep(self._pause)

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.sent


def _check(agent: Running, sent: int) -> None:
    """Every line is in exactly one object."""

    def numbers() -> list[int]:
        return [int(line.split()[1]) for line in agent.shelf.lines()]

    until(lambda: len(numbers()) >= sent, lambda: f"{len(numbers())} of {sent}: {agent.said()}")
    until(lambda: not segments(agent.spool, CLOSED) + segments(agent.spool, OPEN), agent.said)
    assert sorted(numbers()) == list(range(sent))


def _played(agent: Running, deed: Callable[[], object], chance: random.Random, times: int) -> None:
    sender = _Sender(agent.socket)
    try:
        for _ in range(times):
            time.sleep(chance.uniform(0.0, 0.12))
            deed()
    finally:
        sent = sender.stop()
    assert sent > 500
    assert sender.failed == 0
    _check(agent, sent)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(10, 22))])
def test_its_worker_is_killed(tmp_path: Path, seed: int) -> None:
    with running(tmp_path) as agent:
        _played(agent, agent.kill_worker, random.Random(seed), 25)


def test_what_puts_is_killed(tmp_path: Path) -> None:
    with running(tmp_path, interval=0.2) as agent:

        def kill() -> None:
            if pid := agent.children().get("shipper"):
                os.kill(pid, signal.SIGKILL)

        _played(agent, kill, random.Random(3), 20)


def test_it_is_killed_and_started_again(tmp_path: Path) -> None:
    """Its worker goes on alone, and hands its sockets over."""
    with running(tmp_path) as agent:

        def kill() -> None:
            agent.kill()
            time.sleep(0.1)
            agent.start()

        _played(agent, kill, random.Random(4), 4)


def test_it_is_stopped_and_started_again_with_all_that_it_had(tmp_path: Path) -> None:
    with running(tmp_path, interval=3600.0) as agent:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            for number in range(1000):
                out.sendto(b"<134>haproxy[1]: %d\n" % number, str(agent.socket))
        assert agent.stop() == 0
        assert not agent.socket.exists()
        agent.start()
        os.kill(agent.pid, signal.SIGUSR1)
        _check(agent, 1000)


def test_all_its_processes_are_killed(tmp_path: Path) -> None:
    """What it had received is there: only what comes while nobody holds the sockets is refused, to the sender's face."""
    with running(tmp_path) as agent:
        sender = _Sender(agent.socket)
        for _ in range(3):
            time.sleep(0.2)
            agent.kill_all()
            time.sleep(0.05)
            agent.start()
        sent = sender.stop()
        until(lambda: not segments(agent.spool, CLOSED) + segments(agent.spool, OPEN), agent.said)
        found = [int(line.split()[1]) for line in agent.shelf.lines()]
        assert len(set(found)) == len(found)
        assert sender.failed > 0
        # Up to three times what stood in the socket's buffer is lost with the socket.
        assert len(found) > sent - 3 * 400


def test_all_its_processes_are_killed_while_systemd_holds_the_socket(tmp_path: Path) -> None:
    agent = Running(tmp_path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held:
        held.bind(str(agent.socket))
        agent.held = held
        agent.start()
        try:

            def kill() -> None:
                agent.kill_all()
                agent.start()

            _played(agent, kill, random.Random(6), 4)
        finally:
            agent.stop()
        assert agent.socket.exists(), "it is systemd's"


def test_a_worker_that_is_left_alone_ends_in_time(tmp_path: Path) -> None:
    with running(tmp_path, interval=3600.0, orphan_s=0.3) as agent:
        worker = agent.children()["worker"]
        agent.kill()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            for number in range(100):
                out.sendto(b"<134>haproxy[1]: %d\n" % number, str(agent.socket))
        until(lambda: not Path(f"/proc/{worker}").exists(), agent.said)
        assert not agent.socket.exists()
        agent.start()
        os.kill(agent.pid, signal.SIGUSR1)
        _check(agent, 100)


def test_a_followed_file_is_read_once_however_often_it_is_killed(tmp_path: Path) -> None:
    path, chance, number = tmp_path / "haproxy.log", random.Random(5), 0
    path.touch()
    with running(tmp_path, receive=[], follow=[str(path)]) as agent:
        for turn in range(12):
            with path.open("ab", buffering=0) as file:
                for _ in range(300):
                    file.write(b"<134>haproxy[1]: %d\n" % number)
                    number += 1
            time.sleep(chance.uniform(0, 0.3))
            agent.kill_worker()
            if turn % 4 == 3:
                path.rename(tmp_path / f"haproxy.log-{turn:02}")
        path.touch()
        _check(agent, number)


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    with running(tmp_path) as agent:
        other = Running(tmp_path)
        (tmp_path / "ready").unlink()
        with pytest.raises(AssertionError, match="another agent"):
            other.start()
        (tmp_path / "ready").touch()
        assert agent.process
        assert agent.process.poll() is None


def test_its_status_is_a_line_of_json(tmp_path: Path) -> None:
    import json  # noqa: PLC0415

    with running(tmp_path) as agent:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.sendto(b"<134>haproxy[1]: 0\n", str(agent.socket))
        _check(agent, 1)
    told = json.loads((tmp_path / "status").read_bytes().splitlines()[-1])
    assert (told["received"], told["records"], told["objects"], told["pending"], told["full"]) == (1, 1, 1, 0, False)
