"""Objects of an S3 bucket, on AWS or any cloud that speaks its API: all whose keys begin with a prefix.

An object of exactly the given key is taken alone. Placeholders for folders (no bytes, a key that ends in `/`) hold no
log and are no items; any other empty object is one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tailrace.clock import Clock
from tailrace.clouds import failures
from tailrace.errors import Fatal, TailraceError, UsageError
from tailrace.kinds import NoSettings, SourceKind, Surroundings
from tailrace.model import Item
from tailrace.sources._objects import SCHEME, Objects, fatal, is_folder


class S3:
    """The objects below `s3://bucket/prefix`, in the order in which the bucket lists them."""

    def __init__(self, url: str, client: Any, clock: Clock) -> None:
        self._url = url
        self._bucket, self._prefix = _place(url)
        self._client = client
        self._objects = Objects(client, clock)

    def items(self) -> Iterator[Item]:
        """The objects, listed page by page. Raises UsageError if there are none, and Fatal if they cannot be listed."""
        found = False
        for entry in self._listing():
            key, size = entry["Key"], entry["Size"]
            if is_folder(key, size):
                continue
            found = True
            yield self._objects.listed(self._bucket, key, size, entry)
            if key == self._prefix and not key.endswith("/"):
                return
        if not found:
            message = f"no objects under {self._url}"
            raise UsageError(message)

    def ack(self, item: Item) -> None:
        """Nothing to do: the receipt tells that the object is delivered."""

    def nack(self, item: Item, error: Exception) -> None:
        """Nothing to do: the next run lists the object again."""

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _listing(self) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
        try:
            for page in pages:
                yield from page.get("Contents", ())
        except failures.raised() as error:
            raise self._unlisted(error) from error

    def _unlisted(self, error: Exception) -> TailraceError:
        code = failures.code_of(error)
        if code in {"ParamValidationError", "InvalidBucketName"}:
            return UsageError(f"{self._bucket} cannot be the name of a bucket")
        told = fatal(error, self._url, self._bucket, self._client)
        return told or Fatal(f"{self._url} cannot be listed ({code}); run again when the service has recovered")


def _place(url: str) -> tuple[str, str]:
    """Bucket and prefix. Raises UsageError."""
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not bucket:
        message = f"{url} is no place in S3; write s3://bucket or s3://bucket/prefix"
        raise UsageError(message)
    return bucket, prefix


def _source(words: Sequence[str], _own: NoSettings, given: Surroundings) -> S3:
    (url,) = words
    _place(url)  # what is wrong with it is told before what may be wrong with the cloud
    return S3(url, given.client("s3"), given.clock)


SOURCE = SourceKind(
    form="s3://BUCKET/PREFIX",
    about="objects of a bucket whose keys begin with the prefix",
    claims=lambda word: word.startswith(SCHEME),
    open=_source,
)
