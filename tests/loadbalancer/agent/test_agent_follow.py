"""A followed file's lines come once each, through rotations of every kind, restarts and crashes."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from making import StillClock, absent
from spooling import Ashore

_LINE = b"%08d GET /some/where HTTP/1.1 of a length that makes the first lines of files different\n"


class _Log:
    """A file that a program writes, and what logrotate does to it."""

    def __init__(self, path: Path) -> None:
        self.path, self.count, self.open, self.is_late = path, 0, False, False
        self.time = path.stat().st_mtime_ns if path.exists() else 1_790_000_000 * 10**9
        path.touch()
        self._date(path)

    def _add(self, data: bytes) -> None:
        """As a writer that has the file open: to the one that it opened last."""
        with self._name().open("ab", buffering=0) as file:
            file.write(data)
        self._date(self._name())

    def _date(self, path: Path) -> None:
        """The kernel's own dates do not tell apart what happens within a few milliseconds."""
        self.time += 10_000_000
        os.utime(path, ns=(self.time, self.time))

    def _name(self) -> Path:
        return self.path.with_name(f"{self.path.name}.1") if self.is_late else self.path

    def write(self, number: int) -> None:
        for _ in range(number):
            self._add(_LINE % self.count)
            self.count += 1

    def begin(self) -> None:
        """The first half of a line."""
        self.finish()
        self._add((_LINE % self.count)[:20])
        self.open = True

    def finish(self) -> None:
        if self.open:
            self._add((_LINE % self.count)[20:])
            self.count += 1
            self.open = False

    def _shift(self) -> None:
        for number in range(40, 0, -1):
            old = self.path.with_name(f"{self.path.name}.{number}")
            if old.exists():
                old.rename(self.path.with_name(f"{self.path.name}.{number + 1}"))

    def rename(self, late: int = 0) -> None:
        """`late`: so many lines go to the old file before its writer opens the new one."""
        self.finish()
        self._shift()
        self.path.rename(self.path.with_name(f"{self.path.name}.1"))
        self.path.touch()
        self._date(self.path)
        self.is_late = True
        self.write(late)
        self.is_late = False

    def copy_truncate(self) -> None:
        self.finish()
        self._shift()
        copy = self.path.with_name(f"{self.path.name}.1")
        shutil.copyfile(self.path, copy)
        self._date(copy)
        os.truncate(self.path, 0)
        self._date(self.path)


_OTHERS = ["begin", "finish", "read", "restart", "crash", "linger", "put"]
_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 40)),
        st.tuples(st.just("rotate"), st.integers(0, 3)),
        st.tuples(st.sampled_from(_OTHERS), st.just(0)),
    ),
    max_size=30,
)


def _play(steps: list[tuple[str, int]], folder: Path, rotate: Callable[[_Log, int], None]) -> None:
    log, clock = _Log(folder / "haproxy.log"), StillClock()
    agent = Ashore(folder, clock, follow=(str(log.path),))
    _read(agent)

    def write(number: int) -> None:
        log.finish()
        log.write(number)

    def restart(_number: int) -> None:
        agent.worker.rest()
        agent.start()

    def linger(_number: int) -> None:
        _read(agent)
        clock.time += 6
        _read(agent)

    def put(_number: int) -> None:
        agent.worker.close_segment()
        agent.put()

    done: dict[str, Callable[[int], object]] = {
        "write": write, "rotate": lambda late: rotate(log, late), "begin": lambda _: log.begin(), "finish": lambda _: log.finish(),
        "read": lambda _: _read(agent), "restart": restart, "crash": lambda _: agent.crash(), "linger": linger, "put": put,
    }  # fmt: skip
    for step, number in steps:
        note(f"{step} {number}")
        done[step](number)
    log.finish()
    _read(agent)
    assert sorted(agent.everything()) == [(_LINE % number)[:-1] for number in range(log.count)]
    assert not [said for said in agent.said if "missing" in said]


def _read(agent: Ashore) -> None:
    while agent.worker.follow():
        pass


@settings(max_examples=120, deadline=None)
@given(steps=_STEPS)
def test_renaming_neither_loses_nor_doubles(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _play(steps, Path(folder), _Log.rename)


@settings(max_examples=120, deadline=None)
@given(steps=_STEPS)
def test_copying_and_truncating_neither_loses_nor_doubles(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _play(steps, Path(folder), lambda log, _late: log.copy_truncate())


def test_several_rotations_while_it_was_down(tmp_path: Path, clock: StillClock) -> None:
    log = _Log(tmp_path / "haproxy.log")
    agent = Ashore(tmp_path, clock, follow=(str(log.path),))
    log.write(3)
    _read(agent)
    agent.worker.rest()
    for _ in range(3):
        log.write(5)
        log.rename()
    log.write(2)
    agent.start()
    _read(agent)
    assert sorted(agent.everything()) == [(_LINE % number)[:-1] for number in range(20)]


def test_what_was_rotated_away_is_told(tmp_path: Path, clock: StillClock) -> None:
    log = _Log(tmp_path / "haproxy.log")
    agent = Ashore(tmp_path, clock, follow=(str(log.path),))
    log.write(3)
    _read(agent)
    agent.worker.rest()
    log.rename()
    (tmp_path / "haproxy.log.1").rename(tmp_path / "haproxy.log.1.gz")
    log.write(1)
    agent.start()
    _read(agent)
    assert any("is gone, or compressed" in said for said in agent.said)
    assert len(agent.everything()) == 4


@pytest.mark.parametrize(
    "suffix", [".1", ".12", "-20261122", "-20261122-1763800000", "-2026-11-22T10:07:25", ".2026_11_22"]
)
def test_rotated_files_have_numbers_or_dates(tmp_path: Path, clock: StillClock, suffix: str) -> None:
    log = _Log(tmp_path / "haproxy.log")
    agent = Ashore(tmp_path, clock, follow=(str(log.path),))
    log.write(3)
    _read(agent)
    agent.worker.rest()
    log.write(2)
    log.path.rename(f"{log.path}{suffix}")
    log.path.touch()
    log.write(1)
    agent.start()
    _read(agent)
    assert sorted(agent.everything()) == [(_LINE % number)[:-1] for number in range(6)]


@pytest.mark.parametrize("suffix", ["-admin", ".old", ".1.gz", "-20261122.xz", ".1x", ".swp", "-", ".1-admin"])
def test_another_file_beside_it_is_not_read(tmp_path: Path, clock: StillClock, suffix: str) -> None:
    path = tmp_path / "haproxy.log"
    path.write_bytes(b"line\n")
    agent = Ashore(tmp_path, clock, follow=(str(path),))
    _read(agent)
    path.with_name(f"{path.name}{suffix}").write_bytes(b"none of ours\n")
    _read(agent)
    path.rename(f"{path}.2")
    path.write_bytes(b"again\n")
    _read(agent)
    assert sorted(agent.everything()) == [b"again", b"line"]


def test_a_line_without_an_end_does_not_stop_the_others(tmp_path: Path, clock: StillClock) -> None:
    path = tmp_path / "haproxy.log"
    path.write_bytes(b"x" * (3 << 20) + b"\nafter\n")
    agent = Ashore(tmp_path, clock, follow=(str(path),))
    _read(agent)
    found = agent.everything()
    assert found[-1] == b"after"
    assert sum(map(len, found)) == (3 << 20) + 5


def test_holes_that_truncation_leaves_are_no_lines(tmp_path: Path, clock: StillClock) -> None:
    path = tmp_path / "haproxy.log"
    path.write_bytes(bytes(10_000) + b"line\n")
    agent = Ashore(tmp_path, clock, follow=(str(path),))
    _read(agent)
    assert agent.everything() == [b"line"]


def test_a_file_that_comes_later_is_read(tmp_path: Path, clock: StillClock) -> None:
    path = tmp_path / "haproxy.log"
    agent = Ashore(tmp_path, clock, follow=(str(path),))
    _read(agent)
    path.write_bytes(b"line\n")
    _read(agent)
    assert agent.everything() == [b"line"]


@pytest.mark.parametrize("how", ["create", "copytruncate"])
def test_logrotate_itself(tmp_path: Path, clock: StillClock, how: str) -> None:
    if not shutil.which("logrotate"):
        absent("logrotate", "apt-get install logrotate")
    path = tmp_path / "haproxy.log"
    rules = tmp_path / "rules"
    rules.write_text(f"{path} {{\n size 1\n rotate 5\n {how}\n}}\n", encoding="ascii")
    rules.chmod(0o644)
    tmp_path.chmod(0o755)
    agent = Ashore(tmp_path, clock, follow=(str(path),))
    wanted = []
    for turn in range(4):
        with path.open("ab") as file:
            for number in range(50):
                wanted.append(b"%d %d of a turn" % (turn, number))
                file.write(wanted[-1] + b"\n")
        if turn != 1:
            _read(agent)
        words = ["logrotate", "-f", "-s", str(tmp_path / "state"), str(rules)]
        subprocess.run(words, check=True, capture_output=True)
    _read(agent)
    assert sorted(agent.everything()) == sorted(wanted)
