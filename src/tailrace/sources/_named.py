"""Objects by a list of their names: keys or URLs, one a line."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Final

from tailrace.errors import UsageError
from tailrace.model import Item
from tailrace.sources._objects import SCHEME, Objects
from tailrace.sources._selection import Selection

_LONGEST: Final = 4096
"""A line is not longer; a key has 1024 bytes at most."""
_TOGETHER: Final = 8
_AHEAD: Final = 32
"""So many objects are looked up before they are asked for, so many of them at a time."""


def named(path: str, bucket: str, stdin: BinaryIO, objects: Objects, selection: Selection) -> Iterator[Item]:
    """The objects that a file names, each once: `-` stands for standard input. Raises UsageError."""
    with _opened(path, stdin) as file:
        places = _once(_places(file, path, bucket))
        wanted = (place for place in places if selection.takes(place[1], None))
        for item in _ahead(wanted, lambda place: objects.named(*place)):
            if item.size is None or selection.takes(item.identity.key, item.modified):
                yield item


@contextmanager
def _opened(path: str, stdin: BinaryIO) -> Iterator[BinaryIO]:
    if path == "-":
        yield stdin
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        message = f"list: cannot read {path}: {error.strerror}"
        raise UsageError(message) from error
    with file:
        yield file


def _places(file: BinaryIO, path: str, bucket: str) -> Iterator[tuple[str, str]]:
    """Bucket and key of each line."""
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        if len(line) == _LONGEST:
            message = f"list: line {number} of {path} is no key of an object: it is too long"
            raise UsageError(message)
        name = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "surrogateescape")
        place, slash, key = name.removeprefix(SCHEME).partition("/")
        if not name:
            continue
        if not name.startswith(SCHEME):
            yield bucket, name
        elif slash and place and key:
            yield place, key
        else:
            message = f"list: line {number} of {path} names no object; write a key, or s3://BUCKET/KEY"
            raise UsageError(message)


def _once(places: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    seen = set[bytes]()
    for place in places:
        token = blake2b("/".join(place).encode("utf-8", "surrogateescape"), digest_size=16).digest()
        if token not in seen:
            seen.add(token)
            yield place


def _ahead(places: Iterator[tuple[str, str]], call: Callable[[tuple[str, str]], Item]) -> Iterator[Item]:
    """What the call gives of each, in their order; some are asked for beforehand."""
    waiting = deque[Future[Item]]()
    pool = ThreadPoolExecutor(_TOGETHER)
    try:
        for place in places:
            waiting.append(pool.submit(call, place))
            if len(waiting) >= _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
