"""Putting a package where the function is made of it: once, under its own hash."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tailrace.deploy.cloud import Cloud
from tailrace.deploy.listing import NO_OBJECT, known
from tailrace.permissions import Need, needs_on


class Package(Protocol):
    """A package. `sha256`: of its bytes, in hex; `code_sha256`: the same as Lambda writes it; `manifest`: what is in it."""

    @property
    def path(self) -> Path:
        """Where it is."""

    @property
    def sha256(self) -> str:
        """The hash in hex."""

    @property
    def code_sha256(self) -> str:
        """The hash in base64."""

    @property
    def manifest(self) -> Any:
        """What is in it."""


def key_of(sha256: str) -> str:
    """Where a package lies in the bucket."""
    return f"packages/{sha256}.zip"


@dataclass(frozen=True, slots=True)
class Upload:
    """A package on its way into a bucket."""

    cloud: Cloud
    bucket: str
    package: Package

    @property
    def key(self) -> str:
        """Where it lies there."""
        return key_of(self.package.sha256)

    @property
    def checksum(self) -> str:
        """What S3 verifies."""
        return base64.b64encode(bytes.fromhex(self.package.sha256)).decode()

    def is_there(self) -> bool:
        """Whether these very bytes are there. Raises Fatal, Retryable."""
        found = known(self.cloud, "s3:HeadObject", *NO_OBJECT, Bucket=self.bucket, Key=self.key, ChecksumMode="ENABLED")
        if found is None:
            return False
        told = found.get("ChecksumSHA256")
        return bool(found["ContentLength"] == self.package.path.stat().st_size and told in (None, self.checksum))

    def put(self) -> None:
        """Send it. S3 refuses other bytes than those of the hash."""
        body = self.package.path.read_bytes()
        self.cloud(
            "s3:PutObject",
            Bucket=self.bucket,
            Key=self.key,
            Body=body,
            ContentType="application/zip",
            ChecksumSHA256=self.checksum,
        )


def upload_needs(bucket: str) -> Sequence[Need]:
    """What uploading calls; Lambda reads the package by the same credentials."""
    arn = f"arn:${{AWS::Partition}}:s3:::{bucket}"
    return [
        *needs_on(f"{arn}/packages/*", "s3:HeadObject", "s3:GetObject", "s3:PutObject"),
        Need("s3:GetObject", arn),
    ]
