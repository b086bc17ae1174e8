"""The zip: what another program reads of it."""

from __future__ import annotations

import io
import subprocess
import sys
import zipfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tailrace.deploy.package.archive import zipped

FILES = {"b/x.py": b"x = 1\n" * 99, "a.so": b"\x7fELF", "b.json": b"{}", "B/é.txt": b""}


def test_order_times_and_modes() -> None:
    with zipfile.ZipFile(io.BytesIO(zipped(FILES))) as archive:
        infos = archive.infolist()
        assert archive.testzip() is None
    assert [info.filename for info in infos] == ["B/é.txt", "a.so", "b.json", "b/x.py"]
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}
    assert {info.create_system for info in infos} == {3}
    assert [oct(info.external_attr >> 16) for info in infos] == ["0o100644", "0o100755", "0o100644", "0o100644"]
    assert {info.compress_type for info in infos} == {zipfile.ZIP_DEFLATED}


def test_what_is_unpacked_can_be_read_by_all_and_objects_can_be_executed(tmp_path: Path) -> None:
    (tmp_path / "package.zip").write_bytes(zipped(FILES))
    script = "import sys, shutil; shutil.unpack_archive(sys.argv[1], sys.argv[2])"
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "package.zip", tmp_path / "there"], check=True, umask=0o022
    )
    found = {
        path.relative_to(tmp_path / "there").as_posix(): path
        for path in (tmp_path / "there").rglob("*")
        if path.is_file()
    }
    assert {name: path.read_bytes() for name, path in found.items()} == FILES
    with zipfile.ZipFile(tmp_path / "package.zip") as archive:
        modes = {info.filename: oct(info.external_attr >> 16) for info in archive.infolist()}
    assert (modes["a.so"], modes["b.json"]) == ("0o100755", "0o100644")


@given(st.permutations(list(FILES)))
def test_the_bytes_do_not_depend_on_the_order_in_which_files_came(names: list[str]) -> None:
    assert zipped({name: FILES[name] for name in names}) == zipped(FILES)
