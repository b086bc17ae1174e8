"""Dead letters keep every byte that a reject keeps, whole files or none."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from making import batch, item, small_disk
from tailrace.deadletters import DeadCount, DeadFile, DeadFolder, encode
from tailrace.errors import Fatal
from tailrace.model import Identity, Item, Refusal, Reject, record_id

ITEM = item()


def reject(payload: bytes = b"junk", offset: int = 0) -> Reject:
    return Reject(offset, 1, "unknown_format", payload, len(payload), hashlib.sha256(payload).hexdigest())


def letters(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def name(part: int = 0) -> str:
    return f"{ITEM.identity.digest}-{part}.ndjson"


def test_a_letter_tells_where_why_and_what() -> None:
    made = batch(b"one\nnot a line\n", ITEM).rejects[1]
    assert json.loads(encode(ITEM.identity, made)) == {
        "_id": record_id(ITEM.identity.token, 4),
        "item": {"kind": "file", "container": "/logs", "key": "a.log", "etag": "1"},
        "offset": 4,
        "lines": 1,
        "reason": "unknown_format",
        "length": 10,
        "sha256": hashlib.sha256(b"not a line").hexdigest(),
        "payload": "not a line",
    }


@given(payload=st.binary() | st.text().map(str.encode), key=st.binary())
def test_any_bytes_come_back_on_one_line(payload: bytes, key: bytes) -> None:
    identity = Identity("file", "/logs", key.decode("utf-8", "surrogateescape"), "1")
    line = encode(identity, reject(payload))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    letter = json.loads(line)
    for found, text, expected in ((letter, "payload", payload), (letter["item"], "key", key)):
        assert (text in found) != (f"{text}_base64" in found)
        got = found[text].encode() if text in found else base64.b64decode(found[f"{text}_base64"])
        assert got == expected


def test_letters_appear_with_the_flush_as_one_file(tmp_path: Path) -> None:
    dead = DeadFolder(tmp_path)
    dead.write(ITEM, [reject(b"one"), reject(b"two", 4)], 0)
    dead.write(ITEM, [], 0)
    dead.write(ITEM, [reject(b"three", 8)], 0)
    assert not (tmp_path / "dead").exists()
    dead.flush()
    assert [letter["payload"] for letter in letters(tmp_path / "dead" / name())] == ["one", "two", "three"]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_without_rejects_nothing_is_written(tmp_path: Path) -> None:
    dead = DeadFolder(tmp_path)
    dead.write(ITEM, [], 0)
    dead.flush()
    dead.flush()
    assert list(tmp_path.iterdir()) == []


def test_the_names_follow_from_item_and_part_so_that_a_retry_overwrites(tmp_path: Path) -> None:
    for part in (0, 1, 0):
        dead = DeadFolder(tmp_path)
        dead.write(ITEM, [reject()], part)
        dead.flush()
    assert sorted(path.name for path in (tmp_path / "dead").iterdir()) == [name(0), name(1)]
    assert len(letters(tmp_path / "dead" / name(0))) == 1


def test_a_retry_without_rejects_removes_what_a_crash_left(tmp_path: Path) -> None:
    dead = DeadFolder(tmp_path)
    dead.write(ITEM, [reject()], 0)
    dead.flush()
    dead.write(ITEM, [], 1)
    dead.flush()
    assert (tmp_path / "dead" / name(0)).exists()
    dead.write(ITEM, [], 0)
    dead.flush()
    assert list((tmp_path / "dead").iterdir()) == []


def test_what_sinks_refused_stands_in_files_of_their_own(tmp_path: Path) -> None:
    dead = DeadFolder(tmp_path)
    refusals = [Refusal(7, "too_old", "grün\n".encode()), Refusal(9, "mapping", b"\xff", "date_parse")]
    dead.write(ITEM, [reject()], 0)
    dead.refuse(ITEM, "cloudwatch:one", refusals, 0)
    dead.refuse(ITEM, "cloudwatch:two", refusals[:1], 0)
    dead.refuse(ITEM, "store", [], 0)
    dead.flush()
    names = sorted(path.name for path in (tmp_path / "dead").iterdir())
    assert len(names) == 3
    assert name() in names
    first, second = letters(
        tmp_path / "dead" / next(each for each in names if len(letters(tmp_path / "dead" / each)) == 2)
    )
    assert (first["sink"], first["offset"], first["reason"], first["payload"]) == (
        "cloudwatch:one",
        7,
        "too_old",
        "grün\n",
    )
    assert (second["payload_base64"], second["detail"], second["length"]) == ("/w==", "date_parse", 1)
    assert first["_id"] == record_id(ITEM.identity.token, 7)
    assert first["sha256"] == hashlib.sha256("grün\n".encode()).hexdigest()


def test_a_retry_in_which_nothing_is_refused_removes_what_a_crash_left(tmp_path: Path) -> None:
    dead = DeadFolder(tmp_path)
    dead.refuse(ITEM, "cloudwatch:one", [Refusal(7, "too_old", b"x")], 0)
    dead.flush()
    dead.refuse(ITEM, "cloudwatch:two", [Refusal(7, "too_old", b"x")], 0)
    dead.refuse(ITEM, "cloudwatch:one", [], 0)
    dead.flush()
    (left,) = (tmp_path / "dead").iterdir()
    assert letters(left)[0]["sink"] == "cloudwatch:two"


def test_a_sink_that_is_behind_has_commits_of_its_own(tmp_path: Path) -> None:
    """Rejects are kept from where no receipt tells of them yet, which may be behind where the sink's commit begins."""
    dead = DeadFolder(tmp_path)
    dead.write(item(), [], 700)
    dead.refuse(item(), "es", [Refusal(9, "mapping", b"three")], 0)
    dead.flush()
    (path,) = (tmp_path / "dead").iterdir()
    assert path.name.startswith(f"{item().identity.digest}-0-")


def test_only_the_letters_of_one_commit_are_kept(tmp_path: Path) -> None:
    dead = DeadFolder(tmp_path)
    for start in (0, 10, 1):
        dead.write(ITEM, [reject()], start)
        dead.refuse(ITEM, "s", [Refusal(7, "too_old", b"x")], start)
        dead.flush()
    dead.keep_only(ITEM, 1)
    kept = sorted(path.name for path in (tmp_path / "dead").iterdir())
    assert [each.startswith(name(1)[: -len(".ndjson")]) for each in kept] == [True, True]


def test_abandoning_leaves_no_trace(tmp_path: Path) -> None:
    dead = DeadFolder(tmp_path)
    dead.write(ITEM, [reject()], 0)
    dead.abandon()
    dead.flush()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    dead.write(item("another"), [reject()], 0)
    dead.flush()
    assert len(list((tmp_path / "dead").iterdir())) == 1


def test_the_items_must_come_one_after_the_other(tmp_path: Path) -> None:
    dead = DeadFolder(tmp_path)
    dead.write(ITEM, [reject()], 0)
    with pytest.raises(ValueError, match="before the next"):
        dead.write(item("another"), [reject()], 0)
    dead.abandon()


def test_a_full_disk_is_fatal_and_leaves_no_half_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        dead = DeadFolder(disk)
        many = [reject(os.urandom(60_000), number) for number in range(40)]

        def fill() -> None:
            dead.write(ITEM, many, 0)
            dead.flush()

        with pytest.raises(Fatal, match=r"cannot write to .*/dead: the disk is full; make room and run again"):
            fill()
        dead.abandon()
        assert [path for path in disk.rglob("*") if path.is_file()] == []


def test_one_file_takes_the_rejects_of_all_items(tmp_path: Path) -> None:
    path = tmp_path / "rejects.ndjson"
    path.write_text("before\n")
    with path.open("ab") as file:
        dead = DeadFile(file)
        dead.write(ITEM, [reject(b"one")], 0)
        dead.flush()
        dead.write(item("b"), [reject(b"lost" * 10_000)], 0)
        dead.abandon()
        dead.write(item("c"), [reject(b"two")], 0)
        dead.flush()
    before, *lines = path.read_bytes().splitlines()
    assert before == b"before"
    assert [(json.loads(line)["item"]["key"], json.loads(line)["payload"]) for line in lines] == [
        ("a.log", "one"),
        ("c", "two"),
    ]


def test_a_pipe_takes_rejects_as_well() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        dead = DeadFile(pipe)
        dead.write(ITEM, [reject()], 0)
        dead.flush()
        dead.abandon()
    with os.fdopen(reading, "rb") as pipe:
        assert json.loads(pipe.read())["payload"] == "junk"


def test_a_full_device_is_fatal() -> None:
    with Path("/dev/full").open("wb", buffering=0) as device, pytest.raises(Fatal, match="/dev/full: the disk is full"):
        DeadFile(device).write(ITEM, [reject()], 0)


def test_counting_counts_what_was_flushed() -> None:
    dead = DeadCount()
    dead.write(ITEM, [reject(), reject()], 0)
    assert dead.rejects == 0
    dead.flush()
    dead.write(ITEM, [reject()], 0)
    dead.abandon()
    dead.flush()
    assert dead.rejects == 2


def test_an_item_without_a_name_is_still_one_file(tmp_path: Path) -> None:
    nameless = Item(Identity("stdin", "", "", ""), io.BytesIO, None, 0.0)
    dead = DeadFolder(tmp_path)
    dead.write(nameless, [reject()], 0)
    dead.flush()
    assert [path.name for path in (tmp_path / "dead").iterdir()] == [f"{nameless.identity.digest}-0.ndjson"]
