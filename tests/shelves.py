"""Buckets on a real server that the S3 sink writes to, and what is found in them."""

from __future__ import annotations

import gzip
import io
import itertools
from typing import Any

import msgspec
import zstandard

from making import StillClock
from tailrace.kinds import Surroundings
from tailrace.settings import Settings
from tailrace.sinks import s3
from tailrace.sinks.s3 import S3Settings, S3Sink


class Shelf:
    """A bucket on the real server, and sinks that write to it through the proxy."""

    numbers = itertools.count()

    def __init__(self, through: Any, direct: Any, clock: StillClock, name: str = "") -> None:
        self.name = name or f"shelf-{next(self.numbers)}"
        self.through, self.direct, self.clock = through, direct, clock
        direct.create_bucket(Bucket=self.name)

    def sink(self, prefix: str = "out", *, settings: Settings | None = None, **options: Any) -> S3Sink:
        given = Surroundings(
            settings=settings or Settings(),
            clock=self.clock,
            stdin=io.BytesIO(),
            stdout=1,
            client=lambda _: self.through,
            vault=None,  # type: ignore[arg-type]
        )
        made = s3.SINK.open(f"//{self.name}/{prefix}", msgspec.convert(options, S3Settings, dec_hook=_size), given)()
        assert isinstance(made, S3Sink)
        return made

    def objects(self) -> list[str]:
        found = self.direct.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return [entry["Key"] for page in found for entry in page.get("Contents", ())]

    def bytes_of(self, key: str) -> bytes:
        content: bytes = self.direct.get_object(Bucket=self.name, Key=key)["Body"].read()
        return content

    def text_of(self, key: str) -> bytes:
        """What is in an object, decompressed as its name tells."""
        content = self.bytes_of(key)
        if key.endswith(".gz"):
            return gzip.decompress(content)
        if key.endswith(".zst"):
            return zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True).read()
        return content

    def lines(self) -> list[bytes]:
        """The lines of all objects."""
        return sorted(line for key in self.objects() for line in self.text_of(key).splitlines())

    def uploads(self) -> list[str]:
        """The keys of uploads that are not finished."""
        found = self.direct.list_multipart_uploads(Bucket=self.name)
        return [entry["Key"] for entry in found.get("Uploads", ())]


def _size(wanted: Any, given: Any) -> Any:
    return wanted.parse(given)
