"""Objects in a bucket, on AWS or any cloud that speaks its API: NDJSON or Parquet, in partitions as Hive names them.

Nothing appears before `flush`: what is larger than a part goes in parts, which are put together there. An object is named
after its item and the offset of its first record, so what is delivered again overwrites itself, also where a stop cuts
it elsewhere this time. What is delivered with `--again` overwrites what one uninterrupted run made; objects that began where
a run was once interrupted are not known any more, and stay.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Final, Literal, Protocol

import msgspec

from tailrace.errors import Fatal, UsageError
from tailrace.kinds import SinkKind, Surroundings
from tailrace.model import Batch, Flushed, Identity, Item, Rendering
from tailrace.permissions import Need, key, needs_on, objects, via
from tailrace.quantities import Size
from tailrace.settings import Settings
from tailrace.sinks._compressing import EXTENSIONS, compressor
from tailrace.sinks._s3_keys import Keys, Template, template
from tailrace.sinks._s3_ndjson import NdjsonObjects, Writing
from tailrace.sinks._s3_parquet import ParquetObjects
from tailrace.sinks._s3_upload import LARGEST_PART, LEAST_PART, Place, Upload, checksum_of

MEMORY: Final = 16 << 20
"""So many bytes wait beside a part, for each worker; Parquet takes four times as much, for all of them."""

SCHEME: Final = "s3://"
_TYPES: Final = {"gzip": "application/gzip", "zstd": "application/zstd", "none": "application/x-ndjson"}
_PARQUET: Final = "application/vnd.apache.parquet"


class S3Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of a bucket that is written to."""

    form: Literal["ndjson", "parquet"] = "ndjson"
    """One JSON object a line; or Parquet, compressed inside, with the vendor's names."""
    compression: Literal["gzip", "zstd", "none"] = "gzip"
    """How NDJSON is compressed."""
    key: str = "format={format}/day={day}/{item}-{offset}.{extension}"
    """Names of objects below the prefix: {item} and {offset} must occur, {format}, {day}, {year}, {month}, {day_of_month},
    {load_balancer}, {account}, {region}, {extension} may; what is not known is `__none__`."""
    schema: Literal["", "aws", "ecs", "otel"] = ""
    """Names of the fields in NDJSON; the run's if not given."""
    ids: bool = False
    """Whether each NDJSON record begins with its `_id`, by which a second delivery can be told."""
    part_size: Size = Size(8 << 20)
    """What is larger goes in parts of this size, from 5MiB on; each worker may hold so much and 16MiB more."""
    storage_class: str = ""
    """Storage class of the objects, such as STANDARD_IA; the bucket's own if not given."""
    sse: Literal["", "AES256", "aws:kms", "aws:kms:dsse"] = ""
    """Encryption at the service; the bucket's own if not given, aws:kms where there is a kms_key."""
    kms_key: str = ""
    """Id or ARN of the KMS key."""
    acl: str = ""
    """Canned ACL of the objects, such as bucket-owner-full-control for another account's bucket."""


class Contents(Protocol):
    """The objects of one item since the last flush, in some form."""

    def relieve(self) -> None:
        """Send what is due, before more is taken. Raises Retryable or Fatal."""

    def add(self, keys: Keys, batch: Batch) -> None:
        """Take the records of a batch."""

    def flush(self) -> None:
        """Let every object appear; when made again, those that have not yet. Raises Retryable or Fatal."""

    def abandon(self) -> None:
        """Forget what was taken."""

    def close(self) -> None:
        """Let go of everything. May be called twice."""


class S3Sink:
    """Writes the records of one item at a time to objects."""

    keeps_receipts = True
    rendering: Rendering | None = None  # offsets are asked for beside NDJSON, which costs 8 % of reading ALB lines

    def __init__(self, name: str, place: Place, keys: Template, contents: Contents) -> None:
        self.name = name
        self._place, self._template, self._contents = place, keys, contents
        self._writing: tuple[Identity, int] | None = None
        self._keys: Keys | None = None

    def write(self, item: Item, batch: Batch, part: int) -> None:
        """Take the records of a batch. Raises Retryable if what waits cannot be sent now; the batch is not taken then."""
        keys = self._open(item.identity, part)
        self._contents.relieve()
        self._contents.add(keys, batch)

    def _open(self, identity: Identity, part: int) -> Keys:
        if self._keys is None:
            if identity.container == self._place.bucket and self._template.makes(identity.key):
                message = (
                    f"s3://{identity.name} was written by this sink: reading it again would go round for ever; let the"
                    f" source or its events leave out what the sink writes"
                )
                raise Fatal(message)
            self._writing, self._keys = (identity, part), Keys(self._template, identity)
        elif (identity, part) != self._writing:
            raise ValueError("what was written of one item must be flushed or abandoned before the next")
        return self._keys

    def flush(self) -> Flushed:
        """Let the objects appear. Raises Retryable or Fatal; what appeared by then is not written again."""
        self._contents.flush()
        self._keys = None
        return Flushed()

    def abandon(self) -> None:
        """Forget what was written since the last flush, and end its uploads."""
        self._contents.abandon()
        self._keys = None

    def check(self) -> str:
        """Whether objects may be put as the settings tell: an upload is begun and ended. Raises TailraceError."""
        upload = Upload(self._place, f"{self._template.head}tailrace-check")
        upload.begin()
        if not upload.abort():
            message = (
                f"uploads to s3://{self._place.bucket}/{self._template.head}… can be begun but not ended; give these"
                f" credentials the permission s3:AbortMultipartUpload"
            )
            raise Fatal(message)
        return "objects can be put there"

    def close(self) -> None:
        """Let go of everything. May be called twice."""
        self.abandon()
        self._contents.close()


def _opened(address: str, own: S3Settings, given: Surroundings) -> Callable[[], S3Sink]:
    bucket, prefix = _place(address)
    keys = template(own.key, prefix, _extension(own))
    _refuse(own, keys)
    refuse_loop(bucket, keys, given.settings)
    _refuse_twins((bucket, prefix), given.settings)
    schema = own.schema or given.settings.schema
    client = given.client("s3")
    place = Place(client=client, bucket=bucket, arguments=_arguments(own), checksum=checksum_of(client))
    told = (own.form, own.key, own.ids, *(() if own.form == "parquet" else (schema, own.compression)))
    name = f"s3://{bucket}/{prefix}#{blake2b(repr(told).encode(), digest_size=4).hexdigest()}"
    how = Writing(
        schema=schema,
        ids=own.ids,
        compression=own.compression,
        part_size=own.part_size,
        memory=MEMORY + own.part_size,
    )

    def made() -> S3Sink:
        contents: Contents
        if own.form == "parquet":
            contents = ParquetObjects(place, own.part_size, 4 * MEMORY // given.settings.workers)
        else:
            contents = NdjsonObjects(place, how)
        return S3Sink(name, place, keys, contents)

    return made


def _place(address: str) -> tuple[str, str]:
    """Bucket and prefix. Raises UsageError."""
    bucket, _, prefix = address.removeprefix("//").partition("/")
    if not address.startswith("//") or not bucket:
        message = f"s3:{address} is no place in S3; write --to s3://bucket/prefix"
        raise UsageError(message)
    return bucket, prefix.strip("/")


def _extension(own: S3Settings) -> str:
    return "parquet" if own.form == "parquet" else f"ndjson{EXTENSIONS[own.compression]}"


def _refuse(own: S3Settings, keys: Template) -> None:
    """Raises UsageError for settings that cannot be, and MissingExtra."""
    if not LEAST_PART <= own.part_size <= LARGEST_PART:
        message = f"part_size: S3 takes parts of 5MiB to 5GiB, not of {own.part_size}"
        raise UsageError(message)
    if own.kms_key and own.sse == "AES256":
        raise UsageError("kms_key: with sse = AES256 there is no such key; set sse = aws:kms, or leave one out")
    if own.form == "parquet":
        if "format" not in keys.names:
            raise UsageError("key: each format has columns of its own, so {format} must occur where form = parquet")
        if own.schema not in {"", "aws"}:
            message = (
                f"schema: Parquet has the vendor's names only; leave it out, or set form = ndjson for {own.schema}"
            )
            raise UsageError(message)
    else:
        compressor(own.compression)


def _arguments(own: S3Settings) -> dict[str, str]:
    """What every object is put with."""
    found = {
        "ContentType": _PARQUET if own.form == "parquet" else _TYPES[own.compression],
        "StorageClass": own.storage_class,
        "ServerSideEncryption": own.sse or ("aws:kms" if own.kms_key else ""),
        "SSEKMSKeyId": own.kms_key,
        "ACL": own.acl,
    }
    return {name: value for name, value in found.items() if value}


def refuse_loop(bucket: str, keys: Template, settings: Settings) -> None:
    """Raises UsageError if a source of the settings would read what is written under these keys."""
    for word in settings.from_:
        url = str(settings.sources.get(word, {}).get("url", word))
        read, _, prefix = url.removeprefix(SCHEME).partition("/")
        if url.startswith(SCHEME) and read == bucket and (keys.head.startswith(prefix) or prefix.startswith(keys.head)):
            message = (
                f"{url} would read what is written to s3://{bucket}/{keys.head}…, round for ever; write to a prefix outside"
                f" of it, or to another bucket"
            )
            raise UsageError(message)


def _refuse_twins(place: tuple[str, str], settings: Settings) -> None:
    """Raises UsageError if another sink gives its objects the same names."""
    urls = [str(settings.sinks.get(word, {}).get("url", word)) for word in settings.to]
    places = [_place(url.removeprefix("s3:")) for url in urls if url.startswith(SCHEME)]
    if places.count(place) > 1:
        message = f"two sinks write to s3://{'/'.join(place)}, where their objects would overwrite one another; give each a prefix"
        raise UsageError(message)


def _needs(address: str, own: S3Settings) -> Sequence[Need]:
    bucket, prefix = _place(address)
    resource = objects(bucket, template(own.key, prefix, _extension(own)).head)
    how = "?ACL" if own.acl else ""
    in_parts = (
        f"s3:CreateMultipartUpload{how}",
        "s3:UploadPart",
        "s3:CompleteMultipartUpload",
        "s3:AbortMultipartUpload",
    )
    # An upload whose last answer was lost is looked for.
    found = needs_on(resource, f"s3:PutObject{how}", *in_parts, "s3:HeadObject")
    if own.kms_key:
        alias = own.kms_key[own.kms_key.find("alias/") :] if "alias/" in own.kms_key else ""
        named = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}} if alias else {}
        where = {**via("s3"), **named}
        # Parts that are put together are decrypted for it.
        found += [Need(call, key(own.kms_key), where) for call in ("kms:GenerateDataKey", "kms:Decrypt")]
    return found


SINK = SinkKind(
    form="s3://BUCKET/PREFIX",
    about="objects of a bucket: NDJSON or Parquet, in partitions",
    settings=S3Settings,
    open=_opened,
    needs=_needs,
    fixed=lambda own: own.form == "parquet",
)
