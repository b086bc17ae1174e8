"""Objects on their way into a bucket: in one request, or in parts that are nothing until the last call puts them together.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final

from tailrace.clouds import failures
from tailrace.errors import Fatal, Retryable, TailraceError

LEAST_PART: Final = 5 << 20
"""A part has so many bytes at least, but for the last one."""
LARGEST_PART: Final = 5 << 30
MOST_PARTS: Final = 10_000

_PASSING: Final = {
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "KMS.ThrottlingException",
    "OperationAborted",
    "RequestTimeout",
    "Throttling",
    "ThrottlingException",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}
"""Refusals with a status that is final otherwise: what was sent did not arrive whole, or somebody else was at work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A bucket, and what is told of every object that is put there: its type, class, encryption. Threads may share it.

    `checksum`: the algorithm by which parts are checked where the client computes checksums; without it AWS refuses them.
    """

    client: Any
    bucket: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    checksum: str = ""
    most_parts: int = MOST_PARTS

    @property
    def of_parts(self) -> dict[str, str]:
        """What the calls that begin an upload and send a part tell."""
        return {"ChecksumAlgorithm": self.checksum} if self.checksum else {}

    def call(self, operation: str, key: str, **arguments: Any) -> dict[str, Any]:
        """What a call answers. Raises Retryable or Fatal."""
        try:
            answer: dict[str, Any] = getattr(self.client, operation)(Bucket=self.bucket, Key=key, **arguments)
        except failures.raised() as error:
            raise self._told(error, key) from error
        return answer

    def _told(self, error: Exception, key: str) -> TailraceError:
        code, status, name = failures.code_of(error), failures.status_of(error), f"s3://{self.bucket}/{key}"
        if code == "NoSuchUpload":
            return Vanished(f"the upload of {name} was ended by somebody else; its records are delivered again")
        if not failures.unreachable(error) and code not in _PASSING and not failures.passing(error):
            told = failures.of_bucket(error, name, self.bucket, self.client)
            if told:
                return told
            if code == "ParamValidationError" or isinstance(error, UnicodeError) or 300 <= status < 500:  # noqa: PLR2004 - HTTP
                return Fatal(f"{name} cannot be written ({code}); check the settings of the sink")
        return Retryable(f"{name} could not be written ({code}) at {failures.endpoint_of(self.client)}")


def checksum_of(client: Any) -> str:
    """The algorithm for the parts of uploads by a client, if it computes checksums at all."""
    return "CRC32" if client.meta.config.request_checksum_calculation == "when_supported" else ""


class Vanished(Retryable):
    """An upload in parts is no more."""


class Upload:
    """One object. What was sent of it stays sent; a call that raises Retryable can be made again."""

    def __init__(self, place: Place, key: str) -> None:
        self.key = key
        self._place = place
        self._id = ""
        self._parts: list[dict[str, Any]] = []
        self.sent = 0
        """So many bytes were sent in parts."""

    @property
    def most_parts(self) -> int:
        """So many parts an object may have."""
        return self._place.most_parts

    @property
    def begun(self) -> bool:
        """Whether it goes in parts."""
        return bool(self._id)

    @property
    def full(self) -> bool:
        """Whether the next part must be the last one."""
        return len(self._parts) >= self._place.most_parts - 1

    def put(self, data: bytes | BinaryIO) -> None:
        """The whole object in one request. Raises Retryable or Fatal."""
        self._place.call("put_object", self.key, Body=data, **self._place.arguments)

    def begin(self) -> None:
        """Begin to send it in parts. Raises Retryable or Fatal."""
        told = {**self._place.arguments, **self._place.of_parts}
        answer = self._place.call("create_multipart_upload", self.key, **told)
        self._id = self._part_of(answer, "UploadId")

    def send(self, data: bytes) -> None:
        """The next part. Raises Retryable or Fatal."""
        if not self._id:
            self.begin()
        number = len(self._parts) + 1
        told = {"UploadId": self._id, "PartNumber": number, **self._place.of_parts}
        answer = self._place.call("upload_part", self.key, Body=data, **told)
        part = {"PartNumber": number, "ETag": self._part_of(answer, "ETag")}
        checksum = f"Checksum{self._place.checksum}"
        self._parts.append({**part, checksum: answer[checksum]} if checksum in answer else part)
        self.sent += len(data)

    def complete(self) -> None:
        """Put the parts together: the object appears. Raises Retryable or Fatal."""
        try:
            answer = self._place.call(
                "complete_multipart_upload", self.key, UploadId=self._id, MultipartUpload={"Parts": self._parts}
            )
            self._part_of(answer, "ETag")
        except Vanished:
            # It was put together by a call whose answer was lost, perhaps.
            if not self._appeared():
                raise
        self._id = ""

    def _appeared(self) -> bool:
        """Whether the object is there as its parts make it."""
        try:
            found = self._place.call("head_object", self.key)
        except (Retryable, Fatal):
            return False
        etag = str(found.get("ETag", "")).strip('"')
        return found.get("ContentLength") == self.sent and etag.endswith(f"-{len(self._parts)}")

    def abort(self) -> bool:
        """Leave nothing of the parts; False if the service could not be told."""
        if self._id:
            try:
                self._place.call("abort_multipart_upload", self.key, UploadId=self._id)
            except Vanished:
                pass
            except (Retryable, Fatal):
                return False
            self._id = ""
        return True

    def _part_of(self, answer: Mapping[str, Any], name: str) -> str:
        """What an answer must tell. Raises Retryable if it does not: such an answer confirms nothing."""
        told = answer.get(name)
        if not told:
            message = f"s3://{self._place.bucket}/{self.key} could not be written: an answer came without {name}"
            raise Retryable(message)
        return str(told)


def abort(uploads: Iterable[Upload]) -> None:
    """Leave nothing of uploads that are not complete, as far as the service answers. Raises nothing."""
    for upload in uploads:
        if not upload.abort():
            return
