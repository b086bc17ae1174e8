"""Where datagrams are received: only where it was told, and what the kernel drops is known."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from making import StillClock
from spooling import Ashore
from tailrace.errors import UsageError
from tailrace.loadbalancer.agent.receive import BUFFER, Listening, handed_over, listen

_BASE = 22_100


def _listen(*places: str) -> tuple[list[Listening], list[str]]:
    said: list[str] = []
    return listen(places, (), said.append), said


def test_a_unix_socket_has_the_mode_that_is_told(tmp_path: Path) -> None:
    (one, other), _ = _listen(f"unix:{tmp_path}/one", f"unix:{tmp_path}/other,mode=0620")
    assert stat.S_IMODE((tmp_path / "one").stat().st_mode) == 0o666
    assert stat.S_IMODE((tmp_path / "other").stat().st_mode) == 0o620
    one.end()
    other.end()
    assert not (tmp_path / "one").exists()
    for each in (one, other):
        each.socket.close()


def test_many_datagrams_wait_at_a_unix_socket(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can let more datagrams wait")
    before = Path("/proc/sys/net/unix/max_dgram_qlen").read_bytes()
    (one,), _ = _listen(f"unix:{tmp_path}/one")
    assert Path("/proc/sys/net/unix/max_dgram_qlen").read_bytes() == before
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, one.socket:
        sender.setblocking(False)  # noqa: FBT003 - the library's
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 20)
        for _ in range(100):
            sender.sendto(b"x", str(tmp_path / "one"))


def test_a_socket_that_nobody_listens_at_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gone:
        gone.bind(str(path))
    (one,), _ = _listen(f"unix:{path}")
    with one.socket, pytest.raises(UsageError, match="another process listens there"):
        _listen(f"unix:{path}")


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("unix:relative", "write unix:/PATH"),
        ("unix:/x,mode=999", "mode=0660"),
        ("unix:/x,mode=0777777", "mode=0660"),
        ("unix:/x,owner=me", "mode=0660"),
        ("udp:0.0.0.0:514", "other machines can reach 0.0.0.0; write udp:127.0.0.1:514"),
        ("udp:[::]:514", "other machines can reach"),
        ("udp:127.0.0.1:99999", "write unix:/PATH"),
        ("udp:127.0.0.1", "write unix:/PATH"),
        ("tcp:127.0.0.1:514", "write unix:/PATH"),
        ("unix:/nowhere/at/all", "cannot be listened on: No such file"),
    ],
)
def test_what_cannot_be_received_at_is_told(place: str, why: str) -> None:
    with pytest.raises(UsageError, match=why.replace("[", r"\[")):
        _listen(place)


def test_a_file_is_not_replaced_by_a_socket(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"precious")
    with pytest.raises(UsageError, match="is no socket; choose another path"):
        _listen(f"unix:{tmp_path}/log")
    assert (tmp_path / "log").read_bytes() == b"precious"


def test_other_interfaces_are_received_at_if_so_told() -> None:
    (one,), _ = _listen(f"udp:0.0.0.0:{_BASE},remote")
    one.socket.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_the_kernels_drops_are_counted(host: str, tmp_path: Path, clock: StillClock) -> None:
    (one,), said = _listen(f"udp:{host}:{_BASE + 1}")
    with one.socket, socket.socket(one.socket.family, socket.SOCK_DGRAM) as sender:
        assert one.dropped() == 0
        if not os.geteuid():
            assert said == []
            assert one.socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) >= 2 * BUFFER
        one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for number in range(200):
            sender.sendto(b"%d\n" % number, one.socket.getsockname())
        agent = Ashore(tmp_path, clock)
        agent.start([one])
        agent.worker.receive()
        agent.worker.tick()
        dropped = agent.counters["kernel_dropped"]
        assert 0 < dropped < 200
        assert agent.counters["received"] + dropped == 200
        assert any(f"has dropped {dropped} datagrams" in each for each in agent.said)


def test_a_kernel_that_gives_a_smaller_buffer_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    limit = int(Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii"))
    if limit >= BUFFER:
        pytest.skip("this kernel gives everybody as much")
    monkeypatch.setattr("tailrace.loadbalancer.agent.receive._FORCE", socket.SO_RCVBUF)
    (one,), said = _listen(f"udp:127.0.0.1:{_BASE + 2}")
    one.socket.close()
    assert f"the kernel gives a buffer of {limit >> 10} KiB" in said[0]


def test_what_waits_is_taken_at_the_end_although_others_send_on(tmp_path: Path, clock: StillClock) -> None:
    listening, _ = _listen(f"unix:{tmp_path}/log", f"udp:127.0.0.1:{_BASE + 3}")
    agent = Ashore(tmp_path, clock)
    agent.start(listening)
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        one.sendto(b"unix\n", str(tmp_path / "log"))
        two.sendto(b"udp", ("127.0.0.1", _BASE + 3))
        agent.worker.end()
        with pytest.raises(FileNotFoundError):
            one.sendto(b"late\n", str(tmp_path / "log"))
    for each in listening:
        each.socket.close()
    agent.start()
    assert sorted(agent.everything()) == [b"udp", b"unix"]


def test_sockets_of_systemd_are_taken(tmp_path: Path) -> None:
    """The environment and descriptors are as sd_listen_fds(3) has them."""
    script = (
        "import os\n"
        "from tailrace.loadbalancer.agent.receive import handed_over, listen\n"
        "os.environ['LISTEN_PID'] = str(os.getpid())\n"
        f"found = listen(['unix:{tmp_path}/log'], handed_over(os.environ), print)\n"
        "print([(each.name, each.handed, each.path) for each in found], found[0].socket.recv(99))\n"
        "found[0].end()\n"
    )
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as held,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        held.bind(str(tmp_path / "log"))
        sender.sendto(b"it waited", str(tmp_path / "log"))
        number = held.fileno()
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, close_fds=False, preexec_fn=lambda: os.dup2(number, 3),
            env={**os.environ, "LISTEN_FDS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert f"[('unix:{tmp_path}/log', True, '')] b'it waited'" in done.stdout
        sender.sendto(b"it is still systemd's", str(tmp_path / "log"))


def test_descriptors_for_another_process_are_left_alone() -> None:
    assert handed_over({"LISTEN_PID": "1", "LISTEN_FDS": "3"}) == []
    assert handed_over({}) == []
