"""The store sink at its limits: very many days, very long items, disks that do not take what is written."""

from __future__ import annotations

import os
import subprocess
import textwrap
from datetime import date, timedelta
from pathlib import Path

import pytest

from making import alb, batch, everything, item, python, rows, small_disk
from tailrace.errors import Fatal
from tailrace.sinks import _partitions, _spill
from tailrace.sinks.store import StoreSink

DAY = "2026-09-23"


def test_thousands_of_days_need_few_open_files_and_little_memory(tmp_path: Path) -> None:
    """Three times a row of each of 1,000 days in turn, with at most 60 open files and 320 MB for the whole process."""
    script = textwrap.dedent(f"""
        import os, resource, sys
        from datetime import UTC, date, timedelta
        from pathlib import Path
        from making import item, peak_mb, rows
        from tailrace.sinks.store import StoreSink
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
        sink = StoreSink(Path({str(tmp_path)!r}))
        days = [str(date(2000, 1, 1) + timedelta(n)) for n in range(1000)]
        for turn in range(3):
            sink.write(item(), rows(days, turn * 1000, 20_000), 0)
        files = sink.flush().files
        assert sum(file.rows for file in files) == 3000
        assert len(files) == 1000
        print(peak_mb())
    """)
    assert int(python(script)) <= 320


def test_a_long_item_needs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    """600 MB of values in one day: the process stays within the 320 MB that the design allows."""
    script = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from making import item, peak_mb, rows
        from tailrace.sinks.store import StoreSink
        sink = StoreSink(Path({str(tmp_path)!r}))
        for turn in range(200):
            sink.write(item(), rows(["2026-09-23"] * 300, turn * 300, 10_000), 0)
        (file,) = sink.flush().files
        assert file.rows == 60_000
        print(peak_mb())
    """)
    assert int(python(script)) <= 320


def test_a_full_disk_is_fatal_and_the_next_attempt_works(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        sink = StoreSink(disk, memory=1 << 20)

        def fill() -> None:
            for turn in range(100):
                sink.write(item(), rows([DAY] * 100, turn * 100, 10_000, noise=True), 0)

        with pytest.raises(Fatal, match=r"cannot write to .*disk.*: the disk is full; make room and run again"):
            fill()
        sink.abandon()
        assert everything(disk) == []
        sink.write(item(), rows([DAY]), 0)
        assert [file.rows for file in sink.flush().files] == [1]
        sink.close()


def test_a_disk_that_is_full_of_rows_of_many_days_is_fatal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_partitions, "_OPEN", 1)
    monkeypatch.setattr(_spill, "_STAGED", 100_000)
    days = [str(date(2026, 1, 1) + timedelta(number)) for number in range(100)]
    with small_disk(tmp_path / "disk", "1m") as disk:
        sink = StoreSink(disk)

        def fill() -> None:
            for turn in range(100):
                sink.write(item(), rows(days, turn * 100, 10_000, noise=True), 0)

        with pytest.raises(Fatal, match="the disk is full"):
            fill()
        sink.abandon()
        assert everything(disk) == []


def test_a_disk_that_fills_up_in_the_flush_is_fatal(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        sink = StoreSink(disk)
        made = batch(b"".join(alb(DAY, number) for number in range(50)))
        sink.write(item(), made, 0)
        (disk / "ballast").write_bytes(bytes((1 << 20) - 4096))
        with pytest.raises(Fatal, match="the disk is full"):
            sink.flush()
        sink.abandon()
        assert everything(disk) == [Path("ballast")]
        (disk / "ballast").unlink()
        sink.write(item(), made, 0)
        assert [file.rows for file in sink.flush().files] == [50]


def test_a_file_size_limit_is_fatal(tmp_path: Path) -> None:
    script = textwrap.dedent(f"""
        import resource, sys
        from pathlib import Path
        from making import item, peak_mb, rows
        from tailrace.sinks.store import StoreSink
        from tailrace.errors import Fatal
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        sink = StoreSink(Path({str(tmp_path)!r}))
        sink.write(item(), rows(["2026-09-23"] * 1000, noise=True), 0)
        try:
            sink.flush()
        except Fatal as error:
            sink.abandon()
            print(error)
    """)
    assert "larger than the limit allows; raise the limit (ulimit -f)" in python(script)
    assert everything(tmp_path) == []


def test_a_folder_without_permission_is_fatal(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    tmp_path.chmod(0o700)
    script = textwrap.dedent(f"""
        import os, sys
        from pathlib import Path
        from making import item, peak_mb, rows
        from tailrace.sinks.store import StoreSink
        from tailrace.errors import Fatal
        import tailrace.sinks._partitions  # while this user may still read the libraries
        os.setuid(65534)
        try:
            StoreSink(Path({str(tmp_path)!r}) / "store").write(item(), rows(["2026-09-23"]), 0)
        except Fatal as error:
            print(error)
    """)
    told = f"cannot write to {tmp_path}/store/tmp: permission denied; choose another folder or change its permissions"
    assert python(script).strip() == told


def test_a_read_only_disk_is_fatal(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(Fatal, match=r"/tmp: the disk is mounted read-only; choose a folder on another one"):
            StoreSink(disk).write(item(), rows([DAY]), 0)
