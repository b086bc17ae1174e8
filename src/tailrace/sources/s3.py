"""Objects of an S3 bucket, on AWS or any cloud that speaks its API: all whose keys begin with a prefix.

An object of exactly the given key is taken alone. Placeholders for folders (no bytes, a key that ends in `/`) hold no
log and are no items; any other empty object is one. Settings choose among the objects, by time and by key.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from tailrace.clock import Clock
from tailrace.clouds import failures
from tailrace.errors import Fatal, TailraceError, UsageError
from tailrace.kinds import SourceKind, Surroundings
from tailrace.model import Item
from tailrace.permissions import Need, bucket, needs_on, objects
from tailrace.quantities import period
from tailrace.sources._listing import Listing
from tailrace.sources._named import named
from tailrace.sources._objects import SCHEME, Objects, fatal, is_folder
from tailrace.sources._selection import Selection, patterns


class S3Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which objects are wanted."""

    since: str = ""
    """From this time on: RFC 3339 (UTC without a zone), or so long ago: 12h, 14d. An object is of the time in its name, else of
    the day in its path (YYYY/MM/DD), else of when it was written."""
    until: str = ""
    """Before this time, written in the same ways."""
    start_after: str = ""
    """Only keys that come after this one when they are sorted by their bytes, as S3 lists them."""
    list: str = ""
    """Read the objects that this file names, and list nothing: a key or an s3://BUCKET/KEY a line; - for standard input."""
    include: tuple[str, ...] = ()
    """Only keys that fit this pattern, or one of several: * for any characters (/ too), ? for one, [ab] for one of these."""
    exclude: tuple[str, ...] = ()
    """No keys that fit this pattern, or one of several; it counts before `include`."""
    requester_pays: bool = False
    """Read also from buckets whose readers pay, and pay for it."""


_EVERYTHING: Final = S3Settings()


class S3:
    """The objects below `s3://bucket/prefix`, in the order in which the bucket lists them."""

    def __init__(self, url: str, client: Any, clock: Clock, own: S3Settings = _EVERYTHING, stdin: Any = None) -> None:
        self._url = url
        self._bucket, self._prefix = _place(url)
        self._client, self._own, self._stdin = client, own, stdin
        self._objects = Objects(client, clock, requester_pays=own.requester_pays)
        self._selection = _selection(own, clock.now())
        if own.list and self._prefix:
            message = f"{url}: a list names whole keys; write {SCHEME}{self._bucket} with it"
            raise UsageError(message)

    def items(self) -> Iterator[Item]:
        """The objects, listed page by page. Raises UsageError if there are none, and Fatal if they cannot be listed."""
        found = False
        for item in self._named() if self._own.list else self._listed():
            found = True
            yield item
        if not found:
            place = f"in the list {self._own.list}" if self._own.list else f"under {self._url}"
            message = f"no objects {place}{' that the settings choose' if self._selection != Selection() else ''}"
            raise UsageError(message)

    def sizes(self) -> Iterator[int | None]:
        """The size of each object; not of those that a list names, for each would have to be asked for."""
        if self._own.list:
            yield None
        else:
            yield from (entry["Size"] for entry in self._entries())

    def ack(self, item: Item) -> None:
        """Nothing to do: the receipt tells that the object is delivered."""

    def nack(self, item: Item, error: Exception) -> None:
        """Nothing to do: the next run lists the object again."""

    def check(self) -> str:
        """Whether the objects can be listed. Raises Fatal."""
        if self._own.list:
            return f"the objects are those in {self._own.list}"
        something = next(self._entries(), None)
        return "can be listed" if something else "can be listed, and there are no objects now"

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _listed(self) -> Iterator[Item]:
        return (self._objects.listed(self._bucket, entry["Key"], entry["Size"], entry) for entry in self._entries())

    def _named(self) -> Iterator[Item]:
        return named(self._own.list, self._bucket, self._stdin, self._objects, self._selection)

    def _entries(self) -> Iterator[dict[str, Any]]:
        listing = Listing(self._client, self._bucket, self._prefix, self._selection, **self._objects.payer)
        try:
            for entry in listing:
                key = entry["Key"]
                if is_folder(key, entry["Size"]):
                    continue
                yield entry
                if key == self._prefix and not key.endswith("/"):
                    return
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


def _selection(own: S3Settings, now: float) -> Selection:
    """What is wanted. Raises UsageError."""
    return Selection(
        **period(own.since, own.until, now),
        after=own.start_after,
        include=patterns(own.include),
        exclude=patterns(own.exclude),
    )


def _source(words: Sequence[str], own: S3Settings, given: Surroundings) -> S3:
    (url,) = words
    _place(url)  # what is wrong with it is told before what may be wrong with the cloud
    return S3(url, given.client("s3"), given.clock, own, given.stdin)


def _needs(word: str, own: S3Settings) -> Sequence[Need]:
    place, prefix = _place(word)
    calls = ("s3:HeadObject", "s3:GetObject") if own.list else ("s3:GetObject",)
    # What is missing is told as missing to those only who may list the bucket.
    missing = needs_on(bucket(place), *calls)
    listing = [] if own.list else [Need("s3:ListObjectsV2", bucket(place))]
    return [*listing, *needs_on(objects(place, prefix), *calls), *missing]


SOURCE = SourceKind(
    form="s3://BUCKET/PREFIX",
    about="objects of a bucket whose keys begin with the prefix",
    claims=lambda word: word.startswith(SCHEME),
    settings=S3Settings,
    open=_source,
    needs=_needs,
)
