"""Secrets from where settings say they are: the environment, a file, Systems Manager, Secrets Manager.

https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParameter.html
https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final

import msgspec

from tailrace.clouds import failures
from tailrace.errors import Retryable, TailraceError, UsageError
from tailrace.permissions import Need, key, parameter, secret, via
from tailrace.quantities import Secret

_LONGEST: Final = 64 << 10
"""A secret is not longer."""


def needs(of: Secret) -> list[Need]:
    """What is called for a secret: also to decrypt it, where its key is one of the account's own, but nothing else with that key."""
    kind, _, name = of.told.partition(":")
    if kind == "ssm" and name:
        return parameter_needs(name)
    if kind == "secretsmanager" and name:
        resource = secret(name.partition("#")[0])
        return [Need("secretsmanager:GetSecretValue", resource), _decrypting("secretsmanager", "SecretARN", resource)]
    return []


def parameter_needs(name: str) -> list[Need]:
    """What is called for a parameter of Systems Manager; likewise."""
    resource = parameter(name)
    return [Need("ssm:GetParameter", resource), _decrypting("ssm", "PARAMETER_ARN", resource)]


def _decrypting(service: str, context: str, resource: str) -> Need:
    where = {**via(service), "StringLike": {f"kms:EncryptionContext:{context}": resource}}
    return Need("kms:Decrypt", key("alias/"), where)


class Vault:
    """Reads secrets, and keeps them until they are asked for anew. Threads may share it."""

    def __init__(self, client: Callable[[str], Any], environ: Mapping[str, str]) -> None:
        self._client, self._environ = client, environ
        self._read: dict[Secret, str] = {}
        self._lock = Lock()

    def read(self, secret: Secret, *, anew: bool = False) -> str:
        """The text itself. `anew`: not from memory, because it was refused and may have been replaced.

        Raises UsageError where the reference leads nowhere, Fatal if it may not be read, Retryable if it cannot be now;
        their messages name the reference and never the secret.
        """
        with self._lock:
            if anew or secret not in self._read:
                self._read[secret] = self._fetched(secret.told)
            return self._read[secret]

    def _fetched(self, told: str) -> str:
        kind, _, name = told.partition(":")
        if kind == "env" and name:
            if name not in self._environ:
                message = f"the secret {told}: there is no such variable in the environment"
                raise UsageError(message)
            return self._environ[name]
        if kind == "file" and name:
            return _of_file(told, name)
        if kind in ("ssm", "secretsmanager") and name:
            return self._of_cloud(told, kind, name)
        return told

    def _of_cloud(self, told: str, kind: str, name: str) -> str:
        client = self._client(kind)
        try:
            if kind == "ssm":
                return str(client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
            secret_id, _, key = name.partition("#")
            return _part(client.get_secret_value(SecretId=secret_id).get("SecretString"), key, told)
        except failures.raised() as error:
            raise _refused(error, told, client) from error


def _of_file(told: str, name: str) -> str:
    try:
        with Path(name).open(encoding="utf-8") as file:
            text = file.read(_LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        message = f"the secret {told} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}"
        raise UsageError(message) from error
    if len(text) > _LONGEST:
        message = f"the secret {told} cannot be read: it is longer than 64 KiB"
        raise UsageError(message)
    return text.removesuffix("\n")


def _part(text: object, key: str, told: str) -> str:
    """The secret, or the value of a key in it."""
    if not isinstance(text, str):
        message = f"the secret {told} is no text"
        raise UsageError(message)
    if not key:
        return text
    try:
        return str(msgspec.convert(msgspec.json.decode(text, type=dict[str, Any])[key], str | int | float))
    except (msgspec.DecodeError, KeyError) as error:
        message = f"the secret {told} is no JSON object with a text under the key {key}"
        raise UsageError(message) from error


def _refused(error: Exception, told: str, client: Any) -> TailraceError:
    code = failures.code_of(error)
    if code in {"ParameterNotFound", "ResourceNotFoundException", "ParamValidationError", "ValidationException"}:
        return UsageError(f"the secret {told} does not exist at {failures.endpoint_of(client)}")
    lasting = None if failures.unreachable(error) else failures.fatal(error, f"the secret {told}", client)
    return lasting or Retryable(f"the secret {told} cannot be read now ({code})")
