"""The settings of a Lambda: its environment, and TOML that is in it, in the package, in S3, or in a parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from tailrace.clouds import failures
from tailrace.clouds.secrets import parameter_needs
from tailrace.errors import Fatal, Retryable, TailraceError, UsageError
from tailrace.permissions import Need, bucket, objects
from tailrace.settings import PREFIX, Document, Resolved, resolve

_VARIABLE: Final = f"{PREFIX}CONFIG"
_S3, _SSM, _TOML = "s3://", "ssm:", "toml:"
_LONGEST: Final = 1 << 20
"""Settings are not longer."""
_ABSENT: Final = {
    "NoSuchKey",
    "NoSuchBucket",
    "404",
    "ParameterNotFound",
    "ParamValidationError",
    "ValidationException",
}


def lambda_settings(environ: Mapping[str, str], client: Callable[[str], Any]) -> Resolved:
    """The settings that the environment tells, or where it says that they are: a path, `s3://BUCKET/KEY`, `ssm:NAME`, `toml:TEXT`.

    Raises UsageError where they cannot be used, Fatal where they may not be read, Retryable where they cannot be now.
    """
    told = environ.get(_VARIABLE, "")
    if told.startswith((_S3, _SSM)):
        return resolve({}, (), environ, Document(told, _fetched(told, client)))
    if told.startswith(_TOML):
        return resolve({}, (), environ, Document(_VARIABLE, told.removeprefix(_TOML)))
    return resolve({}, (), environ)


def needs(told: str) -> list[Need]:
    """What is called for settings that are where a variable says."""
    if told.startswith(_S3):
        place, _, key = told.removeprefix(_S3).partition("/")
        return [Need("s3:GetObject", each) for each in (objects(place, key).removesuffix("*"), bucket(place))]
    return parameter_needs(told.removeprefix(_SSM)) if told.startswith(_SSM) else []


def _fetched(told: str, client: Callable[[str], Any]) -> str:
    service = client("s3" if told.startswith(_S3) else "ssm")
    try:
        data = _object(told, service) if told.startswith(_S3) else _parameter(told, service)
    except failures.raised() as error:
        raise _refused(error, told, service) from error
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        message = f"{_VARIABLE}: {told} is no text"
        raise UsageError(message) from error


def _object(told: str, client: Any) -> bytes:
    bucket, _, key = told.removeprefix(_S3).partition("/")
    body = client.get_object(Bucket=bucket, Key=key)["Body"]
    data: bytes = body.read(_LONGEST + 1)
    body.close()
    if len(data) > _LONGEST:
        message = f"{_VARIABLE}: {told} is longer than settings are; name a file in TOML"
        raise UsageError(message)
    return data


def _parameter(told: str, client: Any) -> bytes:
    found = client.get_parameter(Name=told.removeprefix(_SSM), WithDecryption=True)
    return str(found["Parameter"]["Value"]).encode()


def _refused(error: Exception, told: str, client: Any) -> TailraceError:
    code = failures.code_of(error)
    if code in _ABSENT:
        return UsageError(f"{_VARIABLE}: {told} does not exist at {failures.endpoint_of(client)}")
    lasting: Fatal | None = failures.fatal(error, told, client)
    return lasting or Retryable(f"{_VARIABLE}: {told} cannot be read now ({code})")
