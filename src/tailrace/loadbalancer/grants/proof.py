"""Whether somebody may really read: as him, an object is listed and read that was put as every object of the log is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

from tailrace.clouds import failures
from tailrace.clouds.direct.swift import Swift
from tailrace.errors import TailraceError
from tailrace.keys import TEST
from tailrace.loadbalancer.grants.wanted import Wanted

_CONTENT: Final = b"Put by tailrace lb grant --check, to be read and deleted again.\n"
_LOOKED_AT: Final = 1000
_PARAMETERS: Final = {
    "x-amz-acl": "ACL",
    "x-amz-grant-read": "GrantRead",
    "x-amz-grant-full-control": "GrantFullControl",
}
_HINT: Final = "; `tailrace lb grant` plans what is missing"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was tried, and whether it went well; `text` tells what came, or what was refused."""

    what: str
    good: bool
    text: str


class Side(Protocol):
    """An object store, as somebody. Methods raise TailraceError, and what `failing` tells."""

    def failing(self) -> tuple[type[Exception], ...]:
        """The errors of its library."""

    def put(self, key: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Make an object."""

    def names(self, prefix: str) -> list[str]:
        """Some names of objects that begin so."""

    def read(self, key: str) -> bytes:
        """The beginning of an object."""

    def delete(self, key: str) -> None:
        """Take an object away."""

    def told(self, error: Exception) -> str:
        """What an error means."""


def proof(writer: Side, reader: Side, wanted: Wanted, headers: Mapping[str, str]) -> Iterator[Seen]:
    """Put as the writer, list and read as the reader, and take away what was put. `headers`: of each object of the log."""
    probe = f"{wanted.scope}{TEST}-check"
    put = _tried(writer, f"put {probe}", lambda: writer.put(probe, _CONTENT, headers), "put by whoever writes the log")
    yield put
    names: list[str] = []
    try:
        yield _tried(
            reader, f"list {wanted.place}", lambda: names.extend(reader.names(wanted.scope)), f"listed by {wanted.who}"
        )
        if put.good:
            yield _read(reader, probe, wanted.who, "put just now", _CONTENT)
        if others := [name for name in names if name != probe and not name.endswith("/")]:
            yield _read(reader, others[-1], wanted.who, "that was there before")
    finally:
        if put.good:
            yield from _cleared(writer, reader, probe)


def _cleared(writer: Side, reader: Side, probe: str) -> Iterator[Seen]:
    """Take away what was put: who may put need not be allowed to, but then the other one owns the bucket."""
    gone = _tried(writer, f"delete {probe}", lambda: writer.delete(probe), "")
    if not gone.good and not _tried(reader, "", lambda: reader.delete(probe), "").good:
        yield Seen(gone.what, good=True, text=f"it is left there: {gone.text}")


def _read(reader: Side, key: str, who: str, which: str, content: bytes | None = None) -> Seen:
    found: list[bytes] = []
    seen = _tried(reader, f"read {key}", lambda: found.append(reader.read(key)), f"{which}, read by {who}")
    if seen.good and content is not None and found != [content]:
        return Seen(
            seen.what,
            good=False,
            text=f"{which}, but {who} reads something else there: this is another bucket of that name",
        )
    return seen if seen.good else Seen(seen.what, good=False, text=f"{which}: {seen.text}{_HINT}")


def _tried(side: Side, what: str, call: Callable[[], object], good: str) -> Seen:
    failing: tuple[type[Exception], ...] = (TailraceError, *side.failing())
    try:
        call()
    except failing as error:
        return Seen(what, good=False, text=side.told(error))
    return Seen(what, good=True, text=good)


@dataclass(frozen=True, slots=True)
class S3Side:
    """A bucket, by a boto3 client; `bucket` as this side has to write it."""

    client: Any
    bucket: str

    def failing(self) -> tuple[type[Exception], ...]:
        """Those of boto3."""
        return failures.raised()

    def put(self, key: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Make an object."""
        more = {_PARAMETERS[name]: text for name, text in headers.items()}
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content, **more)

    def names(self, prefix: str) -> list[str]:
        """The first of them."""
        told = self.client.list_objects(Bucket=self.bucket, Prefix=prefix, MaxKeys=_LOOKED_AT)
        return [each["Key"] for each in told.get("Contents", ())]

    def read(self, key: str) -> bytes:
        """The first kilobyte."""
        answer = self.client.get_object(Bucket=self.bucket, Key=key)
        with answer["Body"] as body:
            return bytes(body.read(1024))

    def delete(self, key: str) -> None:
        """Take an object away."""
        self.client.delete_object(Bucket=self.bucket, Key=key)

    def told(self, error: Exception) -> str:
        """What an error means."""
        if isinstance(error, TailraceError):
            return str(error)
        status = failures.status_of(error)
        return f"refused ({failures.code_of(error)}{f', HTTP {status}' if status else ''}) by {failures.endpoint_of(self.client)}"


@dataclass(frozen=True, slots=True)
class SwiftSide:
    """A container, by Swift's own API."""

    swift: Swift
    container: str

    def failing(self) -> tuple[type[Exception], ...]:
        """None besides."""
        return ()

    def put(self, key: str, content: bytes, headers: Mapping[str, str]) -> None:
        """Make an object."""
        self.swift.put(self.container, key, io.BytesIO(content), headers)

    def names(self, prefix: str) -> list[str]:
        """The first of them."""
        return list(islice(self.swift.names(self.container, prefix), _LOOKED_AT))

    def read(self, key: str) -> bytes:
        """The first kilobyte."""
        return self.swift.read(self.container, key)

    def delete(self, key: str) -> None:
        """Take an object away."""
        self.swift.delete(self.container, key)

    def told(self, error: Exception) -> str:
        """What an error means."""
        return str(error)
