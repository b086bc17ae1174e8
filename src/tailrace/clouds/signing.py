"""Signatures for servers that are no service of a client of ours but ask for AWS's signature: OpenSearch, for one.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from tailrace.clouds import failures
from tailrace.errors import Fatal, Retryable, UsageError


class Signer:
    """Signs requests with the credentials and for the region of a client. They are refreshed as the client's are."""

    def __init__(self, client: Any, service: str) -> None:
        """`service`: the name in the signature, such as `es` or `aoss`. Raises UsageError if the client has no region."""
        self._client, self._service = client, service
        self._region = str(client.meta.region_name or "")
        if not self._region or self._region.startswith("aws-"):
            message = f"requests to {service} are signed for a region: set AWS_REGION or --region"
            raise UsageError(message)

    def headers(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
        """The headers with the signature and what belongs to it; all of them are signed.

        Raises Fatal if there are no credentials, and Retryable if they cannot be had now.
        """
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - comes with an optional library
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        told = {**headers, "X-Amz-Content-SHA256": sha256(body).hexdigest()}
        request = AWSRequest(method=method, url=url, headers=told, data=body)
        SigV4Auth(self._credentials(), self._service, self._region).add_auth(request)
        return dict(request.headers.items())

    def _credentials(self) -> Any:
        # The client keeps them to itself, but only they are refreshed together with its own.
        credentials = self._client._request_signer._credentials  # noqa: SLF001
        try:
            frozen = credentials.get_frozen_credentials() if credentials else None
        except failures.raised() as error:
            lasting = failures.fatal(error, "signatures", self._client)
            raise lasting or Retryable(f"no credentials can be had now ({failures.code_of(error)})") from error
        if frozen is None or not frozen.access_key:
            raise Fatal(
                "there are no credentials to sign requests with; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
            )
        return frozen
