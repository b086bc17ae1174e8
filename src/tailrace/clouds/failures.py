"""What the failure of a call means, told without secrets: from codes only, never from the text of an answer."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from tailrace.errors import Fatal
from tailrace.transport import answers

_REFUSED: Final = (
    "the credentials are not accepted by {endpoint} ({code}); check the access key, the secret or the profile"
)
_MISSING: Final = (
    "there are no usable credentials for {what} ({code}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
)
_DENIED: Final = "access to {what} at {endpoint} is denied; give these credentials the permission, or use others"
_UNREACHABLE: Final = "{endpoint} cannot be reached for {what}; check the endpoint and the network"

_SENTENCES: Final = {
    "403": _DENIED,
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "AccountProblem": _DENIED,
    "AllAccessDisabled": _DENIED,
    "AuthFailure": _REFUSED,
    "ExpiredToken": _REFUSED,
    "ExpiredTokenException": _REFUSED,
    "IncompleteSignature": _REFUSED,
    "IncompleteSignatureException": _REFUSED,
    "InvalidAccessKeyId": _REFUSED,
    "InvalidClientTokenId": _REFUSED,
    "InvalidSignatureException": _REFUSED,
    "InvalidToken": _REFUSED,
    "MissingAuthenticationToken": _REFUSED,
    "MissingAuthenticationTokenException": _REFUSED,
    "SignatureDoesNotMatch": _REFUSED,
    "TokenRefreshRequired": _REFUSED,
    "UnrecognizedClientException": _REFUSED,
    "RequestTimeTooSkewed": "the clock of this machine differs from that of {endpoint}; set it",
    "CredentialRetrievalError": _MISSING,
    "NoCredentialsError": _MISSING,
    "PartialCredentialsError": _MISSING,
    "SSOTokenLoadError": _MISSING,
    "TokenRetrievalError": _MISSING,
    "UnauthorizedSSOTokenError": _MISSING,
    "ConnectTimeoutError": _UNREACHABLE,
    "EndpointConnectionError": _UNREACHABLE,
    "ProxyConnectionError": _UNREACHABLE,
    "SSLError": "the certificate of {endpoint} is not trusted; name the right authorities in AWS_CA_BUNDLE",
}


def raised() -> tuple[type[Exception], ...]:
    """What calls of a client raise, and the reading of what they return; UnicodeError for names that cannot be sent."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - an optional library
    from botocore.parsers import ResponseParserError  # noqa: PLC0415
    from urllib3.exceptions import HTTPError  # noqa: PLC0415 - comes with it

    return (BotoCoreError, ClientError, ResponseParserError, HTTPError, OSError, UnicodeError)


def code_of(error: Exception) -> str:
    """The service's code for an error, or else the name of the exception."""
    response = getattr(error, "response", None)
    if not isinstance(response, dict):
        return type(error).__name__
    return str(response.get("Error", {}).get("Code") or status_of(error))


def status_of(error: Exception) -> int:
    """The HTTP status with which a service refused, 0 if it did not come to that."""
    response = getattr(error, "response", None)
    metadata = response.get("ResponseMetadata", {}) if isinstance(response, dict) else {}
    return int(metadata.get("HTTPStatusCode", 0))


def passing(error: Exception) -> bool:
    """Whether the HTTP status is one after which the same may be asked again later."""
    return answers.passing(status_of(error))


def unreachable(error: Exception) -> bool:
    """Whether nothing answered at the endpoint: that may pass."""
    return _SENTENCES.get(code_of(error)) == _UNREACHABLE


def denied(error: Exception) -> bool:
    """Whether the credentials are accepted, but may not do this."""
    return _SENTENCES.get(code_of(error)) == _DENIED


def fatal(error: Exception, what: str, client: Any) -> Fatal | None:
    """What to raise if an error will come again at every call: credentials, permission, no way there."""
    code = code_of(error)
    sentence = _SENTENCES.get(code)
    return Fatal(sentence.format(what=what, endpoint=endpoint_of(client), code=code)) if sentence else None


def of_bucket(error: Exception, what: str, bucket: str, client: Any) -> Fatal | None:
    """The same for a call of S3, of which the bucket may be the cause."""
    code, endpoint = code_of(error), endpoint_of(client)
    if code == "NoSuchBucket":
        return Fatal(f"there is no bucket {bucket} at {endpoint}; check its name, the region and the endpoint")
    if code in {"PermanentRedirect", "AuthorizationHeaderMalformed", "301"}:
        return Fatal(f"the bucket {bucket} is in another region than {endpoint}; set AWS_REGION to it")
    return fatal(error, what, client)


def endpoint_of(client: Any) -> str:
    """The URL that a client calls, without any secret in it."""
    parts = urlsplit(str(client.meta.endpoint_url))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
