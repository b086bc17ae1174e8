"""Framing gives the exact content of any compressed stream, and of a damaged one all that can be read."""

from __future__ import annotations

import bz2
import hashlib
import io
import os
import random
import struct
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from streams import COMPRESSORS, LOG, Pieces, gz, read_broken, zstd
from tailrace.errors import MissingExtra
from tailrace.framing import CHUNK, Corrupt, chunks

contents = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda unit, times: unit * times, st.binary(min_size=1, max_size=20), st.integers(0, 5000)),
    st.builds(lambda seed, size: random.Random(seed).randbytes(size), st.integers(0, 99), st.integers(0, 200_000)),
)


@settings(deadline=None, max_examples=200)
@given(
    compression=st.sampled_from(sorted(COMPRESSORS)),
    members=st.lists(contents, min_size=1, max_size=4),
    padding=st.integers(0, 600),
    reads=st.lists(st.sampled_from([1, 2, 3, 7, 100, 4096, 65536]), min_size=1, max_size=6),
    size=st.sampled_from([1, 100, 5000, CHUNK]),
    skip=st.integers(0, 3000),
    seekable=st.booleans(),
)
def test_any_content_in_any_members_and_reads_comes_out_the_same(
    compression: str, members: list[bytes], padding: int, reads: list[int], size: int, skip: int, *, seekable: bool
) -> None:
    content = b"".join(members)
    size = max(size, len(content) // 500)  # or there would be a million chunks
    data = b"".join(COMPRESSORS[compression](member) for member in members)
    stream = Pieces(data + bytes(padding), [*reads, 65536], seekable=seekable)
    got = list(chunks(stream, skip=skip, size=size))
    assert b"".join(got) == content[skip:]
    assert all(0 < len(chunk) <= size for chunk in got)


@settings(deadline=None, max_examples=100)
@given(
    content=contents,
    reads=st.lists(st.sampled_from([1, 2, 3, 7, 100, 4096]), min_size=1, max_size=6),
    size=st.sampled_from([1, 100, CHUNK]),
    skip=st.integers(0, 3000),
    seekable=st.booleans(),
)
def test_plain_content_comes_out_as_it_is(
    content: bytes, reads: list[int], size: int, skip: int, *, seekable: bool
) -> None:
    content = b"\n" + content[: size * 500]
    got = list(chunks(Pieces(content, reads, seekable=seekable), skip=skip, size=size))
    assert b"".join(got) == content[skip:]
    assert all(0 < len(chunk) <= size for chunk in got)


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED])
def test_every_kind_of_deflate_block_is_read(level: int, strategy: int) -> None:
    packer = zlib.compressobj(level, zlib.DEFLATED, 31, 9, strategy)
    data = packer.compress(LOG[:300_000]) + packer.flush(zlib.Z_FULL_FLUSH) + packer.compress(LOG) + packer.flush()
    assert b"".join(chunks(Pieces(data, [1000]))) == LOG[:300_000] + LOG


def test_every_optional_part_of_a_gzip_header_is_passed_over() -> None:
    body = gz(LOG)[10:]
    fixed = b"\x1f\x8b\x08" + bytes([2 | 4 | 8 | 16]) + bytes(6)
    head = fixed + struct.pack("<H", 5) + b"extra" + b"x" * 100_000 + b".log\0" + b"a comment\0" + b"hc"
    for reads in ([1 << 20], [1], [65536, 3]):
        assert b"".join(chunks(Pieces(head + body, reads))) == LOG
    for end in (5, 10, 11, 14, 20, 100_000, 100_025, 100_032):
        got, error = read_broken(Pieces(head[:end]))
        assert (got, str(error)) == (b"", "the gzip data ends before its end")


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_791, 65_792, 700_000])
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("sized", [True, False])
def test_every_form_of_a_zstandard_frame_is_read(*, size: int, checksum: bool, sized: bool) -> None:
    content = LOG[:size] if size % 2 else bytes(size)
    packer = zstandard.ZstdCompressor(write_checksum=checksum, write_content_size=sized)
    streamed = packer.compressobj()
    data = packer.compress(content) + streamed.compress(content) + streamed.flush()
    skippable = b"\x5f\x2a\x4d\x18" + struct.pack("<I", 100_000) + bytes(100_000)
    assert b"".join(chunks(Pieces(skippable + data + skippable, [5000]))) == content * 2


def test_a_zstandard_frame_that_needs_a_dictionary_is_told() -> None:
    dictionary = zstandard.train_dictionary(5000, [LOG[start : start + 500] for start in range(0, 500_000, 500)])
    data = zstandard.ZstdCompressor(dict_data=dictionary).compress(LOG[:1000])
    got, error = read_broken(io.BytesIO(data))
    assert (got, str(error)) == (b"", "the zstandard data is damaged (Dictionary mismatch)")


def test_an_empty_stream_has_no_chunks() -> None:
    assert list(chunks(io.BytesIO())) == []
    assert list(chunks(io.BytesIO(), skip=10)) == []
    assert list(chunks(io.BytesIO(gz(b"")))) == []


@pytest.mark.parametrize(
    "text", [b"BZh1 is how this line begins\n", b"BZh", b"P*M", b"\x1f", b"\x1fno", b"\x28\xb5\x2f!"]
)
def test_what_only_resembles_compressed_data_is_plain(text: bytes) -> None:
    assert b"".join(chunks(io.BytesIO(text))) == text


def test_a_stream_is_read_from_where_it_stands() -> None:
    for data, skip, expected in ((LOG, 100, LOG[100:]), (gz(LOG), 100, LOG[100:]), (LOG, 0, LOG)):
        stream = io.BytesIO(b"before" + data)
        stream.seek(6)
        assert b"".join(chunks(stream, skip=skip)) == expected
        assert not stream.closed


def test_skipping_in_a_plain_stream_that_can_seek_reads_nothing_of_what_is_skipped() -> None:
    stream = Pieces(LOG * 3)
    assert b"".join(chunks(stream, skip=len(LOG) * 3 - 10)) == LOG[-10:]
    assert stream.read_bytes <= (96 << 10) + 10


def test_bytes_of_a_slow_pipe_are_given_out_as_they_come() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as pipe:
        parts = chunks(stream)
        pipe.write(b"GE")
        assert next(parts) == b"GE"
        pipe.write(b"T /\n")
        assert next(parts) == b"T /\n"


def test_a_stream_that_does_not_block_is_not_taken_for_ended() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with (
        os.fdopen(reading, "rb", buffering=0) as stream,
        os.fdopen(writing, "wb", buffering=0),
        pytest.raises(BlockingIOError),
    ):
        list(chunks(stream))


@pytest.mark.parametrize("seekable", [True, False])
def test_a_gzip_cut_anywhere_gives_what_was_before_the_cut(*, seekable: bool) -> None:
    first, second = LOG[:3000], LOG[3000:5000]
    data = gz(first) + gz(second)
    boundary = len(gz(first))
    for end in range(2, len(data)):
        if end == boundary:
            assert b"".join(chunks(Pieces(data[:end], [50], seekable=seekable))) == first
            continue
        got, error = read_broken(Pieces(data[:end], [50], seekable=seekable))
        assert (first + second).startswith(got)
        if end == boundary + 1:
            assert str(error) == "1 byte behind the gzip data is not gzip"
            continue
        assert str(error) == "the gzip data ends before its end"
        before = first if end > boundary else b""
        readable = before + zlib.decompressobj(31).decompress(data[boundary if before else 0 : end])
        # isal decodes some symbols at a time, so it may hold back the last ones where zlib does not.
        assert len(readable) - 3 <= len(got) <= len(readable)


@pytest.mark.parametrize("compression", ["bzip2", "zstandard"])
def test_other_compressed_data_cut_anywhere_gives_whole_blocks_before_the_cut(compression: str) -> None:
    first, second = LOG[:3000], LOG[3000:5000]
    pack = COMPRESSORS[compression]
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 70) + bytes(70) if compression == "zstandard" else b""
    data = pack(first) + skippable + pack(second)
    whole = {len(pack(first)), len(pack(first)) + len(skippable)}
    for end in range(10, len(data)):
        if end in whole:
            assert b"".join(chunks(Pieces(data[:end]))) == first
            continue
        got, error = read_broken(Pieces(data[:end]))
        assert got in ((first, first + second) if end > len(pack(first)) else (b"", first))
        assert str(error).startswith(f"the {compression} data ends") or "behind" in str(error)


def test_every_block_of_a_cut_zstandard_frame_is_given() -> None:
    noise = random.Random(1).randbytes(1_000_000)
    data = zstd(noise)
    got, error = read_broken(Pieces(data[:-100_000]))
    assert noise.startswith(got)
    assert len(got) >= 900_000 - 131_072
    assert str(error) == "the zstandard data ends before its end"


@pytest.mark.parametrize("seekable", [True, False])
def test_a_wrong_gzip_checksum_or_length_is_told_after_all_content(*, seekable: bool) -> None:
    data = bytearray(gz(LOG))
    data[-6] ^= 1
    got, error = read_broken(Pieces(bytes(data), seekable=seekable))
    assert (got, str(error)) == (LOG, "the gzip checksum does not match")
    data[-6] ^= 1
    data[-1] ^= 1
    got, error = read_broken(Pieces(bytes(data), seekable=seekable))
    assert (got, str(error)) == (LOG, "the gzip data is not as long as it says")


def test_a_wrong_checksum_of_other_compressed_data_is_told() -> None:
    data = bytearray(zstd(LOG))
    data[-1] ^= 1
    got, error = read_broken(Pieces(bytes(data)))
    assert got == LOG
    assert str(error) == "the zstandard data is damaged (Restored data doesn't match checksum)"
    data = bytearray(bz2.compress(LOG))
    data[-3] ^= 8
    got, error = read_broken(Pieces(bytes(data)))
    assert (got, str(error)) == (LOG, "the bzip2 data is damaged")


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize("size", [1000, CHUNK])
def test_nothing_before_damage_in_the_deflate_data_is_lost(*, seekable: bool, size: int) -> None:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    good = gz(b"an earlier member\n") + packer.compress(LOG) + packer.flush(zlib.Z_FULL_FLUSH)
    broken = good + b"\x07 there is no block of type 3" + bytes(100)
    got, error = read_broken(Pieces(broken, [60_000, 65_536], seekable=seekable), size)
    assert got == b"an earlier member\n" + LOG
    assert str(error) == "the gzip data is damaged"


def test_damage_late_in_a_long_pipe_costs_at_most_one_chunk() -> None:
    noise = random.Random(2).randbytes(6 << 20)
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    broken = packer.compress(noise) + packer.flush(zlib.Z_FULL_FLUSH) + b"\x07" + bytes(100)
    got, _ = read_broken(Pieces(broken, seekable=False))
    assert noise.startswith(got)
    assert len(noise) - len(got) < CHUNK


@pytest.mark.parametrize("compression", sorted(COMPRESSORS))
def test_a_flipped_bit_is_never_anything_but_corrupt(compression: str) -> None:
    content = LOG[:2000]
    data = COMPRESSORS[compression](content)
    told = 0
    for bit in range(80, len(data) * 8, 5):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        got = bytearray()
        try:
            for chunk in chunks(Pieces(bytes(broken), [97])):
                got += chunk
        except Corrupt:
            told += 1
        else:
            assert bytes(got) == content
    assert told > 0.9 * len(range(80, len(data) * 8, 5))


@pytest.mark.parametrize("compression", sorted(COMPRESSORS))
@pytest.mark.parametrize("garbage", [b"!", b"not compressed\n" * 10, LOG])
@pytest.mark.parametrize("padding", [0, 5])
def test_what_stands_behind_compressed_data_is_kept_for_a_reject(
    compression: str, garbage: bytes, padding: int
) -> None:
    data = COMPRESSORS[compression](LOG) + bytes(padding) + garbage
    got, error = read_broken(Pieces(data, [65536, 10_000]))
    assert got == LOG
    assert error.payload == garbage[: 64 << 10]
    assert (error.length, error.sha256) == (len(garbage), hashlib.sha256(garbage).hexdigest())
    verb = "byte behind the {0} data is not {0}" if len(garbage) == 1 else "bytes behind the {0} data are not {0}"
    assert str(error) == f"{len(garbage)} {verb.format(compression)}"


def test_a_gzip_header_of_another_method_is_damaged() -> None:
    got, error = read_broken(io.BytesIO(b"\x1f\x8b\x07" + bytes(20)))
    assert (got, str(error), error.payload, error.length) == (b"", "the gzip header is damaged", b"", 0)


class Failing(Pieces):
    """A stream that fails at an offset, from the n-th time on that it is read there."""

    def __init__(self, data: bytes, fails_at: int, times: int = 0) -> None:
        super().__init__(data, [1000])
        self._fails_at, self._times = fails_at, times

    def read(self, size: int = -1) -> bytes:
        if self.at >= self._fails_at:
            if not self._times:
                message = "the disk is broken"
                raise OSError(message)
            self._times -= 1
        return super().read(size)


@pytest.mark.parametrize("pack", [*COMPRESSORS.values(), bytes])
def test_an_error_of_the_stream_goes_through(pack: Callable[[bytes], bytes]) -> None:
    with pytest.raises(OSError, match="the disk is broken"):
        list(chunks(Failing(pack(LOG), 20_000)))


def test_an_error_of_the_stream_while_reading_it_again_goes_through() -> None:
    noise = random.Random(3).randbytes(5000)
    data = bytearray(bz2.compress(noise))
    data[3000] ^= 8
    with pytest.raises(OSError, match="the disk is broken"):
        list(chunks(Failing(bytes(data), 3000, times=len(data) // 1000 - 2)))


def bomb(compression: str, megabytes: int) -> bytes:
    if compression == "gzip":  # all in one member
        packer = zlib.compressobj(6, zlib.DEFLATED, 31)
        return b"".join(packer.compress(bytes(1 << 20)) for _ in range(megabytes)) + packer.flush()
    return COMPRESSORS[compression](bytes(megabytes << 18)) * 4


def measured(stream: io.RawIOBase | io.BytesIO) -> tuple[int, int, str]:
    """How much comes out of a stream, the most memory that it takes, and how it ends."""
    total, end = 0, ""
    tracemalloc.start()
    try:
        for chunk in chunks(stream):
            assert len(chunk) <= CHUNK
            total += len(chunk)
    except Corrupt as error:
        end = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return total, peak, end


@pytest.mark.parametrize(("compression", "megabytes"), [("gzip", 200), ("zstandard", 200), ("bzip2", 40)])
def test_a_bomb_takes_no_memory(compression: str, megabytes: int) -> None:
    total, peak, end = measured(io.BytesIO(bomb(compression, megabytes)))
    assert (total, end) == (megabytes << 20, "")
    assert peak < 4 * CHUNK


def test_a_long_pipe_takes_no_memory() -> None:
    packer = zlib.compressobj(0, zlib.DEFLATED, 31)
    data = packer.compress(random.Random(4).randbytes(16 << 20)) + packer.flush()
    total, peak, end = measured(Pieces(data, seekable=False))
    assert (total, end) == (16 << 20, "")
    assert peak < (4 << 20) + 2 * CHUNK  # what is kept to begin a member again, and the chunks


@pytest.mark.parametrize("seekable", [True, False])
def test_a_damaged_bomb_takes_no_memory_either(*, seekable: bool) -> None:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    data = b"".join(packer.compress(bytes(1 << 20)) for _ in range(40)) + packer.flush(zlib.Z_FULL_FLUSH) + b"\x07   "
    total, peak, end = measured(Pieces(data, seekable=seekable))
    assert (total, end) == (40 << 20, "the gzip data is damaged")
    assert peak < 4 * CHUNK


def test_without_the_library_zstandard_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(MissingExtra, match=r"pip install 'tailrace\[zstd\]'"):
        list(chunks(io.BytesIO(zstd(b"x"))))
    assert b"".join(chunks(io.BytesIO(gz(b"x")))) == b"x"
