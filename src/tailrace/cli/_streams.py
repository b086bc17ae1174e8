"""The process's own streams, so that the program can rely on them whatever it was started with.

A closed one is occupied: else the next file that is opened would get its number, and what is meant for standard output
would be written into the store. Standard output tells what it does not take, and standard error keeps it to itself: a
message that nobody can read must not change how the program ends.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

from tailrace.disk import writing
from tailrace.errors import Fatal

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class ReaderGone(Exception):
    """Standard output was closed by its reader, who has had enough. Click and rich would call an OSError a failure."""


class _Output(io.FileIO):
    """Standard output: raises ReaderGone, or Fatal with what to do."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, and tell how much."""
        try:
            with writing("standard output"):
                return super().write(data)
        except BrokenPipeError as error:
            raise ReaderGone from error


class _Messages(io.FileIO):
    """Standard error: takes everything."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write what can be written."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def prepare() -> None:
    """Occupy what is closed, and let the other streams of this process behave as told above."""
    for number, mode in enumerate((os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)):  # closed ones shall still refuse
        _occupy(number, mode)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115 - by its number
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Messages(2, "w", closefd=False), sys.stderr, line_buffering=True)


def settle() -> None:
    """Write what is left for standard output; what it does not take, Python shall not try again at its end."""
    try:
        sys.stdout.flush()
    except (ReaderGone, Fatal):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _occupy(number: int, mode: int) -> None:
    try:
        os.fstat(number)
    except OSError as error:
        if error.errno != errno.EBADF:
            raise
        os.open(os.devnull, mode)  # gets the lowest number that is free, which is this one


def _text(raw: io.FileIO, before: Any, *, line_buffering: bool = False) -> TextIO:
    encoding = before.encoding if before else "utf-8"
    lines = line_buffering or bool(before and before.line_buffering)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, "backslashreplace", line_buffering=lines)
