"""Local files are found, each once, and known again when they grow; what cannot be read is told."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from making import StillClock
from tailrace.errors import Gone, SourceError, UsageError
from tailrace.model import Item
from tailrace.sources.files import Files

LINE = b"192.0.2.7 GET /\n"


def put(path: Path, content: bytes = LINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(root: Path, *paths: object) -> list[str]:
    """The keys of what is found, relative to a folder."""
    real = os.path.realpath(root)
    return [os.path.relpath(item.identity.key, real) for item in Files([str(path) for path in paths]).items()]


def content(item: Item) -> bytes:
    with item.open() as stream:
        return stream.read()


class Receipts:
    """Remembers etags as a State does: the latest first."""

    def __init__(self) -> None:
        self.etags: dict[str, list[str]] = {}

    def known(self, kind: str, container: str, key: str) -> list[str]:
        assert (kind, container) == ("file", "")
        return self.etags.get(key, [])

    def deliver(self, path: Path) -> str:
        """The etag under which a file is delivered."""
        (item,) = Files([str(path)], self.known).items()
        etag = item.identity.etag
        assert content(item) == path.read_bytes()
        self.etags.setdefault(item.identity.key, []).insert(0, etag)
        return etag


@contextmanager
def somebody() -> Iterator[Path]:
    """A folder, and a user who is bound by permissions, as root is not."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    root = os.geteuid() == 0
    try:
        if root:
            os.chown(folder, 65534, -1)
            os.seteuid(65534)
        yield folder
    finally:
        if root:
            os.seteuid(0)
        else:
            for path in folder.rglob("*"):
                path.chmod(0o755)
        shutil.rmtree(folder)


def test_a_file_is_an_item_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    path = put(tmp_path / "alb.log")
    os.utime(path, (1.0, 1_700_000_000.5))
    (item,) = Files([str(path)]).items()
    status = path.stat()
    assert (item.identity.kind, item.identity.container, item.identity.key) == ("file", "", os.path.realpath(path))
    assert item.identity.etag.startswith(f"{status.st_dev:x}-{status.st_ino:x}-16-")
    assert (item.size, item.modified, item.durable) == (16, 1_700_000_000.5, True)
    assert content(item) == LINE
    assert content(item) == LINE, "it can be opened again"


def test_a_folder_gives_all_files_below_it_in_order(tmp_path: Path) -> None:
    for name in ("b/2.log", "b/10.log", "a.log", "b/c/deep.gz", "z.log", "empty.log"):
        put(tmp_path / name, b"" if "empty" in name else LINE)
    (tmp_path / "nothing").mkdir()
    assert names(tmp_path, tmp_path) == ["a.log", "b/10.log", "b/2.log", "b/c/deep.gz", "empty.log", "z.log"]


def test_hidden_names_are_found_only_if_written_out(tmp_path: Path) -> None:
    for name in (".hidden.log", ".git/config", "seen.log", "sub/.swp"):
        put(tmp_path / name)
    assert names(tmp_path, tmp_path) == ["seen.log"]
    assert names(tmp_path, tmp_path / "**") == ["seen.log"]
    assert names(tmp_path, tmp_path / "*") == ["seen.log"]
    assert names(tmp_path, tmp_path / ".h*") == [".hidden.log"]
    assert names(tmp_path, tmp_path / ".hidden.log") == [".hidden.log"]
    assert names(tmp_path, tmp_path / ".git") == [".git/config"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.gz", ["top.gz"]),
        ("*/*.gz", ["2026/jan.gz", "2027/jan.gz"]),
        ("202[67]/*", ["2026/01/a.gz", "2026/01/b.log", "2026/jan.gz", "2027/jan.gz"]),
        ("**/*.gz", ["top.gz", "2026/jan.gz", "2026/01/a.gz", "2027/jan.gz"]),
        ("2026/**/a.*", ["2026/01/a.gz"]),
        ("2026/**", ["2026/01/a.gz", "2026/01/b.log", "2026/jan.gz"]),
        ("**/01/*.log", ["2026/01/b.log"]),
        ("**/**/b.log", ["2026/01/b.log"]),
        ("*/01", ["2026/01/a.gz", "2026/01/b.log"]),
        ("*/01/?.gz", ["2026/01/a.gz"]),
        ("*/jan.gz", ["2026/jan.gz", "2027/jan.gz"]),
    ],
)
def test_a_pattern_gives_the_files_that_match(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, expected: list[str]
) -> None:
    for name in ("2026/01/a.gz", "2026/01/b.log", "2026/jan.gz", "2027/jan.gz", "top.gz", "top.log"):
        put(tmp_path / name)
    assert names(tmp_path, tmp_path / pattern) == expected
    monkeypatch.chdir(tmp_path)
    assert names(tmp_path, pattern) == expected


def test_a_file_whose_name_is_a_pattern_is_itself(tmp_path: Path) -> None:
    put(tmp_path / "a[1].log")
    put(tmp_path / "a1.log")
    assert names(tmp_path, tmp_path / "a[1].log") == ["a[1].log"]


def test_a_file_named_twice_is_one_item(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(tmp_path / "sub" / "a.log")
    put(tmp_path / "sub" / "b.log")
    (tmp_path / "link.log").symlink_to(path)
    (tmp_path / "other").symlink_to(tmp_path / "sub")
    monkeypatch.chdir(tmp_path)
    spellings = ["sub/../sub/a.log", "./sub//a.log", path, "link.log", "other/a.log", "sub", "*/a.log", "."]
    assert names(tmp_path, *spellings) == ["sub/a.log", "sub/b.log"]


def test_links_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    logs, elsewhere = tmp_path / "logs", tmp_path / "elsewhere"
    put(logs / "a.log")
    put(elsewhere / "b.log")
    put(elsewhere / "deep" / "c.log")
    (logs / "b-link.log").symlink_to(elsewhere / "b.log")
    (logs / "circle").symlink_to(logs)
    (logs / "deep").symlink_to(elsewhere / "deep")
    (elsewhere / "deep" / "back").symlink_to(logs)
    (logs / "itself").symlink_to("itself")
    (logs / "nowhere").symlink_to("gone")
    expected = ["../elsewhere/b.log", "../elsewhere/deep/c.log", "a.log"]
    assert sorted(names(logs, logs)) == expected
    assert sorted(names(logs, logs / "**" / "*.log")) == expected
    for link in ("itself", "nowhere"):
        with pytest.raises(UsageError, match=f"the link .*{link} leads nowhere"):
            list(Files([str(logs / link)]).items())


def test_a_very_deep_folder_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = ["/".join("d" * depth) for depth in range(1, 1100)]
    for folder in folders:
        Path(folder).mkdir()
    deepest = Path(folders[-1])
    log = deepest / "deep.log"
    log.write_bytes(LINE)
    try:
        assert names(tmp_path, "d", "**/*.log") == [str(log)]
    finally:
        log.unlink()
        os.removedirs(deepest)  # other ways of removing it, pytest's too, cannot go so deep


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("gone.log", "there is no file {}"),
        ("*.gz", "no file matches {}"),
        ("nosuch/**/*.gz", "no file matches {}"),
        ("a.log/b.log", "there is no file {}"),
        ("empty", "there are no files in {}; stores, and names that start with a dot, are passed over"),
    ],
)
def test_nothing_is_begun_if_one_of_the_paths_leads_to_nothing(tmp_path: Path, missing: str, told: str) -> None:
    put(tmp_path / "a.log")
    put(tmp_path / "empty" / "deep" / ".hidden")
    with pytest.raises(UsageError) as caught:
        next(Files([str(tmp_path / "a.log"), str(tmp_path / missing)]).items())
    assert str(caught.value) == told.format(tmp_path / missing)


def test_an_empty_path_is_no_file() -> None:
    with pytest.raises(UsageError, match="there is no file"):
        list(Files([""]).items())


def test_a_file_keeps_its_identity_while_it_grows(tmp_path: Path) -> None:
    path, receipts = put(tmp_path / "a.log", b"short\n"), Receipts()
    first = receipts.deliver(path)
    for size in (7, 1000, 1024, 1025, 100_000):
        path.write_bytes((b"short\n" * 20_000)[:size])
        assert receipts.deliver(path) == first
    assert "-6-" in first


def test_the_head_of_a_long_file_is_its_first_kib(tmp_path: Path) -> None:
    path, receipts = put(tmp_path / "a.log", b"x" * 5000), Receipts()
    first = receipts.deliver(path)
    assert "-1024-" in first
    path.write_bytes(b"x" * 1024 + b"y")
    assert receipts.deliver(path) == first
    path.write_bytes(b"x" * 1023 + b"y" * 5000)
    assert receipts.deliver(path) != first


def test_a_file_that_was_begun_anew_or_replaced_is_another(tmp_path: Path) -> None:
    path, receipts = put(tmp_path / "a.log", b"first line\nsecond line\n"), Receipts()
    etags = [receipts.deliver(path)]
    path.write_bytes(b"first line\n")  # shorter than the head that was seen
    etags.append(receipts.deliver(path))
    path.write_bytes(b"another line\n" * 10)
    etags.append(receipts.deliver(path))
    copy = put(tmp_path / "copy", b"another line\n" * 10)
    copy.replace(path)  # the same bytes in another file
    etags.append(receipts.deliver(path))
    assert len(set(etags)) == 4
    assert receipts.deliver(path) == etags[-1]


def test_an_empty_file_is_an_item_and_what_is_written_to_it_later_another(tmp_path: Path) -> None:
    path, receipts = put(tmp_path / "a.log", b""), Receipts()
    empty = receipts.deliver(path)
    assert "-0-" in empty
    assert receipts.deliver(path) == empty
    path.write_bytes(LINE)
    grown = receipts.deliver(path)
    assert grown != empty
    # Had it kept the identity of the empty file, this would be taken for more of the same, and its beginning be lost.
    path.write_bytes(b"something else, and longer\n" * 3)
    assert receipts.deliver(path) not in {empty, grown}


def test_etags_of_another_making_fit_no_file(tmp_path: Path) -> None:
    path = put(tmp_path / "a.log")
    fresh = Receipts().deliver(path)
    for odd in ("", "d41d8cd98f00b204e9800998ecf8427e", "1-2", "1-2-x-y", "1-2-²-y", f"{fresh}-1", "unreadable"):
        (item,) = Files([str(path)], lambda *_, odd=odd: [odd]).items()
        assert item.identity.etag == fresh


def test_a_file_that_was_replaced_after_it_was_listed_is_not_read_in_its_place(tmp_path: Path) -> None:
    path = put(tmp_path / "a.log")
    (item,) = Files([str(path)]).items()
    put(tmp_path / "new", LINE).replace(path)
    with pytest.raises(SourceError, match=r"a\.log was replaced by another file while it waited"):
        item.open()
    (item,) = Files([str(path)]).items()
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="was replaced"):
        item.open()
    path.unlink()
    with pytest.raises(Gone, match=r"a\.log does not exist any more"):
        item.open()


def test_a_file_that_can_be_opened_but_not_read_is_told(tmp_path: Path) -> None:
    memory = Path("/proc/self/mem")  # at its beginning there is nothing, and reading it an error
    (item,) = Files([str(memory)]).items()
    with pytest.raises(SourceError, match=r"^cannot read /proc/self/mem: Input/output error$"):
        item.open()
    path = put(tmp_path / "a.log")
    (item,) = Files([str(path)]).items()
    path.unlink()
    path.symlink_to(memory)
    with pytest.raises(SourceError, match=r"^cannot read .*a\.log: Input/output error$"):
        item.open()


def test_a_file_that_grew_after_it_was_listed_is_read(tmp_path: Path) -> None:
    path = put(tmp_path / "a.log")
    (item,) = Files([str(path)]).items()
    path.write_bytes(LINE * 1000)
    assert content(item) == LINE * 1000


def test_a_file_that_may_not_be_read_is_told_and_the_others_are_read() -> None:
    with somebody() as folder:
        put(folder / "a.log")
        put(folder / "b.log").chmod(0)
        put(folder / "c.log")
        for paths in ([folder], [folder / "*.log"], sorted(folder.iterdir())):
            first, shut, last = Files([str(path) for path in paths]).items()
            assert content(first) == content(last) == LINE
            assert (shut.identity.key, shut.durable) == (str(folder / "b.log"), False)
            with pytest.raises(SourceError) as caught:
                shut.open()
            assert str(caught.value) == f"cannot read {folder / 'b.log'}: Permission denied"
            assert not isinstance(caught.value, Gone)


# No right at all; none to list it; none to look at what is listed.
@pytest.mark.parametrize("mode", [0o000, 0o300, 0o600])
@pytest.mark.parametrize("pattern", ["", "shut", "**/*.log", "*/d*.log", "*/*.log", "sh*"])
def test_a_folder_that_may_not_be_looked_into_is_told(mode: int, pattern: str) -> None:
    with somebody() as folder:
        put(folder / "a.log")
        put(folder / "shut" / "deep.log")
        (folder / "shut").chmod(mode)
        items = [item for item in Files([str(folder / pattern)]).items() if "shut" in item.identity.key]
        assert len(items) == 1
        with pytest.raises(SourceError, match=r"^cannot read .*shut.*: Permission denied$"):
            items[0].open()
        (folder / "shut").chmod(0o700)


def test_a_pipe_that_is_named_is_read_once_and_keeps_no_receipt(tmp_path: Path, clock: StillClock) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (item,) = Files([str(pipe)], clock=clock).items()
    (again,) = Files([str(pipe)], clock=clock).items()
    assert (item.identity.key, item.size, item.modified, item.durable) == (str(pipe), None, clock.now(), False)
    assert item.identity != again.identity
    holder = os.open(pipe, os.O_RDWR)
    try:
        with item.open() as stream:
            os.write(holder, LINE)
            assert stream.read(100) == LINE
    finally:
        os.close(holder)
    with pytest.raises(SourceError, match="can be read only once"):
        item.open()


def test_a_process_substitution_is_read(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(LINE)
    try:
        (item,) = Files([f"/dev/fd/{reading}"]).items()
        assert (content(item), item.durable) == (LINE, False)
    finally:
        os.close(reading)
    with put(tmp_path / "a.log").open("rb") as file:
        (item,) = Files([f"/dev/fd/{file.fileno()}"]).items()
        assert (content(item), item.durable) == (LINE, True)
        assert item.identity.key == os.path.realpath(tmp_path / "a.log")


def test_pipes_and_sockets_in_folders_are_no_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.log")
    os.mkfifo(tmp_path / "b.log")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("c.log")
        assert names(tmp_path, tmp_path) == ["a.log"]
        assert names(tmp_path, tmp_path / "*.log") == ["a.log"]


def test_a_name_that_is_no_utf8_is_a_name(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.log"
    Path(os.fsdecode(path)).write_bytes(LINE)
    (item,) = Files([str(tmp_path)]).items()
    assert content(item) == LINE
    assert os.fsencode(item.identity.key).endswith(b"caf\xe9.log")


def test_a_source_of_files_needs_no_thanks(tmp_path: Path) -> None:
    source = Files([str(put(tmp_path / "a.log"))])
    (item,) = source.items()
    source.ack(item)
    source.nack(item, ValueError())
    source.close()
    source.close()
    assert len(list(source.items())) == 1
