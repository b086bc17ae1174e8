"""Objects of S3 as items, whether they were listed or announced by an event: what they are, and how they are read.

What is read is the version that was listed or announced: every request names its etag (and the version, where the
event tells one), also those that go on after a broken connection. What is wrong with an announced object concerns that
event alone, for it may name any bucket of anybody; only credentials that are not accepted stop everything:

- it does not exist any more: Gone
- another object is there instead: Superseded. What was announced exists nowhere, and nothing is delivered in its place,
  because what is there now has an event of its own. (Of two writes at the very same time S3 may announce one only,
  unless the bucket keeps versions: https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventNotifications.html.)
- it is archived, access is denied, the reader shall pay, there is no such bucket: SourceError, so the event comes again
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO, Final, NoReturn, cast

from tailrace.clock import Clock
from tailrace.clouds import failures
from tailrace.errors import Fatal, Gone, SourceError, Superseded, TailraceError
from tailrace.events import Announced
from tailrace.model import Identity, Item
from tailrace.permissions import Need, needs_on
from tailrace.quantities import moment
from tailrace.sources._resuming import Part, Remote, Resuming

SCHEME: Final = "s3://"
_PARTIAL_CONTENT: Final = 206
_ABSENT: Final = {"NoSuchKey", "NoSuchVersion", "404"}
_ELSEWHERE: Final = {"PermanentRedirect", "AuthorizationHeaderMalformed", "301"}


@dataclass(frozen=True, slots=True)
class _Version:
    """What is to be read: an object, its version if the bucket keeps some, and whether an event told of it."""

    identity: Identity
    version: str = ""
    announced: bool = False

    @property
    def name(self) -> str:
        """The object as people write it."""
        return f"{SCHEME}{self.identity.name}"


def reading_announced(*resources: str) -> list[Need]:
    """What is called for announced objects; on their bucket too, for without a permission there what is missing is not told as missing."""
    calls = ("s3:HeadObject", "s3:GetObject", "s3:HeadObject?VersionId", "s3:GetObject?VersionId")
    return [need for resource in resources for need in needs_on(resource, *calls)]


class Objects:
    """Makes items of objects. Threads may share it.

    `requester_pays`: these credentials' account pays for what is read, where a bucket asks for that.
    """

    def __init__(self, client: Any, clock: Clock, *, requester_pays: bool = False) -> None:
        self._client = client
        self._clock = clock
        self.payer: Final[dict[str, str]] = {"RequestPayer": "requester"} if requester_pays else {}

    def listed(self, bucket: str, key: str, size: int, entry: dict[str, Any]) -> Item:
        """The item of an object that stands in a listing, by its entry there."""
        identity = Identity("s3", bucket, key, entry["ETag"].strip('"'))
        return self._item(_Version(identity), size, entry["LastModified"].timestamp())

    def announced(self, told: Announced) -> Item:
        """The item of an object that an event tells of; what the event does not tell is asked for.

        Never raises: if that is refused, the item's `open` tells so. A size of 0 is not believed, because Ceph announces
        it for large uploads.
        """
        identity = Identity("s3", told.bucket, told.key, told.etag)
        modified = _seconds(told.time)
        if told.etag and told.size and modified is not None:
            return self._item(_Version(identity, told.version, announced=True), told.size, modified)
        return self._looked_up(_Version(identity, told.version, announced=True), modified)

    def named(self, bucket: str, key: str) -> Item:
        """The item of an object of which only the name is known: the service is asked for the rest.

        Never raises: if that is refused, the item's `open` tells so.
        """
        return self._looked_up(_Version(Identity("s3", bucket, key, "")), None)

    def _looked_up(self, wanted: _Version, modified: float | None) -> Item:
        identity = wanted.identity
        try:
            found = self._client.head_object(**self._place(wanted))
        except failures.raised() as error:
            return Item(identity, partial(_refuse, self._unknown(error, wanted)), None, modified or self._clock.now())
        etag = identity.etag or found["ETag"].strip('"')
        modified = found["LastModified"].timestamp() if modified is None else modified
        return self._item(replace(wanted, identity=replace(identity, etag=etag)), found["ContentLength"], modified)

    def _item(self, wanted: _Version, size: int, modified: float) -> Item:
        return Item(wanted.identity, partial(self._open, wanted, size), size, modified)

    def _open(self, wanted: _Version, size: int) -> BinaryIO:
        remote = Remote(size, partial(self._part, wanted), partial(self._given_up, wanted))
        stream = Resuming(remote, self._clock)
        stream.connect()  # so that an object that is gone is told now
        return cast("BinaryIO", stream)

    def _place(self, wanted: _Version) -> dict[str, str]:
        version = {"VersionId": wanted.version} if wanted.version else {}
        return {"Bucket": wanted.identity.container, "Key": wanted.identity.key, **version, **self.payer}

    def _part(self, wanted: _Version, offset: int) -> Part:
        """The object's bytes from an offset. Raises a TailraceError if that is final, else what the call raised."""
        part = {"Range": f"bytes={offset}-"} if offset else {}
        etag = f'"{wanted.identity.etag}"'
        try:
            answer = self._client.get_object(**self._place(wanted), IfMatch=etag, **part)
        except failures.raised() as error:
            if told := self._final(error, wanted):
                raise told from error
            raise
        if answer.get("ETag", etag).strip('"') != wanted.identity.etag:
            answer["Body"].close()
            raise _replaced(wanted)
        if offset and answer["ResponseMetadata"]["HTTPStatusCode"] != _PARTIAL_CONTENT:
            answer["Body"].close()
            message = f"{wanted.name} cannot be read on from where it broke: the service gives whole objects only"
            raise SourceError(message)
        return Part(answer["Body"], offset + int(answer.get("ContentLength") or 0))

    def _final(self, error: Exception, wanted: _Version) -> TailraceError | None:
        code, status = failures.code_of(error), failures.status_of(error)
        if code in _ABSENT:
            return Gone(f"{wanted.name} does not exist any more")
        if code in {"PreconditionFailed", "412"}:
            return _replaced(wanted)
        if code == "InvalidObjectState":
            then = "deliver its event again" if wanted.announced else "run again"
            return SourceError(f"{wanted.name} is archived; restore it, then {then}")
        if isinstance(error, UnicodeError) or code == "ParamValidationError":
            return SourceError(f"{wanted.name!a} cannot be the name of an object")
        if failures.unreachable(error) or failures.passing(error):
            return None
        refused = SourceError(f"{wanted.name} cannot be read ({code})") if 400 <= status < 500 else None  # noqa: PLR2004 - HTTP
        return self._lasting(error, wanted) or refused

    def _given_up(self, wanted: _Version, error: Exception | None) -> TailraceError:
        if error is None:
            return SourceError(f"{wanted.name} ends before its end, however often it is asked for")
        again = "its event comes again" if wanted.announced else "run again"
        told = self._lasting(error, wanted)
        return told or SourceError(f"{wanted.name} could not be read to its end ({failures.code_of(error)}); {again}")

    def _lasting(self, error: Exception, wanted: _Version) -> TailraceError | None:
        """What to raise if the error comes again at every object; where an event told of it, at every one like it."""
        bucket = wanted.identity.container
        if not wanted.announced:
            return fatal(error, wanted.name, bucket, self._client)
        if failures.denied(error):
            pays = "" if self.payer else ", or set requester_pays if its bucket makes readers pay"
            return SourceError(
                f"access to {wanted.name} at {failures.endpoint_of(self._client)} is denied;"
                f" give these credentials the permission to read it{pays}"
            )
        told = fatal(error, wanted.name, bucket, self._client)
        of_the_event = failures.unreachable(error) or failures.code_of(error) in {"NoSuchBucket", *_ELSEWHERE}
        return SourceError(str(told)) if told and of_the_event else told

    def _unknown(self, error: Exception, wanted: _Version) -> TailraceError:
        """Why an object could not be asked about. A refused HEAD has no code, a refused GET has one."""
        if 400 <= failures.status_of(error) < 500:  # noqa: PLR2004 - HTTP
            try:
                self._client.get_object(**self._place(wanted), Range="bytes=0-0")["Body"].close()
            except failures.raised() as plainer:
                error = plainer
        return self._final(error, wanted) or self._given_up(wanted, error)


def is_folder(key: str, size: int) -> bool:
    """Whether an object stands for a folder only, and holds no log."""
    return size == 0 and key.endswith("/")


def fatal(error: Exception, name: str, bucket: str, client: Any) -> Fatal | None:
    """What to raise if every call for a bucket will fail with this error."""
    return failures.of_bucket(error, name, bucket, client)


def _replaced(wanted: _Version) -> SourceError:
    if wanted.announced:
        return Superseded(f"{wanted.name} was replaced after its event; what is there now has an event of its own")
    return SourceError(f"{wanted.name} was replaced after it was listed; run again to read what is there now")


def _refuse(error: TailraceError) -> NoReturn:
    raise error


def _seconds(text: str) -> float | None:
    """A time of RFC 3339 in seconds since 1970; None if it is none."""
    try:
        return moment(text)
    except ValueError:
        return None
