"""Objects of an S3 bucket, on AWS or any cloud that speaks its API: all whose keys begin with a prefix.

An object of exactly the given key is taken alone. Placeholders for folders (no bytes, a key that ends in `/`) hold no
log and are no items; any other empty object is one. What is read is the version that was listed: every request names
its etag, also those that go on after a broken connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, BinaryIO, Final, cast

from tailrace.clock import Clock
from tailrace.clouds import failures
from tailrace.errors import Fatal, Gone, SourceError, TailraceError, UsageError
from tailrace.kinds import SourceKind, Surroundings
from tailrace.model import Identity, Item
from tailrace.sources._resuming import Remote, Resuming

SCHEME: Final = "s3://"
_PARTIAL_CONTENT: Final = 206
_WORTH_ANOTHER_TRY: Final = {408, 429}
"""Refusals that are not final, as are all above 499."""


class S3:
    """The objects below `s3://bucket/prefix`, in the order in which the bucket lists them."""

    def __init__(self, url: str, client: Any, clock: Clock) -> None:
        self._url = url
        self._bucket, self._prefix = _place(url)
        self._client = client
        self._clock = clock

    def items(self) -> Iterator[Item]:
        """The objects, listed page by page. Raises UsageError if there are none, and Fatal if they cannot be listed."""
        found = False
        for entry in self._listing():
            key, size = entry["Key"], entry["Size"]
            if size == 0 and key.endswith("/"):
                continue
            found = True
            yield self._item(key, size, entry)
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
        told = failures.of_bucket(error, self._url, self._bucket, self._client)
        return told or Fatal(f"{self._url} cannot be listed ({code}); run again when the service has recovered")

    def _item(self, key: str, size: int, entry: dict[str, Any]) -> Item:
        identity = Identity("s3", self._bucket, key, entry["ETag"].strip('"'))
        return Item(identity, partial(self._open, identity, size), size, entry["LastModified"].timestamp())

    def _open(self, identity: Identity, size: int) -> BinaryIO:
        remote = Remote(size, partial(self._body, identity), partial(self._given_up, identity))
        stream = Resuming(remote, self._clock)
        stream.connect()  # so that an object that is gone is told now
        return cast("BinaryIO", stream)

    def _body(self, identity: Identity, offset: int) -> Any:
        """The object's bytes from an offset. Raises a TailraceError if that is final, else what the call raised."""
        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        etag = f'"{identity.etag}"'
        try:
            answer = self._client.get_object(Bucket=identity.container, Key=identity.key, IfMatch=etag, **wanted)
        except failures.raised() as error:
            if told := self._final(error, identity):
                raise told from error
            raise
        if answer.get("ETag", etag).strip('"') != identity.etag:
            answer["Body"].close()
            raise _replaced(identity)
        if offset and answer["ResponseMetadata"]["HTTPStatusCode"] != _PARTIAL_CONTENT:
            answer["Body"].close()
            message = f"{_name(identity)} cannot be read on from where it broke: the service gives whole objects only"
            raise SourceError(message)
        return answer["Body"]

    def _final(self, error: Exception, identity: Identity) -> TailraceError | None:
        code, status, name = failures.code_of(error), failures.status_of(error), _name(identity)
        if code in {"NoSuchKey", "404"}:
            return Gone(f"{name} does not exist any more")
        if code in {"PreconditionFailed", "412"}:
            return _replaced(identity)
        if code == "InvalidObjectState":
            return SourceError(f"{name} is archived; restore it, then run again")
        if failures.unreachable(error) or status in _WORTH_ANOTHER_TRY:
            return None
        told = failures.of_bucket(error, name, identity.container, self._client)
        refused = SourceError(f"{name} cannot be read ({code})") if 400 <= status < 500 else None  # noqa: PLR2004 - HTTP
        return told or refused

    def _given_up(self, identity: Identity, error: Exception | None) -> TailraceError:
        name = _name(identity)
        if error is None:
            return SourceError(f"{name} ends before its end, however often it is asked for")
        told = failures.fatal(error, name, self._client)
        return told or SourceError(f"{name} could not be read to its end ({failures.code_of(error)}); run again")


def _place(url: str) -> tuple[str, str]:
    """Bucket and prefix. Raises UsageError."""
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    if not url.startswith(SCHEME) or not bucket:
        message = f"{url} is no place in S3; write s3://bucket or s3://bucket/prefix"
        raise UsageError(message)
    return bucket, prefix


def _replaced(identity: Identity) -> SourceError:
    return SourceError(f"{_name(identity)} was replaced after it was listed; run again to read what is there now")


def _name(identity: Identity) -> str:
    return f"{SCHEME}{identity.name}"


def _source(words: Sequence[str], given: Surroundings) -> S3:
    (url,) = words
    _place(url)  # what is wrong with it is told before what may be wrong with the cloud
    return S3(url, given.client("s3"), given.clock)


SOURCE = SourceKind(
    form="s3://BUCKET/PREFIX",
    about="objects of a bucket whose keys begin with the prefix",
    claims=lambda word: word.startswith(SCHEME),
    open=_source,
)
