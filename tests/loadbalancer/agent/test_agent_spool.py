"""What is in the spool stays there, once, whatever breaks."""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from making import StillClock, small_disk
from spooling import Ashore
from tailrace.errors import Fatal, UsageError
from tailrace.loadbalancer.agent.blocks import Position, lines_of
from tailrace.loadbalancer.agent.inbox import ROOM, SIZE, Inbox
from tailrace.loadbalancer.agent.spool import CLOSED, OPEN, Spool, lock, segments
from tailrace.loadbalancer.model import Slot

_SLOT = Slot(1_790_000_100.0, 1_790_000_400.0)


def _content(folder: Path, suffix: str) -> bytes:
    (segment,) = segments(folder, suffix)
    with segment.path.open("rb") as file, lines_of(file) as lines:
        return lines.read()


@settings(max_examples=60, deadline=None)
@given(blocks=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=8), data=st.data())
def test_a_segment_that_was_cut_anywhere_goes_on_behind_its_last_whole_block(
    blocks: list[bytes], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spool, ends = Spool(folder, 1 << 30, thorough=False), [0]
        for number, block in enumerate(blocks, 1):
            assert spool.write(_SLOT, block, 0, [Position("/log", 1, 2, number)])
            ends.append(spool._size)
        spool.close()
        (segment,) = segments(folder, OPEN)
        cut = data.draw(st.integers(0, ends[-1]))
        os.truncate(segment.path, cut)
        whole = max(at for at, end in enumerate(ends) if end <= cut)
        again = Spool(folder, 1 << 30, thorough=True)
        assert [each.offset for each in again.reached.files.values()] == [whole][:whole]
        again.write(_SLOT, b"more", 0)
        again.close_segment()
        assert _content(folder, CLOSED) == b"".join(blocks[:whole]) + b"more"


def test_a_block_whose_bytes_were_lost_with_the_power_is_not_believed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 1 << 30, thorough=False)
    for block in (b"a" * 100, b"b" * 100, b"c" * 100):
        spool.write(_SLOT, block, 0)
    spool.close()
    (segment,) = segments(tmp_path, OPEN)
    content = bytearray(segment.path.read_bytes())
    content[150:170] = bytes(20)
    segment.path.write_bytes(content)
    Spool(tmp_path, 1 << 30, thorough=True).close_segment()
    assert _content(tmp_path, CLOSED) == b"a" * 100


def test_a_spool_has_one_agent(tmp_path: Path) -> None:
    held = lock(tmp_path)
    with pytest.raises(UsageError, match=f"process {os.getpid()}\\) has"):
        lock(tmp_path)
    os.close(held)
    os.close(lock(tmp_path))


def test_a_folder_of_somebody_else_is_no_spool(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir(mode=0o755)
    (tmp_path / "out" / "thesis.tex").write_text("mine", encoding="ascii")
    tmp_path.chmod(0o755)
    with pytest.raises(UsageError, match="is no spool; give an empty folder"):
        lock(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_a_disk_of_its_own_may_be_a_spool(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    os.close(lock(tmp_path))
    os.close(lock(tmp_path))


def test_the_mark_of_a_start_is_written_once_and_a_full_disk_told(
    tmp_path: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Ashore(tmp_path, clock)

    def refused(path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", refused)
    agent.crash()
    (agent.spool / "boot").unlink()
    with pytest.raises(Fatal, match=r"cannot write to .*/spool/boot: the disk is full"):
        agent.crash()


def test_a_full_spool_drops_datagrams_and_tells(tmp_path: Path, clock: StillClock) -> None:
    agent = Ashore(tmp_path, clock, limit=1_000_000)
    line = b"x" * 999 + b"\n"
    agent.log(*[line] * 2000)
    kept = agent.counters["received"]
    waits = agent.worker._inbox.datagrams
    assert 700 < kept < 1000
    assert kept + waits + agent.counters["dropped"] == 2000
    assert agent.counters["dropped"] > 0
    assert any("is full" in said and "dropped" in said for said in agent.said)
    agent.pass_time(600)
    agent.put()
    agent.pass_time(1)
    agent.log(b"again\n")
    assert sorted(agent.everything()) == sorted([line[:-1]] * (kept + waits) + [b"again"])


def test_a_full_spool_lets_files_wait(tmp_path: Path, clock: StillClock) -> None:
    log = tmp_path / "haproxy.log"
    wanted = [b"%06d" % number + b"x" * 500 for number in range(3000)]
    log.write_bytes(b"\n".join(wanted) + b"\n")
    agent = Ashore(tmp_path, clock, limit=300_000, follow=(str(log),))
    while agent.worker.follow():
        pass
    assert agent.counters["followed"] < 3000
    for _ in range(20):
        agent.pass_time(600)
        agent.put()
        agent.pass_time(1)
        while agent.worker.follow():
            pass
    assert agent.everything() == wanted


def test_a_full_disk_drops_nothing_that_was_taken(tmp_path: Path, clock: StillClock) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        agent = Ashore(disk, clock, shelf=None)
        agent.shelf.folder = tmp_path / "store"
        (tmp_path / "store" / "logs").mkdir(parents=True)
        lines = [b"%06d " % number + b"x" * 992 + b"\n" for number in range(1500)]
        agent.log(*lines)
        dropped = agent.counters["dropped"]
        assert dropped > 0
        assert any("is full" in said for said in agent.said)
        (disk / "other").write_bytes(b"")
        agent.pass_time(600)
        agent.put()
        agent.pass_time(1)
        agent.log(b"again\n")
        assert len(agent.everything()) == 1500 - dropped + 1


def test_a_disk_that_others_fill_is_borne(tmp_path: Path, clock: StillClock) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        agent = Ashore(disk, clock)
        agent.shelf.folder = tmp_path / "store"
        (tmp_path / "store" / "logs").mkdir(parents=True)
        agent.log(b"before\n")
        _fill(disk / "other")
        agent.log(*[b"x" * 5000 + b"\n"] * 20)
        assert agent.counters["received"] == 1
        agent.pass_time(600)
        agent.put()
        (disk / "other").unlink()
        agent.pass_time(1)
        agent.pass_time(600)
        agent.pass_time(600)
        assert len(agent.everything()) == 21


def test_the_inbox_keeps_a_datagram_whose_length_nobody_wrote_down(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", b"boot", 7)
    assert inbox.burst == 8
    inbox._data[:4] = b"one\n"
    inbox._took(4)
    inbox._data[4:7] = b"two"  # received, and killed
    again = Inbox(tmp_path / "inbox", b"boot", 7)
    assert bytes(again.content) == b"one\ntwo\n"
    assert (again.burst, again.datagrams) == (8, 2)


def test_the_inbox_forgets_what_is_in_the_spool_or_was_before_the_machine_was_started_anew(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", b"boot", 7)
    inbox._data[:4] = b"one\n"
    inbox._took(4)
    assert bytes(Inbox(tmp_path / "inbox", b"boot", 8).content) == b""
    inbox._data[:4] = b"one\n"
    assert bytes(Inbox(tmp_path / "inbox", b"other", 7).content) == b""


def test_the_inbox_has_room_for_the_longest_datagram_wherever_it_comes() -> None:
    assert SIZE // 2 + ROOM < SIZE


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_around_a_write_neither_loses_nor_doubles(
    tmp_path: Path, clock: StillClock, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Ashore(tmp_path, clock)
    agent.log(b"first\n")

    def dies(*_arguments: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Spool if moment == "before" else Inbox, "write" if moment == "before" else "empty", dies)
        with pytest.raises(KeyboardInterrupt):
            agent.log(b"second\n")
    agent.crash()
    assert agent.everything() == [b"first", b"second"]


def _fill(path: Path) -> None:
    """Leave no room on a disk."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def test_a_spool_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Fatal, match=r"cannot write to .*file/spool"):
        lock(tmp_path / "file" / "spool")
